"""Mutations of valid samples: of bytes, of words in a text, and of trees of values as JSON and TOML hold them."""

import datetime
import json
import random
import re
import struct
from collections.abc import Sequence
from typing import Any

INTEGERS = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 1023, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
NUMBERS = (
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "0.5",
    "-0.5",
    "1e-320",
    "1e-18",
    "1e18",
    "1e308",
    "1e999",
    "-1e999",
    "nan",
    "inf",
)
NUMBERS += ("9" * 19, "9" * 400, "9" * 5000, "1_0", "0x10", "1e", "١", "²", "1.", ".5", "+3", "--3", "1,5", "true", "")
WORDS = (
    "",
    " ",
    "\x00",
    "\n",
    "\x1b[31m",
    "%s",
    "{}",
    "'",
    '"',
    "\\",
    "../..",
    "/",
    "~",
    "é",
    "ﬀ",
    "😀",
    "\ud800",
    "A" * 300,
)

RAW = {
    "@deep list@": "[" * 3000 + "]" * 3000,
    "@deep table@": '{"a":' * 3000 + "1" + "}" * 3000,
    "@digits@": "9" * 5000,
    "@infinite@": "1e999",
    "@negative infinite@": "-1e999",
    "@nan@": "nan",
}
"""What no writer of JSON or TOML writes, by the text that stands for it in a tree of values."""

VALUES: tuple[Any, ...] = (None, True, False, 0, 1, -1, 2, 3, 10, 300, 10**6, 10**12, 2**31, 2**63, 2**64, -(2**63))
VALUES += (
    0.0,
    -0.0,
    0.5,
    1.5,
    -1.0,
    1e-320,
    1e-9,
    1e18,
    1e39,
    1e308,
    *WORDS,
    *RAW,
    [],
    {},
    [[]],
    [1, 2],
    ["x"],
    {"a": 1},
)


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """Return bytes after one to four mutations."""
    mutated = bytearray(data)
    for _ in range(1 + int(rng.expovariate(1)) % 4):
        rng.choice(_BYTE_MUTATIONS)(rng, mutated)
    return bytes(mutated)


def _place(rng: random.Random, data: bytearray) -> int:
    """Return a place in the data: as often near its beginning, where headers stand, as anywhere."""
    return rng.randrange(min(len(data), 64) if rng.random() < 0.5 else len(data)) if data else 0


def _flip(rng: random.Random, data: bytearray) -> None:
    if data:
        data[_place(rng, data)] ^= 1 << rng.randrange(8)


def _set(rng: random.Random, data: bytearray) -> None:
    if data:
        data[_place(rng, data)] = rng.choice(INTEGERS) & 255


def _set_integer(rng: random.Random, data: bytearray) -> None:
    packed = struct.pack(f"{rng.choice('<>')}I", rng.choice(INTEGERS))[: rng.choice((2, 4))]
    place = _place(rng, data)
    data[place : place + len(packed)] = packed


def _insert(rng: random.Random, data: bytearray) -> None:
    place = _place(rng, data)
    data[place:place] = rng.randbytes(rng.randrange(1, 9))


def _delete(rng: random.Random, data: bytearray) -> None:
    place = _place(rng, data)
    del data[place : place + rng.randrange(1, 17)]


def _repeat(rng: random.Random, data: bytearray) -> None:
    place = _place(rng, data)
    data[place:place] = data[place : place + rng.randrange(1, 65)] * rng.randrange(1, 4)


def _cut(rng: random.Random, data: bytearray) -> None:
    del data[_place(rng, data) :]


def _extend(rng: random.Random, data: bytearray) -> None:
    data += rng.randbytes(rng.randrange(1, 17))


_BYTE_MUTATIONS = (_flip, _set, _set_integer, _insert, _delete, _repeat, _cut, _extend)

_PIECES = re.compile(r"\w+|\s+|[^\w\s]")


