"""SweepResults: the measurements of a sweep's runs as one xarray Dataset, and the values chosen on validation error."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from glorotlab import files, netcdf, notebook
from glorotlab.errors import RunError
from glorotlab.schema import COORDINATES, SCHEMA_VERSION
from glorotlab.spec.sweep import SweepSpec
from glorotlab.spec.sweep_axes import SEED, Axis
from glorotlab.training.error_curves import CURVES, describe_curves
from glorotlab.training.runs.status import ENDED, FINISHED, read_status
from glorotlab.training.sweeps import plan

if TYPE_CHECKING:
    import xarray as xr

_COUNTS = {"updates_done": "updates done", "seconds": "time used"}
MISSING = "missing"
"""Status of a point whose run has not ended."""


@dataclass
class SweepResults:
    """The results of a sweep, read from its folder when they are asked for.

    Parameters
    ----------
    folder : Path
        The output folder of the sweep.
    spec : SweepSpec
        What was swept.
    runs : list of str
        The run folder of each point, the last axis fastest; points of equal specs share one.
    errors : dict of str to str
        Why runs did not end in the call of ``sweep`` that returned these results, by run folder.

    Examples
    --------
    >>> import glorotlab as gl
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from tempfile import TemporaryDirectory
    >>> run = {"data": "shapeset(validation=10, test=10)", "network": {"layers": "1024,9"}, "training": {"updates": 1}}
    >>> spec = gl.SweepSpec(run=run, grid={"learning_rate": [0.01, 0.1]}, repeats=2, choose=["learning_rate"])
    >>> with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as executor:
    ...     results = gl.sweep(spec, folder, executor=executor)
    ...     final, chosen = results.final(), results.best()
    ...     everything, statuses = results.dataset(), results.status()
    >>> dict(final.sizes)
    {'learning_rate': 2, 'seed': 2}
    >>> float(chosen["learning_rate"]) in (0.01, 0.1)
    True
    >>> len(statuses), "activation_second_moment" in everything
    (4, True)
    """

    folder: Path
    spec: SweepSpec
    runs: list[str] = field(repr=False)
    errors: dict[str, str] = field(default_factory=dict)

    def status(self) -> dict[str, dict[str, Any]]:
        """Return what ``status.json`` says of every run that is there, by run folder."""
        reports = {}
        for name in dict.fromkeys(self.runs):
            try:
                reports[name] = read_status(self.folder / name)
            except RunError:
                continue
        return reports

    def final(self) -> xr.Dataset:
        """Return cost and errors at the end of the runs that have ended, with the swept fields as dimensions.

        Returns
        -------
        xarray.Dataset
            ``training_cost``, ``validation_error``, ``test_error``, ``updates_done`` and ``seconds``, NaN where a run
            has not ended (of one that diverged, what was finite last); ``status`` and ``run``, the folder.
        """
        import xarray as xr

        ended = {name: report for name, report in self.status().items() if report["status"] in ENDED}
        dims = [axis.name for axis in self.spec.axes]

        def column(name: str, missing: Any, dtype: type) -> npt.NDArray[Any]:
            values = [ended.get(run, {}).get(name, missing) for run in self.runs]
            return np.array(values, dtype=dtype).reshape(self.spec.shape)  # None becomes NaN

        fields = [report.get("fields", {}) for report in ended.values()]
        autoencoder, regression = (any(one.get(name) for one in fields) for name in ("autoencoder", "regression"))
        descriptions = describe_curves(autoencoder=autoencoder, regression=regression) | _COUNTS
        data: dict[str, Any] = {
            name: (
                dims,
                column(name.removesuffix("_done"), None, float),
                {"long_name": text, "units": "s" if name == "seconds" else "1"},
            )
            for name, text in descriptions.items()
        }
        runs = np.array(self.runs, dtype=object).reshape(self.spec.shape)
        data["status"] = (dims, column("status", MISSING, object), {"long_name": "status of the run", "units": "1"})
        data["run"] = (dims, runs, {"long_name": "folder of the run", "units": "1"})
        attributes = {"schema_version": SCHEMA_VERSION, "sweep": json.dumps(plan.public_fields(self.spec))}
        return xr.Dataset(data, _coordinates(self.spec.axes), attributes)

    def dataset(self, *, steps: bool = False) -> xr.Dataset:
        """Return everything the runs that have ended measured, with the swept fields as dimensions.

        Parameters
        ----------
        steps : bool
            Whether to return all records of the statistics and the error curves, with dimension ``step``, in place of
            the last ones.

        Returns
        -------
        xarray.Dataset
            The variables of ``final`` and of LayerStatistics; NaN where a run has no such layer or step.

        Raises
        ------
        RunError
            Where a file of a run that has ended is damaged.
        """
        final = self.final()
        tables = {}
        for name, status in zip(self.runs, final["status"].values.ravel(), strict=True):
            if status in ENDED and name not in tables:
                statistics = netcdf.read(self.folder / name / "statistics.nc")
                curves = netcdf.read(self.folder / name / "curves.nc")
                tables[name] = (statistics, curves) if steps else (statistics.isel(step=-1, drop=True),)
        stacked = _stack([tables.get(name, ()) for name in self.runs], self.spec)
        return final.drop_vars(list(CURVES) if steps else []).assign(stacked.data_vars).assign_coords(stacked.coords)

    def best(self) -> xr.Dataset:
        """Return what is chosen on validation error, for each combination of the other fields.

        Returns
        -------
        xarray.Dataset
            The value of each dimension of ``spec.choose``, and ``training_cost``, ``validation_error`` and
            ``test_error``, means over the seeds, with ``_std`` between them. A value of which a run diverged, failed
            or is missing is not chosen; where none is left, numbers are NaN and texts empty.
        """
        import xarray as xr

        final = self.final()
        errors = final[list(CURVES)].where(final["status"] == FINISHED)
        if SEED in final.dims and SEED not in self.spec.choose:
            spread = errors.std(SEED, ddof=1, skipna=False, keep_attrs=True).rename(
                {name: f"{name}_std" for name in CURVES}
            )
            errors = errors.mean(SEED, skipna=False, keep_attrs=True).assign(spread.data_vars)
        chosen = [axis for axis in self.spec.axes if axis.name in self.spec.choose]
        if not chosen:
            return errors
        names = [axis.name for axis in chosen]
        rest = [str(name) for name in errors["validation_error"].dims if name not in names]
        flat = {str(name): _flat(errors[name], rest, names) for name in errors.data_vars}
        places = np.where(np.isnan(flat["validation_error"]), np.inf, flat["validation_error"]).argmin(axis=-1)
        least = {
            name: (rest, np.take_along_axis(values, places[..., np.newaxis], -1)[..., 0])
            for name, values in flat.items()
        }
        nothing = np.isnan(least["validation_error"][1])
        values = {}
        for name, candidates in _candidates(chosen).items():
            labels = candidates[places]
            without = np.nan if labels.dtype.kind in "bif" else ""
            values[name] = (rest, np.where(nothing, without, labels) if nothing.any() else labels, _about(name))
        chosen_errors = {name: (*column, errors[name].attrs) for name, column in least.items()}
        return xr.Dataset(values | chosen_errors, {name: errors.coords[name] for name in rest})

    def _repr_html_(self) -> str:
        ended = sum(report["status"] in ENDED for report in self.status().values())
        title = f"Sweep in {self.folder}: {ended} of {len(set(self.runs))} runs have ended"
        best = self.best().reset_coords()
        columns = [best[name].values.ravel() for name in map(str, best.data_vars)]
        rows = zip(*columns, strict=True) if len({len(column) for column in columns}) == 1 else ()
        chosen = notebook.table(list(best.data_vars), rows, "What is chosen on validation error")
        failed = notebook.fields(self.errors) if self.errors else notebook.paragraph("")
        return notebook.form(title, chosen, failed)


def load_sweep(folder: str | os.PathLike[str]) -> SweepResults:
    """Open the folder of a sweep, also while it is running; where several share it, that of the last one.

    Parameters
    ----------
    folder : path-like
        What ``sweep`` was given as ``out``; ``~`` is the home folder.

    Returns
    -------
    SweepResults

    Raises
    ------
    RunError
        Where it is no folder of a sweep.

    Examples
    --------
    >>> import glorotlab as gl
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from tempfile import TemporaryDirectory
    >>> run = {"data": "shapeset(validation=10, test=10)", "network": {"layers": "1024,9"}, "training": {"updates": 1}}
    >>> spec = gl.SweepSpec(run=run, grid={"learning_rate": [0.01, 0.1]})
    >>> with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as executor:
    ...     results = gl.sweep(spec, folder, executor=executor)
    ...     gl.load_sweep(folder).runs == results.runs
    True
    """
    path = files.user_path(folder)
    return SweepResults(path, *plan.read(path))


def _array(values: Iterable[Any]) -> npt.NDArray[Any]:
    """Return numbers as an array of numbers (NaN if missing), anything else as an array of objects."""
    listed = list(values)
    if all(value is None or isinstance(value, (int, float)) for value in listed):
        return np.array([np.nan if value is None else value for value in listed])
    return np.array(["" if value is None else value for value in listed], dtype=object)


def _columns(axis: Axis) -> dict[str, npt.NDArray[Any]]:
    """Return the label and the fields of every place along an axis."""
    fields = dict.fromkeys(name for place in axis.places for name in place)
    return {name: _array(place.get(name) for place in axis.places) for name in fields} | {
        axis.name: _array(axis.labels)
    }


def _coordinates(axes: Iterable[Axis]) -> dict[str, Any]:
    return {name: (axis.name, values, _about(name)) for axis in axes for name, values in _columns(axis).items()}


def _about(name: str) -> dict[str, str]:
    """Return the description and the unit of a swept field."""
    long_name, units = COORDINATES.get(name, (name.replace("_", " "), "1"))
    return {"long_name": long_name, "units": units}


def _candidates(axes: Sequence[Axis]) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of several axes over all their combinations, the last axis fastest."""
    places = np.array(list(itertools.product(*(range(len(axis.labels)) for axis in axes))))
    return {
        name: values[places[:, number]] for number, axis in enumerate(axes) for name, values in _columns(axis).items()
    }


