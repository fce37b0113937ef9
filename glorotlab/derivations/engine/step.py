"""A derivation: assumptions, steps that name their basis, and results beside a printed equation."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import sympy as sp

from glorotlab.derivations.engine.algebra import equal, same

Check = Callable[[sp.Eq, Mapping[str, sp.Eq]], bool]
"""A check says whether an equation follows from those of the steps it names, which it finds by name."""


@dataclass(frozen=True)
class Assumption:
    """An assumption of a derivation.

    Attributes
    ----------
    name : str
        The word that steps and ``without`` know it by, for example ``"linear_regime"``.
    statement : str
        What is assumed, in one sentence.
    otherwise : str
        Why a derivation that does not carry the extra term stops without it.
    """

    name: str
    statement: str
    otherwise: str


@dataclass(frozen=True)
class Lemma:
    """A step of another derivation, taken over as proved; ``Derivation.lemma`` makes it.

    Attributes
    ----------
    description : str
        Where it is proved, for example ``"the result of forward_variance"``.
    equation : sympy.Eq
        What it says.
    assumptions : frozenset of Assumption
        Everything its proof rests on.
    """

    description: str
    equation: sp.Eq
    assumptions: frozenset[Assumption]


@dataclass(frozen=True)
class Step:
    """One equation of a derivation.

    Attributes
    ----------
    name : str
        The word that later steps know it by; no other step of the derivation has it.
    statement : str
        What the equation says.
    equation : sympy.Eq
        The equation, unevaluated.
    check : callable
        ``check(equation, earlier)`` recomputes the equation from definitions, or from ``earlier``: the equations of
        the steps in ``follows``, by name.
    uses : tuple of Assumption
        The assumptions that enter here.
    follows : tuple of str
        The names of the earlier steps it follows from.
    lemmas : tuple of Lemma
        The steps of other derivations it follows from.
    rule : str
        The definition or the rule of mathematics it follows by, where one is needed.
    """

    name: str
    statement: str
    equation: sp.Eq
    check: Check
    uses: tuple[Assumption, ...] = ()
    follows: tuple[str, ...] = ()
    lemmas: tuple[Lemma, ...] = ()
    rule: str = ""

    @property
    def reason(self) -> str:
        """Return the basis of the step in words."""
        parts = (
            ("from ", self.follows),
            ("with ", [lemma.description for lemma in self.lemmas]),
            ("by ", [item.name for item in self.uses]),
            ("", [self.rule] if self.rule else []),
        )
        return "; ".join(opening + _enumerated(items) for opening, items in parts if items)


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
        """Return the name for readers: the paper's equation, or the result."""
        return "result" if self.number is None else f"eq. {self.number}"

    def holds(self, derived: Iterable[sp.Eq]) -> bool:
        """Whether the result is derived and differs from the printed equation by ``factor`` alone."""
        is_derived = any(step.lhs == self.result.lhs and equal(step.rhs, self.result.rhs) for step in derived)
        if self.printed is None:
            return is_derived and self.number is None and self.factor == 1
        exact = same(self.printed, sp.Eq(self.result.lhs, self.factor * self.result.rhs, evaluate=False))
        return is_derived and exact and equal(self.factor, sp.S.One) == (self.difference is None)


def _enumerated(items: Iterable[str]) -> str:
    """Return ``a, b and c``."""
    *others, last = items
    return f"{', '.join(others)} and {last}" if others else last
