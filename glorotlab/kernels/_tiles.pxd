"""Small-batch tiles of a dense layer; tiles.h says what each computes and why it is not BLAS."""

from glorotlab.kernels._blas cimport floating
from glorotlab.kernels.simd cimport level

cdef extern from "tiles.h" nogil:
    ctypedef void (*forward_float)(const float*, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, int, int, int) noexcept
    ctypedef void (*forward_double)(const double*, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, int, int, int) noexcept
    ctypedef void (*backward_float)(
        const float*, Py_ssize_t, float*, Py_ssize_t, float*, Py_ssize_t, const float*, Py_ssize_t, int, int, int, float, float) noexcept
    ctypedef void (*backward_double)(
        const double*, Py_ssize_t, double*, Py_ssize_t, double*, Py_ssize_t, const double*, Py_ssize_t, int, int, int, double, double) noexcept
    const forward_float* forward_tiles_float
    const forward_double* forward_tiles_double
    const backward_float* backward_tiles_float
    const backward_double* backward_tiles_double


cdef inline void multiply(
    const floating* z, Py_ssize_t ldz, const floating* w, Py_ssize_t ldw, floating* s, Py_ssize_t lds,
    int batch, int fan_in, int width,
) noexcept nogil:
    """s (batch, width) += z (batch, fan_in) w (fan_in, width)"""
    if floating is float:
        forward_tiles_float[level](z, ldz, w, ldw, s, lds, batch, fan_in, width)
    else:
        forward_tiles_double[level](z, ldz, w, ldw, s, lds, batch, fan_in, width)


cdef inline void multiply_back(
    const floating* d, Py_ssize_t ldd, floating* w, Py_ssize_t ldw, floating* out, Py_ssize_t ldo,
    const floating* z, Py_ssize_t ldz, int batch, int rows, int fan_out, floating keep, floating rate,
) noexcept nogil:
    """out (batch, rows) = d (batch, fan_out) w' unless out is null; then w (rows, fan_out) = keep w - rate z' d for
    z (batch, rows) unless z is null."""
    if floating is float:
        backward_tiles_float[level](d, ldd, w, ldw, out, ldo, z, ldz, batch, rows, fan_out, keep, rate)
    else:
        backward_tiles_double[level](d, ldd, w, ldw, out, ldo, z, ldz, batch, rows, fan_out, keep, rate)
