"""Sources of mini-batches for compiled loops, and the one that reads the rows of an array.

A new stream is a file of its own: a subclass of BatchSource that fills ``loader`` with its functions and ``fan_in``,
``classes`` and ``length`` with what it draws;
where examples have targets beside their labels, ``targets`` says how many numbers, and ``loader`` what loads them. Networks and the training loop then take it as they take the others.
"""

from cython cimport floating
from libc.string cimport memcpy

import numpy as np

from glorotlab.errors import InvalidValueError


cdef struct Rows:
    const void* x
    Py_ssize_t stride
    Py_ssize_t fan_in
    const long long* labels
    const long long* order   # or NULL
    const void* targets      # or NULL
    Py_ssize_t target_stride
    Py_ssize_t outputs


cdef enum:
    PIECE = 16  # bytes that are copied without a call
    PIECES = 8  # of a row that is copied so


cdef inline void copy_row(floating* to, const floating* row, Py_ssize_t n) noexcept nogil:
    """A short row costs less than the call that copies a long one."""
    cdef Py_ssize_t k = 0, step = PIECE // sizeof(floating)
    if n > PIECES * step:
        memcpy(to, row, n * sizeof(floating))
        return
    while k + step <= n:
        memcpy(to + k, row + k, PIECE)
        k += step
    while k < n:
        to[k] = row[k]
        k += 1


cdef void load_rows(
    const Rows* rows, Py_ssize_t first, Py_ssize_t count, floating* x, Py_ssize_t stride, long long* labels
) noexcept nogil:
    cdef Py_ssize_t i, place
    for i in range(count):
        place = rows.order[first + i] if rows.order else first + i
        copy_row(x + i * stride, <const floating*> rows.x + place * rows.stride, rows.fan_in)
        labels[i] = rows.labels[place]


cdef void load_targets(
    const Rows* rows, Py_ssize_t first, Py_ssize_t count, floating* y, Py_ssize_t stride
) noexcept nogil:
    cdef Py_ssize_t i, place
    for i in range(count):
        place = rows.order[first + i] if rows.order else first + i
        copy_row(y + i * stride, <const floating*> rows.targets + place * rows.target_stride, rows.outputs)


cdef void load_targets_float(
    const void* source, Py_ssize_t first, Py_ssize_t count, float* y, Py_ssize_t stride
) noexcept nogil:
    load_targets[float](<const Rows*> source, first, count, y, stride)


cdef void load_targets_double(
    const void* source, Py_ssize_t first, Py_ssize_t count, double* y, Py_ssize_t stride
) noexcept nogil:
    load_targets[double](<const Rows*> source, first, count, y, stride)


cdef void load_rows_float(
    const void* source, Py_ssize_t first, Py_ssize_t count, float* x, Py_ssize_t stride, long long* labels
) noexcept nogil:
    load_rows[float](<const Rows*> source, first, count, x, stride, labels)


cdef void load_rows_double(
    const void* source, Py_ssize_t first, Py_ssize_t count, double* x, Py_ssize_t stride, long long* labels
) noexcept nogil:
    load_rows[double](<const Rows*> source, first, count, x, stride, labels)


cdef class BatchSource:
    """Examples 0, 1, 2, ... with their labels; see batch_source.pyi."""

    def load(self, Py_ssize_t first, x, long long[::1] labels, targets=None):
        """Fill x, labels and targets with the examples from the first on; see batch_source.pyi."""
        cdef Py_ssize_t count = labels.shape[0], stride = x.strides[0] // x.itemsize
        cdef void* rows = <void*> <size_t> x.ctypes.data
        if not count:
            return
        if x.dtype == np.float32 and self.loader.to_float != NULL:
            self.loader.to_float(self.loader.source, first, count, <float*> rows, stride, &labels[0])
        elif x.dtype == np.float64 and self.loader.to_double != NULL:
            self.loader.to_double(self.loader.source, first, count, <double*> rows, stride, &labels[0])
        else:
            raise InvalidValueError(f"dtype {x.dtype}: this source of batches has no examples of it")
        if targets is None or not self.targets:
            return
        rows, stride = <void*> <size_t> targets.ctypes.data, targets.strides[0] // targets.itemsize
        if targets.dtype == np.float32:
            self.loader.targets_to_float(self.loader.source, first, count, <float*> rows, stride)
        else:
            self.loader.targets_to_double(self.loader.source, first, count, <double*> rows, stride)


cdef class RowSource(BatchSource):
    """Rows of an array; see batch_source.pyi."""

    cdef Rows rows
    cdef object kept

    def __cinit__(self, x, labels, order, Py_ssize_t classes, targets=None):
        self.kept = x, labels, order, targets
        self.fan_in, self.classes, self.length = x.shape[1], classes, len(x if order is None else order)
        self.rows.x, self.rows.stride = <const void*> <size_t> x.ctypes.data, x.strides[0] // x.itemsize
        self.rows.fan_in = self.fan_in
        self.rows.labels = <const long long*> <size_t> labels.ctypes.data
        if order is not None:
            self.rows.order = <const long long*> <size_t> order.ctypes.data
        if targets is not None:
            self.rows.targets, self.rows.target_stride = <const void*> <size_t> targets.ctypes.data, targets.strides[0] // targets.itemsize
            self.targets = self.rows.outputs = targets.shape[1]
        self.loader.source = &self.rows
        if x.dtype == np.float32:
            self.loader.to_float = load_rows_float
            self.loader.targets_to_float = load_targets_float
        else:
            self.loader.to_double = load_rows_double
            self.loader.targets_to_double = load_targets_double

    def __reduce__(self):
        x, labels, order, targets = self.kept
        return RowSource, (x, labels, order, self.classes, targets)
