"""Cython kernels over typed memoryviews; each module's Python face is described by the .pyi beside it.

GNU OpenMP's threads spin for milliseconds before they sleep. On a machine that does anything else at the same time the
spinning takes the core from the thread it waits for: a step of the paper's network took 120 ms in place of 10. A short
spin costs nothing measurable on an idle machine. The variable is read when the first kernel is loaded, hence here; a
user's own setting stands.
"""

import os

if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
