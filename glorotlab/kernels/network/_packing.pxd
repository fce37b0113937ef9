"""dC/ds of a layer in the order the backward tiles read it, in a buffer that all layers of a network share.

A batch of up to SIDE_BY_SIDE examples has room for panels and strips, so that W passes once, going back and stepping tile
by tile. Of a larger one d takes as much memory as W or more, and there is room for one of them: d goes back from panels,
then the same memory takes the strips, or the transpose of a W that has no more rows than there are examples.
"""

from cython cimport floating

from glorotlab.kernels.network._team cimport pieces, team_size, team_thread, team_wait
from glorotlab.kernels.network._tiles cimport WIDEST_PANEL, fill_panels, fill_strips, needs_panels

cdef enum:
    SIDE_BY_SIDE = 64  # examples: to 512 both ways are as fast, beyond one after the other is faster and takes less memory


cdef inline Py_ssize_t panels_size(int batch, int fan_out) noexcept nogil:
    return <Py_ssize_t> pieces(batch, WIDEST_PANEL) * WIDEST_PANEL * fan_out


cdef inline Py_ssize_t packed_size(int batch, int fan_out, bint update) noexcept nogil:
    """Elements of the buffer, 0 where none is needed; ``update``: whether there is a step without factors of the rate."""
    cdef Py_ssize_t strips = <Py_ssize_t> batch * fan_out if update and batch <= SIDE_BY_SIDE else 0
    return panels_size(batch, fan_out) + strips if needs_panels(batch, update) else 0


cdef inline void pack(
    int batch, int fan_out, const floating* d, int d_stride, floating* panels, floating* strips
) noexcept nogil:
    """Each thread fills what is its own of panels and strips, unless they are NULL."""
    cdef int thread = team_thread(), threads = team_size(), most = pieces(fan_out, threads), first = thread * most
    if panels and first < fan_out:
        fill_panels[floating](d, d_stride, panels, batch, fan_out, first, min(most, fan_out - first))
    if strips:
        fill_strips[floating](d, d_stride, strips, batch, fan_out, thread, threads)
    if panels or strips:
        team_wait()
