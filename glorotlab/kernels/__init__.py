"""Cython kernels over typed memoryviews; each module's Python face is described by the .pyi beside it.

GNU OpenMP's threads spin for milliseconds before they sleep. On a machine that does anything else at the same time the
spinning can take the core from the very thread it waits for: on a busy machine of two CPUs a step on two threads took
from 0.6 to 13 times one on one thread, from run to run, and at most 1.2 times with a short spin, which costs nothing
measurable where the machine is idle (``benchmarks/speed/busy_machine.py`` prints what it is). GNU OpenMP reads the
variable once, when the first kernel is loaded, hence here; it is taken back at once, so that no other program inherits
it, and a user's own setting stands. The SIMD level is chosen here as well, once for the process (``best_level``).
"""

import os
from importlib import import_module


def _load() -> None:
    """Load the first kernel, with GNU OpenMP set to spin briefly, and choose the SIMD level."""
    quiet = "OMP_WAIT_POLICY" not in os.environ and "GOMP_SPINCOUNT" not in os.environ
    if quiet:
        os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        import_module("glorotlab.kernels.network.dense")
        import_module("glorotlab.kernels.best_level").choose_level()
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the kernels of glorotlab are not compiled here: compile them in its source folder with "
            "'python -m pip install -e .'"
        ) from error
    finally:
        if quiet:
            del os.environ["GOMP_SPINCOUNT"]


_load()
