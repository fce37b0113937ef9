"""A picture of any result: statistics, comparison, run, spectrum or phase diagram."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glorotlab.errors import InvalidValueError
from glorotlab.measurement.compare import SECOND_MOMENTS, Comparison
from glorotlab.plotting import curves, layers, phases, spectra, steps
from glorotlab.plotting.style import MEASUREMENT, OKABE_ITO, finish, handle, layer_ticks, new_figure
from glorotlab.schema import TENSORS
from glorotlab.theory.phases.phase_diagram import KIND as PHASE_DIAGRAM
from glorotlab.theory.spectra.jacobian_spectrum import JacobianSpectrum
from glorotlab.training.runs.run import Run

ALLOWED = "LayerStatistics of a prediction or a measurement, a Comparison, a Run, a JacobianSpectrum, a phase diagram"


def plot(obj: xr.Dataset | Comparison | Run | JacobianSpectrum, ax: Axes | None = None) -> Figure:
    """Draw an object.

    Parameters
    ----------
    obj : LayerStatistics, Comparison, Run, JacobianSpectrum or phase diagram
        Drawn are, in this order: second moments per layer on a logarithmic axis; measured / predicted per layer; error
        curves; the density; ln chi_1 over (sigma_w^2, sigma_b^2) with the critical line and the initialisers.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure, which needs no display.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on: ``plot(obj).savefig("file.png")``.

    Raises
    ------
    InvalidValueError
        Where the object has nothing to draw.
    """
    if ax is None:
        diagram = isinstance(obj, xr.Dataset) and obj.attrs.get("kind") == PHASE_DIAGRAM
        ax = new_figure(size=(7.0, 6.8) if diagram else (6.5, 4.5)).axes[0]
    if isinstance(obj, Run):
        _plot_run(ax, obj)
    elif isinstance(obj, Comparison):
        _plot_comparison(ax, obj)
    elif isinstance(obj, JacobianSpectrum):
        spectra.draw_spectrum(ax, obj)
        _legend(ax)
    elif isinstance(obj, xr.Dataset) and obj.attrs.get("kind") == PHASE_DIAGRAM:
        phases.draw_phase_diagram(ax, obj)
    elif isinstance(obj, xr.Dataset) and "layer" in obj.dims and "step" not in obj.dims:
        _plot_statistics(ax, obj)
    else:
        raise InvalidValueError(f"cannot plot {type(obj).__name__}: allowed are {ALLOWED}")
    return ax.figure.figure  # of a subfigure, the figure it is part of


def _plot_statistics(ax: Axes, statistics: xr.Dataset) -> None:
    names = [name for name in SECOND_MOMENTS if name in statistics]
    if not names:
        raise InvalidValueError(f"cannot plot statistics without any of {', '.join(SECOND_MOMENTS)}")
    for name, color in zip(names, OKABE_ITO, strict=False):
        label, values = _label(name), statistics[name]
        if "seed" in values.dims:
            layers.draw_measurement(ax, values.transpose("seed", "layer").values, color=color, label=label)
        else:
            band = [statistics[f"{name}_{end}"].values if f"{name}_{end}" in statistics else None for end in _BAND]
            layers.draw_prediction(ax, values.values, color=color, label=label, low=band[0], high=band[1])
    ax.set_yscale("log")
    layer_ticks(ax, statistics.sizes["layer"])
    kind = str(statistics.attrs.get("kind", "statistics"))
    finish(ax, kind.capitalize(), "layer", "second moment (dimensionless)")
    _legend(ax)


_BAND = ("low", "high")


def _label(variable: str) -> str:
    return TENSORS[variable.removesuffix("_second_moment")][0]


def _plot_comparison(ax: Axes, comparison: Comparison) -> None:
    names = [name for name in SECOND_MOMENTS if comparison.select(name)]
    if not names:
        raise InvalidValueError("cannot plot a comparison without second moments")
    offsets = np.linspace(-0.2, 0.2, len(names)) if len(names) > 1 else [0.0]
    for name, color, offset in zip(names, OKABE_ITO, offsets, strict=False):
        entries = [entry for entry in comparison.select(name) if entry.ratio is not None]
        ax.errorbar(
            [entry.layer + offset for entry in entries],
            [entry.ratio or math.nan for entry in entries],
            yerr=[entry.ratio_error or 0.0 for entry in entries],
            color=color,
            label=_label(name),
            **MEASUREMENT,
        )
    ax.axhline(1.0, color="0.25", linewidth=1.2)
    layer_ticks(ax, max(entry.layer for entry in comparison.entries))
    finish(ax, "Measured second moments over predicted ones", "layer", "measured / predicted")
    handles = [*ax.get_legend_handles_labels()[0], handle("prediction", linewidth=1.2)]
    _legend(ax, handles)


def _plot_run(ax: Axes, run: Run) -> None:
    network = run.spec.network
    for name, color in (("test_error", OKABE_ITO[0]), ("validation_error", OKABE_ITO[1])):
        if name in run.curves:
            errors = run.curves[name].values[np.newaxis]
            label, scale = name.replace("_", " "), 1 if network.autoencoder else 100
            curves.draw_error_curve(ax, run.curves["step"].values, errors, color=color, label=label, scale=scale)
    steps.update_ticks(ax)
    units = "squared distance from the input" if network.autoencoder else "error (%)"
    finish(ax, f"{network.layers} {network.activation}, {network.initializer}", "updates", units)
    _legend(ax)


def _legend(ax: Axes, handles: list[Artist] | None = None) -> None:
    """Put the legend below the axes, where it hides nothing."""
    handles = handles if handles is not None else list(ax.get_legend_handles_labels()[0])
    ax.legend(handles=handles, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False, ncols=2)
