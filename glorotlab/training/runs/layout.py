"""Layout: the arrays of a spec's checkpoint by name, type and shape, and the values that they may have.

A length that the spec does not say is read off the arrays: the number of records, of points and of recent costs.
Whoever adds an array enters it among those that may be missing: checkpoints of before have none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from glorotlab.archives import Form
from glorotlab.errors import InvalidValueError
from glorotlab.measurement.estimators import HISTOGRAM_TENSORS
from glorotlab.schema import ESTIMATORS, QUANTILES, UNDERFLOWING, VARIABLES
from glorotlab.spec.run import RunSpec
from glorotlab.training import pretraining
from glorotlab.training.error_curves import COST_WINDOW, CURVES
from glorotlab.training.monitors import HISTOGRAM_BINS
from glorotlab.training.state import Arrays

Forms = dict[str, Form]

DOUBLE = np.dtype(np.float64)

UNDERFLOW = tuple(f"{tensor}_{share}" for tensor in UNDERFLOWING for share in ("zero", "subnormal"))
"""Statistics that runs of earlier versions lack."""


def check_forms(forms: Mapping[str, Form], spec: RunSpec) -> None:
    """Raise InvalidValueError if the types and shapes of arrays are not those of a run.

    Parameters
    ----------
    forms : mapping of str to Form
    spec : RunSpec
    """
    expected = _always(forms, spec)
    for group in (_parameters(spec, "_velocity"), _parameters(spec, "_rate"), _statistics(forms, spec, UNDERFLOW)):
        expected |= group if group.keys() & forms.keys() else {}  # all of them are there, or none
    for name, form in forms.items():
        if name not in expected:
            raise InvalidValueError(f"array {name!r:.60} is none of a run of layers {spec.network.layers}")
        if form != expected[name]:
            raise InvalidValueError(f"array {name} is {_text(form)}: allowed is {_text(expected[name])}")
    for name in expected:
        if name not in forms:
            raise InvalidValueError(f"it has no array {name}")


def check_values(arrays: Arrays, spec: RunSpec, updates: int) -> None:
    """Raise InvalidValueError if the values of arrays of the right types and shapes are not those of a run.

    Parameters
    ----------
    arrays : dict of str to ndarray
    spec : RunSpec
    updates : int
        Updates done.
    """
    for name, steps in (("steps", arrays["steps"]), ("curves", arrays["curves"][:, 0])):
        whole = np.isfinite(steps).all() and (steps == np.floor(steps)).all()
        if not (whole and steps[0] == 0 and (np.diff(steps) > 0).all() and steps[-1] <= updates):
            raise InvalidValueError(f"array {name}: allowed are whole numbers that rise from 0 to {updates} at most")
    finite = {"errors": arrays["curves"][:, 2:], "costs": arrays.get("recent_costs", arrays.get("since_point"))}
    finite |= {name: array for name, array in arrays.items() if "_rate_" in name}
    for name, values in finite.items():
        if values is not None and not np.isfinite(values).all():
            raise InvalidValueError(
                f"array of {name} has {values[~np.isfinite(values)][0]}: allowed are finite numbers"
            )
    if spec.training.pretraining_updates:
        _check_place(arrays, spec, updates)


def _always(forms: Mapping[str, Form], spec: RunSpec) -> Forms:
    """Return the types and shapes of the arrays that every checkpoint of a spec has."""
    layers = len(spec.network.fans)
    expected = _statistics(forms, spec, statistics().keys() - set(UNDERFLOW))
    expected |= {
        f"{record}/{tensor}_{kind}": Form(DOUBLE, (layers, length))
        for record in ("first", "last")
        for tensor in HISTOGRAM_TENSORS
        for kind, length in (("count", HISTOGRAM_BINS), ("edge", HISTOGRAM_BINS + 1))
    }
    expected["steps"] = Form(DOUBLE, (_length(forms, "steps"),))
    expected["curves"] = Form(DOUBLE, (_length(forms, "curves"), 1 + len(CURVES)))
    if "since_point" in forms:  # written before the training cost was the mean of a window
        expected["since_point"] = Form(DOUBLE, (2,))
    else:
        expected["recent_costs"] = Form(DOUBLE, (_length(forms, "recent_costs", 0, COST_WINDOW),))
    return expected | _parameters(spec, "") | _pretraining(forms, spec)


def statistics() -> dict[str, tuple[int, ...]]:
    """Return the lengths of the dimensions, beside ``layer``, of every statistic that a monitor records."""
    lengths = {"estimator": len(ESTIMATORS), "quantile": len(QUANTILES)}
    return {
        name: tuple(lengths[dim] for dim in variable.dims[1:])
        for name, variable in VARIABLES.items()
        if not name.startswith(("fan_", "jacobian_", "update_")) and not name.endswith(("_count", "_edge"))
    }


def _statistics(forms: Mapping[str, Form], spec: RunSpec, names: Collection[str]) -> Forms:
    shape = _length(forms, "steps"), len(spec.network.fans)
    return {
        f"statistics/{name}": Form(DOUBLE, (*shape, *lengths))
        for name, lengths in statistics().items()
        if name in names
    }


def _parameters(spec: RunSpec, kind: str) -> Forms:
    dtype = np.dtype(spec.dtype)
    return {
        f"{name}{kind}_{layer}": Form(dtype, shape)
        for layer, fans in enumerate(spec.network.fans, start=1)
        for name, shape in (("weight", fans), ("bias", fans[1:]))
    }


def _pretraining(forms: Mapping[str, Form], spec: RunSpec) -> Forms:
    if not spec.training.pretraining_updates:
        return {}
    widths, place = spec.network.layer_sizes[:-2], f"{pretraining.NAME}/"
    bias = _length(forms, f"{place}bias")  # its layer is known from the values
    costs = [f"{place}costs_{layer}" for layer in range(1, len(widths) + 1)]
    return {
        f"{place}place": Form(np.dtype(np.int64), (2,)),
        f"{place}bias": Form(np.dtype(spec.dtype), (bias if bias in widths else widths[0],)),
    } | {name: Form(DOUBLE, (_length(forms, name, 0, pretraining.COST_WINDOW),)) for name in costs}


def _check_place(arrays: Arrays, spec: RunSpec, updates: int) -> None:
    """Check that the position of a pre-training agrees with its arrays."""
    done, recorded = arrays[f"{pretraining.NAME}/place"].tolist()
    per_layer, widths = spec.training.pretraining_updates, spec.network.layer_sizes[:-2]
    in_all = per_layer * len(widths)
    if not (0 <= done <= in_all and 0 <= recorded <= (done == in_all) and (recorded or not updates)):
        raise InvalidValueError(f"{done} updates of pre-training before update {updates}: allowed are 0 to {in_all}")
    layer = max(0, done - 1) // per_layer
    if arrays[f"{pretraining.NAME}/bias"].shape != (widths[layer],):
        raise InvalidValueError(f"array {pretraining.NAME}/bias is not of layer {layer + 1}, the one in pre-training")


def _length(forms: Mapping[str, Form], name: str, least: int = 1, most: int = 2**40) -> int:
    """Return the length of an array, or the nearest one allowed."""
    shape = forms[name].shape if name in forms else ()
    return min(max(shape[0], least), most) if shape else least


def _text(form: Form) -> str:
    return f"{form.dtype} of shape {form.shape}"
