"""Mathematics of every page as MathML, which browsers set themselves: a page loads no script for it."""

import re
from html import escape
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

ALIGNED = "split"
"""What latex2mathml calls lines that are aligned at ``&``."""

PAIRS = {"[": "]", "(": ")"}
_PIECES = re.compile(r"\\[A-Za-z]+|.", re.DOTALL)
_TALL = {r"\frac", r"\sum", r"\prod", r"\int"}


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a sentence."""
    self.body.append(_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_display(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on lines of its own, which scrolls where a screen is too narrow."""
    latex = node.astext().strip()
    if "\\\\" in latex and r"\begin" not in latex:  # lines of one display, as amsmath's split has them
        latex = rf"\begin{{{ALIGNED}}}{latex}\end{{{ALIGNED}}}"
    displays = (_mathml(display, "block") for display in latex.split("$$") if display.strip())  # several, of a notebook
    number = f'<span class="eqno">({escape(str(node["number"]))})</span>' if node.get("number") else ""
    self.body.append(self.starttag(node, "div", CLASS="math-display"))
    self.body.append(f"{number}{''.join(displays)}</div>\n")
    raise nodes.SkipNode


def _mathml(latex: str, display: str) -> str:
    latex = latex.replace("{aligned}", f"{{{ALIGNED}}}")
    latex = re.sub(r"\$(.*?)\$", r"}\1\\text{", latex)  # a formula within words: they end before it, and go on after it
    return str(convert(stretched(latex), display=display))


def stretched(latex: str) -> str:
    r"""Return LaTeX whose brackets around a fraction, a sum or a product grow with it: ``\\left[`` and ``\\right]``."""
    opened: list[int] = []
    pieces = _PIECES.findall(latex)
    for place, piece in enumerate(pieces):
        sized = place and pieces[place - 1] in (r"\left", r"\right")
        if sized:
            continue
        if piece in "[(":
            opened.append(place)
        elif piece in "])" and opened:
            first = opened.pop()
            if _TALL.intersection(pieces[first:place]) and PAIRS[pieces[first]] == piece:
                pieces[first], pieces[place] = rf"\left{pieces[first]}", rf"\right{piece}"
    return "".join(pieces)


def _leave(_self: HTML5Translator, _node: nodes.Element) -> None:
    pass


def setup(app: Sphinx) -> dict[str, Any]:
    """Offer the renderer ``mathml``."""
    app.add_html_math_renderer("mathml", (visit_inline, _leave), (visit_display, _leave))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
