"""Output activation, cost of each example and dC/ds of the output layer, one row per example.

With y the one-hot label (of a single output the label, 0 or 1), or a row of targets, and a the output: log-likelihood -ln a_y, cross-entropy
-sum_j [y_j ln a_j + (1 - y_j) ln(1 - a_j)], quadratic |a - y|^2 / 2. Each cost is computed from the
pre-activations in a form that neither overflows nor loses the small probabilities, in double precision.
"""

from cython cimport floating
from cython.view cimport contiguous, strided
from libc.math cimport exp, log, log1p

cdef enum OutputCost:
    SOFTMAX_LOG_LIKELIHOOD
    SOFTMAX_QUADRATIC
    SIGMOID_CROSS_ENTROPY
    SIGMOID_QUADRATIC
    LINEAR_QUADRATIC

cdef enum:
    KEPT = 64  # exponentials of a row that are kept for its gradient; those beyond are computed twice

CODES = {
    ("softmax", "log_likelihood"): SOFTMAX_LOG_LIKELIHOOD,
    ("softmax", "quadratic"): SOFTMAX_QUADRATIC,
    ("sigmoid", "cross_entropy"): SIGMOID_CROSS_ENTROPY,
    ("sigmoid", "quadratic"): SIGMOID_QUADRATIC,
    ("linear", "quadratic"): LINEAR_QUADRATIC,
}


cdef inline double logistic(double s) noexcept nogil:
    return 1 / (1 + exp(-s))


cdef inline double cross_entropy(double s, double y) noexcept nogil:
    """ln(1 + e^s) - y s: nothing overflows, and where y is 0 or 1 nothing cancels."""
    return ((s if s > 0 else 0) - y * s) + log1p(exp(-s if s > 0 else s))


cdef inline double maximum(const floating* s, Py_ssize_t n) noexcept nogil:
    cdef double largest = s[0]
    cdef Py_ssize_t k
    for k in range(1, n):
        if s[k] > largest:
            largest = s[k]
    return largest


cdef inline double sum_exp(const floating* s, double largest, Py_ssize_t n) noexcept nogil:
    """sum_k e^(s_k - largest): the softmax is e^(s_k - largest) over it. NaN where any s_k is NaN."""
    cdef double total = 0
    cdef Py_ssize_t k
    for k in range(n):
        total += exp(s[k] - largest)
    return total


cdef inline void activate_row(int code, const floating* s, floating* a, Py_ssize_t n) noexcept nogil:
    cdef double largest, total
    cdef Py_ssize_t k
    if code == SOFTMAX_LOG_LIKELIHOOD or code == SOFTMAX_QUADRATIC:
        largest = maximum(s, n)
        total = sum_exp(s, largest, n)
        for k in range(n):
            a[k] = <floating> (exp(s[k] - largest) / total)
    elif code == LINEAR_QUADRATIC:
        for k in range(n):
            a[k] = s[k]
    else:
        for k in range(n):
            a[k] = <floating> logistic(s[k])


cdef inline double target(const floating* targets, Py_ssize_t label, Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    return targets[k] if targets else <double> (label if n == 1 else k == label)


cdef inline double log_likelihood_row(const floating* s, Py_ssize_t label, floating* d, Py_ssize_t n) noexcept nogil:
    cdef double kept[KEPT]
    cdef double largest = maximum(s, n), total = 0, power
    cdef Py_ssize_t k
    for k in range(n):
        power = exp(s[k] - largest)
        total += power
        if k < KEPT:
            kept[k] = power
    for k in range(n):
        power = kept[k] if k < KEPT else exp(s[k] - largest)
        d[k] = <floating> (power / total - (k == label))
    return log(total) + (largest - s[label])


cdef inline double cost_row(
    int code, const floating* s, Py_ssize_t label, const floating* targets, floating* d, Py_ssize_t n
) noexcept nogil:
    """Fill d with dC/ds of one example and return its cost."""
    cdef double cost = 0, error, a, y, projection = 0, largest, total
    cdef Py_ssize_t k
    if code == SOFTMAX_LOG_LIKELIHOOD:
        cost = log_likelihood_row(s, label, d, n)
    elif code == SOFTMAX_QUADRATIC:
        largest = maximum(s, n)
        total = sum_exp(s, largest, n)
        for k in range(n):
            a = exp(s[k] - largest) / total
            error = a - (k == label)
            cost += error * error / 2
            projection += error * a
        for k in range(n):
            a = exp(s[k] - largest) / total
            d[k] = <floating> (a * (a - (k == label) - projection))
    elif code == SIGMOID_CROSS_ENTROPY:
        for k in range(n):
            y = target(targets, label, k, n)
            cost += cross_entropy(s[k], y)
            d[k] = <floating> (logistic(s[k]) - y)
    elif code == SIGMOID_QUADRATIC:
        for k in range(n):
            a = logistic(s[k])
            error = a - target(targets, label, k, n)
            cost += error * error / 2
            d[k] = <floating> (error * a * logistic(-s[k]))
    else:
        for k in range(n):
            error = <double> s[k] - target(targets, label, k, n)
            cost += error * error / 2
            d[k] = <floating> error
    return cost


cdef void cost_rows(
    int code, const floating* s, Py_ssize_t s_stride, const long long* labels,
    const floating* targets, Py_ssize_t targets_stride, floating* d, Py_ssize_t d_stride,
    double* cost, Py_ssize_t rows, Py_ssize_t n,
) noexcept nogil:
    """Fill d with dC/ds and cost, example by example; see costs.pxd."""
    cdef Py_ssize_t i
    for i in range(rows):
        cost[i] = cost_row(
            code, s + i * s_stride, labels[i], targets + i * targets_stride if targets else NULL, d + i * d_stride, n
        )


def output(int code, const floating[::strided, ::contiguous] s, floating[::strided, ::contiguous] a):
    """a = output activation of s; see costs.pyi."""
    cdef Py_ssize_t i
    if s.shape[1]:
        with nogil:
            for i in range(s.shape[0]):
                activate_row(code, &s[i, 0], &a[i, 0], s.shape[1])


def cost_and_gradient(
    int code, const floating[::strided, ::contiguous] s, const long long[::1] labels, double[::1] cost,
    floating[::strided, ::contiguous] d, const floating[::strided, ::contiguous] targets=None,
):
    """Cost and dC/ds of each example; see costs.pyi."""
    cdef bint by_targets = targets is not None
    if s.shape[0]:
        with nogil:
            cost_rows[floating](
                code, &s[0, 0], stride(s), &labels[0], &targets[0, 0] if by_targets else NULL,
                stride(targets) if by_targets else 0, &d[0, 0], stride(d), &cost[0], s.shape[0], s.shape[1],
            )


cdef inline Py_ssize_t stride(const floating[::strided, ::contiguous] matrix) noexcept nogil:
    """Elements from one row to the next."""
    return matrix.strides[0] // <Py_ssize_t> sizeof(floating)
