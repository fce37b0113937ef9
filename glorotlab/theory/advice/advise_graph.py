"""advise_graph: the effect of each initializer on the signal and the gradient of a user's own model.

The stream of a network are the nodes that all paths pass through and that are weighted sums: of a perceptron the
pre-activations, of a residual network its trunk. Let S be the second moment of the last of them below the output over
that of the first, and G that of the gradient of the first over the last. Both are 1 where nothing is lost over the
depth; the initializer whose larger factor max(S, 1/S, G, 1/G) is smallest is recommended, as the paper's compromise
asks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from glorotlab import notebook
from glorotlab.arrays import Array, Progress
from glorotlab.errors import AssumptionError
from glorotlab.spec.initialised_graph import initialised
from glorotlab.spec.layers.graph import LayerGraph
from glorotlab.theory.predict_graph import predict_graph

CANDIDATES = ("standard_uniform", "lecun_normal", "glorot_uniform", "he_normal")
"""Initializers that are tried by default."""

STREAM = ("dense", "convolution", "residual", "embedding")
"""Kinds of nodes that are weighted sums."""

COLUMNS = ("initializer", "signal, last / first", "gradient, first / last", "dC/dW, largest / smallest", "factor")


@dataclass(frozen=True)
class GraphInitializer:
    """The effect of one initializer.

    Parameters
    ----------
    name : str
        ``as it stands`` of the model's own weights.
    signal_ratio, gradient_ratio : float
        S and G of this file's head; NaN where they are not predicted.
    weight_gradient_range : float
        Largest over smallest E (dC_a/dW)^2 of the layers with weights.
    refused : str
        Why there is no prediction; empty where there is one.
    """

    name: str
    signal_ratio: float
    gradient_ratio: float
    weight_gradient_range: float
    refused: str = ""

    @property
    def factor(self) -> float:
        """The larger of S, 1/S, G and 1/G; NaN where either is not known."""
        return math.exp(max(abs(math.log(self.signal_ratio)), abs(math.log(self.gradient_ratio))))


@dataclass(frozen=True)
class GraphAdvice:
    """The effect of every initializer on a model, and the one to use.

    Parameters
    ----------
    initializers : tuple of GraphInitializer
        The model as it stands first.
    recommended : str
        The name of the best, or empty where none is predicted.
    """

    initializers: tuple[GraphInitializer, ...]
    recommended: str

    @property
    def code(self) -> str:
        """The line that applies the recommendation to ``model``; empty where there is none."""
        return f'gl.torch.initialize_(model, "{self.recommended}", seed=0)' if self.recommended else ""

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers, and the line of code, as plain data."""
        rows = [asdict(one) | {"factor": one.factor} for one in self.initializers]
        return {"initializers": rows, "recommended": self.recommended, "code": self.code}

    def to_markdown(self) -> str:
        """Return a table, a line an initializer, and the recommended line of code."""
        lines = [" | ".join(row) for row in (COLUMNS, ["---"] * len(COLUMNS), *self.cells())]
        return "\n".join([*(f"| {line} |" for line in lines), "", *self.words()])

    def cells(self) -> list[tuple[str, ...]]:
        """Return the cells of each initializer in the order of `COLUMNS`."""
        return [
            (
                one.name,
                *(_cell(n) for n in (one.signal_ratio, one.gradient_ratio, one.weight_gradient_range, one.factor)),
            )
            for one in self.initializers
        ]

    def words(self) -> list[str]:
        """Return the recommendation, and why an initializer has no prediction."""
        reasons = dict.fromkeys(one.refused for one in self.initializers if one.refused)
        return [*([f"Take {self.recommended}: {self.code}"] if self.recommended else []), *reasons]

    def _repr_html_(self) -> str:
        words = [notebook.paragraph(word) for word in self.words()]
        return notebook.form("What each initializer would do", notebook.table(COLUMNS, self.cells()), *words)


def _cell(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "–"


def advise_graph(
    graph: LayerGraph,
    inputs: Array,
    targets: Array,
    loss: str,
    *,
    candidates: Sequence[str] = CANDIDATES,
    progress: Progress | None = None,
) -> GraphAdvice:
    """Predict a graph with the variances of each initializer, and recommend the one that loses least over the depth.

    Parameters
    ----------
    graph : LayerGraph
    inputs, targets : ndarray
        As ``predict_graph`` takes them.
    loss : str
        ``cross_entropy`` or ``mse``.
    candidates : sequence of str
        Names of initializers.
    progress : callable, optional
        Called with (initializers done, initializers in all).

    Raises
    ------
    InvalidValueError
        Where a name, the batch or the loss is not allowed.
    """
    graphs = {"as it stands": graph} | {name: initialised(graph, name) for name in candidates}
    results = []
    for done, (name, own) in enumerate(graphs.items()):
        if progress:
            progress(done, len(graphs))
        results.append(_one(name, own, inputs, targets, loss))
    if progress:
        progress(len(graphs), len(graphs))
    rated = [one for one in results[1:] if not one.refused and math.isfinite(one.factor)]
    best = min(rated, key=lambda one: one.factor).name if rated else ""
    return GraphAdvice(tuple(results), best)


def _one(name: str, graph: LayerGraph, inputs: Array, targets: Array, loss: str) -> GraphInitializer:
    try:
        prediction = predict_graph(graph, inputs, targets, loss)
    except AssumptionError as error:
        return GraphInitializer(name, math.nan, math.nan, math.nan, f"{name}: {error}")
    places = {str(module): place for place, module in enumerate(prediction["module"].values)}
    stream = [places[node.name] for node in graph.trunk if node.layer.kind in STREAM][:-1]
    signal = _values_of_the_stream(prediction)[stream]
    gradient = prediction["backprop_gradient_second_moment"].values[stream]
    weights = prediction["example_weight_gradient_second_moment"].values
    if not stream or not np.isfinite([*signal, *gradient]).all():
        return GraphInitializer(name, math.nan, math.nan, math.nan, _refusal(prediction))
    spread = float(np.nanmax(weights) / np.nanmin(weights))
    return GraphInitializer(name, float(signal[-1] / signal[0]), float(gradient[0] / gradient[-1]), spread)


def _values_of_the_stream(prediction: Any) -> Array:
    """Return the second moment of every node's result."""
    weighted, others = (prediction[f"{tensor}_second_moment"].values for tensor in ("preactivation", "activation"))
    return np.asarray(np.where(np.isnan(weighted), others, weighted))


def _refusal(prediction: Any) -> str:
    from glorotlab.documents import parse_json

    refused = parse_json(prediction.attrs.get("refused", "{}"))
    return next(
        (f"{module}: {reason}" for module, reason in refused.items()), "no hidden layer that all paths pass through"
    )
