"""States: arrays of networks and monitors by name, which a checkpoint keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]
"""State of a run as arrays by name."""


def prefixed(name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """Return arrays by ``name/`` and their own name."""
    return {f"{name}/{key}": array for key, array in arrays.items()}


def without_prefix(name: str, state: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """Return the arrays that ``prefixed`` put into a state, by their own name."""
    return {key.removeprefix(f"{name}/"): array for key, array in state.items() if key.startswith(f"{name}/")}
