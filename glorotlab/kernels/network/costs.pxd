"""Costs and dC/ds of output layers, for a team of threads that has other layers to do as well."""

from cython cimport floating

# Fill d with dC/ds and cost of rows of n outputs. Matrices are first elements and strides in elements; where targets is
# not NULL its rows are y, of outputs unit by unit (sigmoid, linear); else the one-hot label is, or the label where n is 1.
cdef void cost_rows(
    int code, const floating* s, Py_ssize_t s_stride, const long long* labels,
    const floating* targets, Py_ssize_t targets_stride, floating* d, Py_ssize_t d_stride,
    double* cost, Py_ssize_t rows, Py_ssize_t n, double* room,
) noexcept nogil

# Doubles of room that a call needs, whatever the rows.
cdef Py_ssize_t room_size(Py_ssize_t n) noexcept nogil
