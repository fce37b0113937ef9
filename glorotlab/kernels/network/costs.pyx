"""Output activation, cost of each example and dC/ds of the output layer, one row per example.

With y the one-hot label (of a single output the label, 0 or 1), or a row of targets, and a the output: log-likelihood -ln a_y, cross-entropy
-sum_j [y_j ln a_j + (1 - y_j) ln(1 - a_j)], quadratic |a - y|^2 / 2. Each cost is computed from the
pre-activations in a form that neither overflows nor loses the small probabilities, in double precision. The softmax
takes exponentials of as many rows at a time as make a call worth while, each once, in room that the caller has.
"""

from cython cimport floating
from cython.view cimport contiguous, strided
from libc.math cimport exp, log1p
from libc.stdlib cimport free, malloc

cdef extern from "exponentials.h" nogil:
    void exponentials(double* x, Py_ssize_t n)
    void logarithms(double* x, Py_ssize_t n)

cdef enum OutputCost:
    SOFTMAX_LOG_LIKELIHOOD
    SOFTMAX_QUADRATIC
    SIGMOID_CROSS_ENTROPY
    SIGMOID_QUADRATIC
    LINEAR_QUADRATIC

cdef enum:
    GROUP = 256  # exponentials of one call, or those of a single row, and rows at most; a multiple of their block

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


