"""Costs and dC/ds of output layers, for a team of threads that has other layers to do as well."""

from cython cimport floating

# Fill d with dC/ds and cost of rows of n outputs. Matrices are first elements and strides in elements; in place of the
# labels stand targets where they are not NULL, which the softmax does not take.
cdef void cost_rows(
    int code, const floating* s, Py_ssize_t s_stride, const long long* labels,
    const floating* targets, Py_ssize_t targets_stride, floating* d, Py_ssize_t d_stride,
    double* cost, Py_ssize_t rows, Py_ssize_t n,
) noexcept nogil
