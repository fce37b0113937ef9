"""Element-wise kernels: activations and the product with their derivatives, and the codes the other kernels take."""

from cython cimport floating

from glorotlab.kernels.network._activations cimport ACTIVATIONS, activate, activation_names, multiply_derivative

CODES = {activation_names[code].decode(): code for code in range(ACTIVATIONS)}


def apply(int code, const floating[:, ::1] s, floating[:, ::1] z, double parameter=0):
    """Fill z with f(s); see elementwise.pyi."""
    if s.size:
        with nogil:
            activate(code, parameter, &s[0, 0], &z[0, 0], s.shape[0] * s.shape[1])


def apply_derivative(
    int code, const floating[:, ::1] s, const floating[:, ::1] z, floating[:, ::1] d, double parameter=0,
):
    """Multiply d by f'(s) in place; see elementwise.pyi."""
    if s.size:
        with nogil:
            multiply_derivative(code, parameter, &s[0, 0], &z[0, 0], &d[0, 0], s.shape[0] * s.shape[1])
