"""Hidden activations f(s) and their derivatives; activations.c has one pair of inline functions each."""

from cython cimport floating

cdef extern from "activations.h" nogil:
    int LINEAR "linear_code"
    int ACTIVATIONS
    const char *const *activation_names
    void activate_float(int, double, const float*, float*, Py_ssize_t)
    void activate_double(int, double, const double*, double*, Py_ssize_t)
    void multiply_derivative_float(int, double, const float*, const float*, float*, Py_ssize_t)
    void multiply_derivative_double(int, double, const double*, const double*, double*, Py_ssize_t)


cdef inline void activate(int code, double parameter, const floating* s, floating* z, Py_ssize_t n) noexcept nogil:
    """z = f(s) over n contiguous elements; z may be s."""
    if floating is float:
        activate_float(code, parameter, s, z, n)
    else:
        activate_double(code, parameter, s, z, n)


cdef inline void multiply_derivative(
    int code, double parameter, const floating* s, const floating* z, floating* d, Py_ssize_t n
) noexcept nogil:
    """d *= f'(s) over n contiguous elements: dC/dz becomes dC/ds (Glorot & Bengio 2010, eq. 2)."""
    if floating is float:
        multiply_derivative_float(code, parameter, s, z, d, n)
    else:
        multiply_derivative_double(code, parameter, s, z, d, n)
