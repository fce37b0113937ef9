"""A team of threads (team.h), the pieces of work they take, and the CPU's mode for subnormal numbers (subnormals.h)."""

cdef extern from "team.h" nogil:
    int team_thread()
    int team_size()
    void team_wait()
    const int SHARE_SIZE
    const int CLOSED
    void team_open(int* shares)
    void team_close(int* shares)
    int team_take(int* shares, int thread)

cdef extern from "subnormals.h" nogil:
    ctypedef unsigned long long FloatingPointMode
    FloatingPointMode flush_subnormals()
    void restore_subnormals(FloatingPointMode)


cdef inline int pieces(int length, int size) noexcept nogil:
    """How many pieces of a size, the last perhaps shorter, make a length."""
    return (length + size - 1) // size