def _flat(values: xr.DataArray, rest: list[str], names: list[str]) -> npt.NDArray[Any]:
    """Return values with the dimensions ``names`` merged into one, the last."""
    ordered = values.transpose(*rest, *names)
    return ordered.values.reshape(*ordered.shape[: len(rest)], -1)


def _stack(tables: Sequence[tuple[xr.Dataset, ...]], spec: SweepSpec) -> xr.Dataset:
    """Stack the variables of all runs over the swept fields, aligned by the labels of their dimensions."""
    import xarray as xr

    labels: dict[str, dict[Any, None]] = {}
    attributes: dict[str, dict[Any, Any]] = {}
    variables: dict[str, xr.DataArray] = {}
    everything = [
        (place, table) for place, several in zip(np.ndindex(spec.shape), tables, strict=True) for table in several
    ]
    for _, table in everything:
        for dim in table.dims:
            labels.setdefault(str(dim), {}).update(dict.fromkeys(table[dim].values.tolist()))
            attributes[str(dim)] = table[dim].attrs
        variables |= {str(name): values for name, values in table.data_vars.items() if str(name) not in variables}
    if "step" in labels:
        labels["step"] = dict.fromkeys(sorted(labels["step"]))
    places = {dim: {label: place for place, label in enumerate(along)} for dim, along in labels.items()}
    sizes = {dim: len(along) for dim, along in labels.items()}
    dims = tuple(axis.name for axis in spec.axes)
    data = {
        name: xr.Variable(
            (*dims, *map(str, values.dims)),
            np.full((*spec.shape, *(sizes[str(dim)] for dim in values.dims)), np.nan),
            values.attrs,
        )
        for name, values in variables.items()
    }
    for index, table in everything:
        for name, values in table.data_vars.items():
            inner = variables[str(name)].dims
            where = [[places[str(dim)][label] for label in table[dim].values.tolist()] for dim in inner]
            data[str(name)].values[index][np.ix_(*where)] = values.transpose(*inner).values
    coords = {dim: (dim, list(along), attributes[dim]) for dim, along in labels.items()}
    return xr.Dataset(data, coords)
