"""Loops for the roofline: multiply-adds alone, reads alone, reads and writes alone; see roofline.pyi and roofline.h."""

from cython cimport floating
from cython.parallel cimport prange

from glorotlab.kernels.simd cimport level

cdef extern from "roofline.h" nogil:
    const int ROOFLINE_CHAINS "CHAINS"
    ctypedef Py_ssize_t (*multiply_add_float)(float, float, Py_ssize_t, float*) noexcept
    ctypedef Py_ssize_t (*multiply_add_double)(double, double, Py_ssize_t, double*) noexcept
    ctypedef void (*read_float)(const float*, Py_ssize_t, Py_ssize_t, float*) noexcept
    ctypedef void (*read_double)(const double*, Py_ssize_t, Py_ssize_t, double*) noexcept
    ctypedef void (*scale_float)(float*, Py_ssize_t, float, Py_ssize_t) noexcept
    ctypedef void (*scale_double)(double*, Py_ssize_t, double, Py_ssize_t) noexcept
    const multiply_add_float* multiply_adds_float
    const multiply_add_double* multiply_adds_double
    const read_float* reads_float
    const read_double* reads_double
    const scale_float* scales_float
    const scale_double* scales_double

CHAINS = ROOFLINE_CHAINS


cdef inline Py_ssize_t run_multiply_add(floating x, floating y, Py_ssize_t rounds, floating* total) noexcept nogil:
    if floating is float:
        return multiply_adds_float[level](x, y, rounds, total)
    else:
        return multiply_adds_double[level](x, y, rounds, total)


cdef inline void run_read(const floating* buffer, Py_ssize_t n, Py_ssize_t passes, floating* total) noexcept nogil:
    if floating is float:
        reads_float[level](buffer, n, passes, total)
    else:
        reads_double[level](buffer, n, passes, total)


cdef inline void run_scale(floating* buffer, Py_ssize_t n, floating x, Py_ssize_t passes) noexcept nogil:
    if floating is float:
        scales_float[level](buffer, n, x, passes)
    else:
        scales_double[level](buffer, n, x, passes)


cdef inline Py_ssize_t cut(Py_ssize_t n, Py_ssize_t threads, Py_ssize_t thread) noexcept nogil:
    """Where the part of a thread begins in a buffer of n."""
    return n // threads * thread + min(thread, n % threads)


def multiply_add(double x, double y, Py_ssize_t rounds, floating[::1] sums):
    """value <- x value + y in every chain; see roofline.pyi."""
    cdef Py_ssize_t thread, threads = sums.shape[0], done = 0
    for thread in prange(threads, nogil=True, num_threads=<int> threads, schedule="static"):
        done += run_multiply_add(<floating> x, <floating> y, rounds, &sums[thread])
    return 2 * done


def read(const floating[::1] buffer, Py_ssize_t passes, floating[::1] sums):
    """Sum a buffer over and over; see roofline.pyi."""
    cdef Py_ssize_t thread, threads = sums.shape[0], n = buffer.shape[0], first
    for thread in prange(threads, nogil=True, num_threads=<int> threads, schedule="static"):
        first = cut(n, threads, thread)
        run_read(&buffer[first], cut(n, threads, thread + 1) - first, passes, &sums[thread])


def scale(floating[::1] buffer, double x, Py_ssize_t passes, int threads):
    """Multiply a buffer over and over; see roofline.pyi."""
    cdef Py_ssize_t thread, n = buffer.shape[0], first
    for thread in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        first = cut(n, threads, thread)
        run_scale(&buffer[first], cut(n, threads, thread + 1) - first, <floating> x, passes)
