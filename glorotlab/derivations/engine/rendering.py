"""A derivation as plain text, LaTeX, MathML and JSON values.

MathML is converted from the LaTeX, so that both say the same.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import sympy as sp

from glorotlab.checks import whole_number
from glorotlab.derivations.engine.step import Assumption, Conclusion, Step

TEXT_COLUMNS = 110
"""The default width of plain text in columns."""

_FEWEST_COLUMNS = 20
_LATEX_COLUMNS = 92
_NO_BREAK = "\u00a0"
_SIGNS = {">": ">", "<": "<", "~": r"\sim", "|": "|"}
_SIGN = re.compile(r"(?<!\S)[<>~|](?!\S)")
_MATHML = "http://www.w3.org/1998/Math/MathML"
_NAME_UNDERSCORE = re.compile(r"(?<=[a-z]{2})_(?=[a-z]{2})")
_INDEXED = r"[A-Za-z/]+(?:[_^](?:\([^)]*\)|\w))+"
_FORMULA = re.compile(rf"(?:Var|E)\[[^\]]+\]|{_INDEXED}")
_BRACKETED_INDEX = re.compile(r"([_^])\(([^)]*)\)")
_WORD_AS_INDEX = re.compile(r"_\{([a-z]{2,})\}")
_MATH_TAGS = re.compile(r"^<math[^>]*>|</math>$")


class Rendered:
    """The written forms of a derivation, for a class that has these attributes."""

    name: str
    title: str
    source: str
    assumptions: tuple[Assumption, ...]
    steps: tuple[Step, ...]
    conclusions: tuple[Conclusion, ...]
    stopped: str | None

    def text(self, columns: int = TEXT_COLUMNS) -> str:
        """Return the derivation as plain text for a terminal.

        Parameters
        ----------
        columns : int
            Columns of a line of words, from 20; formulas are as wide as they are.
        """
        width = whole_number("columns", columns, _FEWEST_COLUMNS)

        def wrapped(indent: str, sentence: str) -> str:
            return textwrap.fill(
                sentence, width, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False
            )

        lines = [wrapped("", self._heading), "", "Assumptions"]
        lines += [wrapped("  ", f"{item.name}: {item.statement}") for item in self.assumptions]
        for number, step in enumerate(self.steps, start=1):
            lines += ["", wrapped("", f"{number}. {step.name}: {step.statement}"), wrapped("   ", f"[{step.reason}]")]
            lines += [_drawn(step.equation)]
        for conclusion in self.conclusions:
            lines += ["", wrapped("", _verdict(conclusion))]
            for words, formula in _comparison(conclusion):
                lines += [f"   {words}:", _drawn(formula)]
        if self.stopped:
            lines += ["", wrapped("", f"It stops here. {self.stopped}")]
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        """Return the derivation as displays that LaTeX (with amsmath) and MathJax set alike.

        The heading with the assumptions, each step and each conclusion is a display of its own, its words included, so
        that a page may break between them.
        """
        return "".join(f"\\[\n{display}\n\\]\n" for display in self._displays())

    def mathml(self) -> str:
        """Return the derivation as one presentation MathML element, a table, which is also well-formed XML."""
        rows = [_mathml_words(self._heading)]
        rows += [_mathml_words(f"{item.name}: {item.statement}") for item in self.assumptions]
        for number, step in enumerate(self.steps, start=1):
            rows += [_mathml_words(f"{number}. {step.name}: {step.statement} [{step.reason}]"), _mathml(step.equation)]
        for conclusion in self.conclusions:
            rows += [_mathml_words(_verdict(conclusion))]
            for words, formula in _comparison(conclusion):
                rows += [_mathml_words(f"{words}:"), _mathml(formula)]
        if self.stopped:
            rows += [_mathml_words(f"It stops here. {self.stopped}")]
        body = "\n".join(f'<mtr><mtd columnalign="left">{row}</mtd></mtr>' for row in rows)
        return f'<math xmlns="{_MATHML}" display="block"><mtable>\n{body}\n</mtable></math>\n'

    def results_mathml(self) -> list[tuple[str, str]]:
        """Return every conclusion as the words that go with it, and its result as MathML for a page of HTML."""
        return [
            (_verdict(conclusion), f'<math display="block">{_mathml(conclusion.result)}</math>')
            for conclusion in self.conclusions
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the derivation as values that JSON can hold; equations as text and as LaTeX."""
        return {
            "name": self.name,
            "title": self.title,
            "source": self.source,
            "assumptions": [{"name": item.name, "statement": item.statement} for item in self.assumptions],
            "steps": [_step_record(step) for step in self.steps],
            "conclusions": [_conclusion_record(conclusion) for conclusion in self.conclusions],
            "stopped": self.stopped,
        }

    def _repr_latex_(self) -> str:
        """Return every step, with the delimiters of all notebooks."""
        return "\n".join(f"$$\n{display}\n$$" for display in self._displays())

    def _displays(self) -> Iterator[str]:
        """Yield the parts of the derivation, each an ``aligned`` environment of lines of words and of formulas."""
        assumed = [line for item in self.assumptions for line in _latex_lines(f"{item.name}: {item.statement}", "  ")]
        yield _aligned([*_latex_lines(self._heading), *_latex_lines("Assumptions:"), *assumed])
        for number, step in enumerate(self.steps, start=1):
            words = f"{number}. {step.name}: {step.statement} ({step.reason})"
            yield _aligned([*_latex_lines(words), _latex_formula_line(step.equation)])
        for conclusion in self.conclusions:
            lines = _latex_lines(_verdict(conclusion))
            compared = _comparison(conclusion) or [("The result", conclusion.result)]
            for words, formula in compared:
                lines += [*_latex_lines(f"{words.capitalize()}:", "  "), _latex_formula_line(formula)]
            yield _aligned(lines)
        if self.stopped:
            yield _aligned(_latex_lines(f"It stops here. {self.stopped}"))

    @property
    def _heading(self) -> str:
        return f"{self.title} ({self.source})"


