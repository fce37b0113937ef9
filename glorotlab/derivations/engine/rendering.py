"""A derivation as plain text, LaTeX, MathML and JSON values."""

from __future__ import annotations

import re
import textwrap
from html import escape, unescape
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy.printing.mathml import MathMLPresentationPrinter

if TYPE_CHECKING:
    from glorotlab.derivations.engine.derivation import Conclusion, Derivation

_TEXT_COLUMNS = 110
_NAME_UNDERSCORE = re.compile(r"(?<=[a-z]{2})_(?=[a-z]{2})")
_INDEXED = r"[A-Za-z/]+(?:[_^](?:\([^)]*\)|\w))+"
_FORMULA = re.compile(rf"(?:Var|E)\[[^\]]+\]|{_INDEXED}")
_BRACKETED_INDEX = re.compile(r"([_^])\(([^)]*)\)")
_ENTITY = re.compile(r"&(?!lt;|gt;|amp;|quot;|apos;)[A-Za-z]+;")


class _MathMLPrinter(MathMLPresentationPrinter):  # type: ignore[misc]
    """SymPy's presentation printer with the product sign, which it lacks."""

    def _print_Product(self, expression: sp.Product) -> Any:
        bound, lower, upper = expression.limits[0]
        sign = self.dom.createElement("munderover")
        operator = self.dom.createElement("mo")
        operator.appendChild(self.dom.createTextNode("∏"))
        sign.appendChild(operator)
        sign.appendChild(self._print(sp.Eq(bound, lower, evaluate=False)))
        sign.appendChild(self._print(upper))
        row = self.dom.createElement("mrow")
        row.appendChild(sign)
        row.appendChild(self._print(expression.function))
        return row


def text(derivation: Derivation) -> str:
    """Return a derivation as plain text."""
    lines = [f"{derivation.title} ({derivation.source})", "", "Assumptions"]
    lines += [_wrapped("  ", f"{item.name}: {item.statement}") for item in derivation.assumptions]
    for number, step in enumerate(derivation.steps, start=1):
        lines += ["", _wrapped("", f"{number}. {step.statement}"), _wrapped("   ", f"[{step.reason}]")]
        lines += [_indent(step.equation)]
    for conclusion in derivation.conclusions:
        lines += ["", _wrapped("", _verdict(conclusion))]
        if conclusion.printed is not None and conclusion.difference is not None:
            lines += ["   printed:", _indent(conclusion.printed), "   follows:"]
            lines += [_indent(conclusion.result), "   printed / follows:", _indent(conclusion.factor)]
    if derivation.stopped:
        lines += ["", _wrapped("", f"It stops here. {derivation.stopped}")]
    return "\n".join(lines) + "\n"


def latex(derivation: Derivation) -> str:
    """Return a derivation as a LaTeX fragment."""
    title = _latex_words(f"{derivation.title} ({derivation.source})")
    lines = [rf"\paragraph{{{title}}}", "Assumptions:", r"\begin{itemize}"]
    lines += [rf"\item {_latex_words(f'{item.name}: {item.statement}')}" for item in derivation.assumptions]
    lines += [r"\end{itemize}", r"\begin{enumerate}"]
    for step in derivation.steps:
        lines += [
            rf"\item {_latex_words(f'{step.statement} ({step.reason})')}",
            _latex_display(step.equation),
        ]
    lines += [r"\end{enumerate}"]
    for conclusion in derivation.conclusions:
        lines += [_latex_words(_verdict(conclusion))]
        if conclusion.printed is not None and conclusion.difference is not None:
            lines += ["Printed:", _latex_display(conclusion.printed)]
            lines += ["What follows:", _latex_display(conclusion.result)]
            lines += ["Printed over what follows:", _latex_display(conclusion.factor)]
    if derivation.stopped:
        lines += [_latex_words(f"It stops here. {derivation.stopped}")]
    return "\n".join(lines) + "\n"


def display(derivation: Derivation) -> str:
    """Return the results alone, as a notebook shows them."""
    return "\n".join(f"$$ {sp.latex(conclusion.result)} $$" for conclusion in derivation.conclusions)


