"""Error curves over updates: training cost, and the share of held-out examples misclassified or a squared distance."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.data.source import Source, targets_of
from glorotlab.network.mlp import Network
from glorotlab.training.state import Arrays

COST_WINDOW = 100
"""Number of mini-batches over which the training cost is averaged."""

EVALUATION_BATCH = 200
"""Number of examples evaluated between two checks for Ctrl-C; it changes no result."""

THRESHOLD = 0.5
"""Threshold above which a single output means class 1."""

CURVES = {
    "training_cost": f"mean cost of the last {COST_WINDOW} mini-batches, or of all where they are fewer",
    "validation_error": "share of validation examples misclassified",
    "test_error": "share of test examples misclassified",
}
"""Description of each curve by its name; the training cost is NaN before the first update."""

REGRESSION = {
    f"{part}_error": f"mean over {part} examples of the squared distance of outputs and targets"
    for part in ("validation", "test")
}
"""Descriptions of the errors for data with targets: sums over the outputs, without a factor 1/2."""

RECONSTRUCTION = {
    f"{part}_error": f"mean over {part} examples of the squared distance of output and input"
    for part in ("validation", "test")
}
"""Descriptions of the errors of an autoencoder."""

COST_BEFORE_THE_WINDOW = "mean cost of the mini-batches since the point before"
"""Description of the training cost in checkpoints without ``recent_costs``, which precede its window."""


def describe_curves(*, autoencoder: bool, regression: bool) -> dict[str, str]:
    """Return the descriptions of a run's curves: squared distances for data with targets and for autoencoders."""
    return CURVES | (RECONSTRUCTION if autoencoder else REGRESSION if regression else {})


def classification_error(network: Network, source: Source, look: Callable[[], None] = lambda: None) -> float:
    """Return the share of the examples of a finite source whose largest output is not the label.

    A single output says class 1 above ``THRESHOLD``, and class 0 else.

    Parameters
    ----------
    network : Network
    source : Source
    look : callable, optional
        Called before each ``EVALUATION_BATCH`` of examples, and may raise.

    Returns
    -------
    float
        NaN where an output is not finite.
    """
    correct = correctly_classified(network, source, look)
    return float("nan") if correct is None else int((~correct).sum()) / len(correct)


def squared_error(network: Network, source: Source, look: Callable[[], None] = lambda: None) -> float:
    """Return the mean over the examples of a finite source of |a - y|^2, a being the output; arguments as above.

    y are the targets, of an autoencoder the inputs. The error is twice the quadratic cost. It is NaN, or infinite,
    where an output is not finite.
    """
    length, total = int(source.length), 0.0
    for start in range(0, length, EVALUATION_BATCH):
        look()
        x, y = source.batch(start, min(EVALUATION_BATCH, length - start))
        residual = network.forward(x).output.astype(np.float64) - (x if network.spec.autoencoder else y)
        total += float(np.vdot(residual, residual))
    return total / length


def held_out_error(network: Network, source: Source, look: Callable[[], None] = lambda: None) -> float:
    """Return the error of a network on a finite source: of classification, or a squared distance."""
    error = squared_error if network.spec.autoencoder or targets_of(source) else classification_error
    return error(network, source, look)


def correctly_classified(
    network: Network, source: Source, look: Callable[[], None] = lambda: None
) -> npt.NDArray[np.bool_] | None:
    """Return whether the largest output is the label, for each example of a finite source, as above of a single one.

    Parameters
    ----------
    network : Network
    source : Source
    look : callable, optional
        Called before each ``EVALUATION_BATCH`` of examples, and may raise.

    Returns
    -------
    ndarray of bool, shape (examples,), or None
        None where an output is not finite.
    """
    length = int(source.length)
    correct = np.empty(length, dtype=bool)
    for start in range(0, length, EVALUATION_BATCH):
        look()
        x, y = source.batch(start, min(EVALUATION_BATCH, length - start))
        passed = network.forward(x)
        outputs = passed.preactivations[-1]
        if not np.isfinite(outputs).all():
            return None
        classes = outputs.argmax(axis=1) if outputs.shape[1] > 1 else passed.output[:, 0] > THRESHOLD
        correct[start : start + len(y)] = classes == y
    return correct


class ErrorCurves:
    """Training cost and classification errors over updates."""

    def __init__(self) -> None:
        self._points: list[tuple[float, ...]] = []
        self._recent_costs: deque[float] = deque(maxlen=COST_WINDOW)

    @property
    def step(self) -> float:
        """Number of updates at the last point; -1 where there is none."""
        return self._points[-1][0] if self._points else -1

    def add_costs(self, costs: Iterable[float]) -> None:
        """Add the batch-mean costs of updates in their order."""
        self._recent_costs.extend(costs)

    def record(self, step: int, validation_error: float, test_error: float) -> None:
        """Add a point after ``step`` updates; its training cost is the mean of the costs in the window."""
        costs = list(self._recent_costs)
        cost = float(np.mean(costs)) if costs else float("nan")
        self._points.append((step, cost, validation_error, test_error))

    def state(self) -> Arrays:
        """Return ``curves``, rows of step, training cost and errors, and ``recent_costs``, the oldest first."""
        points = np.array(self._points, dtype=np.float64).reshape(-1, 4)
        return {"curves": points, "recent_costs": np.array(self._recent_costs, dtype=np.float64)}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what ``state`` returned.

        A state without ``recent_costs`` has the sum and the number of the costs since its last point: their mean then
        stands for each of them.
        """
        self._points = [tuple(map(float, row)) for row in state["curves"]]
        self._recent_costs.clear()
        if "recent_costs" in state:
            self.add_costs(state["recent_costs"].tolist())
        else:
            total, updates = state["since_point"].tolist()
            self.add_costs([total / updates] * int(min(updates, COST_WINDOW)) if updates else [])
