"""Sentences of the package as nodes of a page: what is a formula in them is set as one."""

import re
from collections.abc import Iterable, Iterator, Sequence

from docutils import nodes
from sphinx.environment import BuildEnvironment

from glorotlab.derivations.engine.rendering import latex_words

PICTURES = "drawn"
"""Folder below the pages for pictures that are drawn while they are built."""

_FORMULA = re.compile(r"\$([^$]*)\$")


def sentence(text: str) -> Iterator[nodes.Node]:
    """Yield the words and the formulas of a sentence such as ``read E[x^2] for Var[x]``."""
    for place, piece in enumerate(_FORMULA.split(latex_words(text))):
        if piece:
            yield nodes.math(piece, piece) if place % 2 else nodes.Text(piece)


def paragraph(*parts: nodes.Node | str, classes: tuple[str, ...] = ()) -> nodes.paragraph:
    """Return a paragraph of nodes and sentences."""
    node = nodes.paragraph(classes=list(classes))
    for part in parts:
        node += list(sentence(part)) if isinstance(part, str) else part
    return node


def folded(summary: str, *content: nodes.Node) -> list[nodes.Node]:
    """Return nodes that a reader opens with a click on ``summary``."""
    opening = nodes.raw("", f"<details><summary>{summary}</summary>", format="html")
    return [opening, *content, nodes.raw("", "</details>", format="html")]


def code(text: str, language: str) -> nodes.literal_block:
    """Return a block of highlighted text."""
    return nodes.literal_block(text, text, language="bash" if language == "console" else language)


def table(head: Sequence[str], rows: Iterable[Sequence[str | nodes.Node]], classes: tuple[str, ...] = ()) -> nodes.Node:
    """Return a table of texts and nodes."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *(_row(row) for row in rows))
    return nodes.table("", group, classes=list(classes))


def _row(cells: Sequence[str | nodes.Node]) -> nodes.row:
    entries = [cell if isinstance(cell, nodes.Node) else nodes.paragraph("", cell) for cell in cells]
    return nodes.row("", *(nodes.entry("", cell) for cell in entries))


def picture(env: BuildEnvironment, path: str, alternative: str) -> nodes.image:
    """Return an image of a file below the pages, which a page of any depth shows."""
    image = nodes.image(uri=path, alt=alternative)
    image["candidates"] = {"*": path}
    env.images.add_file(env.docname, path)
    return image