def _step_record(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "statement": step.statement,
        "reason": step.reason,
        "uses": [item.name for item in step.uses],
        "follows": list(step.follows),
        "equation": _both(step.equation),
    }


def _conclusion_record(conclusion: Conclusion) -> dict[str, Any]:
    return {
        "number": conclusion.number,
        "result": _both(conclusion.result),
        "printed": None if conclusion.printed is None else _both(conclusion.printed),
        "factor": _both(conclusion.factor),
        "difference": conclusion.difference,
    }


def _verdict(conclusion: Conclusion) -> str:
    if conclusion.number is None:
        return f"The result. {conclusion.difference or ''}".rstrip()
    return f"The paper's eq. {conclusion.number}: {conclusion.difference or 'follows as printed.'}"


def _comparison(conclusion: Conclusion) -> list[tuple[str, sp.Basic]]:
    """Return the comparison of the result with a printed equation that does not follow."""
    if conclusion.printed is None or conclusion.difference is None:
        return []
    return [
        ("printed", conclusion.printed),
        ("follows", conclusion.result),
        ("printed / follows", conclusion.factor),
    ]


def _both(expression: sp.Basic) -> dict[str, str]:
    return {"text": _one_line(expression), "latex": _latex(expression)}


def _one_line(expression: sp.Basic) -> str:
    if isinstance(expression, sp.Eq):
        return f"{sp.sstr(expression.lhs)} = {sp.sstr(expression.rhs)}"
    return str(sp.sstr(expression))


def _drawn(expression: sp.Basic) -> str:
    """Return a formula in two dimensions, indented."""
    drawn = sp.pretty(expression, use_unicode=True, wrap_line=False)
    return "\n".join(f"       {line}".rstrip() for line in drawn.splitlines())


def _latex(expression: sp.Basic) -> str:
    """Return a formula as LaTeX; an index that is a word is set as one."""
    return _WORD_AS_INDEX.sub(r"_{\\text{\1}}", sp.latex(expression))


def _aligned(lines: Sequence[str]) -> str:
    return "\n".join((r"\begin{aligned}", " \\\\\n".join(f"& {line}" for line in lines), r"\end{aligned}"))


def _latex_formula_line(expression: sp.Basic) -> str:
    return rf"\qquad {_latex(expression)}"


def _latex_lines(sentence: str, indent: str = "") -> list[str]:
    """Return a sentence as lines that fit a page; later lines are indented."""
    kept = _FORMULA.sub(lambda formula: formula.group().replace(" ", _NO_BREAK), sentence.replace(" & ", " and "))
    lines = textwrap.wrap(kept, _LATEX_COLUMNS - len(indent), break_on_hyphens=False, break_long_words=False)
    words = [rf"\text{{{latex_words(line)}}}" for line in lines]
    return [line if place == 0 and not indent else rf"\quad {line}" for place, line in enumerate(words)]


def latex_words(sentence: str) -> str:
    """Return a sentence as LaTeX: names as words, formulas such as ``Var[W^(i+1)]`` between dollar signs.

    MathJax knows no escapes within words: what would need one is written otherwise.
    """
    words = _NAME_UNDERSCORE.sub(" ", sentence)
    words = _SIGN.sub(lambda sign: f"${_SIGNS[sign.group()]}$", words)
    return _FORMULA.sub(_latex_formula, words).replace(_NO_BREAK, " ")


def _latex_formula(formula: re.Match[str]) -> str:
    braced = _BRACKETED_INDEX.sub(r"\1{\2}", formula.group())
    return "$" + braced.replace("Var[", r"\operatorname{Var}[") + "$"


def _mathml_words(sentence: str) -> str:
    return f"<mtext>{escape(sentence)}</mtext>"


def _mathml(expression: sp.Basic) -> str:
    from latex2mathml.converter import convert

    return _MATH_TAGS.sub("", convert(_latex(expression), display="block"))
