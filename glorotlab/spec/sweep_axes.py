"""The axes of a sweep: fields of a run, ranges of numbers, and what stands at each place along an axis."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from glorotlab.checks import whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.spec.base import Spec
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec
from glorotlab.spec.training import TrainingSpec
from glorotlab.streams import MAX_SEED, Purpose, generator

MAX_RUNS = 20_000
"""Largest number of runs of a sweep; checking their specs takes half a second."""

CASE, DRAW, SEED = "case", "draw", "seed"
"""Dimensions of a sweep that are not fields (cases by name, joint draws of several fields), and that of repeats."""

DIGITS = 6
"""Significant digits of a computed number, so that a range gives the same run folders on any machine."""


def _fields() -> dict[str, tuple[str, Any]]:
    """Return the fields of a RunSpec by name: the table each stands in, and its type."""
    fields: dict[str, tuple[str, Any]] = {"layers": ("network", str)}
    for table, model in (("network", NetworkSpec), ("training", TrainingSpec), ("", RunSpec)):
        for name, field in model.model_fields.items():
            if name not in ("layer_sizes", "network", "training", "data_digest", "regression"):
                fields[name] = (table, field.annotation)
    return fields


FIELDS = _fields()
"""Fields that can be swept: those of a RunSpec by their names, and layer sizes as a text, ``layers``."""


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
        """Return the numbers at positions in [0, 1], to six significant digits."""
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

    def check(self) -> None:
        """Raise InvalidValueError if the axis is empty or has two equal labels."""
        if not self.labels:
            raise InvalidValueError(f"{self.name} []: allowed are 1 value or more")
        label, count = Counter(self.labels).most_common(1)[0]
        if count > 1:
            raise InvalidValueError(f"{self.name} {label!r}: given {count} times, allowed is once")


def case_axis(cases: Iterable[dict[str, Any]]) -> Axis:
    """Return the axis of cases, which set several fields each."""
    listed = list(cases)
    return Axis(CASE, tuple(_case_name(case) for case in listed), tuple(_without_name(case) for case in listed))


def grid_axis(name: str, given: list[Any] | Range) -> Axis:
    """Return the axis of one field of the grid."""
    if isinstance(given, Range):
        values = list(dict.fromkeys(_typed(name, given.at(np.linspace(0, 1, given.points)))))
    else:
        values = [_label(name, value) for value in given]
    return Axis(name, tuple(values), tuple({name: value} for value in values))


def drawn_axis(ranges: Mapping[str, Range], draws: int, seed: int) -> Axis:
    """Return the axis of draws of one field, or of several fields together."""
    columns = {}
    for name, values in ranges.items():
        stream = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
        columns[name] = _typed(name, values.at(generator(seed, Purpose.SWEEP, stream).random(draws)))
    if len(columns) == 1:
        ((name, drawn),) = columns.items()
        numbers = tuple(dict.fromkeys(drawn))  # whole numbers can come twice
        return Axis(name, numbers, tuple({name: value} for value in numbers))
    places = tuple(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return Axis(DRAW, tuple(range(draws)), places)


def seed_axis(first: object, repeats: int) -> Axis:
    """Return the axis of ``repeats`` seeds from the first on."""
    begin = whole_number("seed", first, 0, MAX_SEED - repeats + 1, f"2**64 - {repeats}")
    seeds = range(begin, begin + repeats)
    return Axis(SEED, tuple(seeds), tuple({SEED: seed} for seed in seeds))


def grid_values(name: str, given: Any) -> list[Any] | Range:
    """Return the values of a field along an axis of the grid."""
    if isinstance(given, dict):
        try:
            return Range(**given)
        except InvalidValueError as error:
            raise InvalidValueError(f"{name}: {error}") from None
    if isinstance(given, (list, tuple, Range)):
        return given if isinstance(given, Range) else list(given)
    raise InvalidValueError(f"{name} {str(given)[:60]!r}: allowed is a list, or a range {{low, high, scale, points}}")


def _label(name: str, value: Any) -> Any:
    """Return a value as a label on an axis; InvalidValueError if it is not a plain value of that field."""
    if name in FIELDS and FIELDS[name][1] is bool:
        if not isinstance(value, bool):
            raise InvalidValueError(f"{name} {str(value)[:60]!r}: allowed are true and false")
    elif isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InvalidValueError(f"{name} {str(value)[:60]!r}: allowed are numbers and texts")
    return value


def _typed(name: str, values: list[float]) -> list[Any]:
    """Return the numbers of a range, rounded if the field is a whole number."""
    return [round(value) for value in values] if FIELDS[name][1] is int else list(values)


def _case_name(case: dict[str, Any]) -> str:
    name = case.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidValueError(f"a case without a name, {str(case)[:60]}: allowed is a name of its own")
    return name


def _without_name(case: dict[str, Any]) -> dict[str, Any]:
    return {key: _label(key, value) for key, value in case.items() if key != "name"}
