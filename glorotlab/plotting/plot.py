"""A picture of any result of the package, or of several that belong together."""

from __future__ import annotations

from textwrap import shorten
from typing import Any, Literal, overload

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glorotlab.errors import InvalidValueError
from glorotlab.plotting.objects.kinds import picture_of
from glorotlab.plotting.style import new_figure

LONGEST = 46
"""Longest entry of a legend inside axes, in characters."""

TITLES: tuple[Literal["left", "center", "right"], ...] = ("left", "center", "right")
"""Positions of the titles of axes."""


@overload
def plot(obj: Any, *others: Any, ax: None = None, variable: str | None = None) -> Figure: ...
@overload
def plot(obj: Any, *others: Any, ax: Axes, variable: str | None = None) -> Axes: ...
def plot(obj: Any, *others: Any, ax: Axes | None = None, variable: str | None = None) -> Figure | Axes:
    """Draw a result, or several of them in one picture.

    - Predictions and measurements: second moments per layer on a logarithmic axis, or the ``variable`` asked for;
      lines with bands are predicted, points with standard errors measured.
    - Statistics over training (``run.statistics``): 98th percentile and standard deviation of the activations of each
      layer over updates, or the ``variable``; a prediction beside them is drawn before the first update.
    - A monitor of ``gl.torch.monitor``, or its statistics: all modules over all recorded steps, with the prediction
      beside the first record; ``variable`` for one quantity alone.
    - Histograms (``run.histograms``, ``gl.measure(..., bins=100)`` with a ``variable``) and predicted distributions:
      densities of activations, or of the tensor ``variable``, per layer.
    - Runs and their error curves; spectra of Jacobians: one curve each.
    - Alone: a comparison, a sweep, advice, fixed points, moments, a tangent kernel, a phase diagram, a dataset of
      pictures.

    Parameters
    ----------
    obj : object
        Any of these.
    *others : object
        More to draw in the same picture, such as ``gl.plot(prediction, measurement)``.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a title, labels and a legend that are there stay. By default those of a new figure, which
        needs no display.
    variable : str, optional
        Variable of LayerStatistics, or tensor of histograms and distributions, to draw in place of the usual one.

    Returns
    -------
    matplotlib.figure.Figure or matplotlib.axes.Axes
        ``ax`` where it is given, else the new figure: ``plot(obj).savefig("file.png")``. A notebook shows a figure.

    Raises
    ------
    InvalidValueError
        Where an object is none of these, objects do not go together, or there is no such variable.

    Examples
    --------
    >>> import glorotlab as gl
    >>> prediction = gl.predict("100,50x5,10", input_second_moment=1.0, level=0.95)
    >>> figure = gl.plot(prediction)
    >>> figure.axes[0].get_xlabel()  # figure.savefig("figure.png") writes it
    'layer'
    """
    objects = (obj, *others)
    if others and ax is None and isinstance(others[-1], Axes):  # plot(obj, ax)
        objects, ax = objects[:-1], others[-1]
    picture = picture_of(objects, variable)
    if ax is None:
        figure = new_figure(size=picture.size)
        ax = figure.axes[0]
        _legend_below(ax, picture.draw(ax, objects, variable), below_labels=picture.long_labels)
        return figure
    if not isinstance(ax, Axes):
        raise InvalidValueError(f"ax is a {type(ax).__name__}: allowed are axes of matplotlib")
    _draw_beside(ax, picture.draw, objects, variable)
    return ax


def _draw_beside(ax: Axes, draw: Any, objects: tuple[Any, ...], variable: str | None) -> None:
    """Draw on the user's axes: their words stay, and the legend lies inside, as there may be no room around."""
    titles = {place: ax.get_title(loc=place) for place in TITLES}
    xlabel, ylabel = ax.get_xlabel(), ax.get_ylabel()
    legend = ax.get_legend()
    handles = list(legend.legend_handles if legend else ax.get_legend_handles_labels()[0])
    handles += draw(ax, objects, variable)
    if any(titles.values()):
        for place, text in titles.items():
            ax.set_title(text, loc=place)
    ax.set_xlabel(xlabel or ax.get_xlabel())
    ax.set_ylabel(ylabel or ax.get_ylabel())
    unique = {str(handle.get_label()): handle for handle in handles if handle is not None}
    if unique:
        labels = [shorten(label, LONGEST, placeholder=" …") for label in unique]
        ax.legend(list(unique.values()), labels, fontsize=7, loc="best", framealpha=0.75)


def _legend_below(ax: Axes, handles: list[Artist], *, below_labels: bool = False) -> None:
    """Put the legend below the axes, where it hides nothing; the layout makes room for it."""
    if handles:
        longest = max(len(str(handle.get_label())) for handle in handles)
        columns = 1 if longest > 45 else 2 if longest > 18 else 4
        style: dict[str, Any] = {"fontsize": 8, "frameon": False, "ncols": columns}
        if below_labels:
            ax.figure.figure.legend(handles=handles, loc="outside lower center", **style)
            return
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.16), **style)
