"""A return type that compiles a function once per SIMD level; the loader picks the level of the machine.

Wider vectors change no bits: the kernels fix the order of their sums, and the build forbids FMA contraction. The
mechanism (ifunc) needs glibc; elsewhere the function is compiled once, for the baseline.
"""

cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
    #define GLOROTLAB_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
    #else
    #define GLOROTLAB_CLONES
    #endif
    """
    ctypedef void cloned_void "GLOROTLAB_CLONES void"
