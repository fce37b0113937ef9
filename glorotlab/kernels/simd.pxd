"""A return type that compiles a function once per SIMD level; see simd.h."""

cdef extern from "simd.h":
    ctypedef void cloned_void "GLOROTLAB_CLONES void"
