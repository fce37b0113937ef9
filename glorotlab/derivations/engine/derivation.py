"""A derivation as an object: named assumptions, checkable steps, the paper's equation beside the result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from glorotlab.derivations.engine import rendering
from glorotlab.derivations.engine.algebra import equal, same
from glorotlab.derivations.engine.trial import Trial
from glorotlab.errors import AssumptionError
from glorotlab.streams import Purpose, generator

Check = Callable[[sp.Eq, tuple[sp.Eq, ...]], bool]
"""Whether an equation follows, given the equations of the steps before it."""

Experiment = Callable[[np.random.Generator], tuple[Trial, ...]]
"""Draws networks and sets their statistics beside what results say."""


@dataclass(frozen=True)
class Assumption:
    """What a derivation rests on.

    Attributes
    ----------
    name : str
        As steps cite it, for example ``"linear_regime"``.
    statement : str
        What is assumed, in one sentence.
    otherwise : str
        Why a derivation that does not carry the extra term stops without it.
    """

    name: str
    statement: str
    otherwise: str


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
    """A result, set beside the equation the paper prints where it prints one.

    Attributes
    ----------
    number : int or None
        The paper's equation number; None where the paper has no such equation.
    result : sympy.Eq
        What follows from the assumptions.
    printed : sympy.Eq or None
        What the paper prints.
    factor : sympy.Expr
        Right side of ``printed`` over right side of ``result``.
    difference : str or None
        What differs and why; None where the printed equation follows. Where the paper has no such equation, what the
        result adds.
    """

    number: int | None
    result: sp.Eq
    printed: sp.Eq | None = None
    factor: sp.Expr = sp.S.One
    difference: str | None = None

    @property
    def label(self) -> str:
        """What a reader calls it: the paper's equation, or the result."""
        return "result" if self.number is None else f"eq. {self.number}"

    def holds(self, derived: tuple[sp.Eq, ...]) -> bool:
        """Whether the result is derived and differs from the printed equation by ``factor`` alone."""
        is_derived = any(same(self.result, step) for step in derived)
        if self.printed is None:
            return is_derived and self.number is None and self.factor == 1
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
    """What ``Derivation.verify`` found.

    True where every step, every comparison with the paper and every experiment passed.
    """

    name: str
    steps: tuple[Outcome, ...]
    conclusions: tuple[Outcome, ...]
    trials: tuple[Trial, ...] = ()

    def __bool__(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes that did not pass."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every check, those by experiment last."""
        return self.steps + self.conclusions + tuple(Outcome(str(trial), trial.passed) for trial in self.trials)

    def __str__(self) -> str:
        total = len(self.outcomes)
        lines = [f"{self.name}: {total - len(self.failed)} of {total} checks passed"]
        lines += [f"  failed: {outcome.statement} {outcome.error or ''}".rstrip() for outcome in self.failed]
        lines += [f"  by experiment: {trial}" for trial in self.trials if trial.passed]
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
        of the first. None where the derivation stops.
    experiment : callable, optional
        What ``verify`` measures: ``experiment(generator)`` draws networks and returns trials.
    carries : frozenset of str
        The assumptions it can drop and go on, with the extra term.
    stopped : str or None
        Why it ends without a result; None where it does not.
    """

    name: str
    title: str
    source: str
    assumptions: tuple[Assumption, ...]
    steps: tuple[Step, ...]
    conclusions: tuple[Conclusion, ...]
    experiment: Experiment | None = None
    carries: frozenset[str] = frozenset()
    stopped: str | None = None

    @property
    def result(self) -> sp.Eq:
        """What follows from the assumptions; AssumptionError with the reason where the derivation stops."""
        if self.stopped:
            raise AssumptionError(f"{self.name} has no result: {self.stopped}")
        return self.conclusions[0].result

    @property
    def printed(self) -> sp.Eq | None:
        """The equation as the paper prints it, or None where the paper has no such equation."""
        return self.conclusions[0].printed if self.conclusions else None

    @property
    def difference(self) -> str | None:
        """What differs between ``printed`` and ``result`` and why; None where they agree."""
        return self.conclusions[0].difference if self.conclusions else None

    def verify(self, seed: int = 0) -> Verification:
        """Check every step, that printed and derived equations differ exactly by the stated factor, and by experiment.

        A step is judged by its equation and the equations before it. A check that cannot be computed counts
        as failed; nothing is raised.

        Parameters
        ----------
        seed : int
            Of the networks drawn.
        """
        equations = tuple(step.equation for step in self.steps)
        steps = tuple(
            _outcome(step.statement, step.check, step.equation, equations[:index])
            for index, step in enumerate(self.steps)
        )
        conclusions = tuple(
            _outcome(f"{conclusion.label} beside what follows", conclusion.holds, equations)
            for conclusion in self.conclusions
        )
        trials = self.experiment(generator(seed, Purpose.TRIAL)) if self.experiment else ()
        return Verification(self.name, steps, conclusions, trials)

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
