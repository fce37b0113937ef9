"""Statistics of arrays, accumulated in float64: moments, quantiles, histogram counts, saturation, underflow.

The bits of a result depend on the values and their number alone, never on the number of threads: data are cut
into chunks of a fixed length, each chunk is summed in fixed lanes, and chunks are added in their order. Counts are
integers, whose sum has no order.
"""

from typing import NamedTuple

import numpy as np

from glorotlab.errors import InvalidValueError

from cython cimport floating
from cython.parallel cimport prange
from libc.float cimport DBL_MIN, FLT_MIN
from libc.math cimport INFINITY, NAN, fabs, floor, isinf, isnan
from libc.stdint cimport int32_t, int64_t

from glorotlab.kernels._selection cimport BINS, interpolate, minimum, select, sort_into_bins
from glorotlab.kernels.simd cimport cloned_void

cdef enum:
    CHUNK = 8192  # elements summed by one thread without a break
    LANES = 16    # independent sums, vectorised without reordering; GCC 12 unrolls 8 of them into scalars


class Moments(NamedTuple):
    """Moments and extremes of all elements of an array; NaN where there are none, or where one is NaN."""

    count: int
    mean: float
    second_moment: float
    minimum: float
    maximum: float


class Histogram(NamedTuple):
    """Counts per bin, and how many values fell below the first and above the last edge (NaN is neither)."""

    counts: np.ndarray
    below: int
    above: int


class Underflow(NamedTuple):
    """Shares of the elements of an array that are 0 and that are subnormal; NaN as those of ``Moments``."""

    zero: float
    subnormal: float


def moments(values, threads=1):
    """Return mean, second moment, minimum and maximum over all elements of an array.

    Parameters
    ----------
    values : array_like of float32 or float64
        Any shape; an array that is not C-contiguous is copied first.
    threads : int
        At least 1. Changes the time, never a bit of the result.

    Returns
    -------
    Moments
        ``second_moment`` is the mean of the squares (raw, not central); float64 throughout, so float32 values
        never overflow. Infinite values follow IEEE 754: the mean of both infinities is NaN, their extremes are not.

    Raises
    ------
    InvalidValueError
        Where the dtype or the number of threads is not allowed.
    """
    flat, chunks, workers = _in_chunks(values, threads)
    if chunks == 0:
        return Moments(0, np.nan, np.nan, np.nan, np.nan)
    return Moments(flat.size, *_moments(flat, np.empty((chunks, 4)), workers))


def quantiles(values, probabilities):
    """Return quantiles of all elements, interpolated linearly between order statistics as ``numpy.quantile`` does.

    Parameters
    ----------
    values : array_like of float32 or float64
        Any shape. One float64 copy is made.
    probabilities : array_like of float
        Each in [0, 1]; any shape.

    Returns
    -------
    numpy.ndarray of float64, of the shape of ``probabilities``
        NaN where ``values`` is empty or contains NaN. Between a finite and an infinite order statistic the quantile
        is infinite, between both infinities NaN.

    Raises
    ------
    InvalidValueError
        Where the dtype or a probability is not allowed.

    Notes
    -----
    Values are put into bins of equal width, and an order statistic is selected in its own bin: R. W. Floyd and
    R. L. Rivest, "Algorithm 489: SELECT", CACM 18(3), 1975.
    """
    shaped = np.asarray(probabilities, dtype=np.float64)
    outside = ~((shaped >= 0) & (shaped <= 1))
    if outside.any():
        raise InvalidValueError(f"probability {shaped[outside][0]}: allowed are numbers from 0 to 1")
    probability, flat = shaped.reshape(-1), _flat(values)
    _, _, _, low, high = moments(flat)
    if np.isnan(low):
        return np.full(shaped.shape, np.nan)
    out = np.empty(probability.size)
    _quantiles(flat, np.empty(flat.size), low, high, probability, np.argsort(probability), out)
    return out.reshape(shaped.shape)


def histogram(values, edges, threads=1):
    """Count the elements of each bin, as ``numpy.histogram`` does.

    Bins are half-open, [edge_i, edge_i+1), except the last, which is closed. Evenly spaced edges are found by
    arithmetic and checked against the edges themselves, others by bisection.

    Parameters
    ----------
    values : array_like of float32 or float64
        Any shape; an array that is not C-contiguous is copied first. NaN is not counted anywhere.
    edges : array_like of float
        Shape (bins + 1,), strictly increasing.
    threads : int
        At least 1.

    Returns
    -------
    Histogram
        ``counts`` of int64 and shape (bins,), and the numbers ``below`` and ``above`` all bins.

    Raises
    ------
    InvalidValueError
        Where the dtype, the edges or the number of threads are not allowed.
    """
    flat, _, workers = _in_chunks(values, threads)
    edges = np.ascontiguousarray(edges, dtype=np.float64)
    if edges.ndim != 1 or edges.size < 2 or not (edges[1:] > edges[: edges.size - 1]).all():
        raise InvalidValueError(f"edges of shape {edges.shape}: allowed are two or more, strictly increasing")
    counts = np.zeros((workers, edges.size + 1), dtype=np.int64)  # below, the bins, above
    _histogram(flat, edges, _bins_per_unit(edges), counts)
    total = counts.sum(axis=0)
    return Histogram(total[1:edges.size], int(total[0]), int(total[edges.size]))


