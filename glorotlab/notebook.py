"""HTML forms of objects in a notebook: a title, tables of fields and of rows; every text that enters is escaped.

Whatever is no ``Markup`` made here is text: ``Markup.format`` and ``escape`` see to it, as in the report's templates.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape

MOST_ROWS = 20
"""Largest number of rows that a table shows; of a longer one it shows the first and the last half of these."""

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_TD = Markup('<td style="text-align: left">{}</td>')
_TH = Markup('<th style="text-align: left">{}</th>')


def form(title: object, *parts: Markup) -> str:
    """Return a whole form: a title in bold and its parts below each other."""
    return str(Markup("<div><p><b>{}</b></p>{}</div>").format(title, Markup("").join(parts)))


def fields(values: Mapping[str, object]) -> Markup:
    """Return a table of names and values; ``cell`` says how values are written."""
    rows = (_row(_TD, (Markup("<b>{}</b>").format(name), value)) for name, value in values.items())
    return Markup("<table><tbody>{}</tbody></table>").format(Markup("").join(rows))


def record(title: object, shown: DataclassInstance, **texts: object) -> str:
    """Return the form of a dataclass: a row for each field, with what is written instead of some values."""
    names = [field.name for field in dataclasses.fields(shown)]
    return form(title, fields({name.replace("_", " "): texts.get(name, getattr(shown, name)) for name in names}))


def table(head: Sequence[object], rows: Iterable[Sequence[object]], caption: object = "") -> Markup:
    """Return a table with a head; where it has many rows it shows the first and the last."""
    lines = [_row(_TD, row) for row in rows]
    if len(lines) > MOST_ROWS:
        half = MOST_ROWS // 2
        left_out = Markup('<tr><td colspan="{}">… {} more …</td></tr>').format(len(head), len(lines) - 2 * half)
        lines = [*lines[:half], left_out, *lines[-half:]]
    above = Markup("<caption>{}</caption>").format(caption) if caption else ""
    return Markup("<table>{}<thead>{}</thead><tbody>{}</tbody></table>").format(
        above, _row(_TH, head), Markup("").join(lines)
    )


def paragraph(text: object) -> Markup:
    """Return a paragraph of text."""
    return Markup("<p>{}</p>").format(text)


def items(texts: Iterable[object]) -> Markup:
    """Return a list of texts."""
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(text) for text in texts))


def code(text: object) -> Markup:
    """Return text unchanged in a monospaced font."""
    return Markup("<pre>{}</pre>").format(text)


def cell(value: object) -> Markup:
    """Return a value as the text of a cell: five digits of a number, a dash for None and for what is not a number."""
    if isinstance(value, (bool, np.bool_)):
        return escape("yes" if value else "no")
    if isinstance(value, (float, np.floating)):
        return escape("–" if math.isnan(value) else f"{value:.5g}")
    if isinstance(value, np.ndarray):
        return cell(value.item()) if value.ndim == 0 else escape(f"array of shape {value.shape}")
    return escape("–" if value is None else value)


def _row(template: Markup, cells: Iterable[object]) -> Markup:
    return Markup("<tr>{}</tr>").format(Markup("").join(template.format(cell(value)) for value in cells))
