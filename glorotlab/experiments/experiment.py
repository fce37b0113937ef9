"""An experiment is one figure, table or claim: run -> results, claims(results), draw(results).

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
        The finite numbers that decide it; the margin of the number ``name`` is ``name ±``.
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
        Its name on the command line; a Python identifier.
    title : str
    source : str
        Paper and figure that it reproduces.
    caption : str
        What the picture shows: which marks are prediction, measurement, paper.
    effort : float
        Seconds, roughly, of its own work at scale ``quick`` on two cores; the estimate of the time left rests on it.
    run : callable
        Takes the scale and, optionally, a function that is told the progress; returns the results by name.
    claims : callable
        Takes the results, returns a list of Claim.
    draw : callable
        Takes the results, returns a Figure.
    table : callable, optional
        Takes the results, returns a Table.
    """

    name: str
    title: str
    source: str
    caption: str
    effort: float
    run: Callable[[Scale, Progress | None], Results]
    claims: Callable[[Results], list[Claim]]
    draw: Callable[[Results], Figure]
    table: Callable[[Results], Table] | None = None


def part_of(progress: Progress | None, place: int, parts: int) -> Progress:
    """Return what part ``place`` (from 0) of as many equal ``parts`` of a work calls with its own progress."""

    def report(done: int, total: int) -> None:
        if progress:
            progress(place * total + done, parts * total)

    return report


def shared(make: Callable[[Scale, Progress | None], T]) -> Callable[[Scale, Progress | None], T]:
    """Keep what ``make`` returned for the latest scale, so that experiments that need the same work share it."""
    memory: dict[Scale, T] = {}

    @functools.wraps(make)
    def remembered(scale: Scale, progress: Progress | None = None) -> T:
        if scale not in memory:
            latest = make(scale, progress)
            memory.clear()
            memory[scale] = latest
        return memory[scale]

    return remembered
