"""The explorer as one HTML file that loads nothing: tables, scripts and style are in it.

What the page shows is computed where it is shown, by the scripts in ``templates``, from tables that the package
computed: ``moment_tables``, ``pair_tables`` and ``output_tables``. Their rules and limits are passed on from the
modules that have them, so that none is written twice.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from glorotlab import __version__, activations, initializers
from glorotlab.activations.named import RECORDS
from glorotlab.arrays import Array, Progress
from glorotlab.explorer import moment_tables, output_tables, pair_tables
from glorotlab.explorer.interpolation import Axis
from glorotlab.explorer.javascript import function
from glorotlab.pages import render
from glorotlab.theory.advice import calibration, numbers, predictors, trainability
from glorotlab.theory.finite_width import bands, few_units
from glorotlab.theory.gaussian.moments import LARGEST, SMALLEST
from glorotlab.theory.mean_field import inputs

TEMPLATES = Path(__file__).parent / "templates"

SCRIPTS = (
    *("interpolation.js", "tables.js", "mean_field.js", "laws.js", "few_units.js", "bands.js", "verdict.js"),
    *("phase.js", "charts.js", "page.js"),
)
"""Scripts of the page, each after those that it needs."""

INITIALIZERS = (
    *("standard_uniform", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform"),
    *("lecun_normal", "orthogonal", "nielsen_default", "nielsen_large"),
)
"""Named initializers of the page: those whose biases, if any, have one variance in all layers."""

LEVEL = 0.95
"""Probability of the bands."""

DIGITS = 8
"""Significant digits of a number of a table."""

DEEPEST = 100
"""Largest number of hidden layers."""

SLIDERS = (
    ("gain", "Gain g, Var[W] = g²/n", 0.1, 4, 0.01, 1),
    ("depth", "Depth", 1, DEEPEST, 1, 10),
    ("width", "Width n", 4, 10, 0.125, 8),
    ("bias", "Bias variance", 0, 2, 0.01, 0),
    ("moment", "Input second moment", -3, 2, 0.05, 0),
)
"""Sliders: name, label, least, largest, step and first value; the width is a power of 2, the moment one of 10."""

PICTURES = (
    ("signal", "Signal: second moment of the activations", "E z²"),
    ("gradient", "Gradient: second moment of the back-propagated gradient", "E (∂C/∂s)²"),
    ("weight_gradient", "Weight gradient: second moment", "E (∂C/∂W)²"),
)
"""Curves over the depth: name, caption and symbol."""

PREDICTORS = {
    "updates": "updates that tell the classes apart",
    "fluctuation": "relative variance of a weight's gradient between networks",
    "coherence": "coherence: what an update on one example does for others",
    "separation": "share of the inputs' variance along the classes",
}
"""Words for the predictors of a verdict."""


def explorer(names: Sequence[str] = (), progress: Progress | None = None) -> str:
    """Return the page as text.

    Parameters
    ----------
    names : sequence of str
        Activations to choose from; none stands for all that have a name.
    progress : callable(done, total), optional
        Called after each activation, and after the output layer.
    """
    records = [activations.get(name) for name in names or RECORDS]
    tables: dict[str, Any] = {}
    singles: dict[str, moment_tables.MomentTable] = {}
    for record in records:
        single, pairs = moment_tables.moment_table(record), pair_tables.pair_table(record)
        singles[record.family] = single
        tables[record.family] = {
            "moments": _rounded(single.values),
            "pairs": {"square": _rounded(pairs.square), "derivative_square": _rounded(pairs.derivative_square)},
            "bound": record.bound,
        }
        if progress is not None:
            progress(len(singles), len(records) + 1)
    output = {name: _rounded(row) for name, row in output_tables.output_table().items()}
    if progress is not None:
        progress(len(records) + 1, len(records) + 1)
    worst = max(singles, key=lambda name: singles[name].error)
    return render(
        TEMPLATES / "explorer.html.jinja",
        version=__version__,
        activations=list(tables),
        initializers=INITIALIZERS,
        sliders=SLIDERS,
        pictures=PICTURES,
        scripts=SCRIPTS,
        functions={record.family: function(record) for record in records},
        classes=output_tables.CLASSES,
        level=LEVEL,
        error=singles[worst].error,
        scatter_error=max(single.scatter_error for single in singles.values()),
        worst=worst,
        deepest=DEEPEST,
        examples=numbers.BATCH,
        alike=(inputs.SAME_CLASS, inputs.OTHER_CLASS),
        tables=_data(tables, output),
    )


def _data(tables: dict[str, Any], output: dict[str, Any]) -> dict[str, Any]:
    """Return the data of the scripts as plain values; infinite bounds are None."""
    return {
        "axis": _axis(moment_tables.AXIS),
        "outputAxis": _axis(output_tables.AXIS),
        "pairAxis": _axis(pair_tables.AXIS),
        "unlikeAxis": _axis(pair_tables.UNLIKE),
        "rows": moment_tables.ROWS,
        "logarithms": moment_tables.LOGARITHMS,
        "activations": tables,
        "output": output,
        "classes": output_tables.CLASSES,
        "draws": output_tables.output_draws(),
        "largestNormal": output_tables.LARGEST_NORMAL,
        "range": (SMALLEST, LARGEST),
        "level": LEVEL,
        "mostVariance": bands.MAX_VARIANCE,
        "fewUnits": {
            "logNormal": few_units.LOG_NORMAL,
            "saturated": few_units.SATURATED,
            "most": few_units.MAX_VARIANCE,
        },
        "initializers": {name: _initializer(initializers.get(name)) for name in INITIALIZERS},
        "own": _initializer(initializers.get("variance_scaling")),
        "words": PREDICTORS,
        "verdict": {
            "alike": (inputs.SAME_CLASS, inputs.OTHER_CLASS),
            "classSize": inputs.CLASS_SIZE,
            "batch": numbers.BATCH,
            "intercept": calibration.INTERCEPT,
            "coefficients": {name: dataclasses.asdict(one) for name, one in calibration.COEFFICIENTS.items()},
            "farthest": calibration.FARTHEST,
            "least": predictors.LEAST,
            "most": predictors.MOST,
            "refused": calibration.REFUSED,
            "largestOutputs": calibration.MAX_OUTPUTS,
            "bounds": [
                (name, low, None if math.isinf(high) else high, what) for name, low, high, what in trainability.BOUNDS
            ],
            "slow": trainability.SLOW,
            "rate": dataclasses.asdict(calibration.RATE),
            "leastCurvature": calibration.LEAST_CURVATURE,
        },
    }


def _axis(axis: Axis) -> dict[str, float]:
    return {"start": axis.start, "step": axis.step, "cells": axis.cells}


def _initializer(record: initializers.Initializer) -> dict[str, Any]:
    """Return the data of an initializer for the scripts; the kurtosis of orthogonal weights is not needed."""
    return {
        "scale": record.scale,
        "mode": record.mode,
        "kurtosis": record.excess_kurtosis(1, 1) if record.independent else 0.0,
        "independent": record.independent,
        "bias": initializers.get_bias(record.bias).variance,
    }


def _rounded(values: Array) -> Any:
    """Return an array as nested lists of numbers of few digits."""
    if values.ndim > 1:
        return [_rounded(row) for row in values]
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]
