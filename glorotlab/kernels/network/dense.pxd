"""What one thread of a team does of a dense layer; every thread of the team calls with the same arguments.

Matrices are first elements and strides in elements, one row per example. At its end each function waits for the team.
"""

from cython cimport floating

from glorotlab.kernels.network.descent cimport Descent
from glorotlab.kernels.network.layer cimport Dense

cdef void forward_layer(
    const Dense* layer, int batch, const floating* z, int z_stride, int activation, double parameter,
    floating* s, int s_stride, floating* out, int out_stride,
) noexcept nogil

cdef void backward_layer(
    const Dense* layer, int batch, const floating* d, int d_stride, int activation_below, double parameter,
    const floating* s_below, int s_stride, const floating* z_below, int z_stride,
    floating* d_below, int below_stride, floating* packed, const Descent* descent,
) noexcept nogil

cdef int team(int threads, Py_ssize_t tiles, Py_ssize_t work) noexcept nogil
cdef int team_of_steps(int threads, Py_ssize_t work, int waits, Py_ssize_t steps) noexcept nogil
cdef void new_call() noexcept nogil
cdef closed_shares(int threads)
