"""Equations that experiments test, as the page shows them: derived anew, and written as MathML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Equation:
    """One derivation's results.

    Parameters
    ----------
    name, title, source : str
        As of the derivation.
    results : list of (str, Markup)
        What is said of each, and MathML that needs no escaping: it is written from SymPy's own trees.
    """

    name: str
    title: str
    source: str
    results: list[tuple[str, Markup]]


def equations(names: Sequence[str]) -> list[Equation]:
    """Return the results of derivations; SymPy is imported where there are any."""
    if not names:
        return []
    from glorotlab.derivations import derive

    derivations = [derive(name) for name in names]
    return [
        Equation(one.name, one.title, one.source, [(words, Markup(math)) for words, math in one.results_mathml()])  # noqa: S704
        for one in derivations
    ]
