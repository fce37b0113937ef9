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


cdef double cost_row(
    int code, const floating* s, Py_ssize_t label, const floating* targets, floating* d, Py_ssize_t n
) noexcept nogil:
    """Fill d with dC/ds of one example and return its cost; see costs.pxd."""
    cdef double cost = 0, error, a, y, projection = 0, largest, total
    cdef Py_ssize_t k
    if code == SOFTMAX_LOG_LIKELIHOOD:
        largest = maximum(s, n)
        total = sum_exp(s, largest, n)
        cost = log(total) + (largest - s[label])
        for k in range(n):
            d[k] = <floating> (exp(s[k] - largest) / total - (k == label))
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
    cdef Py_ssize_t i
    cdef bint by_targets = targets is not None
    with nogil:
        for i in range(s.shape[0]):
            cost[i] = cost_row(
                code, &s[i, 0], labels[i], &targets[i, 0] if by_targets else <const floating*> NULL, &d[i, 0], s.shape[1]
            )
