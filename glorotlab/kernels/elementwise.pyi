"""Element-wise kernels: activations and their derivatives.

All arrays of one call are C-contiguous and share one shape and dtype, float32 or float64; nothing is checked here.
"""

from glorotlab.kernels._types import Matrix

CODES: dict[str, int]
"""Name of each activation that has a kernel, and the code the dense kernels take for it."""

def apply(code: int, s: Matrix, z: Matrix) -> None:
    """Fill ``z`` with f(s), both of shape (batch, units)."""

def apply_derivative(code: int, s: Matrix, z: Matrix, d: Matrix) -> None:
    """Multiply ``d`` = dC/dz by f'(s) in place, which makes it dC/ds (Glorot & Bengio 2010, eq. 2)."""
