"""The report of ``glorotlab inspect`` as one self-contained page: verdicts module by module, picture, audit, advice."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from glorotlab import __version__
from glorotlab.measurement.compare import AGREES, DIFFERS, Comparison
from glorotlab.pages import render
from glorotlab.plotting.plot import plot

if TYPE_CHECKING:
    import xarray as xr

TEMPLATE = Path(__file__).parent / "templates" / "inspection.html.jinja"

TENSORS = {
    "preactivation_second_moment": "E s²",
    "activation_second_moment": "E z²",
    "backprop_gradient_second_moment": "E (dC/dz)²",
    "example_weight_gradient_second_moment": "E (dC/dW)²",
}
"""Variables of the table, and their symbols."""

MARKS = {AGREES: "✓ agrees", DIFFERS: "✗ differs"}
"""Text of a verdict: its mark tells verdicts apart without color."""


def inspection_page(
    factory: str, prediction: xr.Dataset, measurement: xr.Dataset, comparison: Comparison, audit: Any, advice: Any
) -> str:
    """Return the page as text, every text of the user's escaped.

    Parameters
    ----------
    factory : str
        Where the model is from.
    prediction, measurement : xarray.Dataset
    comparison : Comparison
    audit, advice : object or None
        Results that show themselves in a notebook.
    """
    entries = sorted((e for name in TENSORS for e in comparison.select(name)), key=lambda entry: entry.layer)
    verdicts = [entry.verdict for entry in entries]
    return render(
        TEMPLATE,
        title=f"glorotlab: {factory}, module by module",
        entries=entries,
        tensors=TENSORS,
        marks=MARKS,
        agree=verdicts.count(AGREES),
        differ=verdicts.count(DIFFERS),
        refused=json.loads(prediction.attrs.get("refused", "{}")),
        no_band=prediction.attrs.get("no_band", ""),
        level=prediction.attrs.get("level"),
        examples=measurement.attrs["examples"],
        networks=measurement.sizes["seed"],
        model=measurement.attrs["model"],
        picture=_picture(prediction, measurement),
        # what notebooks show is escaped where it is made
        parts=[Markup(part._repr_html_()) for part in (audit, advice) if part is not None],  # noqa: S704
        version=__version__,
    )


def _picture(prediction: xr.Dataset, measurement: xr.Dataset) -> str:
    """Return the picture as the text of a ``data:`` address."""
    file = io.BytesIO()
    plot(prediction, measurement).savefig(file, format="png")
    return base64.b64encode(file.getvalue()).decode("ascii")
