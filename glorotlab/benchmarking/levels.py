"""SIMD levels of the kernels, used for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from glorotlab.kernels import simd


@contextmanager
def simd_level(name: str) -> Iterator[None]:
    """Use a level of this machine inside the block, then restore the previous one."""
    before = simd.get_level()
    simd.set_level(name)
    try:
        yield
    finally:
        simd.set_level(before)


def other_levels() -> list[str]:
    """Return the levels of this machine that are not in use, the best first."""
    return [name for name in reversed(simd.LEVELS) if name != simd.get_level()]
