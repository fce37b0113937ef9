"""predict_graph: LayerStatistics at initialization of a graph of layers, whatever their kinds, on a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from glorotlab import costs
from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.schema import SATURATION_THRESHOLD, TENSORS, digests, layer_statistics
from glorotlab.spec.layers.graph import Input, LayerGraph, Node
from glorotlab.theory.finite_width.graph_bands import graph_bands
from glorotlab.theory.finite_width.graph_fluctuations import Outputs
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.graph_lengths import add_lengths
from glorotlab.theory.graph_statistics import Row, gradient_row, signal_row, unknown_row
from glorotlab.theory.mean_field.graph_scatter import Scatter, graph_scatter
from glorotlab.theory.mean_field.graph_walk import MOST_PAIRS, Followed, follow, follow_back
from glorotlab.theory.mean_field.layers.base import Block, Signal
from glorotlab.theory.mean_field.output_gradient import OutputGradient, output_gradient
from glorotlab.theory.predict import ASSUMPTIONS
from glorotlab.threads import single_threaded_blas

if TYPE_CHECKING:
    import xarray as xr

Function = Callable[..., Any]

LOSSES = {"cross_entropy": ("softmax", "log_likelihood"), "mse": ("linear", "quadratic")}
"""Output and cost of each loss that is predicted; mse is a mean over outputs, not half of their sum."""

SCALES: dict[str, Callable[[int], float]] = {"cross_entropy": lambda units: 1.0, "mse": lambda units: 2 / units}
"""Factors of the cost of some losses."""

ALWAYS = (
    *("fan_in", "fan_out", "weight_variance", "activation_saturation", "learning_speed"),
    *(f"{tensor}_{statistic}" for tensor in TENSORS for statistic in ("mean", "second_moment", "variance")),
)
"""Variables that a prediction always has, even if all of their values are missing."""

LATER = ("example_weight_gradient", "batch_weight_gradient", "batch_bias_gradient")
"""Tensors whose variance is their second moment and what ``gradient_row`` has as variance."""


@dataclass(frozen=True)
class Loss:
    """The cost and output of a loss.

    Parameters
    ----------
    name : str
    targets : (examples, outputs)
    gradient : OutputGradient
    """

    name: str
    targets: Array
    gradient: OutputGradient


@single_threaded_blas()
def predict_graph(
    graph: LayerGraph,
    inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    targets: npt.ArrayLike | None = None,
    loss: str | Function | None = None,
    *,
    level: float | None = None,
    networks: int = 1,
) -> xr.Dataset:
    """Predict per-layer statistics at initialization of a graph by mean-field theory.

    Parameters
    ----------
    graph : LayerGraph
    inputs : array_like, or mapping of str to array_like
        What is fed into the input node, examples first; into several by their names.
    targets : (examples,) int or (examples, outputs) float, optional
        Classes for ``cross_entropy``, numbers for ``mse``.
    loss : str or callable, optional
        ``cross_entropy`` (of softmax outputs) or ``mse`` (mean over outputs); with another, or without targets,
        gradients are not predicted.
    level : float, optional
        Probability of bands, such as .95: second moments of signals and gradients then have ``V_low``, ``V_high``,
        ``V_std`` and ``V_shift``; where they have none the attribute ``no_band`` says why.
    networks : int
        Bands are for the mean over this many networks.

    Returns
    -------
    xarray.Dataset
        LayerStatistics with a row for every node but the inputs, named by the coordinate ``module``. What is not
        followed is NaN, with the reasons in the attribute ``refused``, a JSON object of modules.

    Raises
    ------
    InvalidValueError
        Where inputs or targets do not fit the graph.
    """
    if level is None and networks != 1:
        raise InvalidValueError(f"networks {networks} without a level: give the level of the bands")
    arrays = _arrays(graph, inputs)
    found = follow(graph, arrays)
    known = _output_gradient(found, targets, loss)
    tops = {graph.output: known.gradient.mean_products} if known is not None else {}
    scatter = graph_scatter(found, known.gradient) if known is not None else Scatter()
    rows: list[Row] = []
    nodes = [node for node in graph if not isinstance(node.layer, Input)]
    for node in nodes:
        row: Row = unknown_row()
        if node.name in found.walk.signals:
            row |= signal_row(node, found)
        if node.name in found.gradients:
            row |= gradient_row(node, found, tops.get(node.name))
            _add_scatter(row, scatter, node.name)
        rows.append(row)
    errors = {"numerical_error": _numerical_error(found, known)}
    if known is not None:
        errors["learning_speed_error"] = _add_lengths(found, known, scatter, nodes, rows)
    no_band = ""
    if level is not None:
        errors |= {"level": level, "networks": networks}
        no_band = _add_bands(found, known, nodes, rows, level, networks)
    names = dict.fromkeys([*ALWAYS, *(name for row in rows for name in row)])
    columns = {name: np.array([row.get(name, nan) for row in rows]) for name in names}
    return layer_statistics(
        columns,
        coords={"module": [node.name for node in nodes], "kind": [node.layer.kind for node in nodes]},
        attributes={
            "kind": "prediction",
            "assumptions": [*ASSUMPTIONS, *_left_out(found, scatter)],
            "examples": len(next(iter(arrays.values()))),
            "saturation_threshold": SATURATION_THRESHOLD,
            "refused": found.refused,
        }
        | errors
        | ({"no_band": no_band} if no_band else {})
        | digests(next(iter(arrays.values())), None if targets is None else np.asarray(targets)),
    )


def _left_out(found: Followed, scatter: Scatter) -> list[str]:
    """Return the assumptions about terms that the batch's gradients leave out."""
    if not any(block.pairs for block in found.walk.blocks[found.walk.graph.output]):
        return [
            "pairs of examples are not followed, nor gradients of the batch: maps are normalized over it, or have over "
            f"{MOST_PAIRS} pairs"
        ]
    if scatter.left_out:
        return [f"gradients of the batch leave out what kernels scatter between networks: {scatter.left_out}"]
    return []


