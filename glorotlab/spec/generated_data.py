"""Names of generated data: numbers of held-out examples in brackets, ``shapeset(validation=1000, test=2000)``."""

from collections.abc import Mapping

from glorotlab import names
from glorotlab.errors import InvalidValueError

DEFAULTS: dict[str, dict[str, int]] = {"shapeset": {"validation": 10_000, "test": 10_000}}
"""Held-out examples of each generated dataset, by split."""

LARGEST = 1_000_000
"""Most examples of a held-out split."""


def held_out_sizes(text: str) -> tuple[str, dict[str, int]] | None:
    """Return the name of generated data and the number of examples of each held-out split; None of other data.

    Parameters
    ----------
    text : str
        Name with parameters in brackets, such as ``shapeset(test=2000)``; those left out have their defaults.

    Raises
    ------
    InvalidValueError
        Where a parameter is unknown, given twice, or no whole number from 1 to 1,000,000.
    """
    parts = names.split(text)
    if parts is None or parts[0] not in DEFAULTS:
        return None
    name, bracket = parts
    what = f"dataset {text!r}"
    words = {split: str(size) for split, size in DEFAULTS[name].items()}
    values = names.parameters(what, bracket or "", words)
    return name, {split: _size(f"{what}: {split}", str(value)) for split, value in values.items()}


def canonical_data(text: str) -> str:
    """Return the one name of generated data, defaults left out; the name of other data as it stands.

    Raises
    ------
    InvalidValueError
        As of `held_out_sizes`.
    """
    sizes = held_out_sizes(text)
    return text if sizes is None else canonical_name(*sizes)


def canonical_name(name: str, sizes: Mapping[str, int]) -> str:
    """Return a name with those parameters that are not its defaults, in their order there."""
    return names.canonical(name, {split: size for split, size in sizes.items() if size != DEFAULTS[name][split]})


def _size(what: str, text: str) -> int:
    size = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST)) else 0
    if not 1 <= size <= LARGEST:
        raise InvalidValueError(f"{what} {text!r:.60}: allowed are whole numbers from 1 to {LARGEST:,}")
    return size
