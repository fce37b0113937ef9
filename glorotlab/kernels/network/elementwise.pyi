"""Element-wise kernels: activations and their derivatives.

All arrays of one call have contiguous rows and share one shape and dtype, float32 or float64; nothing is checked here.
``z`` may be ``s``, for an activation in place.

Of one unit in the last place, f is off by at most 0.6 in float32 and 4 in float64 over the whole line, f' by
1 and 8, with two exceptions: f' of tanh and sigmoid, from z, is within 3 eps absolutely, and so is f' of gelu, silu and
mish, with its change of sign.
"""

from glorotlab.kernels._types import Matrix

CODES: dict[str, int]
"""Name of each activation that has a kernel, without its parameter, and the code the dense kernels take for it."""

def apply(code: int, s: Matrix, z: Matrix, parameter: float = 0) -> None:
    """Fill ``z`` with f(s), both of shape (batch, units).

    ``parameter`` is the one in brackets, as in ``leaky_relu(slope=0.01)``; the others ignore it.
    """

def apply_derivative(code: int, s: Matrix, z: Matrix, d: Matrix, parameter: float = 0) -> None:
    """Multiply ``d`` = dC/dz by f'(s) in place, which makes it dC/ds (Glorot & Bengio 2010, eq. 2)."""
