"""Steps of a layer's weights where each has its own factor of the rate."""

from cython cimport floating
from libc.string cimport memset

from glorotlab.kernels.network._team cimport team_thread
from glorotlab.kernels.network._tiles cimport ROW_TILE, back_and_update
from glorotlab.kernels.network.descent cimport Descent
from glorotlab.kernels.network.layer cimport Dense


cdef inline void step_row(
    floating* weight, const floating* factor, const floating* step, int count, const Descent* descent
) noexcept nogil:
    """Of one row: W <- W + r (S - decay W) for factors r, where S = -rate z' d."""
    cdef floating decay = <floating> descent.decay
    cdef int k
    for k in range(count):
        weight[k] += factor[k] * (step[k] - decay * weight[k])


cdef inline void step_row_with_velocity(
    floating* weight, floating* velocity, const floating* factor, const floating* step, int count, const Descent* descent
) noexcept nogil:
    """The same step through a velocity, as descent.h has it."""
    cdef floating decay = <floating> descent.decay, momentum = <floating> descent.momentum, own
    cdef int k
    for k in range(count):
        own = factor[k] * (step[k] - decay * weight[k])
        velocity[k] = momentum * velocity[k] + own
        weight[k] += momentum * velocity[k] + own if descent.nesterov else velocity[k]


cdef inline void step_by_factors(
    const Dense* layer, int batch, const floating* d, int d_stride, const floating* z, int z_stride, int first, int rows,
    const Descent* descent,
) noexcept nogil:
    """Rows of W from ``first`` on step, each weight at its own factor of the rate. No gradient leaves the cache."""
    cdef Descent plain = Descent(descent.rate, 0, 0, False)
    cdef floating* steps = <floating*> layer.steps + <Py_ssize_t> team_thread() * ROW_TILE * layer.fan_out
    cdef floating* weight = <floating*> layer.weight + <Py_ssize_t> first * layer.stride
    cdef floating* velocity = <floating*> layer.weight_velocity
    cdef const floating* factor = <const floating*> layer.weight_rate + <Py_ssize_t> first * layer.rate_stride
    cdef int row
    memset(steps, 0, <size_t> rows * layer.fan_out * sizeof(floating))
    back_and_update[floating](d, d_stride, NULL, NULL, steps, layer.fan_out, NULL, 0, NULL, 0, z, z_stride,
                              batch, rows, layer.fan_out, &plain)
    for row in range(rows):
        if velocity:
            step_row_with_velocity[floating](
                weight + <Py_ssize_t> row * layer.stride, velocity + <Py_ssize_t> (first + row) * layer.velocity_stride,
                factor + <Py_ssize_t> row * layer.rate_stride, steps + <Py_ssize_t> row * layer.fan_out, layer.fan_out, descent,
            )
        else:
            step_row[floating](
                weight + <Py_ssize_t> row * layer.stride, factor + <Py_ssize_t> row * layer.rate_stride,
                steps + <Py_ssize_t> row * layer.fan_out, layer.fan_out, descent,
            )
