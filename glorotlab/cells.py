"""Numbers as cells of tables, in a terminal and on a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def number(value: float | None, digits: int = 5) -> str:
    """Return a number as a cell, or a dash if it is missing."""
    return "–" if value is None or value != value else f"{value:.{digits}g}"


def error_text(value: float | None, spread: float | None = None, *, squared: bool = False) -> str:
    """Return an error as a cell, with its standard deviation: in per cent, or as it is for a squared distance."""
    if value is None or value != value:
        return number(None)

    def text(error: float) -> str:
        return number(error, 4) if squared else f"{error:.2%}"

    return text(value) + ("" if spread is None or spread != spread else f" ± {text(spread)}")


def has_squared_errors(status: Mapping[str, Any]) -> bool:
    """Return whether a run's errors are squared distances, as in regression and for autoencoders."""
    fields = status.get("fields", {})
    return bool(fields.get("autoencoder") or fields.get("regression"))
