"""Tables that fit any terminal, if need be with wrapped text or rows as paragraphs; names and numbers are never cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glorotlab.cli.terminal import fitting, folded, line_width
from glorotlab.cli.text import HIDDEN, columns_of

GAP = "  "
"""Space between two columns."""

NARROWEST = 16
"""Least width of a column of folded text."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name : str
    left : bool
        Whether its cells are flush left, as text is; numbers are flush right.
    prose : bool
        Whether its cells may be folded between words. Names that a user types and numbers never are.
    """

    name: str
    left: bool = False
    prose: bool = False


def typed(name: str) -> Column:
    """Return a column of words that a user may type; they are never folded."""
    return Column(name, left=True)


def prose(name: str) -> Column:
    """Return a column of sentences, which are folded if the line is too short."""
    return Column(name, left=True, prose=True)


def table(columns: Sequence[Column | str], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Return the lines of a table that is at most as wide as a line, unless a single word is wider.

    Parameters
    ----------
    columns : sequence of Column or str
        Plain names are columns of numbers.
    rows : sequence of sequence of str
        Cells of each row, one for each column.
    width : int, optional
        Columns of a line, by default those of the terminal.
    """
    wanted = line_width() if width is None else width
    chosen = [column if isinstance(column, Column) else Column(column) for column in columns]
    cells = [[fitting(cell).replace("\n", HIDDEN) for cell in row] for row in rows]  # no name makes a row of its own
    widths: list[int] | None = _widths(chosen, cells, whole=True)
    if widths is not None and _excess(widths, wanted):
        widths = _narrowed(chosen, cells, _widths(chosen, cells), wanted)
    return _row_below_row(chosen, cells, wanted) if widths is None else _side_by_side(chosen, cells, widths)


def fits(columns: Sequence[Column | str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether `table` sets the columns side by side without folding."""
    chosen = [column if isinstance(column, Column) else Column(column) for column in columns]
    return not _excess(_widths(chosen, [[fitting(cell) for cell in row] for row in rows]), line_width())


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, whole: bool = False) -> list[int]:
    """Return the width of each column: of its longest cell, of its ``whole`` name or of the name's longest word."""
    parts = [[column.name] if whole else column.name.split() for column in columns]
    names = [max(map(columns_of, words), default=0) for words in parts]
    return [max([name, *(columns_of(row[index]) for row in rows)]) for index, name in enumerate(names)]


def _excess(widths: Sequence[int], wanted: int) -> int:
    return max(0, sum(widths) + len(GAP) * (len(widths) - 1) - wanted)


def _narrowed(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], widths: Sequence[int], wanted: int
) -> list[int] | None:
    """Return widths that fit, by narrowing the widest prose first; None if there are none."""
    narrowed = list(widths)
    least = {
        index: max([NARROWEST, *(columns_of(word) for row in rows for word in row[index].split())])
        for index, column in enumerate(columns)
        if column.prose
    }
    for _ in range(_excess(widths, wanted)):
        able = [index for index in least if narrowed[index] > least[index]]
        if not able:
            return None
        narrowed[max(able, key=lambda index: narrowed[index])] -= 1
    return narrowed


def _side_by_side(columns: Sequence[Column], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    rule = GAP.join("-" * width for width in widths)
    names = _lines([column.name for column in columns], columns, widths, header=True)
    body = (line for row in rows for line in _lines(row, columns, widths))
    return "\n".join([*names, rule, *body])


def _lines(
    cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], *, header: bool = False
) -> list[str]:
    """Return the lines of a row; a header is aligned with its last line."""
    parts = [
        folded(cell, width).split("\n") if (header or column.prose) and columns_of(cell) > width else [cell]
        for cell, column, width in zip(cells, columns, widths, strict=True)
    ]
    height = max(map(len, parts))
    parts = [[""] * (height - len(part)) + part if header else part + [""] * (height - len(part)) for part in parts]
    return [
        GAP.join(
            _aligned(part[line], width, column.left) for part, width, column in zip(parts, widths, columns, strict=True)
        ).rstrip()
        for line in range(height)
    ]


def _aligned(cell: str, width: int, left: bool) -> str:
    space = " " * (width - columns_of(cell))
    return cell + space if left else space + cell


def _row_below_row(columns: Sequence[Column], rows: Sequence[Sequence[str]], wanted: int) -> str:
    """Return a paragraph for each row: its first cell, and below it a line for each other that is not empty."""
    paragraphs = []
    for row in rows:
        first, *others = [
            folded(f"{column.name}: {cell}", wanted, indent="  " if index else "", hanging="  ")
            for index, (column, cell) in enumerate(zip(columns, row, strict=True))
            if cell or not index
        ]
        paragraphs.append("\n".join([first, *others]))
    return "\n".join(paragraphs)
