"""The SIMD level of the tiles, chosen when the kernels are loaded."""

import os

from glorotlab.errors import InvalidValueError

cdef extern from "simd.h":
    const char* GLOROTLAB_BASELINE
    int glorotlab_best_level()

cdef int best = glorotlab_best_level()
LEVELS = (GLOROTLAB_BASELINE.decode(), "avx2", "avx512")[:best + 1]


def get_level():
    """Name of the level in use; see simd.pyi."""
    return LEVELS[level]


def set_level(name):
    """Use another level; see simd.pyi."""
    global level
    if name not in LEVELS:
        raise InvalidValueError(f"SIMD level {name!r}: allowed on this machine are {', '.join(LEVELS)}")
    level = LEVELS.index(name)


level = best
if os.environ.get("GLOROTLAB_SIMD", "").strip():  # empty counts as unset
    set_level(os.environ["GLOROTLAB_SIMD"].strip())
