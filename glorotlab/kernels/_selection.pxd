"""Selection of order statistics: values are put into bins of equal width, and one is selected in its own bin.

R. W. Floyd and R. L. Rivest, "Algorithm 489: SELECT", CACM 18(3), 1975.
"""

from cython cimport floating
from libc.math cimport exp, isinf, log, sqrt

cdef enum:
    BINS = 1024   # bins that values are put into
    SMALL = 600   # Floyd and Rivest's bound, below which sampling for a pivot does not pay


cdef inline void swap(double* x, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    cdef double held = x[i]
    x[i] = x[j]
    x[j] = held


cdef inline void select(double* x, Py_ssize_t left, Py_ssize_t right, Py_ssize_t k) noexcept nogil:
    """Reorder x[left..right] so that x[k] is in its sorted place: none before it larger, none after it smaller."""
    cdef Py_ssize_t i, j
    cdef double pivot, n, rank, sample, spread
    while right > left:
        if right - left > SMALL:  # place a pivot near rank k by selecting in a sample of about n**(2/3) / 2
            n = right - left + 1
            rank = k - left + 1
            sample = 0.5 * exp(2 * log(n) / 3)
            spread = 0.5 * sqrt(log(n) * sample * (n - sample) / n)
            if rank < n / 2:
                spread = -spread
            select(
                x,
                max(left, <Py_ssize_t>(k - rank * sample / n + spread)),
                min(right, <Py_ssize_t>(k + (n - rank) * sample / n + spread)),
                k,
            )
        pivot = x[k]
        i = left
        j = right
        swap(x, left, k)
        if x[right] > pivot:
            swap(x, left, right)
        while i < j:
            swap(x, i, j)
            i += 1
            j -= 1
            while x[i] < pivot:
                i += 1
            while x[j] > pivot:
                j -= 1
        if x[left] == pivot:
            swap(x, left, j)
        else:
            j += 1
            swap(x, j, right)
        if j <= k:
            left = j + 1
        if k <= j:
            right = j - 1


cdef inline double minimum(const double* x, Py_ssize_t n) noexcept nogil:
    cdef double low = x[0]
    cdef Py_ssize_t i
    for i in range(1, n):
        low = min(low, x[i])
    return low


cdef inline double interpolate(double a, double b, double t) noexcept nogil:
    """Point at 0 <= t < 1 between a <= b, rounded as ``numpy.quantile`` rounds it."""
    if t == 0 or a == b:
        return a
    if isinf(b - a):  # infinite ends, or an overflow of their difference
        return (1 - t) * a + t * b
    return a + (b - a) * t if t < 0.5 else b - (b - a) * (1 - t)


cdef inline Py_ssize_t equal_bin(double x, double low, double scale) noexcept nogil:
    """Bin of low <= x; it grows with x. All are in the first one where the scale is 0."""
    return min(<Py_ssize_t> (BINS - 1), <Py_ssize_t> ((x - low) * scale)) if scale else 0


cdef inline void sort_into_bins(
    const floating* values, Py_ssize_t n, double low, double scale, double* out, Py_ssize_t* end
) noexcept nogil:
    """Copy values to ``out`` so that those of bin b are at end[b - 1]..end[b] - 1, in any order (counting sort)."""
    cdef Py_ssize_t i, b, start = 0, held
    for b in range(BINS):
        end[b] = 0
    for i in range(n):
        end[equal_bin(values[i], low, scale)] += 1
    for b in range(BINS):
        held = end[b]
        end[b] = start
        start += held
    for i in range(n):
        b = equal_bin(values[i], low, scale)
        out[end[b]] = values[i]
        end[b] += 1
