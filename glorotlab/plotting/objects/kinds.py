"""Which picture shows which objects: the kind of an object, the kinds that go together, and who draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.data.dataset import Dataset
from glorotlab.errors import InvalidValueError
from glorotlab.measurement.compare import Comparison
from glorotlab.measurement.estimators import HISTOGRAM_TENSORS
from glorotlab.plotting.objects.advice import draw_advice
from glorotlab.plotting.objects.comparison import draw_comparison
from glorotlab.plotting.objects.coordinate_check import draw_coordinate_check
from glorotlab.plotting.objects.densities import draw_densities, draw_single_law
from glorotlab.plotting.objects.fixed_points import draw_fixed_points
from glorotlab.plotting.objects.modules import draw_modules
from glorotlab.plotting.objects.moments import draw_moments
from glorotlab.plotting.objects.monitored import draw_monitored
from glorotlab.plotting.objects.pictures_of_data import draw_dataset
from glorotlab.plotting.objects.runs import draw_runs
from glorotlab.plotting.objects.statistics import draw_layers
from glorotlab.plotting.objects.sweep import draw_sweep, is_sweep
from glorotlab.plotting.objects.tangent_kernel import draw_tangent_kernel
from glorotlab.plotting.objects.training import draw_training
from glorotlab.plotting.phases import draw_phase_diagram
from glorotlab.plotting.spectra import draw_spectra
from glorotlab.scaling.result import CoordinateCheck
from glorotlab.theory.advice.advice import Advice
from glorotlab.theory.distributions.location_scale import LocationScale
from glorotlab.theory.distributions.predict_distributions import Distributions
from glorotlab.theory.distributions.pushforward import Pushforward
from glorotlab.theory.finite_width.tangent_kernel import TangentKernel
from glorotlab.theory.gaussian.moments import Moments
from glorotlab.theory.phases.fixed_points import FixedPoints
from glorotlab.theory.phases.phase_diagram import KIND as PHASE_DIAGRAM
from glorotlab.theory.spectra.jacobian_spectrum import JacobianSpectrum
from glorotlab.torch.monitoring import Monitor
from glorotlab.training.error_curves import CURVES
from glorotlab.training.runs.run import Run

Draw = Callable[[Axes, Sequence[Any], str | None], list[Artist]]
"""Function that draws objects, or one variable of them, on axes and returns the entries of the legend."""


@dataclass(frozen=True)
class Picture:
    """A picture of objects of certain kinds.

    Parameters
    ----------
    kinds : tuple of str
        Kinds of objects that it shows together.
    draw : callable
    single : bool
        Whether it shows one object alone.
    variables : bool
        Whether one of several variables can be asked for.
    size : tuple of float
        Width and height in inches of a figure of its own.
    long_labels : bool
        Whether what stands along its x axis is long, so that the legend lies below all of the axes.
    """

    kinds: tuple[str, ...]
    draw: Draw
    single: bool = False
    variables: bool = True
    size: tuple[float, float] = (6.5, 4.5)
    long_labels: bool = False


STATISTICS, TRAINING = "LayerStatistics of a prediction or a measurement", "statistics over training"
MODULES = "LayerStatistics of a model of your own"
MONITORED = "what a monitor recorded"
HISTOGRAMS, DISTRIBUTIONS = "histograms", "predicted distributions"

CLASSES: dict[type, str] = {
    Run: "a Run",
    Comparison: "a Comparison",
    JacobianSpectrum: "a JacobianSpectrum",
    Distributions: DISTRIBUTIONS,
    Pushforward: "the law of a layer",
    LocationScale: "the law of a layer",
    Advice: "Advice",
    FixedPoints: "FixedPoints",
    Moments: "Moments",
    TangentKernel: "a TangentKernel",
    CoordinateCheck: "a CoordinateCheck",
    Dataset: "a Dataset of pictures",
    Monitor: MONITORED,
}
"""Kind of the objects of each class."""

PICTURES = (
    Picture((STATISTICS,), draw_layers),
    Picture((MODULES,), draw_modules, size=(8.5, 5.8), long_labels=True),
    Picture((TRAINING, STATISTICS), draw_training),
    Picture((MONITORED, MODULES), draw_monitored, size=(13.0, 5.5)),
    Picture((HISTOGRAMS, DISTRIBUTIONS), draw_densities),
    Picture(("a Run", "error curves"), draw_runs),
    Picture(("a Comparison",), draw_comparison, single=True),
    Picture(("a sweep",), draw_sweep, single=True),
    Picture(("Advice",), draw_advice, single=True, variables=False, size=(7.2, 5.4)),
    Picture(("FixedPoints",), draw_fixed_points, single=True, variables=False),
    Picture(("Moments",), draw_moments, single=True),
    Picture(("a TangentKernel",), draw_tangent_kernel, single=True),
    Picture(("a CoordinateCheck",), draw_coordinate_check, single=True),
    Picture(("a JacobianSpectrum",), draw_spectra, variables=False),
    Picture(("a phase diagram",), draw_phase_diagram, single=True, variables=False, size=(7.0, 6.8)),
    Picture(("the law of a layer",), draw_single_law, variables=False),
    Picture(("a Dataset of pictures",), draw_dataset, single=True, variables=False, size=(7.0, 5.5)),
)
"""All pictures; the first with the kinds of the objects draws them."""


def picture_of(objects: Sequence[Any], variable: str | None) -> Picture:
    """Return the picture that shows the objects; InvalidValueError, with the possible ones, if there is none."""
    kinds = [_kind(one, variable) for one in objects]
    for picture in PICTURES:
        if set(kinds) <= set(picture.kinds):
            if picture.single and len(objects) > 1:
                raise InvalidValueError(f"{len(objects)} objects in a picture of {kinds[0]}: allowed is one")
            if variable and not picture.variables:
                raise InvalidValueError(f"variable {variable!r:.60} with {kinds[0]}: allowed is none")
            return picture
    together = "; ".join(" and ".join(picture.kinds) for picture in PICTURES if len(picture.kinds) > 1)
    raise InvalidValueError(f"cannot plot {', '.join(dict.fromkeys(kinds))} in one picture: allowed are {together}")


def _kind(obj: Any, variable: str | None) -> str:
    """Return the kind of an object."""
    for cls, kind in CLASSES.items():
        if isinstance(obj, cls):
            return kind
    if is_sweep(obj):
        return "a sweep"
    if isinstance(obj, xr.Dataset) and (kind := _kind_of_dataset(obj, variable)):
        return kind
    allowed = ", ".join(dict.fromkeys(kind for picture in PICTURES for kind in picture.kinds))
    raise InvalidValueError(f"cannot plot {type(obj).__name__}: allowed are {allowed}")


def _kind_of_dataset(dataset: xr.Dataset, variable: str | None) -> str:
    """Return the kind of a dataset, ``""`` if it is not one of the package's."""
    if dataset.attrs.get("kind") == PHASE_DIAGRAM:
        return "a phase diagram"
    if "module" in dataset.coords:
        return MONITORED if "step" in dataset.dims else MODULES
    if "layer" in dataset.dims:
        counted = [name for name in dataset if str(name).endswith("_count")]
        others = [name for name in dataset if {"layer"} < set(dataset[name].dims) and "bin" not in dataset[name].dims]
        only = bool(counted) and all("edge" in dataset[name].dims for name in others)
        if only or (variable or "").removesuffix("_count") in HISTOGRAM_TENSORS:
            return HISTOGRAMS
        return TRAINING if "step" in dataset.dims else STATISTICS
    return "error curves" if "step" in dataset.dims and set(CURVES) & set(dataset.data_vars) else ""
