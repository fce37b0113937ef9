"""Names of generated data: numbers of examples in brackets, ``shapeset(train=10000, validation=1000, test=2000)``."""

import math
from collections.abc import Mapping

from glorotlab import names
from glorotlab.errors import InvalidValueError

DEFAULTS: dict[str, dict[str, float]] = {"shapeset": {"train": math.inf, "validation": 10_000, "test": 10_000}}
"""Examples of each generated dataset, by split; ``math.inf`` for an endless stream."""

ENDLESS = "endless"
"""Word for ``math.inf``."""

LARGEST = 1_000_000
"""Largest number of examples of a finite split."""


def split_sizes(text: str) -> tuple[str, dict[str, float]] | None:
    """Return the name of generated data and the number of examples of each split, or None for other data.

    Parameters
    ----------
    text : str
        Name with parameters in brackets, such as ``shapeset(test=2000)``; those left out have their defaults.

    Raises
    ------
    InvalidValueError
        Where a parameter is unknown, given twice, or no whole number from 1 to 1,000,000; ``train`` may be ``endless``.
    """
    parts = names.split(text)
    if parts is None or parts[0] not in DEFAULTS:
        return None
    name, bracket = parts
    what, defaults = f"dataset {text!r:.200}", DEFAULTS[name]
    words = {split: ENDLESS if math.isinf(size) else str(size) for split, size in defaults.items()}
    values = names.parameters(what, bracket or "", words)
    return name, {split: _size(f"{what}: {split}", str(values[split]), size) for split, size in defaults.items()}


def canonical_data(text: str) -> str:
    """Return the canonical name of generated data, without defaults; other names are returned unchanged.

    Raises
    ------
    InvalidValueError
        Under the conditions of `split_sizes`.
    """
    sizes = split_sizes(text)
    return text if sizes is None else canonical_name(*sizes)


def canonical_name(name: str, sizes: Mapping[str, float]) -> str:
    """Return a name with the parameters that differ from its defaults, in their order."""
    defaults = DEFAULTS[name]
    return names.canonical(name, {split: str(size) for split, size in sizes.items() if size != defaults[split]})


def _size(what: str, text: str, default: float) -> float:
    endless = math.isinf(default)
    if endless and text == ENDLESS:
        return default
    size = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST)) else 0
    if not 1 <= size <= LARGEST:
        or_endless = f", or {ENDLESS}" if endless else ""
        raise InvalidValueError(f"{what} {text!r:.60}: allowed are whole numbers from 1 to {LARGEST:,}{or_endless}")
    return size
