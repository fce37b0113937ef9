"""Element-wise kernels: activations and the product with their derivatives, and the codes the other kernels take."""

from glorotlab.kernels._activations cimport (
    LINEAR, RELU, SIGMOID, SOFTSIGN, TANH, activate, multiply_derivative,
)
from glorotlab.kernels._blas cimport floating

CODES = {"linear": LINEAR, "tanh": TANH, "sigmoid": SIGMOID, "softsign": SOFTSIGN, "relu": RELU}


def apply(int code, const floating[:, ::1] s, floating[:, ::1] z):
    """Fill z with f(s); see elementwise.pyi."""
    if s.size:
        with nogil:
            activate(code, &s[0, 0], &z[0, 0], s.shape[0] * s.shape[1])


def apply_derivative(int code, const floating[:, ::1] s, const floating[:, ::1] z, floating[:, ::1] d):
    """Multiply d by f'(s) in place; see elementwise.pyi."""
    if s.size:
        with nogil:
            multiply_derivative(code, &s[0, 0], &z[0, 0], &d[0, 0], s.shape[0] * s.shape[1])
