"""What a monitor has recorded of a model in training: one picture over all modules and steps, beside its prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from glorotlab.arrays import Array
from glorotlab.errors import InvalidValueError
from glorotlab.plotting.objects.statistics import one_of_band, one_of_each
from glorotlab.plotting.steps import update_ticks
from glorotlab.plotting.style import MEASUREMENT, OKABE_ITO, PREDICTION, handle
from glorotlab.schema import VARIABLES
from glorotlab.torch.monitoring import Monitor

QUANTITIES = {
    "E z² of the result": ("preactivation_second_moment", "activation_second_moment"),
    "E (dC/dz)² of one example": ("backprop_gradient_second_moment",),
    "E (dC/dW)² of the batch": ("batch_weight_gradient_second_moment",),
    "update : weight": ("update_weight_ratio",),
}
"""Variables of each panel; they share one because no module has two of them."""

MOST_NAMES = 40
"""Largest number of names beside the axis; of more modules every second, third, ... is named."""

POINTS: dict[str, Any] = {"linestyle": "none", "marker": MEASUREMENT["marker"], "markersize": 3}

LONGEST = 24
"""Longest name in characters, of which the last are kept."""


def draw_monitored(ax: Axes, objects: Sequence[Monitor | xr.Dataset], variable: str | None) -> list[Artist]:
    """Draw modules over steps as colors, and the first record over the modules beside its prediction.

    The axes are divided into a panel for each quantity, or one for the variable that is asked for. In each, a narrow
    profile shows the first record as points and the prediction as a line with its band.
    """
    statistics, prediction = _together(objects)
    names = [str(name) for name in statistics["module"].values]
    panels = {VARIABLES[variable].long_name: (variable,)} if variable in VARIABLES else QUANTITIES
    if variable and variable not in VARIABLES:
        one_of_each(statistics, variable, "step", "layer")  # says what there is
    there = {title: [name for name in own if name in statistics] for title, own in panels.items()}
    shown = {title: own for title, own in there.items() if own}
    if not shown:
        raise InvalidValueError(f"variable {variable!r}: allowed are {', '.join(map(str, statistics))}")
    ax.set_axis_off()
    width, left = 1 / len(shown), 0.0
    for place, (title, variables) in enumerate(shown.items()):
        values = _merged([_of_steps(statistics, name) for name in variables])
        profile = ax.inset_axes((left, 0.0, 0.23 * width, 1.0))
        colours = ax.inset_axes((left + 0.28 * width, 0.0, 0.54 * width, 1.0))
        scale = ax.inset_axes((left + 0.84 * width, 0.0, 0.025 * width, 1.0))
        _draw_profile(profile, values[0], _predicted(prediction, variables, names), title)
        _draw_colours(colours, values, np.asarray(statistics["step"].values, dtype=float), scale)
        _name_modules(profile, names if place == 0 else [""] * len(names))
        left += width
    marks: list[Artist] = [handle("first record", OKABE_ITO[0], **POINTS)]
    if prediction is not None:
        level = prediction.attrs.get("level")
        marks.append(
            handle(
                "predicted" + (f", band of one network ({level:.0%})" if level else ""),
                **PREDICTION | {"color": OKABE_ITO[1]},
            )
        )
    return marks


def _together(objects: Sequence[Monitor | xr.Dataset]) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Return the statistics over steps, and the prediction where one is given."""
    over_steps = [one.statistics if isinstance(one, Monitor) else one for one in objects]
    predictions = [one.prediction for one in objects if isinstance(one, Monitor) and one.prediction is not None]
    predictions += [one for one in over_steps if "step" not in one.dims]
    over_steps = [one for one in over_steps if "step" in one.dims]
    if len(over_steps) != 1 or len(predictions) > 1:
        raise InvalidValueError(
            f"{len(over_steps)} monitors and {len(predictions)} predictions in a picture: allowed are one of each"
        )
    return over_steps[0], predictions[0] if predictions else None


def _of_steps(statistics: xr.Dataset, name: str) -> Array:
    """Return a variable, shape (step, layer)."""
    values = one_of_each(statistics, name, "step", "layer")
    return np.asarray(values.values, dtype=np.float64)


