"""Row-major matrix product over raw pointers; see _blas.pyx."""

ctypedef fused floating:
    float
    double

cdef void gemm(
    bint transpose_a, bint transpose_b, int m, int n, int k,
    floating alpha, const floating* a, int lda, const floating* b, int ldb,
    floating beta, floating* c, int ldc,
) noexcept nogil
