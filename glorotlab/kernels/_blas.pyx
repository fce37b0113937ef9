"""The only place that calls BLAS.

BLAS is column-major: the row-major C = A B is its C' = B' A', so the operands swap here once and nowhere else.
Callers run BLAS single-threaded on tiles cut by shape alone (glorotlab.threads), because a
multi-threaded BLAS sums in an order that depends on its thread count.
"""

from scipy.linalg.cython_blas cimport dgemm, sgemm


cdef void gemm(
    bint transpose_a, bint transpose_b, int m, int n, int k,
    floating alpha, const floating* a, int lda, const floating* b, int ldb,
    floating beta, floating* c, int ldc,
) noexcept nogil:
    """C (m, n) = alpha op(A) op(B) + beta C, row-major; lda, ldb, ldc are row strides in elements."""
    cdef char* operation_a = b"t" if transpose_a else b"n"
    cdef char* operation_b = b"t" if transpose_b else b"n"
    if floating is float:
        sgemm(operation_b, operation_a, &n, &m, &k, &alpha, <float*> b, &ldb, <float*> a, &lda, &beta, c, &ldc)
    else:
        dgemm(operation_b, operation_a, &n, &m, &k, &alpha, <double*> b, &ldb, <double*> a, &lda, &beta, c, &ldc)
