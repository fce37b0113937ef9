"""Names with parameters in brackets, ``name(key=value, ...)``, as activations and initializers are written."""

import math
import re
from collections.abc import Mapping

from glorotlab.checks import instance_of
from glorotlab.errors import InvalidValueError, UnknownNameError

LARGEST_PARAMETER = 1e18
"""Parameters lie in [1 / LARGEST_PARAMETER, LARGEST_PARAMETER], where a square is still a normal float32."""

Parameters = dict[str, float | str]


def split(text: str) -> tuple[str, str | None] | None:
    """Return the name and what its brackets hold, None where there are none; None where the text is no such name."""
    match = re.fullmatch(r"\s*(\w{1,40})\s*(?:\(([^()]{0,200})\))?\s*", text)
    return None if match is None else (match[1], match[2])


def parse(kind: str, text: str, table: Mapping[str, Mapping[str, float | str]]) -> tuple[str, Parameters]:
    """Return the name and its parameters, defaults included.

    Parameters
    ----------
    kind : str
        Kind of thing that is named, for messages.
    text : str
    table : mapping of str to mapping
        Defaults of each name's parameters; values are positive numbers, or words where the default is one.

    Raises
    ------
    UnknownNameError, InvalidValueError
        Where the name, a parameter or its value is not allowed.
    """
    instance_of(kind, text, str, "a name, with its parameters in brackets where it takes them")
    parts = split(text)
    if parts is None or parts[0] not in table:
        raise UnknownNameError(kind, parts[0] if parts else text[:60], table)
    name, bracket = parts
    return name, parameters(f"{kind} {text!r}", bracket or "", table[name])


def parameters(what: str, bracket: str, defaults: Mapping[str, float | str], *, positive: bool = True) -> Parameters:
    """Return ``defaults`` overwritten by ``key=value, ...``; a number need not be ``positive`` where that is said."""
    values, seen = dict(defaults), set[str]()
    for part in filter(None, (part.strip() for part in bracket.split(","))):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key in seen:
            raise InvalidValueError(f"{what}: {key!r} is given twice, allowed is once")
        seen.add(key)
        if key not in values:
            raise InvalidValueError(f"{what}: unknown parameter {key!r}; allowed are {', '.join(values) or 'none'}")
        values[key] = value if isinstance(values[key], str) else _number(f"{what}: {key}", value, positive)
    return values


def _number(what: str, text: str, positive: bool) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if positive and not 1 / LARGEST_PARAMETER <= value <= LARGEST_PARAMETER:
        raise InvalidValueError(
            f"{what} {text!r}: allowed are numbers from {1 / LARGEST_PARAMETER:g} to {LARGEST_PARAMETER:g}"
        )
    if not math.isfinite(value):
        raise InvalidValueError(f"{what} {text!r}: allowed are finite numbers")
    return value


def canonical(name: str, values: Mapping[str, float | str]) -> str:
    """Return the one text of a name and its parameters."""
    inside = ", ".join(f"{key}={str(value).removesuffix('.0')}" for key, value in values.items())
    return f"{name}({inside})" if values else name
