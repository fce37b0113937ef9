"""Images of Shapeset-3x2 for other kernels, which draw them straight into their own buffers."""

from cython cimport floating
from libc.stdint cimport uint64_t


# Images first, ..., first + n - 1 of stream (seed, purpose) into rows of 1,024, stride elements apart, and their classes.
# Nothing is checked or allocated; see render in shapeset.pyx.
cdef void render_batch(
    uint64_t seed, uint64_t purpose, uint64_t first, floating* x, Py_ssize_t stride, long long* labels, Py_ssize_t n
) noexcept nogil
