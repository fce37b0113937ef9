"""Small-batch tiles of a dense layer; tiles.h says what each computes and why it is not BLAS."""

from glorotlab.kernels._blas cimport floating

cdef extern from "tiles.h" nogil:
    void forward_tile_float(const float*, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, int, int, int)
    void forward_tile_double(const double*, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, int, int, int)
    void backward_tile_float(const float*, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, int, int, int)
    void backward_tile_double(const double*, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, int, int, int)
    void update_tile_float(const float*, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, int, int, int, float, float)
    void update_tile_double(const double*, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, int, int, int, double, double)


cdef inline void multiply(
    const floating* z, Py_ssize_t ldz, const floating* w, Py_ssize_t ldw, floating* s, Py_ssize_t lds,
    int batch, int fan_in, int width,
) noexcept nogil:
    """s (batch, width) += z (batch, fan_in) w (fan_in, width)"""
    if floating is float:
        forward_tile_float(z, ldz, w, ldw, s, lds, batch, fan_in, width)
    else:
        forward_tile_double(z, ldz, w, ldw, s, lds, batch, fan_in, width)


cdef inline void multiply_transposed(
    const floating* d, Py_ssize_t ldd, const floating* w, Py_ssize_t ldw, floating* out, Py_ssize_t ldo,
    int batch, int rows, int fan_out,
) noexcept nogil:
    """out (batch, rows) = d (batch, fan_out) w' for w (rows, fan_out)"""
    if floating is float:
        backward_tile_float(d, ldd, w, ldw, out, ldo, batch, rows, fan_out)
    else:
        backward_tile_double(d, ldd, w, ldw, out, ldo, batch, rows, fan_out)


cdef inline void rank_update(
    const floating* z, Py_ssize_t ldz, const floating* d, Py_ssize_t ldd, floating* w, Py_ssize_t ldw,
    int batch, int rows, int fan_out, floating keep, floating rate,
) noexcept nogil:
    """w (rows, fan_out) = keep w - rate z' d for z (batch, rows), d (batch, fan_out)"""
    if floating is float:
        update_tile_float(z, ldz, d, ldd, w, ldw, batch, rows, fan_out, keep, rate)
    else:
        update_tile_double(z, ldz, d, ldd, w, ldw, batch, rows, fan_out, keep, rate)
