"""The README's picture, docs/readme.svg: python docs/readme_picture.py."""

from pathlib import Path

import matplotlib as mpl

import glorotlab as gl

PICTURE = Path(__file__).with_name("readme.svg")


def main() -> None:
    """Draw the gradients of two initializations, predicted with a band and measured, and write the picture."""
    x, y = gl.shapeset(100, seed=0)
    parts = []
    for initializer in ("standard_uniform", "glorot_uniform"):
        spec = gl.NetworkSpec.parse("1024,300x5,9", activation="tanh", initializer=initializer)
        prediction = gl.predict(spec, inputs=x, labels=y, level=0.95, networks=10)
        parts += [prediction, gl.measure(spec, inputs=x, labels=y, seeds=10)]
    mpl.rcParams |= {"svg.hashsalt": "glorotlab", "svg.fonttype": "path"}
    figure = gl.plot(*parts, variable="backprop_gradient_second_moment")
    axes = figure.axes[0]
    axes.set_title("Gradients of a tanh network as it is initialized", fontsize=10.5, loc="left")
    axes.set_ylabel("second moment of dC/ds")
    figure.savefig(PICTURE, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