def saturation(values, threshold, threads=1):
    """Return the share of the elements whose absolute value exceeds a threshold.

    Parameters
    ----------
    values : array_like of float32 or float64
        Any shape; an array that is not C-contiguous is copied first.
    threshold : float
        At least 0; compared in float64.
    threads : int
        At least 1.

    Returns
    -------
    float
        In [0, 1]; NaN where ``values`` is empty or contains NaN.

    Raises
    ------
    InvalidValueError
        Where the dtype, the threshold or the number of threads is not allowed.
    """
    if not threshold >= 0:
        raise InvalidValueError(f"threshold {threshold!r}: allowed are numbers from 0")
    flat, _, workers = _in_chunks(values, threads)
    return _saturation(flat, threshold, workers) if flat.size else np.nan


def underflow(values, threads=1):
    """Return the shares of the elements that are 0 and that are subnormal: not 0, but too small for a full mantissa.

    Parameters
    ----------
    values : array_like of float32 or float64
        Any shape; an array that is not C-contiguous is copied first. The smallest normal number is that of their own
        dtype, 2**-126 or 2**-1022.
    threads : int
        At least 1.

    Returns
    -------
    Underflow
        Each in [0, 1]; NaN where ``values`` is empty or contains NaN.

    Raises
    ------
    InvalidValueError
        Where the dtype or the number of threads is not allowed.
    """
    flat, chunks, workers = _in_chunks(values, threads)
    if chunks == 0:
        return Underflow(np.nan, np.nan)
    zero, small, numbers = _underflow(flat, np.empty((chunks, 3), dtype=np.int32), workers).sum(axis=0, dtype=np.int64)
    if numbers < flat.size:
        return Underflow(np.nan, np.nan)
    return Underflow(float(zero / flat.size), float((small - zero) / flat.size))


def _flat(values):
    """Return the values as a 1-D C-contiguous array of native float32 or float64; a copy only where needed."""
    array = np.asarray(values)
    native = array.dtype.newbyteorder("=")
    if native not in (np.float32, np.float64):
        raise InvalidValueError(f"values of dtype {array.dtype}: allowed are float32 and float64")
    return np.ascontiguousarray(array, dtype=native).reshape(-1)


