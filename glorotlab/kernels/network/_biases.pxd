"""The step of a layer's biases."""

from cython cimport floating
from libc.string cimport memset

from glorotlab.kernels.network._tiles cimport multiply
from glorotlab.kernels.network.descent cimport Descent
from glorotlab.kernels.network.layer cimport Dense

cdef enum:
    COLUMN_STEP = 64     # units at least that a thread takes
    ONES = 128           # examples that are summed by one product


cdef inline void add_columns(const floating* d, int d_stride, int batch, floating* total, int count) noexcept nogil:
    """total += sum over examples of d, one after the other: ones times d."""
    cdef floating ones[ONES]
    cdef int a
    for a in range(min(batch, <int> ONES)):
        ones[a] = 1
    a = 0
    while a < batch:
        multiply[floating](ones, ONES, d + <Py_ssize_t> a * d_stride, d_stride, total, 0, total, count, 1,
                           min(batch - a, <int> ONES), count)
        a += ONES


cdef inline void update_biases(
    const Dense* layer, int batch, const floating* d, int d_stride, const Descent* descent, int first, int count
) noexcept nogil:
    """Some of b: b <- b - rate sum over examples of d, each times its factor, or the same through a velocity."""
    cdef floating* bias = <floating*> layer.bias
    cdef floating* velocity = <floating*> layer.bias_velocity
    cdef const floating* factor = <const floating*> layer.bias_rate
    cdef floating rate = <floating> descent.rate, momentum = <floating> descent.momentum, step
    cdef floating total[COLUMN_STEP]
    cdef int k
    memset(total, 0, sizeof(total))
    add_columns[floating](d + first, d_stride, batch, total, count)
    for k in range(count):
        step = -rate * total[k]
        if factor:
            step *= factor[first + k]
        if velocity:
            velocity[first + k] = momentum * velocity[first + k] + step
            step = momentum * velocity[first + k] + step if descent.nesterov else velocity[first + k]
        bias[first + k] += step
