"""Cost of one example and dC/ds of the output layer; see costs.pyx."""

from cython cimport floating

cdef double cost_row(int code, const floating* s, Py_ssize_t label, floating* d, Py_ssize_t n) noexcept nogil