def _numerical_error(found: Followed, known: Loss | None) -> float:
    errors = [signal.error for signal in found.walk.signals.values()]
    errors += [gradient.error for gradient in found.gradients.values()]
    return max([*errors, *([known.gradient.error] if known is not None else [])], default=0.0)


def _add_lengths(found: Followed, known: Loss, scatter: Scatter, nodes: list[Node], rows: list[Row]) -> float:
    """Put learning speeds into rows, and return their error."""
    signal = found.walk.signals[found.walk.graph.output]
    pairs = list(zip(nodes, rows, strict=True))
    ordered = [pair for pair in pairs if pair[0].name != found.walk.graph.output]
    ordered += [pair for pair in pairs if pair[0].name == found.walk.graph.output]
    cost, scale = costs.get(*LOSSES[known.name]), SCALES[known.name](signal.units)
    return add_lengths(ordered, scatter, known.gradient, cost, scale, _logits(signal).kernel, known.targets)


def _add_bands(
    found: Followed, known: Loss | None, nodes: list[Node], rows: list[Row], level: float, networks: int
) -> str:
    """Put bands into rows, and return the reason if there are none."""
    output = found.output
    if output is None:
        return "the output is not predicted"
    outputs = None if known is None else Outputs(costs.get(*LOSSES[known.name]), known.targets)
    gradient = None if known is None else known.gradient
    scale = 1.0 if known is None else SCALES[known.name](output.units)
    try:
        bands = graph_bands(found, gradient, outputs, scale, level, networks)
    except AssumptionError as error:
        return str(error)
    for node, row in zip(nodes, rows, strict=True):
        row |= bands.get(node.name, {})
    return ""


