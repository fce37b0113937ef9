"""What a run records as it goes on: LayerStatistics of fixed examples and error curves. Recording changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.data.source import Source
from glorotlab.measurement import estimators
from glorotlab.network.mlp import Network
from glorotlab.network.passes import LayerTensors
from glorotlab.schema import digests

Arrays = dict[str, npt.NDArray[Any]]

MONITORED_EXAMPLES = 300
"""Test examples the statistics are taken on, as in the paper."""

HISTOGRAM_BINS = 100

EVALUATION_BATCH = 500
"""Examples that errors are counted on between two looks at Ctrl-C."""


def on_schedule(step: int, interval: int, last: int) -> bool:
    """Whether something is due after ``step`` updates: at the start, at every interval, and at the end."""
    return step % interval == 0 or step == last


def _go_on() -> None:
    """Look at nothing."""


def classification_error(network: Network, source: Source, look: Callable[[], None] = _go_on) -> float:
    """Share of the examples of a finite source whose largest output is not the label; NaN of outputs not finite.

    ``look`` is called before each batch, and may raise.
    """
    wrong, length = 0, int(source.length)
    for start in range(0, length, EVALUATION_BATCH):
        look()
        x, y = source.batch(start, min(EVALUATION_BATCH, length - start))
        outputs = network.forward(x).preactivations[-1]
        if not np.isfinite(outputs).all():
            return float("nan")
        wrong += int((outputs.argmax(axis=1) != y).sum())
    return wrong / length


def _is_finite(row: estimators.Values) -> bool:
    """Whether statistics are finite; of variances the pooled ones.

    Those of the activations follow, and are NaN where the output is none.
    """
    return all(
        np.isfinite(values[..., 0] if values.ndim > 1 else values).all()
        for name, values in row.items()
        if not name.startswith("activation")
    )


class StatisticsMonitor:
    """LayerStatistics of the first ``MONITORED_EXAMPLES`` of a source, with histograms at the first and last record.

    Attributes
    ----------
    examples : dict
        Which examples these are: their number and digests.
    step : int
        Updates at the last record; -1 where there is none.
    """

    def __init__(self, source: Source) -> None:
        self.x, self.y = source.batch(0, int(min(MONITORED_EXAMPLES, source.length)))
        self.examples: dict[str, Any] = {"examples": len(self.x)} | digests(self.x, self.y)
        self._steps: list[int] = []
        self._rows: list[estimators.Values] = []
        self._first: estimators.Values = {}
        self._last: estimators.Values = {}
        self._last_layers: list[LayerTensors] | None = None

    @property
    def step(self) -> int:
        """Number of updates at the last record."""
        return self._steps[-1] if self._steps else -1

    def record(self, step: int, network: Network, look: Callable[[], None] = _go_on) -> bool:
        """Take the statistics after ``step`` updates; return whether they are finite, and keep them only then.

        ``look`` is called on the way, and may raise: then nothing is kept.
        """
        passed = network.backpropagate(self.x, self.y)
        look()
        row = estimators.layer_values(passed.layers)
        if not (np.isfinite(passed.cost).all() and _is_finite(row)):
            return False
        self._steps.append(step)
        self._rows.append(row)
        if not self._first:
            self._first = _histogram(passed.layers)
        self._last_layers = passed.layers  # its histogram is made where it turns out to be wanted
        return True

    def state(self) -> Arrays:
        """Return all that was recorded: ``statistics/NAME`` over records, ``first/NAME``, ``last/NAME``, ``steps``."""
        if self._last_layers is not None:
            self._last, self._last_layers = _histogram(self._last_layers), None
        found: Arrays = {f"statistics/{name}": np.array([row[name] for row in self._rows]) for name in self._rows[0]}
        found |= {f"first/{name}": values for name, values in self._first.items()}
        found |= {f"last/{name}": values for name, values in self._last.items()}
        return found | {"steps": np.array(self._steps, dtype=np.float64)}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what ``state`` returned."""
        self._steps = [int(step) for step in state["steps"]]
        columns = part(state, "statistics")
        self._rows = [{name: values[k] for name, values in columns.items()} for k in range(len(self._steps))]
        self._first, self._last, self._last_layers = part(state, "first"), part(state, "last"), None


def part(state: Mapping[str, npt.NDArray[Any]], name: str) -> Arrays:
    """Return the arrays ``name/...`` of a state, under what follows."""
    return {key.removeprefix(f"{name}/"): array for key, array in state.items() if key.startswith(f"{name}/")}


def _histogram(layers: Sequence[LayerTensors]) -> estimators.Values:
    edges = estimators.histogram_edges(layers, HISTOGRAM_BINS)
    return edges | estimators.histogram_counts(layers, edges)


class ErrorCurves:
    """Training cost and classification errors over updates.

    Attributes
    ----------
    step : float
        Updates at the last point; -1 where there is none.
    """

    def __init__(self) -> None:
        self._points: list[tuple[float, ...]] = []
        self._cost, self._updates = 0.0, 0

    @property
    def step(self) -> float:
        """Number of updates at the last point."""
        return self._points[-1][0] if self._points else -1

    def add_cost(self, cost: float) -> None:
        """Add the batch-mean cost of one update."""
        self._cost += cost
        self._updates += 1

    def record(self, step: int, validation_error: float, test_error: float) -> None:
        """Add a point; the training cost is the mean since the point before."""
        cost = self._cost / self._updates if self._updates else float("nan")
        self._cost, self._updates = 0.0, 0
        self._points.append((step, cost, validation_error, test_error))

    def state(self) -> Arrays:
        """Return ``curves``, rows of step, training cost and errors, and the cost and updates since the last one."""
        points = np.array(self._points, dtype=np.float64).reshape(-1, 4)
        return {"curves": points, "since_point": np.array([self._cost, self._updates], dtype=np.float64)}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what ``state`` returned."""
        self._points = [tuple(map(float, row)) for row in state["curves"]]
        cost, updates = state["since_point"]
        self._cost, self._updates = float(cost), int(updates)
