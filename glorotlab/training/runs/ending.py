"""How a run ended, in words."""

from __future__ import annotations

from glorotlab.cells import error_text, number
from glorotlab.training.error_curves import COST_WINDOW, CURVES
from glorotlab.training.runs.run import Run


def last_errors(run: Run) -> dict[str, float]:
    """Return the last point of the curves by name."""
    last = run.curves.isel(step=-1)
    return {name: float(last[name]) for name in CURVES}


def cost_and_errors(run: Run) -> str:
    """Return the last point of the curves in words; before the first update there is no training cost."""
    errors = last_errors(run)
    validation, test = (
        error_text(errors[f"{part}_error"], squared=run.spec.squared_errors) for part in ("validation", "test")
    )
    cost = errors["training_cost"]
    trained = "" if cost != cost else f"training cost {number(cost, 4)} ({_cost_window(run)}), "
    return f"{trained}validation error {validation}, test error {test}"


def _cost_window(run: Run) -> str:
    """Return the mini-batches over which a run's last training cost is averaged, in words."""
    description = str(run.curves["training_cost"].attrs["long_name"])
    if description == CURVES["training_cost"]:
        return f"mean of the last {min(COST_WINDOW, run.updates)} mini-batches"
    return description  # of a run that an older version left