def mutate_text(rng: random.Random, text: str, words: Sequence[str] = WORDS) -> str:
    """Return a text after one to four mutations of its words and signs; some are replaced by one of ``words``."""
    pieces = _PIECES.findall(text)
    for _ in range(1 + int(rng.expovariate(1)) % 4):
        place = rng.randrange(len(pieces) + 1)
        match rng.randrange(6):
            case 0:
                del pieces[place : place + rng.choice((1, 1, 1, 4))]
            case 1:
                pieces.insert(place, rng.choice(words))
            case 2:
                pieces[place:place] = pieces[place : place + rng.choice((1, 3, 8))]
            case 3 if pieces:
                pieces.insert(place, pieces.pop(rng.randrange(len(pieces))))
            case 4:
                pieces[place : place + 1] = [rng.choice((*words, *NUMBERS))]
            case _:
                pieces.insert(place, chr(rng.choice((rng.randrange(128), rng.randrange(0x3000)))))
    return "".join(pieces)


def mutate_tree(rng: random.Random, tree: Any, values: Sequence[Any] = VALUES) -> Any:
    """Return a tree of dicts, lists and values after one to three mutations; ``tree`` itself stays as it is."""
    for _ in range(1 + int(rng.expovariate(1.5)) % 3):
        tree = _mutated(rng, tree, values)
    return tree


def _mutated(rng: random.Random, tree: Any, values: Sequence[Any]) -> Any:
    if not isinstance(tree, dict | list) or not tree or rng.random() < 0.03:
        return _other(rng, tree, values)
    if isinstance(tree, list):
        place = rng.randrange(len(tree))
        changed = _mutated(rng, tree[place], values)
        return rng.choice(
            (
                [*tree[:place], changed, *tree[place + 1 :]],
                [*tree[:place], changed, *tree[place + 1 :]],
                [*tree[:place], *tree[place + 1 :]],
                [*tree, rng.choice((rng.choice(values), tree[place]))],
            )
        )
    name = rng.choice(list(tree))
    rest = {key: value for key, value in tree.items() if key != name}
    match rng.randrange(10):
        case 0:
            return rest
        case 1:
            return rest | {rng.choice((name + "_", name.upper(), rng.choice(WORDS), "layers")): tree[name]}
        case 2:
            return tree | {name: tree[rng.choice(list(tree))]}
        case _:
            return tree | {name: _mutated(rng, tree[name], values)}


def _other(rng: random.Random, value: Any, values: Sequence[Any]) -> Any:
    """Return another value, often one much like this."""
    match value:
        case bool() if rng.random() < 0.5:
            return not value
        case int() if rng.random() < 0.4:
            return rng.choice((value + 1, value - 1, -value, 2 * value, float(value), str(value), bool(value)))
        case float() if rng.random() < 0.4:
            return rng.choice((-value, 2 * value, value / 3, str(value), round(value) if abs(value) < 1e9 else 0))
        case str() if rng.random() < 0.5:
            return mutate_text(rng, value)
    return rng.choice((*values, value, [value], {"a": value}))


def json_text(tree: Any) -> str:
    """Return a tree as JSON, what ``RAW`` holds as it stands there."""
    return _raw(json.dumps(tree))


def toml_text(rng: random.Random, tree: dict[str, Any]) -> str:
    """Return a tree as TOML, its tables under headings or within lines."""
    lines, tables = [], []
    for key, value in tree.items():
        if isinstance(value, dict) and value and rng.random() < 0.9:
            tables.append(f"[{_key(key)}]\n" + "".join(f"{_key(k)} = {_inline(v)}\n" for k, v in value.items()))
        else:
            lines.append(f"{_key(key)} = {_inline(value)}\n")
    return _raw("".join(lines + tables))


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _inline(value: Any) -> str:
    match value:
        case None:
            return "1979-05-27"
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{_key(key)} = {_inline(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_inline, value)) + "]"
        case str():
            return json.dumps(value, ensure_ascii=False) if value.isprintable() else json.dumps(value)
        case datetime.date():
            return value.isoformat()
    return repr(value)


def _raw(text: str) -> str:
    for name, raw in RAW.items():
        text = text.replace(f'"{name}"', raw)
    return text
