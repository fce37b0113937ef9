"""Python's view of _philox.pxd, by which the tests compare it with NumPy's generator."""

from libc.stdint cimport uint64_t


def high_words(uint64_t a, uint64_t b):
    """The high word of a b, as this build multiplies and as one without 128-bit numbers does."""
    cdef uint64_t high, portable
    low = multiply(a, b, &high)
    assert low == multiply_halves(a, b, &portable)
    return high, portable


def words(uint64_t seed, uint64_t purpose, uint64_t index, uint64_t[::1] out):
    """Fill ``out`` with the first words of a stream."""
    cdef Philox stream
    cdef Py_ssize_t i
    start(&stream, seed, purpose, index)
    for i in range(out.shape[0]):
        out[i] = word(&stream)


def uniforms(uint64_t seed, uint64_t purpose, uint64_t index, double[::1] out):
    """Fill ``out`` with the first numbers in [0, 1) of a stream."""
    cdef Philox stream
    cdef Py_ssize_t i
    start(&stream, seed, purpose, index)
    for i in range(out.shape[0]):
        out[i] = uniform(&stream)
