"""SweepSpec: many runs that differ in some fields, as a grid, a list of cases, random draws and repeated seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from pydantic import Field, model_validator

from glorotlab.checks import shown
from glorotlab.documents import parse_toml
from glorotlab.errors import InvalidValueError
from glorotlab.spec.base import Spec
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec, expand
from glorotlab.spec.sweep_axes import (
    FIELDS,
    MAX_RUNS,
    SEED,
    Axis,
    Range,
    case_axis,
    drawn_axis,
    grid_axis,
    grid_values,
    seed_axis,
)
from glorotlab.streams import MAX_SEED


class SweepSpec(Spec):
    """Runs that differ in some fields: every combination of cases, grid, draws and seeds.

    Parameters
    ----------
    run : dict or RunSpec
        What the runs have in common: the tables of a RunSpec, as in its TOML. A RunSpec says every field, the bias
        and the cost among them; a dict leaves them to go with the initializer and the output.
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
        of the others, as Glorot & Bengio (2010) chose the ``learning_rate``.

    Raises
    ------
    InvalidValueError
        Where a field is not allowed, is swept twice, or makes a run that is not.

    Examples
    --------
    >>> import glorotlab as gl
    >>> run = {"network": {"layers": "1024,100x3,9"}, "training": {"updates": 1000}}
    >>> spec = gl.SweepSpec(run=run, grid={"activation": ["tanh", "sigmoid"], "learning_rate": [0.01, 0.1]}, repeats=3)
    >>> spec.shape
    (2, 2, 3)

    Or written as a file:

    >>> text = '''
    ... network.layers = "1024,100x3,9"
    ... training.updates = 1000
    ... sweep.repeats = 5
    ... '''
    >>> gl.SweepSpec.from_toml(text).shape
    (5,)
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
            fields["grid"] = {name: grid_values(name, given) for name, given in fields["grid"].items()}
        return fields

    @model_validator(mode="after")
    def _check(self) -> SweepSpec:
        for name in [*self.grid, *self.random, *(name for case in self.cases for name in case if name != "name")]:
            if name not in FIELDS:
                raise InvalidValueError(f"unknown field {name!r} to sweep: allowed are {', '.join(FIELDS)}")
        if bool(self.random) != bool(self.draws):
            raise InvalidValueError(
                f"{self.draws} draws of {len(self.random)} random fields: allowed are none, or both from 1 on"
            )
        for name, values in self.random.items():
            if values.points:
                raise InvalidValueError(f"random {name} with {values.points} points: allowed is draws, for all of them")
        self._check_axes()
        for _ in self._combinations():
            pass
        return self

    def _check_axes(self) -> None:
        seen: set[str] = set()
        for axis in self.axes:
            axis.check()
            names = {name for place in axis.places for name in place}
            if names & seen:
                raise InvalidValueError(f"{(names & seen).pop()}: swept twice, allowed is once")
            seen |= names
        choices = [axis.name for axis in self.axes if axis.name != SEED]
        for name in self.choose:
            if name not in choices:
                raise InvalidValueError(f"choose {name!r}: allowed are {', '.join(choices) or 'fields that are swept'}")

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """The dimensions, outermost first: cases, the fields of the grid in their order, draws, seeds.

        InvalidValueError is raised as soon as their product is larger than a sweep may be.
        """
        axes: list[Axis] = []
        for axis in self._each_axis():
            axes.append(axis)
            runs = math.prod(len(axis.labels) for axis in axes)
            if runs > MAX_RUNS:
                raise InvalidValueError(f"a sweep of {runs} runs or more: allowed are at most {MAX_RUNS}")
        return tuple(axes)

    def _each_axis(self) -> Iterator[Axis]:
        if self.cases:
            yield case_axis(self.cases)
        for name, given in self.grid.items():
            yield grid_axis(name, given)
        if self.random:
            yield drawn_axis(self.random, self.draws, self.draw_seed)
        if self.repeats > 1:
            yield seed_axis(self.run.get(SEED, 0), self.repeats)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return tuple(len(axis.labels) for axis in self.axes)

    def points(self) -> Iterator[tuple[dict[str, Any], RunSpec]]:
        """Yield every run as its labels by axis and its spec, the last axis fastest.

        Raises
        ------
        InvalidValueError
            Where a spec is not allowed; the message names its combination.

        Examples
        --------
        >>> import glorotlab as gl
        >>> run = {"network": {"layers": "1024,100x3,9"}, "training": {"updates": 1000}}
        >>> spec = gl.SweepSpec(run=run, grid={"activation": ["tanh", "sigmoid"]}, repeats=2)
        >>> [(labels["activation"], spec.seed) for labels, spec in spec.points()]
        [('tanh', 0), ('tanh', 1), ('sigmoid', 0), ('sigmoid', 1)]
        """
        for labels, spec in self._combinations():
            if self.repeats == 1:
                yield labels, spec
                continue
            for seed in self.axes[-1].labels:
                yield labels | {SEED: seed}, spec.model_copy(update={SEED: seed})

    def _combinations(self) -> Iterator[tuple[dict[str, Any], RunSpec]]:
        """Return the labels, and the spec with the first seed, of every combination of the axes but that of seeds.

        A seed that is allowed changes nothing about whether a spec is: each is checked once and not for every seed.
        """
        axes = self.axes if self.repeats == 1 else self.axes[:-1]
        networks: dict[str, NetworkSpec] = {}
        for places in itertools.product(*(range(len(axis.labels)) for axis in axes)):
            labels: dict[str, Any] = {}
            chosen: dict[str, Any] = {}
            for axis, place in zip(axes, places, strict=True):
                labels[axis.name] = axis.labels[place]
                chosen |= axis.places[place]
            try:
                spec = self._run(chosen, networks)
            except InvalidValueError as error:
                where = ", ".join(f"{name}={shown(value)}" for name, value in chosen.items())
                raise InvalidValueError(f"{error}; in the run of {where}" if where else str(error)) from None
            yield labels, spec

    def _run(self, chosen: dict[str, Any], networks: dict[str, NetworkSpec]) -> RunSpec:
        """Return one spec; a network that is among those checked before is not checked again, which takes longest."""
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
        table = repr(fields.get("network"))
        fields = fields | {"network": networks[table]} if table in networks else expand(fields)
        spec = RunSpec(**fields)
        networks[table] = spec.network
        return spec

    @classmethod
    def from_toml(cls, text: str, origin: str = "sweep") -> SweepSpec:
        """Return the sweep of TOML with a table ``[sweep]``; InvalidValueError, with ``origin``, where it is none."""
        try:
            fields = parse_toml(text)
        except InvalidValueError as error:
            raise InvalidValueError(f"{origin}: {error}") from None
        table = fields.pop("sweep", None)
        if not isinstance(table, dict):
            raise InvalidValueError(f"{origin}: it has no table [sweep], which says what differs between the runs")
        if "run" in table:
            raise InvalidValueError(
                f"{origin}: run in [sweep]: allowed are common fields of the runs outside of [sweep]"
            )
        try:
            return cls(run=fields, **table)
        except InvalidValueError as error:
            raise InvalidValueError(f"{origin}: {error}") from None
