"""Error curves over training updates."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.typing import ColorType

from glorotlab.arrays import Array
from glorotlab.averages import mean_and_error
from glorotlab.plotting.steps import draw_with_bars


def is_share(errors: xr.DataArray) -> bool:
    """Return whether errors are shares of examples, drawn in per cent, instead of squared distances."""
    return str(errors.attrs.get("long_name", "")).startswith("share")


def draw_error_curve(
    ax: Axes,
    steps: Array,
    errors: Array,
    *,
    color: ColorType,
    label: str | None = None,
    linestyle: str = "-",
    scale: float = 100,
) -> None:
    """Draw errors (seed, step) times ``scale``, fractions in per cent: mean over networks, standard error as bars."""
    mean, error = mean_and_error(scale * errors)
    draw_with_bars(ax, steps, mean, error, color=color, label=label, linestyle=linestyle, markersize=3, linewidth=1.3)
