"""CSV of the command line: the records of its JSON as rows; a number that is not finite is an empty cell."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from glorotlab.cli.terminal import say


def print_csv(records: Sequence[Mapping[str, Any]]) -> None:
    """Print a header with the names of all records' entries, and a line for each record.

    An entry that holds entries itself becomes a column for each of them, ``outer_inner``.
    """
    rows = [flat(record) for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    say(text.getvalue().removesuffix("\n"))


def flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a record whose entries are single cells."""
    cells: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            cells |= flat(value, f"{prefix}{name}_")
        else:
            cells[f"{prefix}{name}"] = _cell(value)
    return cells


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
