"""Records of a run's layers during training: LayerStatistics of fixed examples. Recording changes nothing."""

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
from glorotlab.training.state import Arrays, prefixed, without_prefix

MONITORED_EXAMPLES = 300
"""Number of test examples of the statistics, as in the paper."""

HISTOGRAM_BINS = 100
"""Number of bins of the histograms."""


class StatisticsMonitor:
    """LayerStatistics of the first ``MONITORED_EXAMPLES`` of a source, with histograms at the first and last record.

    Parameters
    ----------
    source : Source

    Attributes
    ----------
    examples : dict
        Which examples these are: their number and digests.
    """

    def __init__(self, source: Source) -> None:
        self.x, self.y = source.batch(0, int(min(MONITORED_EXAMPLES, source.length)))
        self.examples: dict[str, Any] = {"examples": len(self.x)} | digests(self.x, self.y)
        self._steps: list[int] = []
        self._rows: list[estimators.Values] = []
        self._first_histogram: estimators.Values = {}
        self._last_histogram: estimators.Values = {}
        self._last_layers: list[LayerTensors] | None = None

    @property
    def step(self) -> int:
        """Number of updates at the last record; -1 where there is none."""
        return self._steps[-1] if self._steps else -1

    def record(self, step: int, network: Network, look: Callable[[], None] = lambda: None) -> bool:
        """Record the statistics after ``step`` updates, if they are finite.

        Parameters
        ----------
        step : int
        network : Network
        look : callable, optional
            Called on the way, and may raise: then nothing is kept.

        Returns
        -------
        bool
            Whether they are finite.
        """
        backward = network.backpropagate(self.x, self.y)
        look()
        layers = backward.layers
        row = estimators.layer_values(layers)
        if not (np.isfinite(backward.cost).all() and estimators.finite_layers(row).all()):
            return False
        self._steps.append(step)
        self._rows.append(row)
        if not self._first_histogram:
            self._first_histogram = _histogram(layers)
        self._last_layers = layers  # its histogram is made where it turns out to be wanted
        return True

    def state(self) -> Arrays:
        """Return all that was recorded: ``statistics/NAME`` over records, ``first/NAME``, ``last/NAME``, ``steps``."""
        if self._last_layers is not None:
            self._last_histogram, self._last_layers = _histogram(self._last_layers), None
        statistics = {name: np.array([row[name] for row in self._rows]) for name in self._rows[0]}
        return (
            prefixed("statistics", statistics)
            | prefixed("first", self._first_histogram)
            | prefixed("last", self._last_histogram)
            | {"steps": np.array(self._steps, dtype=np.float64)}
        )

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Load what ``state`` returned."""
        self._steps = [int(step) for step in state["steps"]]
        columns = without_prefix("statistics", state)
        self._rows = [{name: values[k] for name, values in columns.items()} for k in range(len(self._steps))]
        self._first_histogram, self._last_histogram = without_prefix("first", state), without_prefix("last", state)
        self._last_layers = None


def _histogram(layers: Sequence[LayerTensors]) -> estimators.Values:
    edges = estimators.histogram_edges(layers, HISTOGRAM_BINS)
    return edges | estimators.histogram_counts(layers, edges)
