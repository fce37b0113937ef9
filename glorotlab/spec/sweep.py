"""SweepSpec: many runs that differ in some fields, as a grid, a list of cases, random draws and repeated seeds."""

from __future__ import annotations

import hashlib
import itertools
import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from glorotlab.errors import InvalidValueError
from glorotlab.spec.base import Spec
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec, expand
from glorotlab.spec.training import TrainingSpec
from glorotlab.streams import MAX_SEED, Purpose, generator

MAX_RUNS = 100_000

CASE, DRAW, SEED = "case", "draw", "seed"
"""Dimensions that are no swept field: the cases by name, joint draws of several fields; and the one of repeats."""

DIGITS = 6
"""Significant digits of a number that is computed, so that a range means the same run folders on any machine."""


def _fields() -> dict[str, tuple[str, Any]]:
    """Return the fields of a RunSpec by name: the table each stands in, and its type."""
    fields: dict[str, tuple[str, Any]] = {"layers": ("network", str)}
    for table, model in (("network", NetworkSpec), ("training", TrainingSpec), ("", RunSpec)):
        for name, field in model.model_fields.items():
            if name not in ("layer_sizes", "network", "training", "data_digest"):
                fields[name] = (table, field.annotation)
    return fields


FIELDS = _fields()
"""What can be swept: every field of a RunSpec by its own name; layer sizes as text, ``layers``."""


class Range(Spec):
    """Numbers from ``low`` to ``high``.

    Parameters
    ----------
    low, high : float
    scale : str
        ``linear`` or ``log``: evenly spaced, or uniformly distributed, numbers or their logarithms.
    points : int
        How many, of a grid; both ends are among them. Draws are counted by ``SweepSpec.draws``.
    """

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    points: int = Field(default=0, ge=0, le=MAX_RUNS)

    @model_validator(mode="after")
    def _check_ends(self) -> Range:
        if not self.low < self.high:
            raise InvalidValueError(f"range from {self.low:g} to {self.high:g}: allowed is low < high")
        if self.scale == "log" and self.low <= 0:
            raise InvalidValueError(f"log range from {self.low:g}: allowed are numbers above 0")
        return self

    def at(self, places: Any) -> list[float]:
        """Return the numbers at places in [0, 1], to six significant digits."""
        low, high = (math.log(end) if self.scale == "log" else end for end in (self.low, self.high))
        values = (low + place * (high - low) for place in map(float, places))
        rounded = (float(f"{math.exp(value) if self.scale == 'log' else value:.{DIGITS}g}") for value in values)
        return [min(max(value, self.low), self.high) for value in rounded]


@dataclass(frozen=True)
class Axis:
    """One dimension of a sweep: its name, a label for each place along it, and the fields each place sets."""

    name: str
    labels: tuple[Any, ...]
    places: tuple[dict[str, Any], ...]


