"""A derivation as an object: named assumptions, checkable steps, the paper's equation beside the result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp

from glorotlab.theory.derivations import rendering
from glorotlab.theory.derivations.algebra import equal, same

Check = Callable[[sp.Eq, tuple[sp.Eq, ...]], bool]
"""Whether an equation follows, given the equations of the steps before it."""


@dataclass(frozen=True)
class Assumption:
    """What a derivation rests on.

    Attributes
    ----------
    name : str
        As steps cite it, for example ``"linear_regime"``.
    statement : str
        What is assumed, in one sentence.
    """

    name: str
    statement: str


@dataclass(frozen=True)
class Step:
    """One equation of a derivation.

    Attributes
    ----------
    statement : str
        What the equation says.
    equation : sympy.Eq
        Unevaluated.
    reason : str
        The assumptions and rules it follows from, by name.
    check : callable
        ``check(equation, earlier)`` recomputes the equation from the definitions or from the earlier steps.
    """

    statement: str
    equation: sp.Eq
    reason: str
    check: Check


@dataclass(frozen=True)
class Conclusion:
    """A result set beside the equation the paper prints.

    Attributes
    ----------
    number : int
        The paper's equation number.
    result : sympy.Eq
        What follows from the assumptions.
    printed : sympy.Eq
        What the paper prints.
    factor : sympy.Expr
        Right side of ``printed`` over right side of ``result``.
    difference : str or None
        What differs and why; None where the printed equation follows.
    """

    number: int
    result: sp.Eq
    printed: sp.Eq
    factor: sp.Expr = sp.S.One
    difference: str | None = None

    def holds(self, derived: tuple[sp.Eq, ...]) -> bool:
        """Whether the result is derived and differs from the printed equation by ``factor`` alone."""
        is_derived = any(same(self.result, step) for step in derived)
        exact = same(self.printed, sp.Eq(self.result.lhs, self.factor * self.result.rhs, evaluate=False))
        return is_derived and exact and equal(self.factor, sp.S.One) == (self.difference is None)


@dataclass(frozen=True)
class Outcome:
    """Whether one statement was verified, and the error where its check could not be computed."""

    statement: str
    passed: bool
    error: str | None = None


@dataclass(frozen=True)
class Verification:
    """What ``Derivation.verify`` found; true where every step and every comparison with the paper passed."""

    name: str
    steps: tuple[Outcome, ...]
    conclusions: tuple[Outcome, ...]

    def __bool__(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes that did not pass."""
        return tuple(outcome for outcome in self.steps + self.conclusions if not outcome.passed)

    def __str__(self) -> str:
        total = len(self.steps) + len(self.conclusions)
        lines = [f"{self.name}: {total - len(self.failed)} of {total} checks passed"]
        lines += [f"  failed: {outcome.statement} {outcome.error or ''}".rstrip() for outcome in self.failed]
        return "\n".join(lines)


@dataclass(frozen=True)
class Derivation:
    """A result about variance in deep networks with the steps that prove it.

    Attributes
    ----------
    name, title : str
    source : str
        Paper and equation numbers.
    assumptions : tuple of Assumption
    steps : tuple of Step
    conclusions : tuple of Conclusion
        One for each equation of the paper, in its order; ``result``, ``printed`` and ``difference`` are those
        of the first.
    """

    name: str
    title: str
    source: str
    assumptions: tuple[Assumption, ...]
    steps: tuple[Step, ...]
    conclusions: tuple[Conclusion, ...]

    @property
    def result(self) -> sp.Eq:
        """What follows from the assumptions."""
        return self.conclusions[0].result

    @property
    def printed(self) -> sp.Eq | None:
        """The equation as the paper prints it, or None where the paper has no such equation."""
        return self.conclusions[0].printed

    @property
    def difference(self) -> str | None:
        """What differs between ``printed`` and ``result`` and why; None where they agree."""
        return self.conclusions[0].difference

    def verify(self) -> Verification:
        """Check every step, and that printed and derived equations differ exactly by the stated factor.

        A step is judged by its equation and the equations before it. A check that cannot be computed counts
        as failed; nothing is raised.
        """
        equations = tuple(step.equation for step in self.steps)
        steps = tuple(
            _outcome(step.statement, step.check, step.equation, equations[:index])
            for index, step in enumerate(self.steps)
        )
        conclusions = tuple(
            _outcome(f"eq. {conclusion.number} beside its result", conclusion.holds, equations)
            for conclusion in self.conclusions
        )
        return Verification(self.name, steps, conclusions)

    def text(self) -> str:
        """Return the derivation as plain text for a terminal."""
        return rendering.text(self)

    def latex(self) -> str:
        """Return the derivation as a LaTeX fragment; needs amsmath."""
        return rendering.latex(self)

    def mathml(self) -> str:
        """Return the derivation as one presentation MathML element, which is also well-formed XML."""
        return rendering.mathml(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the derivation as values that JSON can hold; equations as text and as LaTeX."""
        return rendering.to_dict(self)

    def _repr_latex_(self) -> str:
        return rendering.display(self)


def _outcome(statement: str, check: Callable[..., bool], *arguments: object) -> Outcome:
    try:
        return Outcome(statement, bool(check(*arguments)))
    except Exception as error:  # whatever SymPy raises on a wrong equation is a failed check
        return Outcome(statement, False, f"({type(error).__name__}: {error})")
