"""The SIMD level of the tiles: what the environment names, else the widest until best_level.py has looked."""

import os

from glorotlab.errors import InvalidValueError

cdef extern from "simd.h":
    const char* GLOROTLAB_BASELINE
    int glorotlab_widest_level()

cdef extern from "cpu.h":
    void glorotlab_cpu(char* text)

cdef int widest = glorotlab_widest_level()
LEVELS = (GLOROTLAB_BASELINE.decode(), "avx2", "avx512")[:widest + 1]


def cpu():
    """Name and number of the CPU; see simd.pyi."""
    cdef char text[64]
    glorotlab_cpu(text)
    return text.decode("ascii", "replace")


def get_level():
    """Name of the level in use; see simd.pyi."""
    return LEVELS[level]


def set_level(name):
    """Use another level; see simd.pyi."""
    global level
    if name not in LEVELS:
        raise InvalidValueError(f"SIMD level {name!r}: allowed on this machine are {', '.join(LEVELS)}")
    level = LEVELS.index(name)


level = widest
NAMED = os.environ.get("GLOROTLAB_SIMD", "").strip()  # empty counts as unset
if NAMED:
    set_level(NAMED)
