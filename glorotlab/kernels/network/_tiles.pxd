"""Tiles of a dense layer; tiles.h says what each computes and why it is not BLAS."""

from cython cimport floating

from glorotlab.kernels.network.descent cimport Descent
from glorotlab.kernels.simd cimport level

cdef extern from "tiles.h" nogil:
    const int SMALL_BATCH
    const int ROW_TILE
    const int WIDEST_PANEL
    bint needs_panels "glorotlab_needs_panels"(int batch, bint update)
    ctypedef struct Tiles_float:
        void (*forward)(
            const float*, Py_ssize_t, const float*, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t,
            int, int, int) noexcept nogil
        void (*backward)(
            const float*, Py_ssize_t, const float*, const float*, float*, Py_ssize_t, float*, Py_ssize_t, float*, Py_ssize_t,
            const float*, Py_ssize_t, int, int, int, const Descent*) noexcept nogil
        void (*pack)(const float*, Py_ssize_t, float*, float*, int, int, int, int) noexcept nogil
    ctypedef struct Tiles_double:
        void (*forward)(
            const double*, Py_ssize_t, const double*, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t,
            int, int, int) noexcept nogil
        void (*backward)(
            const double*, Py_ssize_t, const double*, const double*, double*, Py_ssize_t, double*, Py_ssize_t, double*, Py_ssize_t,
            const double*, Py_ssize_t, int, int, int, const Descent*) noexcept nogil
        void (*pack)(const double*, Py_ssize_t, double*, double*, int, int, int, int) noexcept nogil
    const Tiles_float* const* tiles_float
    const Tiles_double* const* tiles_double


cdef inline void multiply(
    const floating* z, Py_ssize_t ldz, const floating* w, Py_ssize_t ldw, const floating* begin, Py_ssize_t ldb,
    floating* s, Py_ssize_t lds, int batch, int fan_in, int width,
) noexcept nogil:
    """s (batch, width) = begin + z (batch, fan_in) w (fan_in, width) for rows ldb apart of ``begin``, 0 if it is null."""
    if floating is float:
        tiles_float[level].forward(z, ldz, w, ldw, begin, ldb, s, lds, batch, fan_in, width)
    else:
        tiles_double[level].forward(z, ldz, w, ldw, begin, ldb, s, lds, batch, fan_in, width)


cdef inline void back_and_update(
    const floating* d, Py_ssize_t ldd, const floating* panels, const floating* strips, floating* w, Py_ssize_t ldw,
    floating* v, Py_ssize_t ldv, floating* out, Py_ssize_t ldo, const floating* z, Py_ssize_t ldz, int batch, int rows,
    int fan_out, const Descent* descent,
) noexcept nogil:
    """out (batch, rows) = d (batch, fan_out) w' unless out is null; then w (rows, fan_out) steps by z' d for z (batch, rows)
    unless z is null, through the velocity v unless that is null. Where needs_panels(), d goes back from panels; for the step
    it is read from strips, unless they are null."""
    if floating is float:
        tiles_float[level].backward(d, ldd, panels, strips, w, ldw, v, ldv, out, ldo, z, ldz, batch, rows, fan_out, descent)
    else:
        tiles_double[level].backward(d, ldd, panels, strips, w, ldw, v, ldv, out, ldo, z, ldz, batch, rows, fan_out, descent)


cdef inline void fill(
    const floating* d, Py_ssize_t ldd, floating* panels, floating* strips, int batch, int fan_out, int thread, int threads
) noexcept nogil:
    """A thread's share of d (batch, fan_out) in the order back_and_update reads, in panels and strips unless they are null."""
    if floating is float:
        tiles_float[level].pack(d, ldd, panels, strips, batch, fan_out, thread, threads)
    else:
        tiles_double[level].pack(d, ldd, panels, strips, batch, fan_out, thread, threads)
