"""Experiment: one figure, table or claim: run -> results, claims(results), draw(results).

Results are labelled arrays that are saved between running and drawing: claims and pictures come from saved results
alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from matplotlib.figure import Figure

from glorotlab.arrays import Progress
from glorotlab.experiments.scales import Scale

if TYPE_CHECKING:
    import xarray as xr

Verdict = Literal["pass", "fail", "undecided"]
Results = dict[str, "xr.Dataset"]
T = TypeVar("T")


@dataclass(frozen=True)
class Claim:
    """A sentence that numbers decide.

    Parameters
    ----------
    experiment : str
        Name of the experiment that decides it.
    sentence : str
        What is claimed, in one sentence.
    verdict : str
        ``pass``, ``fail`` or ``undecided``.
    numbers : dict of str to float
        What decided, finite.
    explanation : str
        The rule, and what limits it.
    """

    experiment: str
    sentence: str
    verdict: Verdict
    numbers: dict[str, float] = field(default_factory=dict)
    explanation: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a report: a caption, the head, rows of cells."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Experiment:
    """One figure, table or claim.

    Parameters
    ----------
    name : str
        What the command line calls it; a Python identifier.
    title : str
    source : str
        Where it comes from: paper and figure.
    caption : str
        What the picture shows: which marks are prediction, measurement, paper.
    run : callable
        (scale, progress) -> results, by name.
    claims : callable
        results -> list of Claim.
    draw : callable
        results -> Figure.
    table : callable, optional
        results -> Table.
    """

    name: str
    title: str
    source: str
    caption: str
    run: Callable[[Scale, Progress | None], Results]
    claims: Callable[[Results], list[Claim]]
    draw: Callable[[Results], Figure]
    table: Callable[[Results], Table] | None = None


def shared(make: Callable[[Scale, Progress | None], T]) -> Callable[[Scale, Progress | None], T]:
    """Keep what ``make`` returned for the latest scale, so that experiments that need the same work share it."""
    memory: dict[Scale, T] = {}

    @functools.wraps(make)
    def remembered(scale: Scale, progress: Progress | None = None) -> T:
        if scale not in memory:
            made = make(scale, progress)
            memory.clear()
            memory[scale] = made
        return memory[scale]

    return remembered
