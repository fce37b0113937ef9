"""Element-wise kernels: activations and the product with their derivatives, and the codes the other kernels take."""

from cython cimport floating
from cython.view cimport contiguous, strided

from glorotlab.kernels.network._activations cimport ACTIVATIONS, activate, activation_names, multiply_derivative

CODES = {activation_names[code].decode(): code for code in range(ACTIVATIONS)}


def apply(
    int code, const floating[::strided, ::contiguous] s, floating[::strided, ::contiguous] z, double parameter=0,
):
    """Fill z with f(s); see elementwise.pyi."""
    if s.size:
        with nogil:
            activate(code, parameter, &s[0, 0], stride(s), &z[0, 0], stride(z), s.shape[0], s.shape[1])


def apply_derivative(
    int code, const floating[::strided, ::contiguous] s, const floating[::strided, ::contiguous] z,
    floating[::strided, ::contiguous] d, double parameter=0,
):
    """Multiply d by f'(s) in place; see elementwise.pyi."""
    if s.size:
        with nogil:
            multiply_derivative(
                code, parameter, &s[0, 0], stride(s), &z[0, 0], stride(z), &d[0, 0], stride(d), s.shape[0], s.shape[1]
            )


cdef inline Py_ssize_t stride(const floating[::strided, ::contiguous] matrix) noexcept nogil:
    """Elements from one row to the next."""
    return matrix.strides[0] // <Py_ssize_t> sizeof(floating)
