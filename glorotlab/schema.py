"""LayerStatistics: the one vocabulary of per-layer statistics, predicted and measured alike.

A LayerStatistics is an ``xarray.Dataset`` with dimension ``layer`` = 1..L, one per weight matrix; the last is the
output layer. Layer l holds W of shape (fan_in, fan_out), s = z_{l-1} W + b and z_l = f(s); in the notation of
Glorot & Bengio (2010) these are W^{l-1}, s^{l-1} and z^l. Version 1: names are added, never renamed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from glorotlab import __version__

if TYPE_CHECKING:
    import xarray as xr

SCHEMA_VERSION = 1

ESTIMATORS = ("pooled", "within_unit", "within_example")
"""Estimators of ``T_variance``: over units and examples together; over the examples within a unit, averaged over units;
over the units within an example, averaged over examples. Each weight of a weight gradient is a unit. The gradients of
the batch mean have no examples: the last two are NaN."""

QUANTILES = (0.02, 0.25, 0.5, 0.75, 0.98)
"""Probabilities of ``activation_quantile``; .98, signed, is the marker of the paper's figures 3 and 10."""

SATURATION_THRESHOLD = 0.99
"""Share of the largest |f| beyond which a unit of a bounded activation counts as saturated."""


@dataclass(frozen=True)
class Variable:
    """One name of the schema: what it is, its dimensions beyond ``seed`` and ``step``, its unit and its equation."""

    name: str
    long_name: str
    dims: tuple[str, ...] = ("layer",)
    units: str = "1"
    equation: str = ""


TENSORS: dict[str, tuple[str, str]] = {
    "preactivation": ("pre-activation s", "s = z W + b"),
    "activation": ("activation z", "z = f(s)"),
    "backprop_gradient": (
        "back-propagated gradient dC/ds of one example's cost",
        "Glorot & Bengio 2010, eq. 2",
    ),
    "example_weight_gradient": ("weight gradient dC/dW of one example's cost", "Glorot & Bengio 2010, eq. 3"),
    "batch_weight_gradient": ("weight gradient of the batch-mean cost", "mean over examples of eq. 3"),
    "batch_bias_gradient": ("bias gradient of the batch-mean cost", "mean over examples of dC/ds"),
}
"""Description and symbol of each tensor whose elements are summarized."""

UNDERFLOWING: tuple[str, ...] = ("backprop_gradient", "batch_weight_gradient")
"""Tensors whose zeros and subnormal numbers are counted, because vanishing gradients end there."""


def _variables() -> dict[str, Variable]:
    variables = [
        Variable("fan_in", "units of the layer below", equation="rows of W"),
        Variable("fan_out", "units of this layer", equation="columns of W"),
        Variable("weight_variance", "variance of the weights", equation="Var[W]"),
    ]
    for name, (what, source) in TENSORS.items():
        variables += [
            Variable(f"{name}_mean", f"mean of {what}", equation=f"E[T]; T: {source}"),
            Variable(f"{name}_second_moment", f"second moment of {what}", equation=f"E[T^2]; T: {source}"),
            Variable(
                f"{name}_variance",
                f"variance of {what}",
                ("layer", "estimator"),
                equation=f"E[T^2] - E[T]^2; T: {source}",
            ),
            Variable(f"{name}_count", f"histogram counts of {what}", ("layer", "bin"), equation=source),
            Variable(f"{name}_edge", f"histogram edges of {what}", ("layer", "edge"), equation=source),
        ]
    for name in UNDERFLOWING:
        what, _ = TENSORS[name]
        variables += [
            Variable(f"{name}_zero", f"share of exact zeros in {what}", equation="P(T = 0)"),
            Variable(
                f"{name}_subnormal",
                f"share of subnormal numbers, which have lost digits, in {what}",
                equation="P(0 < |T| < smallest normal number of the dtype)",
            ),
        ]
    variables += [
        Variable(
            "activation_quantile",
            "signed quantile of activation z",
            ("layer", "quantile"),
            equation="P(z <= quantile) = p",
        ),
        Variable(
            "update_weight_ratio",
            "size of an update over that of the weights",
            equation="rms(W(t + 1) - W(t)) / rms(W(t))",
        ),
        Variable(
            "update_bias_ratio",
            "size of an update over that of the biases",
            equation="rms(b(t + 1) - b(t)) / rms(b(t))",
        ),
        Variable("activation_saturation", "share of saturated activations", equation="P(|z| > threshold max |f|)"),
        Variable("learning_speed", "length of the bias gradient", equation="|dC/db|, batch mean; Nielsen, ch. 5"),
        Variable(
            "jacobian_singular_value_mean",
            "mean singular value of the layer's Jacobian",
            equation="J = dz_l/dz_{l-1}; Glorot & Bengio 2010, eq. 17",
        ),
    ]
    return {variable.name: variable for variable in variables}


VARIABLES = _variables()

UNCERTAINTY = {
    "std": "standard deviation between networks",
    "sem": "standard error of the mean over networks",
    "low": "lower end of the band for one network drawn once",
    "high": "upper end of the band for one network drawn once",
    "shift": "shift of the mean over networks at finite width, to first order in 1 / width",
    "quadrature_error": "error of the band's ends from the numerics of the mean-field value",
    "expansion_error": "error of the band's ends from higher orders in 1 / width, an order of magnitude",
    "sampling_error": "standard error of the band's ends from sampled units and outputs",
}
"""Suffixes that carry the uncertainty of a variable."""

