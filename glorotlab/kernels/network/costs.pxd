"""Cost of one example and dC/ds of the output layer; see costs.pyx."""

from cython cimport floating

# Where targets is not NULL its n numbers are y, of outputs unit by unit (sigmoid, linear); else the one-hot label is, or the label where n is 1.
cdef double cost_row(
    int code, const floating* s, Py_ssize_t label, const floating* targets, floating* d, Py_ssize_t n
) noexcept nogil