def _add_scatter(row: Row, scatter: Scatter, name: str) -> None:
    """Add the terms of pairs of examples to a batch's gradients, and turn expected squares of means into variances."""
    for tensor, added in (("batch_weight_gradient", scatter.weight), ("batch_bias_gradient", scatter.bias)):
        key = f"{tensor}_second_moment"
        if key in row:
            row[key] = float(np.maximum(row[key] + added.get(name, 0.0), 0))
    for tensor in LATER:
        if f"{tensor}_variance" in row and f"{tensor}_second_moment" in row:
            row[f"{tensor}_variance"] = row[f"{tensor}_second_moment"] + row[f"{tensor}_variance"]


def _arrays(graph: LayerGraph, inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike]) -> dict[str, npt.NDArray[Any]]:
    """Return the array of every input node."""
    nodes = [node for node in graph if isinstance(node.layer, Input)]
    if isinstance(inputs, Mapping):
        given = {name: np.asarray(values) for name, values in inputs.items()}
        missing = [node.name for node in nodes if node.name not in given]
        if missing:
            raise InvalidValueError(f"inputs of {missing[0]!r} are missing: allowed are arrays for every input")
        arrays = {node.name: given[node.name] for node in nodes}
    elif len(nodes) == 1:
        arrays = {nodes[0].name: np.asarray(inputs)}
    else:
        raise InvalidValueError(f"one array for {len(nodes)} inputs: give a mapping of their names to arrays")
    examples = {len(values) for values in arrays.values()}
    if len(examples) != 1 or 0 in examples:
        raise InvalidValueError(f"inputs of {sorted(examples)} examples: allowed is one number of them, 1 or more")
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise InvalidValueError(f"inputs of {name!r} that are not finite: allowed are finite numbers")
    return arrays


def _output_gradient(found: Followed, targets: npt.ArrayLike | None, loss: str | Function | None) -> Loss | None:
    """Carry the gradient of the loss down, and return it; None where it is not predicted, with the reason."""
    signal, name = found.output, found.walk.graph.output
    if targets is None or not isinstance(loss, str) or signal is None:
        return None
    if loss not in LOSSES:
        raise InvalidValueError(f"loss {loss!r}: allowed are {', '.join(LOSSES)}, or a function of outputs and targets")
    try:
        if not signal.gaussian or signal.positions:
            raise AssumptionError(
                "gradients of outputs that are not one vector of weighted sums: those of the cost are not known"
            )
        matrix = _target_matrix(np.asarray(targets), loss, signal)
        output = _scaled(output_gradient(*LOSSES[loss], _logits(signal), matrix), SCALES[loss](signal.units))
        follow_back(found, output)
    except AssumptionError as error:
        found.refused[name] = str(error)
        return None
    return Loss(loss, matrix, output)


def _scaled(output: OutputGradient, scale: float) -> OutputGradient:
    """Return the statistics of a cost times ``scale``."""
    return replace(
        output,
        kernel=scale**2 * output.kernel,
        means=scale * output.means,
        mean_products=scale**2 * output.mean_products,
        curvature=scale * output.curvature,
        answer=scale**2 * output.answer,
    )


def _logits(signal: Signal) -> Covariance:
    """Return the covariance of the outputs, of which only the diagonal is valid if pairs are not known."""
    return signal.covariance if Block(True, ()) in signal.kernels else Covariance.of(np.diag(signal.q))


def _target_matrix(targets: npt.NDArray[Any], loss: str, signal: Signal) -> Array:
    examples, units = len(signal.q), signal.units
    if loss == "mse":
        values = targets.reshape(len(targets), -1) if targets.ndim else targets
        if values.shape != (examples, units):
            raise InvalidValueError(f"targets of shape {targets.shape}: allowed is {(examples, units)}")
        return np.asarray(values, dtype=np.float64)
    if targets.shape != (examples,) or targets.dtype.kind not in "iu":
        raise InvalidValueError(
            f"targets of shape {targets.shape} and type {targets.dtype}: allowed are {examples} classes, whole numbers"
        )
    if targets.min() < 0 or targets.max() >= units:
        raise InvalidValueError(f"classes {targets.min()} to {targets.max()}: allowed are 0 to {units - 1}")
    return np.asarray(np.eye(units)[targets])