COMPARED = tuple(
    [f"{name}_{statistic}" for name in TENSORS for statistic in ("mean", "second_moment", "variance")]
    + ["activation_saturation", "learning_speed", "jacobian_singular_value_mean"]
)
"""Variables in which a prediction and a measurement can be compared."""


COORDINATES: dict[str, tuple[str, str]] = {
    "layer": ("layer: 1 is next to the inputs, the last is the output layer", "1"),
    "estimator": ("what a variance is taken over", "1"),
    "quantile": ("probability of a quantile", "1"),
    "seed": ("seed of the network's weights and streams", "1"),
    "step": ("mini-batch updates done", "updates"),
    "module": ("name of the step of a user's own model, a row for each", "1"),
    "kind": ("kind of the layer, as in glorotlab.spec.layers", "1"),
}
"""Description and unit of each coordinate of the schema."""

ALONG_LAYERS = ("module", "kind")
"""Coordinates along ``layer`` in the table of a PyTorch model, whose rows are modules and not only weight matrices."""

COUNTERS = ("layer", "seed", "step")
"""Coordinates that are whole numbers."""


def describe(name: str) -> Variable:
    """Return the schema's entry of a variable, uncertainty suffixes included; KeyError where there is none."""
    if name in VARIABLES:
        return VARIABLES[name]
    suffix = next((suffix for suffix in UNCERTAINTY if name.endswith(f"_{suffix}")), "")
    entry = VARIABLES[name.removesuffix(f"_{suffix}")]
    return Variable(name, f"{entry.long_name}: {UNCERTAINTY[suffix]}", entry.dims, entry.units, entry.equation)


def coordinate(name: str, values: npt.ArrayLike, dim: str | None = None) -> xr.Variable:
    """Return a coordinate of the schema with its description and unit; counters become whole numbers.

    Parameters
    ----------
    name : str
        A name of ``COORDINATES``; KeyError where it is none.
    values : array_like, shape (n,)
    dim : str, optional
        Its dimension, by default ``name``.

    Returns
    -------
    xarray.Variable
        Of dtype int64 for ``COUNTERS``, uint64 where a seed needs it.
    """
    import xarray as xr

    long_name, units = COORDINATES[name]
    array = np.asarray(values)
    if name in COUNTERS:  # by Python's integers: NumPy makes floats of 1 and 2**64 - 1 together
        whole = [int(value) for value in np.asarray(values, dtype=object)]
        array = np.array(whole, dtype=np.int64 if max(whole, default=0) < 2**63 else np.uint64)
    return xr.Variable(dim or name, array, {"long_name": long_name, "units": units})


def digests(inputs: npt.ArrayLike, labels: npt.ArrayLike | None) -> dict[str, str]:
    """Return the attributes that say which examples statistics are of: short SHA-256 of float64 inputs and labels."""
    tensors = {"inputs_digest": inputs} | ({} if labels is None else {"labels_digest": labels})
    return {
        name: hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()[:16]
        for name, values in tensors.items()
    }


def layer_statistics(
    values: Mapping[str, Any],
    *,
    leading: tuple[str, ...] = (),
    coords: Mapping[str, Any] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Build a LayerStatistics from arrays.

    Parameters
    ----------
    values : mapping of str to array_like
        Variables of the schema; each has the leading dimensions and then its own. ``T_variance`` may come without
        its ``estimator`` axis in all of them: they are then the pooled ones.
    leading : tuple of str
        Dimensions in front, such as ``("seed",)`` or ``("step",)``.
    coords : mapping, optional
        Values of ``seed`` or ``step``, and of a user's own model ``module`` and ``kind``.
    attributes : mapping, optional
        Attributes beyond the schema and package version; dicts and lists become JSON strings.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    KeyError
        Where a name is not in the schema.
    """
    import xarray as xr

    data: dict[str, xr.Variable] = {}
    for name, value in values.items():
        entry = describe(name)
        array = np.asarray(value)
        if array.dtype.kind in "iub":
            array = array.astype(np.float64)  # NetCDF 3 has no 64-bit integers
        dims = (*leading, *entry.dims)
        if array.ndim == len(dims) - 1 and entry.dims[-1] == "estimator":
            array = array[..., np.newaxis]
        elif array.ndim == len(entry.dims):  # the same along every leading dimension, such as the fans
            dims = entry.dims
        attrs = {"long_name": entry.long_name, "units": entry.units, "equation": entry.equation}
        data[name] = xr.Variable(dims, array, attrs)
    sizes = {dim: size for variable in data.values() for dim, size in variable.sizes.items()}
    labels: dict[str, Any] = {"layer": np.arange(1, sizes["layer"] + 1)}
    if "estimator" in sizes:
        labels["estimator"] = list(ESTIMATORS[: sizes["estimator"]])
    if "quantile" in sizes:
        labels["quantile"] = list(QUANTILES)
    stamp: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "glorotlab_version": __version__}
    stamp |= {
        key: json.dumps(value) if isinstance(value, (dict, list, tuple)) else value
        for key, value in (attributes or {}).items()
    }
    described = {
        name: coordinate(name, along, "layer" if name in ALONG_LAYERS else None)
        for name, along in (labels | dict(coords or {})).items()
    }
    return xr.Dataset(data, coords=described, attrs=stamp)
