"""How weights step; see descent.h."""

cdef extern from "descent.h" nogil:
    ctypedef struct Descent:
        double rate
        double decay
        double momentum
        bint nesterov
