"""An experiment is one figure, table or claim: run -> results, claims(results), draw(results).

Results are labeled arrays that are saved between running and drawing: claims and pictures come from saved results
alone. Every finding comes with a negative control: the same decision about results in which what the finding is about
has been swapped, where it has to fail.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from matplotlib.figure import Figure

from glorotlab.arrays import Progress
from glorotlab.experiments.scales import Scale
from glorotlab.training.sweeps.store import RunStore

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
    control : str
        Verdict of the same decision after the swap; ``""`` where there was none.
    swap : str
        What was swapped for the control.
    """

    experiment: str
    sentence: str
    verdict: Verdict
    numbers: dict[str, float] = field(default_factory=dict)
    explanation: str = ""
    control: Verdict | Literal[""] = ""
    swap: str = ""


@dataclass(frozen=True)
class Swap:
    """Results in which the networks that a finding is about have changed places.

    Parameters
    ----------
    text : str
        What is swapped, as a report says it.
    keys : dict of str to str
        For each key of the results the one whose dataset takes its place.
    """

    text: str
    keys: dict[str, str]

    def applies(self, results: Results) -> bool:
        """Return whether the results have the entries to be swapped, which a missing dataset lacks."""
        return all(key in results for key in self.keys.values())

    def __call__(self, results: Results) -> Results:
        """Return the swapped results."""
        return results | {key: results[other] for key, other in self.keys.items()}


def exchange(first: str, second: str, *kinds: str) -> Swap:
    """Return the swap of two networks: their datasets ``{network}_{kind}`` change places."""
    pairs = [(f"{first}_{kind}", f"{second}_{kind}") for kind in kinds]
    return Swap(f"{first} and {second} exchanged", {a: b for pair in pairs for a, b in (pair, pair[::-1])})


def substitute(network: str, other: str, *kinds: str) -> Swap:
    """Return the swap that puts another network's datasets in the place of one's."""
    return Swap(f"{other} in place of {network}", {f"{network}_{kind}": f"{other}_{kind}" for kind in kinds})


def demote(first: str, second: str, worst: str, *kinds: str) -> Swap:
    """Return the swap for a claim that ``second`` is better: it takes the place of ``first``, and ``worst`` its own."""
    keys = {f"{first}_{kind}": f"{second}_{kind}" for kind in kinds}
    text = f"{second} in place of {first}, {worst} in place of {second}"
    return Swap(text, keys | {f"{second}_{kind}": f"{worst}_{kind}" for kind in kinds})


@dataclass(frozen=True)
class Finding:
    """One sentence of a paper: how numbers decide it, and the swap under which it has to fail.

    Parameters
    ----------
    decide : callable
        Takes the results, returns the claim.
    control : Swap
        Negative control: a decision that does not turn to fail here would say nothing.
    qualify : callable, optional
        Takes the claim and the results; leaves the claim open where the results are too few for its verdict. The
        control is not qualified: that it fails on the same results is what shows that they are enough.
    """

    decide: Callable[[Results], Claim]
    control: Swap
    qualify: Callable[[Claim, Results], Claim] | None = None

    def claim(self, results: Results) -> Claim:
        """Return the claim as the results decide it, with its control's verdict."""
        claim = self.decide(results)
        if not self.control.applies(results):
            return claim
        control = self.decide(self.control(results))
        if self.qualify:
            claim = self.qualify(claim, results)
        return dataclasses.replace(claim, control=control.verdict, swap=self.control.text)


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Parameters
    ----------
    caption : str
    head : tuple of str
    rows : tuple of tuple of str
    bold : frozenset of (int, int)
        Row and column of the cells in bold, counted from 0.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bold: frozenset[tuple[int, int]] = frozenset()


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
        Takes the scale, the store of training runs and, optionally, a function that is told the progress; returns the
        results by name.
    findings : tuple of Finding
        The sentences of the paper that it decides.
    draw : callable
        Takes the results, returns a Figure.
    table : callable, optional
        Takes the results, returns a Table.
    derivations : tuple of str
        Names of the derivations whose equations it tests.
    trains : bool
        Whether it asks the store for training runs: other processes then do most of its work.
    """

    name: str
    title: str
    source: str
    caption: str
    effort: float
    run: Callable[[Scale, RunStore, Progress | None], Results]
    findings: tuple[Finding, ...]
    draw: Callable[[Results], Figure]
    table: Callable[[Results], Table] | None = None
    derivations: tuple[str, ...] = ()
    trains: bool = False

    def claims(self, results: Results) -> list[Claim]:
        """Return the claims as the results decide them, each with its control."""
        return [finding.claim(results) for finding in self.findings]


def part_of(progress: Progress | None, place: int, parts: int) -> Progress:
    """Return the progress function of part ``place`` (from 0) of ``parts`` equal parts."""

    def report(done: int, total: int) -> None:
        if progress:
            progress(place * total + done, parts * total)

    return report


def shared(make: Callable[[Scale, Progress | None], T]) -> Callable[[Scale, Progress | None], T]:
    """Cache the result of ``make`` for the latest scale, so that experiments share the work.

    One that asks while another one's thread does the work waits for it.
    """
    memory: dict[Scale, T] = {}
    lock = threading.Lock()

    @functools.wraps(make)
    def remembered(scale: Scale, progress: Progress | None = None) -> T:
        with lock:
            if scale not in memory:
                latest = make(scale, progress)
                memory.clear()
                memory[scale] = latest
            return memory[scale]

    return remembered
