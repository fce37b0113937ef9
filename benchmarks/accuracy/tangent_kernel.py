"""The tangent kernel's shift and scatter against networks drawn by NumPy: python benchmarks/accuracy/tangent_kernel.py.

Nothing is shared with the package but the prediction: float64, weights drawn here, gradients of one output passed back
by hand. A line has the first example's Theta_aa, predicted over measured, and its relative variance between networks.
"""

import argparse
import itertools
import math
import sys

import numpy as np
from scipy.special import ndtr

import glorotlab as gl
from glorotlab.machine import machine_line

FUNCTIONS = {
    "tanh": (np.tanh, lambda s: 1 / np.cosh(s) ** 2),
    "relu": (lambda s: np.maximum(s, 0), lambda s: (s > 0) * 1.0),
    "gelu": (lambda s: s * ndtr(s), lambda s: ndtr(s) + s * np.exp(-(s**2) / 2) / math.sqrt(2 * math.pi)),
}
CELLS = [("tanh", 1.0, "normal"), ("relu", 2.0, "normal"), ("gelu", 2.0, "uniform"), ("gelu", 1.98305826, "normal")]
"""Activation, n Var[W] and the weights' law."""

BLOCK = 500
"""Networks drawn at a time."""


def drawn(
    sizes: list[int], activation: str, gain: float, law: str, x: np.ndarray, networks: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return Theta_aa of one output, and between two outputs, (networks, examples)."""
    random, (f, slope) = np.random.default_rng(0), FUNCTIONS[activation]
    own, between = [], []
    for _ in range(0, networks, BLOCK):
        z, entering, slopes, weights = np.broadcast_to(x, (BLOCK, *x.shape)), [], [], []
        for fans in itertools.pairwise(sizes):
            w = random.normal(size=(BLOCK, *fans))
            if law == "uniform":
                w = math.sqrt(12) * (random.random((BLOCK, *fans)) - 0.5)
            weights.append(math.sqrt(gain / fans[0]) * w)
            entering.append((z**2).sum(axis=2) + 1)
            s = z @ weights[-1]
            slopes.append(slope(s))
            z = f(s)
        sent = []
        for output in (0, 1):
            d = np.zeros((BLOCK, len(x), sizes[-1]))
            d[:, :, output] = 1
            sent.append([d])
            for w, factor in zip(weights[:0:-1], slopes[-2::-1], strict=True):
                d = d @ np.swapaxes(w, 1, 2) * factor
                sent[-1].insert(0, d)
        own.append(sum((d**2).sum(axis=2) * square for d, square in zip(sent[0], entering, strict=True)))
        between.append(sum((d * e).sum(axis=2) * square for d, e, square in zip(*sent, entering, strict=True)))
    return np.concatenate(own), np.concatenate(between)


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--networks", type=int, default=4000, help="in blocks of 500")
    parser.add_argument("--width", type=int, default=100)
    options = parser.parse_args(arguments)
    print(machine_line())
    x = np.random.default_rng(1).normal(size=(3, 12))
    x[1] = 0.8 * x[0] + 0.6 * x[1]
    for activation, gain, law in CELLS:
        spec = gl.NetworkSpec.parse(
            f"12,{options.width}x3,2",
            activation=activation,
            initializer=f"variance_scaling(scale={gain}, mode=fan_in, distribution={law})",
            output="linear",
        )
        found = gl.tangent_kernel(spec, inputs=x)
        theta, between = drawn(list(spec.layer_sizes), activation, gain, law, x, options.networks)
        value, mean = found.diagonal.value, theta.mean(axis=0)
        error, low, high = theta.std(axis=0) / len(theta) ** 0.5 / mean, *found.diagonal.band(0.95)
        inside = ((theta >= low) & (theta <= high)).mean(axis=0)
        correlation = found.covariance[0, 1] / found.diagonal.std[:2].prod()
        print(
            f"{activation} {gain:g} {law}: limit / measured {value[0] / mean[0]:.4f}, with shift "
            f"{(value + found.diagonal.shift)[0] / mean[0]:.4f} ± {error[0]:.4f}; relative variance "
            f"{(found.diagonal.std / value)[0] ** 2:.4f}, measured {(theta.std(axis=0) / mean)[0] ** 2:.4f}; "
            f"correlation of two examples {correlation:.3f}, measured {np.corrcoef(theta.T)[0, 1]:.3f}; "
            f"between outputs {(found.between_outputs_std / value)[0] ** 2:.4f}, measured "
            f"{(between.std(axis=0) / mean)[0] ** 2:.4f}; "
            f"in the band {inside[0]:.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