def mathml(derivation: Derivation) -> str:
    """Return a derivation as one ``math`` element that holds a table."""
    rows = [_mathml_words(f"{derivation.title} ({derivation.source})")]
    rows += [_mathml_words(f"{item.name}: {item.statement}") for item in derivation.assumptions]
    for number, step in enumerate(derivation.steps, start=1):
        rows += [_mathml_words(f"{number}. {step.statement} [{step.reason}]"), _mathml(step.equation)]
    for conclusion in derivation.conclusions:
        rows += [_mathml_words(_verdict(conclusion))]
        if conclusion.printed is not None and conclusion.difference is not None:
            rows += [_mathml_words("printed:"), _mathml(conclusion.printed)]
            rows += [_mathml_words("follows:"), _mathml(conclusion.result)]
            rows += [_mathml_words("printed / follows:"), _mathml(conclusion.factor)]
    if derivation.stopped:
        rows += [_mathml_words(f"It stops here. {derivation.stopped}")]
    body = "\n".join(f'<mtr><mtd columnalign="left">{row}</mtd></mtr>' for row in rows)
    name = "http://www.w3.org/1998/Math/MathML"
    return f'<math xmlns="{name}" display="block"><mtable>\n{body}\n</mtable></math>\n'


def to_dict(derivation: Derivation) -> dict[str, Any]:
    """Return a derivation as dictionaries, lists and strings."""
    return {
        "name": derivation.name,
        "title": derivation.title,
        "source": derivation.source,
        "assumptions": [{"name": item.name, "statement": item.statement} for item in derivation.assumptions],
        "steps": [
            {"statement": step.statement, "reason": step.reason, "equation": _both(step.equation)}
            for step in derivation.steps
        ],
        "conclusions": [
            {
                "number": conclusion.number,
                "result": _both(conclusion.result),
                "printed": None if conclusion.printed is None else _both(conclusion.printed),
                "factor": _both(conclusion.factor),
                "difference": conclusion.difference,
            }
            for conclusion in derivation.conclusions
        ],
        "stopped": derivation.stopped,
    }


def _verdict(conclusion: Conclusion) -> str:
    if conclusion.number is None:
        return f"The result. {conclusion.difference or ''}".rstrip()
    return f"The paper's eq. {conclusion.number}: {conclusion.difference or 'follows as printed.'}"


def _both(expression: sp.Basic) -> dict[str, str]:
    return {"text": _one_line(expression), "latex": sp.latex(expression)}


def _one_line(expression: sp.Basic) -> str:
    if isinstance(expression, sp.Eq):
        return f"{sp.sstr(expression.lhs)} = {sp.sstr(expression.rhs)}"
    return str(sp.sstr(expression))


def _wrapped(indent: str, sentence: str) -> str:
    hanging = indent + "  "
    return textwrap.fill(
        sentence, _TEXT_COLUMNS, initial_indent=indent, subsequent_indent=hanging, break_on_hyphens=False
    )


def _indent(expression: sp.Basic) -> str:
    drawn = sp.pretty(expression, use_unicode=True, num_columns=_TEXT_COLUMNS, wrap_line=False)
    return "\n".join(f"       {line}".rstrip() for line in drawn.splitlines())


def _latex_words(sentence: str) -> str:
    """Return a sentence as LaTeX: names as words, formulas such as ``Var[W^(i+1)]`` as mathematics."""
    words = _NAME_UNDERSCORE.sub(" ", sentence).replace("&", r"\&")
    return _FORMULA.sub(_latex_formula, words)


def _latex_formula(found: re.Match[str]) -> str:
    braced = _BRACKETED_INDEX.sub(r"\1{\2}", found.group())
    return "$" + braced.replace("Var[", r"\operatorname{Var}[") + "$"


def _latex_display(expression: sp.Basic) -> str:
    return rf"\[ {sp.latex(expression)} \]"


def _mathml_words(sentence: str) -> str:
    return f"<mtext>{escape(sentence)}</mtext>"


def _mathml(expression: sp.Basic) -> str:
    drawn = str(_MathMLPrinter().doprint(expression))
    return _ENTITY.sub(lambda found: unescape(found.group()), drawn)  # XML knows no HTML entities
