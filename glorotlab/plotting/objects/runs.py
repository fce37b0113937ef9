"""Error curves of one run or of several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from glorotlab.errors import InvalidValueError
from glorotlab.plotting import curves, steps
from glorotlab.plotting.style import OKABE_ITO, finish, handle
from glorotlab.training.runs.run import Run

ERRORS = {"test_error": "-", "validation_error": "--"}
"""Style of the line of each curve."""


def draw_runs(ax: Axes, objects: Sequence[Run | xr.Dataset], variable: str | None) -> list[Artist]:
    """Draw test and validation errors, or ``variable``, over updates: a color a run, or a curve of one run."""
    tables = [one.curves if isinstance(one, Run) else one for one in objects]
    names = [variable] if variable else [name for name in ERRORS if any(name in table for table in tables)]
    handles: list[Artist] = []
    units = set()
    for place, (one, table) in enumerate(zip(objects, tables, strict=True)):
        for curve, name in enumerate(names):
            if name not in table:
                raise InvalidValueError(f"variable {name!r}: allowed are {', '.join(map(str, table.data_vars))}")
            values = table[name].transpose(..., "step")
            share = curves.is_share(values)
            units.add("error (%)" if share else "cost" if name == "training_cost" else "squared distance")
            color = OKABE_ITO[(place if len(objects) > 1 else curve) % len(OKABE_ITO)]
            line = ERRORS.get(name, "-") if len(objects) > 1 else "-"
            rows = np.atleast_2d(values.values)
            style = {"color": color, "linestyle": line}
            curves.draw_error_curve(ax, table["step"].values, rows, scale=100 if share else 1, **style)
            words = name.replace("_", " ")
            what = words if len(objects) == 1 else f"{_name(one, place)}: {words}"
            handles.append(handle(what, marker="o", markersize=3, linewidth=1.3, **style))
    steps.update_ticks(ax)
    title = _name(objects[0], 0) if len(objects) == 1 else "Training runs"
    finish(ax, title, "updates", ", ".join(sorted(units)))
    return handles


def _name(one: Run | xr.Dataset, place: int) -> str:
    if not isinstance(one, Run):
        return f"curves {place + 1}" if place else "Training"
    network = one.spec.network
    return f"{network.layers} {network.activation}, {network.initializer}"
