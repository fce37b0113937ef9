"""Contact sheets of a dataset's pictures, a row for each class (Glorot & Bengio 2010, figure 1)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glorotlab.errors import InvalidValueError
from glorotlab.plotting.style import new_figure

COLUMNS = 12
"""Number of pictures of each class."""

GAP = 1
"""Pixels between two pictures."""


def contact_sheet(
    x: npt.NDArray[np.floating[Any]],
    y: npt.NDArray[np.integer[Any]],
    class_names: Sequence[str] = (),
    columns: int = COLUMNS,
) -> Figure:
    """Draw the first pictures of each class in a figure of their own; see `draw_contact_sheet`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = list(class_names) or [str(label) for label in range(int(y.max(initial=0)) + 1)]
    margin = 0.3 + 0.1 * max(map(len, names))
    figure = new_figure(size=(margin + 0.5 * columns, 0.3 + 0.5 * len(names)))
    draw_contact_sheet(figure.axes[0], x, y, names, columns)
    return figure


def draw_contact_sheet(
    ax: Axes,
    x: npt.NDArray[np.floating[Any]],
    y: npt.NDArray[np.integer[Any]],
    class_names: Sequence[str] = (),
    columns: int = COLUMNS,
) -> None:
    """Draw the first pictures of each class, a row for each, with its name.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x : array, shape (n, side * side) or (n, 3 * side * side)
        Gray pictures row by row, or red, green and blue ones, one color after the other. The least value of all is
        drawn black, the largest white.
    y : int array, shape (n,)
        Classes from 0.
    class_names : sequence of str
        Names of the classes; by default their numbers, up to the largest there is.
    columns : int
        Most pictures of a class.

    Raises
    ------
    InvalidValueError
        Where there is no picture, or inputs are no pictures of equal sides.
    """
    if not len(x):
        raise InvalidValueError("no pictures to draw: allowed are 1 or more")
    names = list(class_names) or [str(label) for label in range(int(y.max()) + 1)]
    pictures = as_pictures(x)
    height, width, channels = pictures.shape[1:]
    sheet = np.ones((len(names) * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels))
    for row in range(len(names)):
        for column, picture in enumerate(pictures[y == row][:columns]):
            top, left = row * (height + GAP), column * (width + GAP)
            sheet[top : top + height, left : left + width] = picture
    ax.imshow(sheet if channels == 3 else sheet[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_anchor("W")  # the layout makes room for names where the pictures begin
    ax.set_yticks([row * (height + GAP) + height / 2 for row in range(len(names))], names)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def as_pictures(x: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Return inputs as pictures in [0, 1].

    Parameters
    ----------
    x : array, shape (n, side * side) or (n, 3 * side * side)

    Returns
    -------
    float64 array of shape (n, side, side, 1) or (n, side, side, 3)

    Raises
    ------
    InvalidValueError
        Where the inputs are no pictures of equal sides.
    """
    inputs = x.shape[1]
    channels = next((channels for channels in (1, 3) if channels * math.isqrt(inputs // channels) ** 2 == inputs), 0)
    if not channels:
        raise InvalidValueError(f"{inputs} inputs are not a picture: allowed are side x side, or three times as many")
    side = math.isqrt(inputs // channels)
    low, high = float(x.min()), float(x.max())
    scaled = (x.astype(np.float64) - low) / ((high - low) or 1.0)
    return scaled.reshape(len(x), channels, side, side).transpose(0, 2, 3, 1)
