"""Where the steps of a compiled loop get their mini-batches."""

# Write examples first, ..., first + count - 1 of a source into rows of x, stride elements apart, and their labels.
# Threads call it at the same time, each for examples of its own.
ctypedef void (*load_float)(
    const void* source, Py_ssize_t first, Py_ssize_t count, float* x, Py_ssize_t stride, long long* labels
) noexcept nogil
ctypedef void (*load_double)(
    const void* source, Py_ssize_t first, Py_ssize_t count, double* x, Py_ssize_t stride, long long* labels
) noexcept nogil

# Write the targets of examples first, ..., first + count - 1, numbers for the outputs to reach, into rows of y.
ctypedef void (*targets_float)(
    const void* source, Py_ssize_t first, Py_ssize_t count, float* y, Py_ssize_t stride
) noexcept nogil
ctypedef void (*targets_double)(
    const void* source, Py_ssize_t first, Py_ssize_t count, double* y, Py_ssize_t stride
) noexcept nogil

cdef struct Loader:
    const void* source   # what the functions need to know; NULL for the types that the source does not have
    load_float to_float
    load_double to_double
    targets_float targets_to_float   # called where there are targets alone
    targets_double targets_to_double

cdef class BatchSource:
    cdef Loader loader
    cdef readonly Py_ssize_t fan_in, classes, targets, length
