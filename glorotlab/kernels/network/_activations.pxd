"""Hidden activations f(s) and their derivatives; activations.c has one pair of inline functions each."""

from cython cimport floating

cdef extern from "activations.h" nogil:
    int LINEAR "linear_code"
    int ACTIVATIONS
    const char *const *activation_names
    void activate_float(int, double, const float*, Py_ssize_t, float*, Py_ssize_t, Py_ssize_t, Py_ssize_t)
    void activate_double(int, double, const double*, Py_ssize_t, double*, Py_ssize_t, Py_ssize_t, Py_ssize_t)
    void multiply_derivative_float(
        int, double, const float*, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, Py_ssize_t, Py_ssize_t)
    void multiply_derivative_double(
        int, double, const double*, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, Py_ssize_t, Py_ssize_t)


cdef inline void activate(
    int code, double parameter, const floating* s, Py_ssize_t lds, floating* z, Py_ssize_t ldz, Py_ssize_t rows, Py_ssize_t n
) noexcept nogil:
    """z = f(s) over rows of n contiguous elements, from one to the next lds and ldz; z may be s."""
    if floating is float:
        activate_float(code, parameter, s, lds, z, ldz, rows, n)
    else:
        activate_double(code, parameter, s, lds, z, ldz, rows, n)


cdef inline void multiply_derivative(
    int code, double parameter, const floating* s, Py_ssize_t lds, const floating* z, Py_ssize_t ldz,
    floating* d, Py_ssize_t ldd, Py_ssize_t rows, Py_ssize_t n,
) noexcept nogil:
    """d *= f'(s) over rows of n contiguous elements: dC/dz becomes dC/ds (Glorot & Bengio 2010, eq. 2)."""
    if floating is float:
        multiply_derivative_float(code, parameter, s, lds, z, ldz, d, ldd, rows, n)
    else:
        multiply_derivative_double(code, parameter, s, lds, z, ldz, d, ldd, rows, n)