cdef Py_ssize_t room_size(Py_ssize_t n) noexcept nogil:
    """See costs.pxd: whole blocks of exponentials.h."""
    return max(<Py_ssize_t> GROUP, (n + 7) // 8 * 8)


cdef inline Py_ssize_t rows_at_once(Py_ssize_t rows, Py_ssize_t n) noexcept nogil:
    return min(rows, max(<Py_ssize_t> 1, GROUP // n))


cdef inline void exponentials_of_rows(
    const floating* s, Py_ssize_t stride, double* powers, double* largest, double* total, Py_ssize_t rows, Py_ssize_t n
) noexcept nogil:
    """Fill powers with e^(s_k - largest) of rows_at_once, and total with the sum of each: the softmax is the one over the
    other. NaN where any s_k is NaN.
    """
    cdef Py_ssize_t i, k
    for i in range(rows):
        largest[i] = maximum(s + i * stride, n)
        for k in range(n):
            powers[i * n + k] = s[i * stride + k] - largest[i]
    exponentials(powers, rows * n)
    for i in range(rows):
        total[i] = 0
        for k in range(n):
            total[i] += powers[i * n + k]


cdef inline void log_likelihood_row(
    const double* powers, double total, Py_ssize_t label, floating* d, Py_ssize_t n
) noexcept nogil:
    cdef double inverse = 1 / total
    cdef Py_ssize_t k
    for k in range(n):
        d[k] = <floating> (powers[k] * inverse)
    d[label] = <floating> (powers[label] * inverse - 1)


cdef inline double quadratic_row(
    const double* powers, double total, Py_ssize_t label, floating* d, Py_ssize_t n
) noexcept nogil:
    cdef double inverse = 1 / total, cost = 0, projection = 0, a, error
    cdef Py_ssize_t k
    for k in range(n):
        a = powers[k] * inverse
        error = a - (k == label)
        cost += error * error / 2
        projection += error * a
    for k in range(n):
        a = powers[k] * inverse
        d[k] = <floating> (a * (a - (k == label) - projection))
    return cost


cdef void softmax_costs(
    int code, const floating* s, Py_ssize_t stride, const long long* labels, floating* d, Py_ssize_t d_stride,
    double* cost, Py_ssize_t rows, Py_ssize_t n, double* room,
) noexcept nogil:
    """Fill d and cost of any number of rows."""
    cdef double largest[GROUP]
    cdef double total[GROUP]
    cdef Py_ssize_t first = 0, some, i
    while first < rows:
        some = rows_at_once(rows - first, n)
        exponentials_of_rows(s + first * stride, stride, room, largest, total, some, n)
        for i in range(some):
            if code == SOFTMAX_QUADRATIC:
                cost[first + i] = quadratic_row(room + i * n, total[i], labels[first + i], d + (first + i) * d_stride, n)
            else:
                log_likelihood_row(room + i * n, total[i], labels[first + i], d + (first + i) * d_stride, n)
        if code == SOFTMAX_LOG_LIKELIHOOD:
            logarithms(total, some)
            for i in range(some):
                cost[first + i] = total[i] + (largest[i] - s[(first + i) * stride + labels[first + i]])
        first += some


cdef void softmax_outputs(
    const floating* s, Py_ssize_t stride, floating* a, Py_ssize_t a_stride, Py_ssize_t rows, Py_ssize_t n, double* room
) noexcept nogil:
    cdef double largest[GROUP]
    cdef double total[GROUP]
    cdef Py_ssize_t first = 0, some, i, k
    while first < rows:
        some = rows_at_once(rows - first, n)
        exponentials_of_rows(s + first * stride, stride, room, largest, total, some, n)
        for i in range(some):
            for k in range(n):
                a[(first + i) * a_stride + k] = <floating> (room[i * n + k] / total[i])
        first += some


cdef inline void output_row(int code, const floating* s, floating* a, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(n):
        a[k] = s[k] if code == LINEAR_QUADRATIC else <floating> logistic(s[k])


cdef inline double target(const floating* targets, Py_ssize_t label, Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    return targets[k] if targets else <double> (label if n == 1 else k == label)


cdef inline double cost_row(
    int code, const floating* s, Py_ssize_t label, const floating* targets, floating* d, Py_ssize_t n
) noexcept nogil:
    """Fill d with dC/ds of one example and return its cost; for outputs that do not depend on each other."""
    cdef double cost = 0, error, a, y
    cdef Py_ssize_t k
    if code == SIGMOID_CROSS_ENTROPY:
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
    double* cost, Py_ssize_t rows, Py_ssize_t n, double* room,
) noexcept nogil:
    """Fill d with dC/ds and cost, example by example; see costs.pxd."""
    cdef Py_ssize_t i
    if code == SOFTMAX_LOG_LIKELIHOOD or code == SOFTMAX_QUADRATIC:
        softmax_costs(code, s, s_stride, labels, d, d_stride, cost, rows, n, room)
        return
    for i in range(rows):
        cost[i] = cost_row(
            code, s + i * s_stride, labels[i], targets + i * targets_stride if targets else NULL, d + i * d_stride, n
        )


cdef double* new_room(Py_ssize_t n) except NULL:
    cdef double* room = <double*> malloc(room_size(n) * sizeof(double))
    if not room:
        raise MemoryError
    return room


def output(int code, const floating[::strided, ::contiguous] s, floating[::strided, ::contiguous] a):
    """a = output activation of s; see costs.pyi."""
    cdef Py_ssize_t i
    if not s.shape[0] or not s.shape[1]:
        return
    cdef double* room = new_room(s.shape[1])
    with nogil:
        if code == SOFTMAX_LOG_LIKELIHOOD or code == SOFTMAX_QUADRATIC:
            softmax_outputs(&s[0, 0], stride(s), &a[0, 0], stride(a), s.shape[0], s.shape[1], room)
        else:
            for i in range(s.shape[0]):
                output_row(code, &s[i, 0], &a[i, 0], s.shape[1])
    free(room)


def cost_and_gradient(
    int code, const floating[::strided, ::contiguous] s, const long long[::1] labels, double[::1] cost,
    floating[::strided, ::contiguous] d, const floating[::strided, ::contiguous] targets=None,
):
    """Cost and dC/ds of each example; see costs.pyi."""
    cdef bint by_targets = targets is not None
    if not s.shape[0]:
        return
    cdef double* room = new_room(s.shape[1])
    with nogil:
        cost_rows[floating](
            code, &s[0, 0], stride(s), &labels[0], &targets[0, 0] if by_targets else NULL,
            stride(targets) if by_targets else 0, &d[0, 0], stride(d), &cost[0], s.shape[0], s.shape[1], room,
        )
    free(room)


cdef inline Py_ssize_t stride(const floating[::strided, ::contiguous] matrix) noexcept nogil:
    """Elements from one row to the next."""
    return matrix.strides[0] // <Py_ssize_t> sizeof(floating)
