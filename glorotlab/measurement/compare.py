"""compare: a prediction and a measurement side by side: ratio, standard error, z-score and band, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from glorotlab import notebook
from glorotlab.averages import mean_and_error
from glorotlab.checks import shown
from glorotlab.documents import parse_json
from glorotlab.errors import InvalidValueError
from glorotlab.schema import COMPARED

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SECOND_MOMENTS = (
    "preactivation_second_moment",
    "activation_second_moment",
    "backprop_gradient_second_moment",
    "example_weight_gradient_second_moment",
    "batch_weight_gradient_second_moment",
)
"""Variables that a table shows by default."""

SLACK = 0.015
"""Share of the prediction by which a measurement may exceed two standard errors where there is no band."""

NONE_OF_MANY = 3
"""Expected count at which no sample is seen with probability e^-3 = 5 %, like a deviation of 2 standard errors."""

AGREES, DIFFERS = "agrees", "differs"


@dataclass(frozen=True)
class Entry:
    """One variable of one layer; numbers that do not exist are None.

    Parameters
    ----------
    layer : int
    variable : str
    predicted, measured : float
        The measured number is the mean over seeds.
    standard_error : float or None
        The standard error of that mean; None for one seed.
    ratio : float or None
        measured / predicted.
    z_score : float or None
        (measured - predicted) / standard_error.
    low, high : float or None
        The predicted band, where the prediction has one, for the mean over as many networks as its attribute
        ``networks`` says.
    inside_band : bool or None
        Whether the measured mean lies inside the band, where that is for as many networks as were measured; else
        whether every network does.
    verdict : str or None
        ``agrees`` or ``differs``. Where there is a band for as many networks as were measured, the measured mean agrees
        inside it; elsewhere it agrees within 2 standard errors and `SLACK` of the prediction, or within the
        resolution where that is larger. None for one network without a band.
    resolution : float
        Difference below which what was measured tells nothing apart, however small its standard error: of a saturated
        share 3 / n, n being the units, examples and networks together; of a mean the root of the tensor's second
        moment, and of a variance the second moment, times the precision of the networks' dtype. It is 0 of all others,
        and where the measurement does not say these.
    module : str
        Name of the step of a user's own model; empty of our networks, whose layers have numbers alone.
    """

    layer: int
    variable: str
    predicted: float
    measured: float
    standard_error: float | None
    ratio: float | None
    z_score: float | None
    low: float | None
    high: float | None
    inside_band: bool | None
    verdict: str | None = None
    resolution: float = 0.0
    module: str = ""

    def _repr_html_(self) -> str:
        return notebook.record(f"{self.variable}, layer {self.layer}", self)

    @property
    def ratio_error(self) -> float | None:
        """Standard error of the ratio."""
        return None if self.standard_error is None or not self.predicted else self.standard_error / abs(self.predicted)


@dataclass(frozen=True)
class Comparison:
    """A prediction and a measurement side by side: an entry for every layer and variable that they share.

    Parameters
    ----------
    entries : tuple of Entry
        By variable, in the order of ``schema.COMPARED``, then by layer.

    Examples
    --------
    >>> import glorotlab as gl
    >>> spec = gl.NetworkSpec.parse("20x2,5", activation="linear", initializer="orthogonal")
    >>> inputs, labels = [[1.0] * 20], [0]
    >>> comparison = gl.compare(gl.predict(spec, inputs, labels), gl.measure(spec, inputs, labels, seeds=3))
    >>> comparison.select("preactivation_second_moment")[0].verdict
    'agrees'
    >>> print(comparison.to_markdown().splitlines()[0])
    | variable | layer | predicted | measured | ratio | standard error | z |
    >>> "tabular" in comparison.to_latex()
    True
    """

    entries: tuple[Entry, ...]

    def select(self, variable: str) -> list[Entry]:
        """Return the entries of one variable, by layer."""
        return [entry for entry in self.entries if entry.variable == variable]

    def to_markdown(self, variables: Sequence[str] = SECOND_MOMENTS) -> str:
        """Return a table of the given variables, one line a layer and variable."""
        lines = [
            "| variable | layer | predicted | measured | ratio | standard error | z |",
            "|---|---|---|---|---|---|---|",
        ]
        for variable in variables:
            for e in self.select(variable):
                lines.append(f"| {' | '.join(_cells(e)[:-1])} |")
        return "\n".join(lines)

    def to_latex(self, variables: Sequence[str] = SECOND_MOMENTS) -> str:
        """Return a ``tabular`` of the given variables, one line a layer and variable; it needs no package."""
        lines = [r"\begin{tabular}{lrrrrrrl}", r"\hline", " & ".join(COLUMNS) + r" \\", r"\hline"]
        for variable in variables:
            lines += [" & ".join(_cells(entry)).replace("_", r"\_") + r" \\" for entry in self.select(variable)]
        return "\n".join([*lines, r"\hline", r"\end{tabular}"]) + "\n"

    def to_dataframe(self) -> pd.DataFrame:
        """Return every entry as a row of a pandas DataFrame, which xarray brings.

        Returns
        -------
        pandas.DataFrame
            Indexed by variable and layer, with the other fields of `Entry` as columns; numbers that do not exist are
            NaN.

        Examples
        --------
        >>> import glorotlab as gl
        >>> spec = gl.NetworkSpec.parse("20x2,5", activation="linear", initializer="orthogonal")
        >>> comparison = gl.compare(gl.predict(spec, [[1.0] * 20], [0]), gl.measure(spec, [[1.0] * 20], [0], seeds=3))
        >>> frame = comparison.to_dataframe()
        >>> round(float(frame.loc[("preactivation_second_moment", 1), "ratio"]), 4)
        1.0
        """
        import pandas as pd

        names = [field.name for field in fields(Entry)]
        rows = [[getattr(entry, name) for name in names] for entry in self.entries]
        frame = pd.DataFrame(rows, columns=names).astype(dict.fromkeys(NUMBERS, float))
        return frame.set_index(["variable", "layer"])

    def _repr_html_(self) -> str:
        shown = [name for name in SECOND_MOMENTS if self.select(name)] or [entry.variable for entry in self.entries]
        rows = [_cells(entry) for name in dict.fromkeys(shown) for entry in self.select(name)]
        return notebook.form("Prediction and measurement", notebook.table(COLUMNS, rows))

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


COLUMNS = ("variable", "layer", "predicted", "measured", "ratio", "standard error", "z", "verdict")
"""Column headings of a table."""

NUMBERS = ("predicted", "measured", "standard_error", "ratio", "z_score", "low", "high", "resolution")
"""Fields of an entry that are numbers or missing."""


def _cells(e: Entry) -> tuple[str, ...]:
    """Return the row of an entry."""
    numbers = f"{e.predicted:.5g}", f"{e.measured:.5g}", _cell(e.ratio), _cell(e.ratio_error), _cell(e.z_score, 2)
    return e.variable, e.module or str(e.layer), *numbers, e.verdict or ""


def _cell(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def compare(prediction: xr.Dataset, measurement: xr.Dataset) -> Comparison:
    """Set a prediction and a measurement side by side.

    Parameters
    ----------
    prediction, measurement : xarray.Dataset
        LayerStatistics of the same spec, in this order or the other, as they say which is which; the measurement may
        have a dimension ``seed``.

    Returns
    -------
    Comparison
        An entry for every layer of the variables that both have, except where a number is NaN in either.

    Raises
    ------
    InvalidValueError
        Where the two are not LayerStatistics of the same network, layers and examples, or a seed was measured twice.

    Examples
    --------
    >>> import glorotlab as gl
    >>> spec = gl.NetworkSpec.parse("20x4,5", activation="linear", initializer="orthogonal")
    >>> inputs, labels = [[1.0] * 20], [0]
    >>> comparison = gl.compare(gl.predict(spec, inputs, labels), gl.measure(spec, inputs, labels, seeds=3))
    >>> [(own.layer, round(own.ratio, 4)) for own in comparison.select("preactivation_second_moment")[:3]]
    [(1, 1.0), (2, 1.0), (3, 1.0)]
    """
    import xarray as xr

    for dataset in (prediction, measurement):
        if not (isinstance(dataset, xr.Dataset) and "layer" in dataset.coords):
            raise InvalidValueError(f"cannot compare {type(dataset).__name__}: allowed are LayerStatistics datasets")
    if (prediction.attrs.get("kind"), measurement.attrs.get("kind")) == ("measurement", "prediction"):
        prediction, measurement = measurement, prediction
    if "seed" in prediction.dims:
        raise InvalidValueError("cannot compare two measurements: allowed are a prediction and a measurement")
    attributes = ["spec", "examples", "inputs_digest"]
    if any("gradient" in str(name) for name in prediction):  # what goes forward does not depend on labels
        attributes.append("labels_digest")
    for attribute in attributes:
        left, right = (dataset.attrs.get(attribute) for dataset in (prediction, measurement))
        if left != right:
            raise InvalidValueError(f"cannot compare: {attribute} {_short(left)} predicted, {_short(right)} measured")
    left, right = (dataset["layer"].values.tolist() for dataset in (prediction, measurement))
    if left != right:
        raise InvalidValueError(f"cannot compare: layers {left} predicted, {right} measured")
    left, right = (
        dataset["module"].values.tolist() if "module" in dataset.coords else [] for dataset in (prediction, measurement)
    )
    if left != right:
        raise InvalidValueError(f"cannot compare: modules {shown(left)} predicted, {shown(right)} measured")
    _check_that_seeds_differ(measurement)
    entries: list[Entry] = []
    for name in COMPARED:
        if name in prediction and name in measurement:
            entries += _entries(name, prediction, measurement)
    return Comparison(tuple(entries))


def _check_that_seeds_differ(measurement: xr.Dataset) -> None:
    """Refuse a seed that occurs twice, as in joined measurements, because its network would be counted twice."""
    if "seed" in measurement.coords and measurement["seed"].size:
        seeds, counts = np.unique(measurement["seed"].values, return_counts=True)
        if counts.max() > 1:
            twice = int(seeds[counts.argmax()])
            raise InvalidValueError(f"cannot compare: seed {twice} is measured {counts.max()} times, allowed is once")


def _short(value: object) -> str:
    if isinstance(value, str) and value.startswith("{"):
        fields = parse_json(value)
        return " ".join(str(fields[key]) for key in ("layer_sizes", "activation", "initializer", "bias"))
    return str(value)


def _entries(name: str, prediction: xr.Dataset, measurement: xr.Dataset) -> list[Entry]:
    predicted, measured = (_pooled(dataset[name]) for dataset in (prediction, measurement))
    rows = measured.transpose("seed", "layer").values if "seed" in measured.dims else measured.values[np.newaxis]
    modules = prediction["module"].values if "module" in prediction.coords else [""] * prediction.sizes["layer"]
    entries = []
    for index, layer in enumerate(prediction["layer"].values):
        values, expected = rows[:, index], float(predicted.values[index])
        if not (math.isfinite(expected) and np.isfinite(values).all()):
            continue
        mean, standard_error = map(float, mean_and_error(values))
        error = None if math.isnan(standard_error) else standard_error
        low, high = (_band(prediction, f"{name}_{end}", index) for end in ("low", "high"))
        of_the_mean = prediction.attrs.get("networks") == len(values)
        judged = np.array([mean]) if of_the_mean else values
        inside = None if low is None or high is None else bool(((judged >= low) & (judged <= high)).all())
        ratio = mean / expected if expected else None
        z = (mean - expected) / error if error else None
        resolution = _resolution(name, measurement, index, len(values))
        verdict = _verdict(mean - expected, error, SLACK * abs(expected), resolution, inside if of_the_mean else None)
        numbers = expected, mean, error, ratio, z, low, high, inside, verdict, resolution
        entries.append(Entry(int(layer), name, *numbers, str(modules[index])))
    return entries


def _verdict(
    difference: float, error: float | None, slack: float, resolution: float, inside: bool | None
) -> str | None:
    """Return the verdict of an `Entry`; the slack is a share of the prediction, which may be 0."""
    if inside is None:
        if error is None:
            return None
        inside = abs(difference) <= max(2 * error + slack, resolution)
    return AGREES if inside else DIFFERS


def _resolution(name: str, measurement: xr.Dataset, index: int, networks: int) -> float:
    """Return the resolution of an `Entry` from the measurement's number of samples and rounding."""
    if name == "activation_saturation":
        samples = networks * measurement.attrs.get("examples", 0) * _of_layer(measurement, "fan_out", index)
        return NONE_OF_MANY / samples if samples else 0.0
    tensor, _, statistic = name.rpartition("_")
    if statistic not in ("mean", "variance") or "dtype" not in measurement.attrs:
        return 0.0
    size = _of_layer(measurement, f"{tensor}_second_moment", index)
    return float(np.finfo(measurement.attrs["dtype"]).eps) * (math.sqrt(size) if statistic == "mean" else size)


def _of_layer(measurement: xr.Dataset, name: str, index: int) -> float:
    """Return a variable's mean over networks in a layer, 0 if it is missing."""
    return float(measurement[name].isel(layer=index).mean()) if name in measurement else 0.0


def _pooled(array: xr.DataArray) -> xr.DataArray:
    return array.sel(estimator="pooled") if "estimator" in array.dims else array


def _band(prediction: xr.Dataset, name: str, index: int) -> float | None:
    """Return an end of the band of one layer, or None if there is none."""
    end = float(_pooled(prediction[name]).values[index]) if name in prediction else math.nan
    return None if math.isnan(end) else end
