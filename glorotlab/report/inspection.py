"""The report of ``glorotlab inspect``: verdicts module by module, picture, audit, advice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import xarray as xr
from markupsafe import Markup

from glorotlab.experiments.experiment import Table
from glorotlab.measurement.compare import SECOND_MOMENTS, Comparison
from glorotlab.measurement.sentences import counts, rules
from glorotlab.report.comparison import HEAD, comparison_picture, numbers
from glorotlab.report.report import Report
from glorotlab.report.symbols import symbol


def inspection_report(
    factory: str,
    prediction: xr.Dataset,
    measurement: xr.Dataset,
    comparison: Comparison,
    further: Sequence[Any] = (),
    command: str = "",
) -> Report:
    """Return the report of an inspection.

    Parameters
    ----------
    factory : str
        Where the model is from.
    prediction, measurement : xarray.Dataset
    comparison : Comparison
    further : sequence of object or None
        Audit and advice: results that show themselves in a notebook, which escapes what it shows.
    command : str, optional
        The command that made it.
    """
    entries = sorted((e for name in SECOND_MOMENTS for e in comparison.select(name)), key=lambda entry: entry.layer)
    networks = measurement.sizes["seed"]
    drawn = f"{networks} draws of its weights" if networks > 1 else "one network"
    refused = json.loads(prediction.attrs.get("refused", "{}"))
    return Report(
        title=f"{factory}, module by module",
        sentences=[
            f"{measurement.attrs['model']}, {measurement.attrs['examples']} examples, {drawn}. {counts(entries)}",
            *(f"{sentence}." for sentence in rules(prediction, entries, networks)),
            *(f"Not predicted from {module} on: {reason}" for module, reason in refused.items()),
        ],
        parts=[
            comparison_picture(prediction, measurement, comparison),
            Table(
                "Theory beside measurement, module by module",
                ("module", "statistic", *HEAD),
                tuple(
                    (entry.module, symbol(entry.variable.replace("backprop", "result")), *numbers(entry))
                    for entry in entries
                ),
            ),
            *(Markup(one._repr_html_()) for one in further if one is not None),  # noqa: S704
        ],
        command=command,
    )
