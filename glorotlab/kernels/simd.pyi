"""The SIMD level of the tiles.

It is chosen when the kernels are loaded: what the environment variable ``GLOROTLAB_SIMD`` names, else what
``best_level`` finds. A level rounds as its instructions do (FMA, the number of lanes a sum is cut into): results are
the same bits on one level, and differ by rounding from one to another. Everything but the tiles has the same bits on
every level.
"""

LEVELS: tuple[str, ...]
"""The levels of this machine: its baseline (``sse2``, ``neon`` or ``plain``), ``avx2`` (with FMA), ``avx512``."""

NAMED: str
"""The level that ``GLOROTLAB_SIMD`` names; empty where it names none."""

def cpu() -> str:
    """Return the name of the CPU and its family, model and stepping in one number; empty where it does not say."""

def get_level() -> str:
    """Return the name of the level in use."""

def set_level(name: str) -> None:
    """Use another level, in every thread, from the next call on.

    Raises
    ------
    InvalidValueError
        Where the machine or the build has no level of that name.
    """
