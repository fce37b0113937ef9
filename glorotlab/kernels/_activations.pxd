"""Hidden activations f(s) and their derivatives, one pair of inline functions each.

A derivative receives both s and z = f(s) and uses whichever is cheaper. To add an activation: its record in
glorotlab/activations.py, a code and a pair here, and its line in CODES of elementwise.pyx.
"""

from libc.float cimport DBL_MAX, FLT_MAX
from libc.math cimport exp, expf, fabs, tanh, tanhf

from glorotlab.kernels._blas cimport floating

cdef enum Activation:
    LINEAR
    TANH
    SIGMOID
    SOFTSIGN
    RELU


cdef inline floating hyperbolic_tangent(floating s) noexcept nogil:
    return tanhf(s) if floating is float else tanh(s)


cdef inline floating logistic(floating s) noexcept nogil:
    return 1 / (1 + (expf(-s) if floating is float else exp(-s)))


cdef inline floating softsign(floating s) noexcept nogil:
    cdef floating largest = FLT_MAX if floating is float else DBL_MAX
    s = largest if s > largest else -largest if s < -largest else s  # an infinity would give inf / inf
    return s / (1 + <floating> fabs(s))


cdef inline floating softsign_derivative(floating s) noexcept nogil:
    cdef floating u = 1 + <floating> fabs(s)
    return 1 / (u * u)


cdef inline void activate(int code, const floating* s, floating* z, Py_ssize_t n) noexcept nogil:
    """z = f(s) over n contiguous elements."""
    cdef Py_ssize_t i
    if code == LINEAR:
        for i in range(n):
            z[i] = s[i]
    elif code == TANH:
        for i in range(n):
            z[i] = hyperbolic_tangent(s[i])
    elif code == SIGMOID:
        for i in range(n):
            z[i] = logistic(s[i])
    elif code == SOFTSIGN:
        for i in range(n):
            z[i] = softsign(s[i])
    elif code == RELU:
        for i in range(n):
            z[i] = s[i] if not s[i] <= 0 else 0  # NaN passes through


cdef inline void multiply_derivative(
    int code, const floating* s, const floating* z, floating* d, Py_ssize_t n
) noexcept nogil:
    """d *= f'(s) over n contiguous elements: dC/dz becomes dC/ds (Glorot & Bengio 2010, eq. 2)."""
    cdef Py_ssize_t i
    if code == TANH:
        for i in range(n):
            d[i] *= 1 - z[i] * z[i]
    elif code == SIGMOID:
        for i in range(n):
            d[i] *= z[i] * (1 - z[i])
    elif code == SOFTSIGN:
        for i in range(n):
            d[i] *= softsign_derivative(s[i])
    elif code == RELU:
        for i in range(n):
            d[i] *= s[i] > 0
