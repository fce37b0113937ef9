"""The law of what enters a wide network from above: joint draws of the output layer's gradients.

Outputs are few, so that a second moment over them scatters from network to network however wide the layers are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab import costs
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.output_draws import draw_logits
from glorotlab.theory.output_gradient import Labels
from glorotlab.theory.quadrature import Array

LOGITS, MIN_DRAWS, MAX_DRAWS = 2**22, 2**8, 2**12
"""Logits drawn in all, and the least and most networks."""

STEP = 0.05
"""Relative step in q of the differences that give the response of the gradient to q."""


@dataclass(frozen=True)
class OutputLaw:
    """Draws of the output layer.

    Parameters
    ----------
    logits, gradient : (examples, networks, classes)
        s and dC/ds.
    projection : (examples, networks)
        s . dC/ds / q, the part of the gradient along the logits.
    log_slope, log_curvature : (examples,)
        First and second derivative of ln E (dC/ds)^2 in q.
    """

    logits: Array
    gradient: Array
    projection: Array
    log_slope: Array
    log_curvature: Array


def output_law(spec: NetworkSpec, kernel: Array, labels: Labels) -> OutputLaw:
    """Draw logits of covariance ``kernel`` (examples, examples) in each unit."""
    examples, record = len(kernel), costs.get(spec.output, spec.cost)
    draws = min(max(LOGITS // (examples * spec.classes), MIN_DRAWS), MAX_DRAWS)
    s = np.concatenate(list(draw_logits(kernel, spec.classes, draws)), axis=1)
    y = np.broadcast_to(np.eye(spec.classes)[labels][:, np.newaxis], s.shape)
    d, q = record.gradient(s, y), np.diagonal(kernel)
    square = (d**2).mean(axis=(1, 2))
    less, more = (np.log((record.gradient(s * (1 + h) ** 0.5, y) ** 2).mean(axis=(1, 2))) for h in (-STEP, STEP))
    return OutputLaw(
        s,
        d,
        (s * d).sum(axis=2) / q[:, np.newaxis],
        (more - less) / (2 * STEP * q),
        (more - 2 * np.log(square) + less) / (STEP * q) ** 2,
    )
