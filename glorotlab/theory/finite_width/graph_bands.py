"""Bands of a graph's second moments for one network drawn once: log-normal, times a draw of the outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glorotlab.arrays import Array
from glorotlab.checks import real_number, whole_number
from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.dropout import Dropout
from glorotlab.spec.layers.graph import Node
from glorotlab.theory.finite_width.bands import MAX_VARIANCE, law
from glorotlab.theory.finite_width.graph_fluctuations import BACK, SIGNAL, Outputs, graph_fluctuations
from glorotlab.theory.finite_width.graph_shifts import graph_shifts
from glorotlab.theory.mean_field.graph_tangents import Tangents
from glorotlab.theory.mean_field.graph_walk import Followed
from glorotlab.theory.mean_field.output_gradient import OutputGradient, output_gradient
from glorotlab.theory.mean_field.unit_scatter import ACROSS

STEP = 0.05
"""Relative step in q of the difference that gives the derivative of the output gradient."""

CERTAIN = 1e-8
"""Variance of a logarithm below which a second moment is certain, and has no band."""


def graph_bands(
    found: Followed,
    output: OutputGradient | None,
    outputs: Outputs | None,
    scale: float,
    level: float,
    networks: int = 1,
) -> dict[str, dict[str, float]]:
    """Return ``V_low`` and the like of second moments, by node and variable.

    Parameters
    ----------
    found : Followed
    output, outputs : optional
        The output gradient, and what outputs are drawn by; None where gradients are not known.
    scale : float
        What the cost is multiplied by.
    level : float
        Probability of a band.
    networks : int
        Number of networks whose mean the bands are for.

    Raises
    ------
    InvalidValueError
        Where level or networks is not allowed.
    AssumptionError
        Where a layer's scatter is not followed, or layers are too narrow.
    """
    real_number("level", level, 0, 1, open_low=True, open_high=True)
    whole_number("networks", networks, 1)
    for node in found.walk.graph:
        if isinstance(node.layer, Dropout):
            raise AssumptionError(f"finite width of dropout {node.name!r} is not followed: its masks scatter too")
    signal = found.walk.signals[found.walk.graph.output]
    nothing = np.zeros((len(signal.q),) * 2)
    tangents = Tangents(found, nothing, nothing[0])
    second = None
    if output is not None and outputs is not None:
        first, second = _derivatives(found, outputs, scale)
        tangents = Tangents(found, output.answer, first)
    laws = graph_fluctuations(tangents, outputs)
    shifts = graph_shifts(tangents, second)
    rows: dict[str, dict[str, float]] = {}
    for (kind, name), fluctuation in laws.items():
        if fluctuation.variance > MAX_VARIANCE:
            raise AssumptionError(
                f"layers too narrow for bands: the logarithm of a second moment of {name!r} has variance "
                f"{fluctuation.variance:.2g} between networks, allowed is {MAX_VARIANCE:g}"
            )
        if fluctuation.variance < CERTAIN and fluctuation.draws.std() == 0:  # what a normalization has made 1
            continue
        value = _value(found, kind, name)
        own = law(replace(fluctuation, shift=shifts.get((kind, name), 0.0)))
        low, high = own.band(level, networks)
        variable = _variable(found.walk.graph[name], kind)
        rows.setdefault(name, {}).update(
            {
                f"{variable}_low": low * value,
                f"{variable}_high": high * value,
                f"{variable}_std": float(own.values.std()) * value,
                f"{variable}_shift": (float(own.values.mean()) - 1) * value,
            }
        )
    return rows


def _variable(node: Node, kind: str) -> str:
    if kind == BACK:
        return "backprop_gradient_second_moment"
    return ("preactivation" if isinstance(node.layer, WeightedLayer) else "activation") + "_second_moment"


def _value(found: Followed, kind: str, name: str) -> float:
    signal = found.walk.signals[name]
    kernel: Array = signal.q if kind == SIGNAL else np.diagonal(found.gradients[name].total(signal)[ACROSS])
    return float(kernel.mean())


def _derivatives(found: Followed, outputs: Outputs, scale: float) -> tuple[Array, Array]:
    """Return dD_aa/dq and d^2D_aa/dq^2 of the outputs, by differences over single examples."""
    q = found.walk.signals[found.walk.graph.output].q
    cost, values = outputs.cost, []
    for factor in (1 - STEP, 1.0, 1 + STEP):
        kernel = np.diag(factor * q)
        values.append(np.diagonal(output_gradient(cost.output, cost.name, kernel, outputs.targets).kernel))
    low, middle, high = values
    first, second = (high - low) / (2 * STEP * q), (high - 2 * middle + low) / (STEP * q) ** 2
    return np.asarray(scale**2 * first), np.asarray(scale**2 * second)
