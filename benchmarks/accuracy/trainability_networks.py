"""Networks drawn at random and the data they train on: network n is a function of (seed, n).

Two hundred families, an activation with a kind of initializer, each with a depth, widths, data, an output and its cost
of their own. Half of the draws are meant to be hard: scales of weights that vanish or explode, forty layers, saturated
units. The data are 500 examples of MNIST, of Shapeset, and of the digits and the breast cancer of scikit-learn.
"""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import glorotlab as gl

ACTIVATIONS = (
    *("tanh", "sigmoid", "softsign", "arctan", "erf", "sin", "hard_tanh", "linear", "relu", "leaky_relu(slope=0.2)"),
    *("gelu", "silu", "elu", "selu", "softplus", "mish", "x*exp(-x**2)"),
)
INITIALIZERS = (
    *("standard_uniform", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_normal"),
    *("orthogonal", "torch_default", "nielsen_default", "nielsen_large", "sparse"),
    *("normal", "variance_scaling", "variance_scaling"),
)
"""Names; of the last three the scale is drawn, and half of ``variance_scaling`` comes with biases."""

OUTPUTS = (
    *(("softmax", "log_likelihood"),) * 5,
    *(("sigmoid", "cross_entropy"),) * 2,
    *(("sigmoid", "quadratic"), ("linear", "quadratic"), ("softmax", "quadratic")),
)
DATA = ("mnist", "shapeset", "digits", "breast_cancer")
EXAMPLES, MAX_PARAMETERS = 500, 400_000


@dataclass(frozen=True)
class Drawn:
    """A network of the set: its number, its data, and whether their features are centered and scaled.

    Parameters
    ----------
    number : int
    data : str
        One of ``DATA``.
    centered : bool
    spec : NetworkSpec
    """

    number: int
    data: str
    centred: bool
    spec: gl.NetworkSpec

    @property
    def family(self) -> str:
        """Activation and kind of initializer."""
        return f"{self.spec.activation}/{self.spec.initializer.partition('(')[0]}"

    def examples(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Return inputs and labels; centered ones have mean 0 in every feature, and the root mean square 1 over all."""
        x, y = load(self.data)
        if self.centred:
            x = x - x.mean(axis=0)
            x = x / np.sqrt((x**2).mean())
        return np.ascontiguousarray(x, dtype=np.float32), y


@functools.cache
def load(name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return ``EXAMPLES`` inputs and labels of one of ``DATA``; DataError where GLOROTLAB_DATA has no MNIST."""
    if name in ("mnist", "shapeset"):
        x, y = gl.load_dataset(name, seed=0).train.batch(0, EXAMPLES)
        return np.asarray(x, dtype=np.float64), np.asarray(y)
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(x))[:EXAMPLES]
    x, y = x[chosen], y[chosen].astype(np.int64)
    if name == "digits":
        return x / 16, y
    return (x - x.mean(axis=0)) / x.std(axis=0), y


def draw(seed: int, number: int) -> Drawn:
    """Draw network ``number``; one of more than ``MAX_PARAMETERS`` weights is drawn again, from the same stream."""
    rng = np.random.default_rng((seed, number))
    while True:
        drawn = Drawn(number, *_draw(rng))
        if sum(fan_in * fan_out for fan_in, fan_out in drawn.spec.fans) <= MAX_PARAMETERS:
            return drawn


def _draw(rng: np.random.Generator) -> tuple[str, bool, gl.NetworkSpec]:
    data = DATA[rng.integers(len(DATA))]
    x, y = load(data)
    depth = round(np.exp(rng.uniform(np.log(1.51), np.log(40.49))))
    first, last = np.exp(rng.uniform(np.log(30), np.log(300), 2))
    widths = np.geomspace(first, last if rng.random() < 0.25 else first, depth)
    output, cost = OUTPUTS[rng.integers(len(OUTPUTS))]
    classes = int(y.max()) + 1
    if classes == 2 and output != "softmax":
        classes = 1
    fields = {"activation": ACTIVATIONS[rng.integers(len(ACTIVATIONS))], "output": output, "cost": cost}
    fields |= _weights(rng, INITIALIZERS[rng.integers(len(INITIALIZERS))])
    sizes = (x.shape[1], *(round(width) for width in widths), classes)
    return data, bool(data != "breast_cancer" and rng.random() < 1 / 3), gl.NetworkSpec.parse(sizes, **fields)


def _weights(rng: np.random.Generator, name: str) -> dict[str, str]:
    if name == "normal":
        return {"initializer": f"normal(std={np.exp(rng.uniform(np.log(0.02), np.log(0.5))):.3g})"}
    if name != "variance_scaling":
        return {"initializer": name}
    scale, shape = np.exp(rng.uniform(np.log(0.3), np.log(12))), ("normal", "orthogonal")[rng.integers(2)]
    initializer = f"variance_scaling(scale={scale:.3g}, mode=fan_in, distribution={shape})"
    return {
        "initializer": initializer,
        "bias": "zeros" if rng.random() < 0.5 else f"normal(std={rng.uniform(0.1, 1):.2g})",
    }
