"""The SIMD level in use, and a return type that compiles a function once per level; see simd.h."""

cdef extern from "simd.h":
    ctypedef void cloned_void "GLOROTLAB_CLONES void"

cdef int level
