"""Independent NumPy restatements, in float64, of what the kernels compute, and the error bounds they must meet.

A sum of n products in floating point, in any order, is within n * eps / 2 of the exact one times the sum of the
absolute products (Higham 2002, section 3.1). Kernel and reference each stay within that of the truth, so their distance
is below n * eps times it, with the kernel's eps.
"""

import math

import numpy as np
import scipy.special

from glorotlab.kernels import build_info

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
expit, ndtr = scipy.special.expit, scipy.special.ndtr


def mish_derivative(s):
    t = np.tanh(np.logaddexp(0, s))
    return t + s * (1 - t) * (1 + t) * expit(s)


FUNCTIONS = {
    "linear": (lambda s: s, lambda s: np.ones_like(s)),
    "tanh": (np.tanh, lambda s: 1 / np.cosh(s) ** 2),
    "sigmoid": (expit, lambda s: 0.25 / np.cosh(s / 2) ** 2),
    "softsign": (lambda s: s / (1 + abs(s)), lambda s: 1 / (1 + abs(s)) ** 2),
    "relu": (lambda s: np.where(s > 0, s, 0.0), lambda s: np.where(s > 0, 1.0, 0.0)),
    "leaky_relu": (lambda s: np.where(s > 0, s, 0.01 * s), lambda s: np.where(s > 0, 1.0, 0.01)),
    "hard_tanh": (lambda s: np.clip(s, -1, 1), lambda s: np.where(abs(s) < 1, 1.0, 0.0)),
    "erf": (scipy.special.erf, lambda s: 2 / np.sqrt(np.pi) * np.exp(-(s**2))),
    "sin": (np.sin, np.cos),
    "arctan": (np.arctan, lambda s: 1 / (1 + s**2)),
    "silu": (lambda s: s * expit(s), lambda s: expit(s) * (1 + s * expit(-s))),
    "mish": (lambda s: s * np.tanh(np.logaddexp(0, s)), mish_derivative),
    "gelu": (lambda s: s * ndtr(s), lambda s: ndtr(s) + s * np.exp(-(s**2) / 2) / np.sqrt(2 * np.pi)),
    "softplus": (lambda s: np.logaddexp(0, s), expit),
    "elu": (lambda s: np.where(s > 0, s, np.expm1(s)), lambda s: np.where(s > 0, 1, np.exp(s))),
    "selu": (
        lambda s: SELU_SCALE * np.where(s > 0, s, SELU_ALPHA * np.expm1(s)),
        lambda s: SELU_SCALE * np.where(s > 0, 1, SELU_ALPHA * np.exp(s)),
    ),
}
"""f and f' of each activation by its name without parameters."""

PARAMETERS = {"leaky_relu": 0.01}
"""The parameter of those that take one; 0 for all others."""


def functions(activation):
    """Return f and f'."""
    return FUNCTIONS[activation.partition("(")[0]]


def guarded(values, dtype, edge=64):
    """Return a C-contiguous copy of ``values`` and a function that tells whether the memory around it is untouched."""
    values = np.asarray(values, dtype=dtype)
    buffer = np.full(values.size + 2 * edge, 12345, dtype=dtype)
    inside = buffer[edge : edge + values.size].reshape(values.shape)
    inside[...] = values
    return inside, lambda: bool((buffer[:edge] == 12345).all() and (buffer[edge + values.size :] == 12345).all())


def assert_within(actual, expected, bound):
    """Assert |actual - expected| <= bound, element by element."""
    assert actual.shape == expected.shape
    excess = np.abs(actual.astype(np.float64) - expected) - bound
    assert not actual.size or np.nanmax(excess) <= 0, f"exceeds the bound by {np.nanmax(excess):.3g}"
    assert np.isfinite(actual).all()


def matmul(a, b, eps, extra=0):
    """Return a b in float64 and the bound on a product computed with ``eps``."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return a @ b, (a.shape[1] + 2) * eps * (abs(a) @ abs(b) + abs(extra))


def forward(x, weights, biases, activation, output):
    """Return the pre-activations of every layer and the network's output."""
    below, s = np.asarray(x, np.float64), []
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        s.append(below @ weight.astype(np.float64) + bias)
        below = functions(activation)[0](s[-1]) if layer < len(weights) - 1 else outputs(s[-1], output)
    return s, below


def outputs(s, output):
    """Return the output activation of s."""
    if output == "softmax":
        e = np.exp(s - s.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
    return FUNCTIONS[output][0](s)


def mean_cost(x, labels, weights, biases, activation, output, cost):
    """Return the batch-mean cost, by its textbook formula in the output a."""
    _s, a = forward(x, weights, biases, activation, output)
    y = np.eye(a.shape[1])[labels]
    if cost == "quadratic":
        each = ((a - y) ** 2).sum(axis=1) / 2
    elif cost == "log_likelihood":
        each = -(y * np.log(a)).sum(axis=1)
    else:
        each = -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum(axis=1)
    return math.fsum(each) / len(each)


def central_difference(f, x, step):
    """Return f'(x) to 4th order from f at x +- step and x +- 2 step."""
    return (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step))) / (12 * step)


def tiles(size, width):
    """Return how many tiles of ``width`` cover ``size``."""
    return -(-size // width)


def forward_tiles(batch, fan_in, fan_out, threads, halves=True):
    """Return how many tiles the forward kernel cuts a product into: for one block of at most ten examples two halves of
    the rows of W, where there are 128 and ``halves``, and the columns in a share for each thread; else groups of
    examples, and the columns in shares for threads without a group.
    """
    if not batch:
        return 0
    threads = min(threads, batch * fan_out)
    if batch <= 10 and fan_in >= 128 and halves:
        return 2 * tiles(fan_out, 64 * tiles(fan_out, 64 * tiles(threads, 2)))
    groups = min(tiles(tiles(batch, 128), threads) * threads, tiles(batch, 10))
    share = 64 * tiles(fan_out, 64 * max(1, threads // groups))
    return tiles(batch, tiles(batch, groups)) * tiles(fan_out, share)


def workers(threads, count):
    """Return how many threads must have had one of ``count`` tiles."""
    return min(threads if build_info.openmp else 1, count)
