"""A dataset of pictures as a contact sheet: the first test pictures of each class."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.data.dataset import Dataset
from glorotlab.plotting.pictures import draw_contact_sheet

LOOKED_AT = 500
"""Number of test examples among which the first of each class are searched."""


def draw_dataset(ax: Axes, objects: Sequence[Dataset], variable: str | None) -> list[Artist]:
    """Draw the first test pictures of each class, a row for each; InvalidValueError where inputs are no pictures."""
    (dataset,) = objects
    x, y = dataset.test.batch(0, int(min(LOOKED_AT, dataset.test.length)))
    draw_contact_sheet(ax, x, y, [str(label) for label in range(dataset.classes)])
    ax.set_title(f"{dataset.name}: test examples", fontsize=10.5, loc="left")
    ax.set_ylabel("class")
    return []
