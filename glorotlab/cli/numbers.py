"""Numbers as cells of tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def number(value: float | None, digits: int = 5) -> str:
    """Return a number as a cell; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.{digits}g}"


def error_text(value: float | None, spread: float | None = None, *, squared: bool = False) -> str:
    """Return an error as a cell, its standard deviation behind it: in per cent, a squared distance as it is."""
    if value is None or value != value:
        return number(None)

    def text(error: float) -> str:
        return number(error, 4) if squared else f"{error:.2%}"

    return text(value) + ("" if spread is None or spread != spread else f" ± {text(spread)}")


def has_squared_errors(status: Mapping[str, Any]) -> bool:
    """Return whether the errors in a run's status are squared distances: of regression, or of an autoencoder."""
    fields = status.get("fields", {})
    return bool(fields.get("autoencoder") or fields.get("regression"))
