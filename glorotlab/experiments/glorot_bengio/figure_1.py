"""Figure 1: pictures of Shapeset-3x2 and of Small-ImageNet."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from glorotlab.arrays import Progress
from glorotlab.data.catalogue import describe_dataset, load_dataset
from glorotlab.data.source import Source
from glorotlab.experiments.describe import described
from glorotlab.experiments.experiment import Experiment, Results
from glorotlab.experiments.glorot_bengio.common.datasets import LABELS, absent, split_by_presence
from glorotlab.experiments.scales import Scale
from glorotlab.plotting.pictures import draw_contact_sheet
from glorotlab.plotting.style import new_figure
from glorotlab.training.sweeps.store import RunStore

NAME = "figure_1"

DATASETS = ("shapeset", "small-imagenet")

COLUMNS = 8
"""Number of pictures of each class."""

LOOKED_AT = 2_000
"""Number of test pictures that are searched; the rarest class is one in eighteen."""


def run(scale: Scale, store: RunStore, progress: Progress | None = None) -> Results:
    """Take the first test pictures of each class of the datasets that are here."""
    here, missing = split_by_presence(DATASETS)
    pictures = {f"{name}_pictures": _first_of_each_class(load_dataset(name, keep=True).test) for name in here}
    return {"absent": missing} | pictures


def _first_of_each_class(source: Source) -> xr.Dataset:
    """Return inputs and classes of the first ``COLUMNS`` pictures of each class."""
    x, y = source.batch(0, int(min(LOOKED_AT, source.length)))
    kept = np.sort(np.concatenate([np.flatnonzero(y == label)[:COLUMNS] for label in range(source.classes)]))
    pictures = xr.Dataset({"x": (("picture", "input"), x[kept]), "y": ("picture", y[kept])})
    return described(pictures, x=("brightness of a pixel, row by row", "1"), y=("class", "1"))


def draw(results: Results) -> Figure:
    """Draw a contact sheet of each dataset, side by side."""
    figure = new_figure(1, 2, size=(10.6, 5.0))
    for ax, name in zip(figure.axes, DATASETS, strict=True):
        if name in absent(results):
            ax.set_axis_off()
            ax.text(0.5, 0.5, "its data are not here", transform=ax.transAxes, ha="center")
        else:
            pictures = results[f"{name}_pictures"]
            labels = pictures["y"].values.astype(np.int64)
            draw_contact_sheet(ax, pictures["x"].values, labels, describe_dataset(name).class_names, COLUMNS)
        ax.set_title(LABELS[name], fontsize=10.5, loc="left")
        ax.set_ylabel("class")
    return figure


EXPERIMENT = Experiment(
    name=NAME,
    title="Pictures of two of the datasets",
    source="Glorot & Bengio (2010), figure 1",
    caption=(
        "The first test pictures of each class. Shapeset-3x2: one or two shapes of three kinds, as the class says, "
        "drawn without end. Small-ImageNet: photographs of ten kinds, 37x37 gray."
    ),
    effort=1,
    run=run,
    findings=(),
    draw=draw,
)
