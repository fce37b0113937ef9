"""The law of what enters a wide network from above: joint draws of the output layer's gradients.

Outputs are few, so that a second moment over them scatters from network to network however wide the layers are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glorotlab import costs
from glorotlab.arrays import Array, Labels
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator

Draws = npt.NDArray[np.float32]

STREAM = 1000
"""Of ``Purpose.QUADRATURE``; lower ones are those of ``output_draws`` and, by layer, ``predict_distributions``."""

LOGITS, MIN_DRAWS, MAX_DRAWS = 2**22, 2**6, 2**12
"""Logits drawn in all, and the least and most networks."""

STEP = 0.05
"""Relative step in q of the differences that give the response of the gradient to q."""


@dataclass(frozen=True)
class OutputLaw:
    """Draws of the output layer, (examples, networks, classes) float32.

    Parameters
    ----------
    logits, gradient : s and dC/ds
    less, more : dC/ds where q is smaller or larger by the share ``STEP``
    gradient_of : callable
        dC/ds of logits times a factor for each network, (networks, 1).
    """

    gradient_of: Callable[[Array | float], Draws]
    logits: Draws
    gradient: Draws
    less: Draws
    more: Draws


def output_law(spec: NetworkSpec, roots: Array, labels: Labels) -> OutputLaw:
    """Draw logits whose covariance over the examples has one of the ``roots`` (kernels, examples, examples)."""
    kernels, examples, _ = roots.shape
    record, classes = costs.get(spec.output, spec.cost), spec.classes
    draws = -(-min(max(LOGITS // (examples * classes), MIN_DRAWS), MAX_DRAWS) // kernels)
    normal = generator(0, Purpose.QUADRATURE, STREAM).normal(size=(kernels, examples, draws * classes))
    s = np.moveaxis(roots @ normal, 0, 1).reshape(examples, kernels * draws, classes)
    y = np.broadcast_to(np.eye(classes)[labels][:, np.newaxis], s.shape)

    def gradient(factor: Array | float) -> Draws:
        return record.gradient(s * factor, y).astype(np.float32)

    return OutputLaw(gradient, s.astype(np.float32), *(gradient((1 + h) ** 0.5) for h in (0, -STEP, STEP)))
