"""The output layer of the page's networks: ten classes, softmax and log-likelihood, as functions of its q.

Means come from the theory's integrals. Bands rest on draws of the outputs, since outputs are few: the page holds the
very normal variables that ``predict`` draws, so that both have the same networks.
"""

from __future__ import annotations

import base64

import numpy as np

from glorotlab.arrays import Array
from glorotlab.explorer.interpolation import Axis
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.theory.advice.numbers import expected_curvature
from glorotlab.theory.finite_width.drawn_networks import MAX_DRAWS, MAX_NETWORKS
from glorotlab.theory.mean_field.output_gradient import softmax_moments

AXIS = Axis(1e-6, 1e16, 6 * 22)
"""Grid of q, up to values at which exploding signals saturate the outputs."""

LEAST = 1e-60
"""Least curvature; smaller ones, of saturated outputs, are raised to it."""

CLASSES = 10
"""Number of outputs."""

EXAMPLES = 100
"""Number of examples of the verdict, each of which draws its outputs."""

STEP = 0.02
"""Step in ln q of the differences that give derivatives of the output gradient."""

LARGEST_NORMAL = 6.0
"""Normal variable that the largest 16-bit integer represents."""


def output_table() -> dict[str, Array]:
    """Return functions of q on the grid.

    Returns
    -------
    dict
        ``square``: ln of E (dC/ds)^2; ``slope`` and ``curvature``: its first and second derivative in ln q;
        ``answer``: ln of E d^2C/ds^2; ``gauss_newton``: ln of the order of the cost's largest curvature.
    """
    q = AXIS.nodes
    (low, _), (middle, answer), (high, _) = (_gradients(q * np.exp(shift)) for shift in (-STEP, 0.0, STEP))
    spec = NetworkSpec.parse((CLASSES, CLASSES, CLASSES), activation="tanh", initializer="glorot_uniform")
    largest = [max(expected_curvature(spec, np.full(EXAMPLES, one)), LEAST) for one in q]
    return {
        "square": middle,
        "slope": (high - low) / (2 * STEP),
        "curvature": (high - 2 * middle + low) / STEP**2,
        "answer": answer,
        "gauss_newton": np.log(largest),
    }


def _gradients(q: Array) -> tuple[Array, Array]:
    """Return ln of E (dC/ds)^2 and of E d^2C/ds^2 per output: p - y squared, and p (1 - p)."""
    square = softmax_moments(CLASSES, q)[0]
    return np.log((CLASSES * square - 2 / CLASSES + 1) / CLASSES), np.log(1 / CLASSES - square)


def output_draws() -> dict[str, str]:
    """Return the normal variables of the logits' weights and of their biases, (draws, classes) each.

    They are base64 of 16-bit whole numbers, lowest byte first.
    """
    shape = MAX_NETWORKS, 1, MAX_DRAWS // MAX_NETWORKS * CLASSES
    random = generator(0, Purpose.OUTPUT_DRAWS)
    return {name: _packed(random.normal(size=shape)) for name in ("weights", "biases")}


def _packed(normal: Array) -> str:
    scaled = np.clip(normal / LARGEST_NORMAL, -1, 1) * np.iinfo(np.int16).max
    return base64.b64encode(np.rint(scaled).astype("<i2").tobytes()).decode("ascii")