def _merged(parts: Sequence[Array]) -> Array:
    """Return the first value that is not missing in each place."""
    merged = parts[0]
    for part in parts[1:]:
        merged = np.where(np.isnan(merged), part, merged)
    return merged


def _predicted(prediction: xr.Dataset | None, variables: Sequence[str], names: Sequence[str]) -> list[Array]:
    """Return value, lower and upper end of the modules' prediction; NaN where there is none."""
    if prediction is None:
        return [np.full(len(names), np.nan)] * 3
    own = {str(name): place for place, name in enumerate(prediction["module"].values)}
    results = []
    for suffix in ("", "_low", "_high"):
        there = [f"{name}{suffix}" for name in variables if f"{name}{suffix}" in prediction]
        none = np.full(prediction.sizes["layer"], np.nan)
        values = _merged([one_of_band(prediction[name]) for name in there] or [none])
        results.append(np.array([values[own[name]] if name in own else np.nan for name in names]))
    return results


def _draw_profile(ax: Axes, first: Array, predicted: Sequence[Array], title: str) -> None:
    """Draw the first record over the modules, first one on top, beside the prediction."""
    place = np.arange(len(first))
    value, low, high = predicted
    known = np.flatnonzero(np.isfinite(value))
    ax.plot(value[known], known, color=OKABE_ITO[1], **PREDICTION)
    banded = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    ax.fill_betweenx(banded, low[banded], high[banded], color=OKABE_ITO[1], alpha=0.25, linewidth=0)
    ax.plot(first, place, color=OKABE_ITO[0], **POINTS)
    numbers = np.concatenate([first, value])
    if (numbers[np.isfinite(numbers)] > 0).all():
        ax.set_xscale("log")
        _few_ticks(ax.xaxis, most=3)
    ax.set_ylim(len(first) - 0.5, -0.5)
    ax.set_title(title, fontsize=8.5, loc="left")
    ax.tick_params(axis="x", labelsize=6)
    ax.grid(True, axis="x", color="0.9", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_colours(ax: Axes, values: Array, steps: Array, scale: Axes) -> None:
    """Draw modules over steps as colors, logarithmic where all numbers are positive; gray is where there is none."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    norm: Normalize | None = None
    if len(positive) and (finite >= 0).all():
        norm = LogNorm(positive.min(), positive.max() if positive.max() > positive.min() else 2 * positive.min())
    shown = np.ma.masked_invalid(values.T)
    if norm is not None:
        shown = np.ma.masked_less_equal(shown, 0)
    step = np.diff(steps).min() if len(steps) > 1 else 1.0
    edges = np.concatenate([steps, [steps[-1] + step]])
    ax.set_facecolor("0.85")
    mesh = ax.pcolormesh(edges, np.arange(values.shape[1] + 1) - 0.5, shown, norm=norm, cmap="viridis", rasterized=True)
    ax.set_ylim(values.shape[1] - 0.5, -0.5)
    ax.set_yticks([])
    update_ticks(ax)
    ax.tick_params(axis="x", labelsize=6)
    ax.set_xlabel("mini-batch updates", fontsize=7)
    bar: Any = ax.figure.colorbar(mesh, cax=scale)
    if norm is not None:
        _few_ticks(bar.ax.yaxis, most=8)
    bar.ax.tick_params(labelsize=6)


def _few_ticks(axis: Axis, *, most: int) -> None:
    """Label a few places of a logarithmic axis: powers of ten, 1, 2 and 5 in a single one, or what is round in less."""
    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    if decades > 1.2:
        axis.set_major_locator(LogLocator(numticks=most))
    else:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if decades > 0.6 else MaxNLocator(most))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _name_modules(ax: Axes, names: Sequence[str]) -> None:
    step = -(-len(names) // MOST_NAMES)
    labels = [name if len(name) <= LONGEST else f"…{name[-LONGEST:]}" for name in names]
    ax.set_yticks(range(0, len(names), step), labels[::step], fontsize=6)
