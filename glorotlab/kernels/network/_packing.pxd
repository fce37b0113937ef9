"""dC/ds of a layer in the order the backward tiles read it, in a buffer that all layers of a network share.

A batch of up to SIDE_BY_SIDE examples has room for panels and strips, so that W passes once, going back and stepping tile
by tile. Of a larger one d takes as much memory as W or more, and there is room for one of them: d goes back from panels,
then the same memory takes the strips, or the transpose of a W that has no more rows than there are examples.
"""

from cython cimport floating

from glorotlab.kernels.network._team cimport pieces, team_size, team_thread, team_wait
from glorotlab.kernels.network._tiles cimport SMALL_BATCH, WIDEST_PANEL, fill, needs_panels

cdef enum:
    SIDE_BY_SIDE = 64      # examples: to 512 both ways are as fast, beyond one after the other is faster and takes less memory
    SMALL_MATRIX = 32768   # bytes of a matrix that each thread finds in its first cache
    TRANSPOSE_ROW = 16     # numbers of which the rows of a transpose are a multiple: a cache line, or two


cdef inline Py_ssize_t panels_size(int batch, int fan_out) noexcept nogil:
    return <Py_ssize_t> pieces(batch, WIDEST_PANEL) * WIDEST_PANEL * fan_out


cdef inline Py_ssize_t packed_size(int batch, int fan_out, bint update) noexcept nogil:
    """Elements of the buffer, 0 where none is needed; ``update``: whether there is a step without factors of the rate."""
    cdef Py_ssize_t strips = <Py_ssize_t> batch * fan_out if update and batch <= SIDE_BY_SIDE else 0
    return panels_size(batch, fan_out) + strips if needs_panels(batch, update) else 0


cdef inline bint needs_strips(int batch, int fan_out, size_t itemsize) noexcept nogil:
    """Whether W steps from strips: the rows of a d that fits the first cache are found as fast where they stand."""
    return batch > SMALL_BATCH and <size_t> batch * fan_out * itemsize > SMALL_MATRIX


cdef inline bint shares_examples(int batch, int fan_in, int fan_out, size_t itemsize) noexcept nogil:
    """Whether d goes back by the forward product, with W' where panels would be: W is small, and a batch of more examples
    than it has rows would take longer to lay out. Both sum over units one by one, to the same bits.
    """
    return batch > max(<int> SIDE_BY_SIDE, fan_in) and <size_t> fan_in * fan_out * itemsize <= SMALL_MATRIX


cdef inline int row_of_transpose(int fan_in) noexcept nogil:
    """Numbers from a row of W' to the next."""
    return pieces(fan_in, TRANSPOSE_ROW) * TRANSPOSE_ROW


cdef inline void transpose(
    const floating* weight, int stride, floating* transposed, int fan_in, int fan_out
) noexcept nogil:
    """Each thread fills some rows of W' (fan_out, fan_in); they have room, for a panel has no fewer examples."""
    cdef int unit = TRANSPOSE_ROW * team_thread(), row_size = row_of_transpose(fan_in), row, k, some
    while unit < fan_out:
        some = min(<int> TRANSPOSE_ROW, fan_out - unit)
        for row in range(fan_in):
            for k in range(some):
                transposed[(unit + k) * row_size + row] = weight[<Py_ssize_t> row * stride + unit + k]
        unit += TRANSPOSE_ROW * team_size()


cdef inline void pack(
    int batch, int fan_out, const floating* d, int d_stride, floating* panels, floating* strips
) noexcept nogil:
    """Each thread fills what is its own of panels and strips, unless they are NULL."""
    if panels or strips:
        fill[floating](d, d_stride, panels, strips, batch, fan_out, team_thread(), team_size())
        team_wait()
