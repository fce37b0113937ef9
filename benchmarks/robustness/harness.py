"""The harness of every fuzz target: inputs by seed and number, what becomes of each, and how to see a finding again.

Input i depends on (seed, i) alone, so that any one can be made again, and several processes can share the work.
"""

import os
import random
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import limits

import glorotlab
from glorotlab.errors import GlorotlabError

PACKAGE = Path(glorotlab.__file__).parent

LONGEST_MESSAGE = 1000
"""Characters of an error's one line, at most: it names a value, and does not repeat a file."""

KEPT = 3
"""Findings of one kind that are kept; more are counted."""


class Wrong(AssertionError):
    """An input was accepted and what came of it is wrong; the message says how."""


@dataclass
class Finding:
    """An input that did what no input may do."""

    kind: str
    number: int
    input: Any
    details: str


@dataclass
class Report:
    """What became of the inputs of one target.

    Parameters
    ----------
    inputs, accepted, refused : int
    findings : list of Finding
        At most ``KEPT`` of each kind.
    kinds : Counter
        How many findings there were of each kind.
    slowest : (float, int)
        CPU seconds, and number, of the input that took longest.
    seconds : float
        CPU time for all of them, and for making them.
    """

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    findings: list[Finding] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, -1)
    seconds: float = 0.0

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it where few of its kind are there."""
        self.kinds[finding.kind] += 1
        if self.kinds[finding.kind] <= KEPT:
            self.findings.append(finding)

    def merge(self, other: "Report") -> None:
        """Add what became of other inputs."""
        self.inputs += other.inputs
        self.accepted += other.accepted
        self.refused += other.refused
        self.slowest = max(self.slowest, other.slowest)
        self.seconds += other.seconds
        kinds = Counter(other.kinds)
        kinds.subtract(finding.kind for finding in other.findings)
        for finding in other.findings:
            self.add(finding)
        self.kinds.update(kinds)

    def __str__(self) -> str:
        seconds, number = self.slowest
        rate = self.inputs / self.seconds if self.seconds else 0.0
        counts = (
            f"{self.inputs} inputs, {self.accepted} accepted, {self.refused} refused, {self.kinds.total()} findings"
        )
        return f"{counts}, slowest {seconds:.3f} s (input {number}), {rate:.0f} inputs a second of CPU"


class Target:
    """One reader of what others write: how its inputs are made, and what it is to do with one.

    Parameters
    ----------
    folder : path-like
        An empty folder of the target's own, the only one in which an input may change anything.
    """

    name = ""
    seconds = limits.SECONDS
    """CPU time that an input may take."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).resolve()

    def make(self, rng: random.Random) -> Any:
        """Return an input."""
        raise NotImplementedError

    def run(self, made: Any) -> bool | None:
        """Do with an input what a user would.

        Raises a GlorotlabError, or returns False, where it is refused; Wrong where it is accepted and should not be.
        """
        raise NotImplementedError

    def input(self, seed: int, number: int) -> Any:
        """Return input ``number`` of a seed."""
        return self.make(random.Random((seed << 40) + number))  # noqa: S311

    def fuzz(
        self,
        inputs: int | Iterable[int],
        seed: int = 0,
        *,
        megabytes: int | None = limits.MEGABYTES,
        begin: Callable[[int], object] = lambda number: None,
    ) -> Report:
        """Run inputs one after another.

        Parameters
        ----------
        inputs : int or iterable of int
            How many from number 0 on, or their numbers.
        seed : int
        megabytes : int or None
            As ``limits.limited`` takes it.
        begin : callable
            Called with the number of each input before it is run.
        """
        report, started = Report(), time.process_time()
        numbers = range(inputs) if isinstance(inputs, int) else inputs
        with limits.limited(self.folder, megabytes=megabytes) as watch:
            for number in numbers:
                begin(number)
                self._run_one(number, seed, watch, report)
        report.seconds = time.process_time() - started
        return report

    def _run_one(self, number: int, seed: int, watch: limits.Watch, report: Report) -> None:
        made = self.input(seed, number)
        report.inputs += 1
        started = time.process_time()
        try:
            with limits.one_input(watch, self.seconds):
                refused = self.run(made) is False
        except GlorotlabError as error:
            report.refused += 1
            if problem := unclear(str(error)):
                report.add(Finding(f"message {problem} of {type(error).__name__}", number, made, str(error)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            report.add(Finding(kind_of(error), number, made, details_of(error)))
        else:
            report.refused += refused
            report.accepted += not refused
        seconds = time.process_time() - started
        report.slowest = max(report.slowest, (seconds, number))
        for what in watch.seen:
            report.add(Finding(what[:120], number, made, what))


def unclear(message: str) -> str:
    """Return what is wrong with the line of an error, or an empty text."""
    if not message.strip():
        return "empty"
    if len(message.splitlines()) > 1:
        return "of several lines"
    return "too long" if len(message) > LONGEST_MESSAGE else ""


def kind_of(error: BaseException) -> str:
    """Return the type of an error and the innermost place of the package that it went through."""
    place, trace = "no code of the package", error.__traceback__
    while trace:
        code, trace = trace.tb_frame.f_code, trace.tb_next
        if Path(code.co_filename).is_relative_to(PACKAGE):
            place = f"{Path(code.co_filename).relative_to(PACKAGE.parent)}:{code.co_name}"
    said = f" ({str(error)[:100]})" if isinstance(error, Wrong) else ""
    return f"{type(error).__name__} in {place}{said}"


def details_of(error: BaseException) -> str:
    """Return the traceback of an error, shortened."""
    return "".join(traceback.format_exception(error, limit=-12))[-6000:]


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """Return a temporary folder, in memory where the machine has a place for that."""
    memory = Path("/dev/shm")  # noqa: S108
    return tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="glorotlab-fuzz-")
