"""What a run records as it goes on: LayerStatistics of fixed examples and error curves. Recording changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glorotlab.data.source import Source
from glorotlab.measurement import estimators
from glorotlab.network.mlp import Network
from glorotlab.schema import SATURATION_THRESHOLD, digests, layer_statistics
from glorotlab.spec.run import RunSpec

if TYPE_CHECKING:
    import xarray as xr

MONITORED_EXAMPLES = 300
"""Test examples the statistics are taken on, as in the paper."""

HISTOGRAM_BINS = 100

EVALUATION_BATCH = 1000


def on_schedule(step: int, interval: int, last: int) -> bool:
    """Whether something is due after ``step`` updates: at the start, at every interval, and at the end."""
    return step % interval == 0 or step == last


def classification_error(network: Network, source: Source) -> float:
    """Share of the examples of a finite source whose largest output is not the label; NaN of outputs not finite."""
    wrong, length = 0, int(source.length)
    for start in range(0, length, EVALUATION_BATCH):
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
    """LayerStatistics of the first ``MONITORED_EXAMPLES`` of a source, with histograms at the first and last record."""

    def __init__(self, source: Source) -> None:
        self.x, self.y = source.batch(0, int(min(MONITORED_EXAMPLES, source.length)))
        self.steps: list[int] = []
        self.rows: list[estimators.Values] = []
        self.histograms: list[estimators.Values] = []
        self._last: Any = None

    def record(self, step: int, network: Network) -> bool:
        """Take the statistics after ``step`` updates; return whether they are finite, and keep them only then."""
        passed = network.backpropagate(self.x, self.y)
        row = estimators.layer_values(network, passed)
        if not (np.isfinite(passed.cost).all() and _is_finite(row)):
            return False
        self.steps.append(step)
        self.rows.append(row)
        if not self.histograms:
            self.histograms.append(self._histogram(network, passed))
        self._last = (network, passed)
        return True

    @staticmethod
    def _histogram(network: Network, passed: Any) -> estimators.Values:
        edges = estimators.histogram_edges(network, passed, HISTOGRAM_BINS)
        return edges | estimators.histogram_counts(network, passed, edges)

    def statistics(self, spec: RunSpec) -> xr.Dataset:
        """Return LayerStatistics with dimension ``step``."""
        return self._dataset(spec, self.rows, self.steps)

    def histogram_dataset(self, spec: RunSpec) -> xr.Dataset:
        """Return the histograms of the first and the last record, dimension ``step`` of length 2."""
        last = self._histogram(*self._last)
        return self._dataset(spec, [self.histograms[0], last], [self.steps[0], self.steps[-1]])

    def _dataset(self, spec: RunSpec, rows: list[estimators.Values], steps: list[int]) -> xr.Dataset:
        values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        fans = np.array(spec.network.fans, dtype=np.float64)
        return layer_statistics(
            values | {"fan_in": fans[:, 0], "fan_out": fans[:, 1]},
            leading=("step",),
            coords={"step": np.array(steps, dtype=np.float64)},
            attributes={
                "kind": "training",
                "spec": spec.network.model_dump(mode="json"),
                "run_spec": spec.model_dump(mode="json"),
                "examples": len(self.x),
                "dtype": spec.dtype,
                "saturation_threshold": SATURATION_THRESHOLD,
            }
            | digests(self.x, self.y),
        )


class ErrorCurves:
    """Training cost and classification errors over updates."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float, float, float]] = []
        self._cost, self._updates = 0.0, 0

    def add_cost(self, cost: float) -> None:
        """Add the batch-mean cost of one update."""
        self._cost += cost
        self._updates += 1

    def record(self, step: int, validation_error: float, test_error: float) -> None:
        """Add a point; the training cost is the mean since the point before."""
        cost = self._cost / self._updates if self._updates else float("nan")
        self._cost, self._updates = 0.0, 0
        self.points.append((step, cost, validation_error, test_error))

    def dataset(self) -> xr.Dataset:
        """Return ``training_cost``, ``validation_error`` and ``test_error`` over ``step``; errors are fractions."""
        import xarray as xr

        table = np.array(self.points, dtype=np.float64).reshape(-1, 4)
        names = {
            "training_cost": "mean cost of the mini-batches since the point before",
            "validation_error": "share of validation examples misclassified",
            "test_error": "share of test examples misclassified",
        }
        data = {
            name: ("step", table[:, column], {"long_name": text, "units": "1"})
            for column, (name, text) in enumerate(names.items(), start=1)
        }
        return xr.Dataset(data, coords={"step": table[:, 0]})
