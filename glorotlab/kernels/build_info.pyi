"""How the kernels were built, as the compiler itself says."""

openmp: bool
"""Whether they were compiled with OpenMP; without it they use one thread."""

compiler: str
"""Version string of the C compiler."""

cython_version: str
"""Release of Cython that wrote the C."""
