"""JSON and TOML, read within bounds: length, nesting, digits of a number and number of keys, each refused in one line.

Both parsers of the standard library recurse into what is nested, take time that grows with the square of a number's
digits or of a dotted key's parts, and take NaN where JSON has none. What has more than a document of ours can have is
refused before they see it.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from glorotlab.errors import InvalidValueError


@dataclass(frozen=True)
class Limits:
    """The limits of a document.

    Parameters
    ----------
    size : int
        Bytes.
    depth : int
        Tables and lists around a value, and parts of a dotted key.
    digits : int
        Characters of a number; in TOML of a bare key too.
    keys : int
        Keys of all tables together.
    """

    size: int = 2**20
    depth: int = 16
    digits: int = 100
    keys: int = 100_000


LIMITS = Limits()
"""Limits of a document that a person writes, or that fits on a page."""

_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)
"""Pattern of a JSON string, whose brackets do not count, or of a bracket."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

_TOKEN = re.compile(
    r"""
      (?P<text>\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')
    | (?P<comment>\#[^\n]*+)
    | (?P<bare>[^\s\[\]{}\#"',=.]++)
    | (?P<mark>[\[\]{}=.,\n])
    """,
    re.DOTALL | re.VERBOSE,
)
"""Pattern of a TOML token; tokens are separated by blanks."""


def parse_json(content: bytes | str, limits: Limits = LIMITS) -> Any:
    """Return the content of a JSON document.

    Parameters
    ----------
    content : bytes or str
    limits : Limits

    Returns
    -------
    object
        Tables as dict, lists as list; every number is finite.

    Raises
    ------
    InvalidValueError
        Where it is no JSON, exceeds a limit, has NaN or an infinity, or a key twice in one table.
    """
    text = _text(content, limits)
    _check_depth((match[0] for match in _BRACKET.finditer(text)), limits)
    keys = itertools.count(1)

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in pairs:
            if next(keys) > limits.keys:
                raise InvalidValueError(f"more than {limits.keys:,} keys: allowed are at most so many")
            if key in made:
                raise InvalidValueError(f"key {key!r:.60} twice in one table: allowed is each key once")
            made[key] = value
        return made

    def whole(digits: str) -> int:
        return int(_checked_number(digits, limits))

    def broken(digits: str) -> float:
        number = float(_checked_number(digits, limits))
        return number if math.isfinite(number) else _refuse_constant(digits)

    try:
        made = json.loads(
            text, parse_constant=_refuse_constant, parse_int=whole, parse_float=broken, object_pairs_hook=table
        )
        if _SURROGATE.search(text):  # half a character, which no file or terminal takes
            json.dumps(made, ensure_ascii=False).encode()
    except InvalidValueError:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidValueError(f"not JSON: {error}") from None
    return made


def parse_toml(content: bytes | str, limits: Limits = LIMITS) -> dict[str, Any]:
    """Return the tables of a TOML document, which may begin with a byte order mark.

    Parameters
    ----------
    content : bytes or str
    limits : Limits

    Returns
    -------
    dict

    Raises
    ------
    InvalidValueError
        Where it is no TOML, or exceeds a limit.
    """
    text = _text(content, limits).replace("\r\n", "\n")
    _check_depth((match[0] for match in _TOKEN.finditer(text) if match["mark"]), limits)
    _check_keys(text, limits)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidValueError(f"not TOML: {error}") from None


def _text(content: bytes | str, limits: Limits) -> str:
    """Return a document as text without byte order mark, after checking its length."""
    if len(content) > limits.size:
        raise InvalidValueError(f"larger than {limits.size:,} bytes, the largest size allowed")
    try:
        return (content if isinstance(content, str) else content.decode()).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidValueError(f"not a text in UTF-8: byte {error.start} is 0x{content[error.start]:02x}") from None


def _check_depth(tokens: Iterator[str], limits: Limits) -> None:
    depth = 0
    for mark in tokens:
        if mark in "[{":
            depth += 1
            if depth > limits.depth:
                raise InvalidValueError(f"nested too deeply: allowed are {limits.depth} lists and tables in each other")
        elif mark in "]}":
            depth -= 1


def _check_keys(text: str, limits: Limits) -> None:
    """Refuse TOML with too many keys, a key of too many parts, or a number or bare key that is too long."""
    keys = dots = 0
    for match in _TOKEN.finditer(text):
        mark = match["mark"]
        if mark == ".":
            dots += 1
        elif mark:
            keys, dots = keys + (mark == "="), 0
        if dots >= limits.depth:
            raise InvalidValueError(
                f"a key of more than {limits.depth} parts between dots: allowed are at most so many"
            )
        if keys > limits.keys:
            raise InvalidValueError(f"more than {limits.keys:,} keys: allowed are at most so many")
        _checked_number(match["bare"] or "", limits)


def _checked_number(digits: str, limits: Limits) -> str:
    if len(digits) > limits.digits:
        raise InvalidValueError(f"{digits[:20]}... has {len(digits):,} characters: allowed are {limits.digits}")
    return digits


def _refuse_constant(text: str) -> NoReturn:
    raise InvalidValueError(f"number {text}: allowed are finite numbers")