class SweepSpec(Spec):
    """Runs that differ in some fields: every combination of cases, grid, draws and seeds.

    Parameters
    ----------
    run : dict or RunSpec
        What the runs have in common: the tables of a RunSpec, as in its TOML. A RunSpec says every field, the bias
        and the cost among them; a dict leaves them to go with the initialiser and the output.
    grid : dict
        Lists of values by field (``learning_rate``, ``activation``, ``layers``, ...), or Ranges with ``points``.
    cases : list of dict
        Values of several fields that go together, each with its ``name``.
    random : dict
        Ranges by field, drawn from independently; all drawn fields change together, ``draws`` times.
    draws, draw_seed : int
        Draw i of a field depends on (draw_seed, field, i) alone: more draws, or fields, keep those there are.
    repeats : int
        Seeds from the run's own on; every combination is run with each.
    choose : list of str
        Dimensions of which the value of least validation error, mean over the seeds, is chosen for each combination
        of the others: ``learning_rate``; the paper's way.
    """

    run: dict[str, Any]
    grid: dict[str, list[Any] | Range] = Field(default_factory=dict)
    cases: list[dict[str, Any]] = Field(default_factory=list)
    random: dict[str, Range] = Field(default_factory=dict)
    draws: int = Field(default=0, ge=0, le=MAX_RUNS)
    draw_seed: int = Field(default=0, ge=0, le=MAX_SEED)
    repeats: int = Field(default=1, ge=1, le=MAX_RUNS)
    choose: list[str] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, fields: Any) -> Any:
        fields = dict(fields)
        if isinstance(fields.get("run"), RunSpec):
            fields["run"] = fields["run"].model_dump(mode="json")
        if isinstance(fields.get("grid"), dict):
            fields["grid"] = {name: _values(name, given) for name, given in fields["grid"].items()}
        return fields

    @model_validator(mode="after")
    def _check(self) -> SweepSpec:
        for name in [*self.grid, *self.random, *(name for case in self.cases for name in case if name != "name")]:
            if name not in FIELDS:
                raise InvalidValueError(f"unknown field {name!r} to sweep: allowed are {', '.join(FIELDS)}")
        if bool(self.random) != bool(self.draws):
            raise InvalidValueError(f"{self.draws} draws of {len(self.random)} random fields: one is no use alone")
        for name, values in self.random.items():
            if values.points:
                raise InvalidValueError(f"random {name} with {values.points} points: allowed is draws, for all of them")
        self._check_axes()
        for _ in self.points():
            pass
        return self

    def _check_axes(self) -> None:
        seen: set[str] = set()
        for axis in self.axes:
            if not axis.labels:
                raise InvalidValueError(f"{axis.name} []: allowed are 1 value or more")
            if len(set(axis.labels)) < len(axis.labels):
                twice = next(label for label in axis.labels if axis.labels.count(label) > 1)
                raise InvalidValueError(f"{axis.name} {twice!r}: it is there twice")
            names = {name for place in axis.places for name in place}
            if names & seen:
                raise InvalidValueError(f"{(names & seen).pop()}: it is swept twice")
            seen |= names
        size = math.prod(len(axis.labels) for axis in self.axes)
        if size > MAX_RUNS:
            raise InvalidValueError(f"a sweep of {size} runs: allowed are at most {MAX_RUNS}")
        choices = [axis.name for axis in self.axes if axis.name != SEED]
        for name in self.choose:
            if name not in choices:
                raise InvalidValueError(f"choose {name!r}: allowed are {', '.join(choices) or 'fields that are swept'}")

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """The dimensions, outermost first: cases, the fields of the grid in their order, draws, seeds."""
        axes = []
        if self.cases:
            names = tuple(_case_name(case) for case in self.cases)
            axes.append(Axis(CASE, names, tuple(_without_name(case) for case in self.cases)))
        for name, given in self.grid.items():
            if isinstance(given, Range):
                values = list(dict.fromkeys(_typed(name, given.at(np.linspace(0, 1, given.points)))))
            else:
                values = [_label(name, value) for value in given]
            axes.append(Axis(name, tuple(values), tuple({name: value} for value in values)))
        if self.random:
            axes.append(self._drawn())
        if self.repeats > 1:
            first = self.run.get("seed", 0)
            if not isinstance(first, int):
                raise InvalidValueError(f"seed {first!r}: allowed are whole numbers from 0")
            seeds = range(first, first + self.repeats)
            axes.append(Axis(SEED, tuple(seeds), tuple({SEED: seed} for seed in seeds)))
        return tuple(axes)

    def _drawn(self) -> Axis:
        columns = {}
        for name, values in self.random.items():
            stream = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
            uniform = generator(self.draw_seed, Purpose.SWEEP, stream).random(self.draws)
            columns[name] = _typed(name, values.at(uniform))
        if len(columns) == 1:
            ((name, drawn),) = columns.items()
            numbers = tuple(dict.fromkeys(drawn))  # whole numbers can come twice
            return Axis(name, numbers, tuple({name: value} for value in numbers))
        places = tuple(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
        return Axis(DRAW, tuple(range(self.draws)), places)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return tuple(len(axis.labels) for axis in self.axes)

    def points(self) -> Iterator[tuple[dict[str, Any], RunSpec]]:
        """Return label by axis, and spec, of every run, the last axis fastest.

        Raises
        ------
        InvalidValueError
            Naming the combination where a spec is wrong.
        """
        for places in itertools.product(*(range(size) for size in self.shape)):
            labels: dict[str, Any] = {}
            chosen: dict[str, Any] = {}
            for axis, place in zip(self.axes, places, strict=True):
                labels[axis.name] = axis.labels[place]
                chosen |= axis.places[place]
            try:
                spec = self._run(chosen)
            except InvalidValueError as error:
                where = ", ".join(f"{name}={value}" for name, value in chosen.items())
                raise InvalidValueError(f"{error}; in the run of {where}" if where else str(error)) from None
            yield labels, spec

    def _run(self, chosen: dict[str, Any]) -> RunSpec:
        fields = dict(self.run)
        for name, value in chosen.items():
            table = FIELDS[name][0]
            if not table:
                fields[name] = value
                continue
            inside = fields.get(table, {})
            if not isinstance(inside, dict):
                raise InvalidValueError(f"{table} {str(inside)[:60]!r}: allowed is a table of fields")
            kept = {key: other for key, other in inside.items() if name != "layers" or key != "layer_sizes"}
            fields[table] = kept | {name: value}
        return RunSpec(**expand(fields))

    @classmethod
    def from_toml(cls, text: str, origin: str = "sweep") -> SweepSpec:
        """Read the TOML of a RunSpec with a table ``[sweep]``; InvalidValueError with ``origin`` where it is none."""
        try:
            fields = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidValueError(f"{origin}: not TOML: {error}") from None
        table = fields.pop("sweep", None)
        if not isinstance(table, dict):
            raise InvalidValueError(f"{origin}: it has no table [sweep], which says what differs between the runs")
        if "run" in table:
            raise InvalidValueError(f"{origin}: run in [sweep]: what the runs have in common stands outside of it")
        try:
            return cls(run=fields, **table)
        except InvalidValueError as error:
            raise InvalidValueError(f"{origin}: {error}") from None


def _values(name: str, given: Any) -> list[Any] | Range:
    """Return what a field takes along an axis of the grid."""
    if isinstance(given, dict):
        try:
            return Range(**given)
        except InvalidValueError as error:
            raise InvalidValueError(f"{name}: {error}") from None
    if isinstance(given, (list, tuple, Range)):
        return given if isinstance(given, Range) else list(given)
    raise InvalidValueError(f"{name} {str(given)[:60]!r}: allowed is a list, or a range {{low, high, scale, points}}")


def _label(name: str, value: Any) -> Any:
    """Return a value as it names a place on an axis; InvalidValueError where it is no plain value."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InvalidValueError(f"{name} {str(value)[:60]!r}: allowed are numbers and texts")
    return value


def _typed(name: str, values: list[float]) -> list[Any]:
    """Return numbers of a range as the field takes them: rounded where it is a whole number."""
    return [round(value) for value in values] if FIELDS[name][1] is int else list(values)


def _case_name(case: dict[str, Any]) -> str:
    name = case.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidValueError(f"a case without a name: {str(case)[:60]}")
    return name


def _without_name(case: dict[str, Any]) -> dict[str, Any]:
    return {key: _label(key, value) for key, value in case.items() if key != "name"}