def _in_chunks(values, threads):
    """Return the values as an array, how many chunks they are, and how many threads find work, at least 1."""
    flat = _flat(values)
    chunks = -(-flat.size // CHUNK)
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
        raise InvalidValueError(f"threads {threads!r}: allowed are whole numbers from 1")
    return flat, chunks, max(1, min(threads, chunks))


def _bins_per_unit(edges):
    """Return the bins per unit of edges that are evenly spaced; 0 where one is half a bin or more from its place."""
    bins = edges.size - 1
    first, last = edges[0], edges[bins]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        scale = bins / (last - first)
        misplaced = np.abs((edges - first) * scale - np.arange(bins + 1))
    return scale if (misplaced < 0.5).all() else 0.0


# Moments

cdef inline void add_moments(
    floating x, double* total, double* square, floating* low, floating* high
) noexcept nogil:
    cdef double wide = x
    total[0] += wide
    square[0] += wide * wide
    low[0] = x if x < low[0] else low[0]
    high[0] = x if x > high[0] else high[0]


cdef cloned_void chunk_moments(const floating* x, Py_ssize_t n, double* out) noexcept nogil:
    """Sum, sum of squares, minimum and maximum of n >= 1 elements; the extremes overlook NaN."""
    cdef double total[LANES]
    cdef double square[LANES]
    cdef floating low[LANES]
    cdef floating high[LANES]
    cdef Py_ssize_t block, k, blocks = n // LANES
    for k in range(LANES):
        total[k] = square[k] = 0
        low[k] = INFINITY
        high[k] = -INFINITY
    for block in range(blocks):
        for k in range(LANES):
            add_moments(x[block * LANES + k], &total[k], &square[k], &low[k], &high[k])
    for k in range(n % LANES):
        add_moments(x[blocks * LANES + k], &total[k], &square[k], &low[k], &high[k])
    for k in range(1, LANES):
        total[0] += total[k]
        square[0] += square[k]
        low[0] = min(low[0], low[k])
        high[0] = max(high[0], high[k])
    out[0], out[1], out[2], out[3] = total[0], square[0], low[0], high[0]


def _moments(const floating[::1] values, double[:, ::1] chunk, int threads):
    cdef Py_ssize_t n = values.shape[0], chunks = chunk.shape[0], c
    cdef double total = 0, square = 0, low = INFINITY, high = -INFINITY
    with nogil:
        for c in prange(chunks, num_threads=threads, schedule="static"):
            chunk_moments(&values[c * CHUNK], min(CHUNK, n - c * CHUNK), &chunk[c, 0])
        for c in range(chunks):
            total += chunk[c, 0]
            square += chunk[c, 1]
            low = min(low, chunk[c, 2])
            high = max(high, chunk[c, 3])
    if isnan(square):  # squares cannot cancel: their sum is NaN exactly where a value is
        low = high = square
    return total / n, square / n, low, high


# Quantiles

def _quantiles(
    const floating[::1] values, double[::1] scratch, double low, double high, const double[::1] probability,
    const Py_ssize_t[::1] order, double[::1] out
):
    """Fill out; probability[order] ascends, so that bins are passed once. No value is NaN; there is one at least."""
    cdef Py_ssize_t n = values.shape[0], b = 0, start = 0, i, j, k
    cdef Py_ssize_t end[BINS]
    cdef double place, above, scale = BINS / (high - low) if high > low else 0
    if isinf(scale) or isinf(low) or isinf(high):
        scale = 0
    with nogil:
        sort_into_bins(&values[0], n, low, scale, &scratch[0], end)
        for j in range(out.shape[0]):
            place = probability[order[j]] * (n - 1)
            k = <Py_ssize_t>floor(place)
            while end[b] <= k:
                start = end[b]
                b += 1
            select(&scratch[0], start, end[b] - 1, k)
            start = k
            above = scratch[k]
            if k + 1 < n:  # the smallest of what follows is in this bin, or the first of the next that has any
                i = b
                while end[i] <= k + 1:
                    i += 1
                above = minimum(&scratch[k + 1], end[i] - k - 1)
            out[order[j]] = interpolate(scratch[k], above, place - k)


# Histogram

cdef inline Py_ssize_t bin_of(double x, const double[::1] edges, double scale) noexcept nogil:
    """Bin of edges[0] <= x <= edges[bins]; scale is 0 where the edges are not evenly spaced."""
    cdef Py_ssize_t bins = edges.shape[0] - 1, low = 0, half
    if scale > 0:  # rounding, or an edge off its place, puts x next to its bin
        low = min(bins - 1, <Py_ssize_t>((x - edges[0]) * scale))
        while low > 0 and x < edges[low]:
            low -= 1
        while low < bins - 1 and x >= edges[low + 1]:
            low += 1
    else:
        while bins > 1:  # the bin is one of those from low to low + bins - 1
            half = bins // 2
            low += half if x >= edges[low + half] else 0
            bins -= half
    return low


cdef void count_bins(
    const floating[::1] values, Py_ssize_t start, Py_ssize_t stop, const double[::1] edges, double scale,
    int64_t* counts
) noexcept nogil:
    cdef Py_ssize_t bins = edges.shape[0] - 1, i
    cdef double x
    for i in range(start, stop):
        x = values[i]
        if x < edges[0]:
            counts[0] += 1
        elif x > edges[bins]:
            counts[bins + 1] += 1
        elif x == x:
            counts[1 + bin_of(x, edges, scale)] += 1


def _histogram(const floating[::1] values, const double[::1] edges, double scale, int64_t[:, ::1] counts):
    cdef Py_ssize_t n = values.shape[0]
    cdef int threads = counts.shape[0], t
    for t in prange(threads, num_threads=threads, schedule="static", nogil=True):
        count_bins(values, n * t // threads, n * (t + 1) // threads, edges, scale, &counts[t, 0])


# Saturation

def _saturation(const floating[::1] values, double threshold, int threads):
    cdef Py_ssize_t n = values.shape[0], i
    cdef int64_t exceeding = 0, numbers = 0
    cdef double size
    for i in prange(n, num_threads=threads, schedule="static", nogil=True):
        size = fabs(values[i])
        exceeding += size > threshold
        numbers += size == size
    return exceeding / <double>n if numbers == n else NAN


# Underflow

cdef cloned_void chunk_underflow(const floating* x, Py_ssize_t n, floating smallest, int32_t* out) noexcept nogil:
    """How many of n elements are 0, how many below ``smallest`` in size, and how many are numbers."""
    cdef int32_t zero = 0, small = 0, numbers = 0
    cdef Py_ssize_t i
    for i in range(n):
        zero += x[i] == 0
        small += (x[i] > -smallest) & (x[i] < smallest)
        numbers += x[i] == x[i]
    out[0], out[1], out[2] = zero, small, numbers


def _underflow(const floating[::1] values, int32_t[:, ::1] counts, int threads):
    cdef Py_ssize_t n = values.shape[0], chunks = counts.shape[0], c
    cdef floating smallest = <floating> (FLT_MIN if floating is float else DBL_MIN)
    for c in prange(chunks, num_threads=threads, schedule="static", nogil=True):
        chunk_underflow(&values[c * CHUNK], min(CHUNK, n - c * CHUNK), smallest, &counts[c, 0])
    return np.asarray(counts)
