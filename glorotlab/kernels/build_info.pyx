"""How the kernels were built, as the compiler itself says."""

cdef extern from *:
    """
    #ifdef _OPENMP
    #define GLOROTLAB_OPENMP 1
    #else
    #define GLOROTLAB_OPENMP 0
    #endif
    #if defined(__GNUC__) && !defined(__clang__)
    #define GLOROTLAB_COMPILER "gcc " __VERSION__
    #elif defined(__VERSION__)
    #define GLOROTLAB_COMPILER __VERSION__
    #else
    #define GLOROTLAB_COMPILER "unknown"
    #endif
    """
    const bint GLOROTLAB_OPENMP
    const char* GLOROTLAB_COMPILER
    const long CYTHON_HEX_VERSION

openmp = bool(GLOROTLAB_OPENMP)
compiler = GLOROTLAB_COMPILER.decode()
cython_version = ".".join(str((CYTHON_HEX_VERSION >> shift) & 0xFF) for shift in (24, 16, 8))
