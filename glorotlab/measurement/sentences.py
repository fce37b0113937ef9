"""Sentences about a prediction and a comparison with it: what verdicts rest on, and what was assumed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glorotlab.measurement.compare import AGREES, DIFFERS, SLACK, Entry

if TYPE_CHECKING:
    import xarray as xr


def counts(entries: Sequence[Entry]) -> str:
    """Return how many entries agree and how many differ."""
    verdicts = [entry.verdict for entry in entries]
    return f"{verdicts.count(AGREES)} statistics agree with the prediction, {verdicts.count(DIFFERS)} differ."


def rules(prediction: xr.Dataset, entries: Sequence[Entry], networks: int) -> list[str]:
    """Return the rules of the verdicts of some entries.

    Parameters
    ----------
    prediction : xarray.Dataset
    entries : sequence of Entry
    networks : int
        Number of networks that were measured.
    """
    sentences, rules = [], []
    if "level" in prediction.attrs:
        whose = f"the mean of {networks} networks" if networks > 1 else "one network"
        level = prediction.attrs["level"]
        sentences.append(f"Band: {whose} lies inside with probability {level:g}, finite width included")
        rules.append("a measurement agrees inside its band")
    if prediction.attrs.get("no_band"):
        sentences.append(f"No bands: {prediction.attrs['no_band']}")
    if any(entry.low is None for entry in entries):
        where = "; where there is no band, it agrees" if rules else "a measurement agrees"
        error_rule = f"{where} within 2 standard errors + {SLACK:.1%} of the prediction"
        if any(entry.resolution for entry in entries):
            error_rule += ", or below what samples (saturation) and rounding (means, variances) let be told apart"
        none = "; none without a band" if rules else "none"
        rules.append(error_rule if networks > 1 else f"{none}, since one network has no standard error")
    return [*sentences, f"Verdict: {''.join(rules)}"]


def assumptions(prediction: xr.Dataset) -> list[str]:
    """Return the assumptions of a prediction, one sentence each."""
    return [str(sentence) for sentence in json.loads(prediction.attrs["assumptions"])]


def relative_errors(prediction: xr.Dataset) -> str:
    """Return the errors of a prediction in one sentence."""
    numerical, width, gaussianity = (
        prediction.attrs.get(f"{name}_error", 0.0) for name in ("numerical", "finite_width", "gaussianity")
    )
    return (
        f"Relative errors: numerical at most {numerical:.1g}; of the order of {width:.1g} for finite width, "
        f"{gaussianity:.1g} for pre-activations that are not Gaussian"
    )
