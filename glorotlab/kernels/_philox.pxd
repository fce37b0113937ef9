"""Philox 4x64-10 (Salmon et al. 2011), the generator of glorotlab.streams, for kernels that draw their own numbers.

Bit for bit the words of ``glorotlab.streams.generator(seed, purpose, index)``.
"""

from libc.stdint cimport uint64_t

cdef extern from *:
    """
    /* Low word of the 128-bit product a b; its high word goes to *high. Portable: from 32-bit halves. */
    static inline uint64_t glorotlab_multiply_halves(uint64_t a, uint64_t b, uint64_t *high)
    {
        uint64_t mask = 0xFFFFFFFF, a0 = a & mask, a1 = a >> 32, b0 = b & mask, b1 = b >> 32;
        uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (middle & mask);
        *high = a1 * b1 + (middle >> 32) + (other >> 32);
        return a * b;
    }

    #ifdef __SIZEOF_INT128__ /* one instruction */
    static inline uint64_t glorotlab_multiply(uint64_t a, uint64_t b, uint64_t *high)
    {
        unsigned __int128 product = (unsigned __int128)a * b;
        *high = (uint64_t)(product >> 64);
        return (uint64_t)product;
    }
    #else
    #define glorotlab_multiply glorotlab_multiply_halves
    #endif
    """
    uint64_t multiply "glorotlab_multiply"(uint64_t a, uint64_t b, uint64_t* high) noexcept nogil
    uint64_t multiply_halves "glorotlab_multiply_halves"(uint64_t a, uint64_t b, uint64_t* high) noexcept nogil


cdef struct Philox:
    uint64_t key[2]  # (seed, purpose)
    uint64_t index
    uint64_t block  # lowest word of the counter (block, index, 0, 0)
    uint64_t words[4]
    int used  # how many of the words are spent


cdef inline void refill(Philox* stream) noexcept nogil:
    """Encrypt the next counter: ten rounds. NumPy counts up before its first block, so the first is block 1."""
    stream.block += 1
    stream.used = 0
    cdef uint64_t c0 = stream.block, c1 = stream.index, c2 = 0, c3 = 0
    cdef uint64_t k0 = stream.key[0], k1 = stream.key[1]
    cdef uint64_t low0, low1, high0, high1
    cdef int round
    for round in range(10):
        low0 = multiply(<uint64_t>0xD2E7470EE14C6C93, c0, &high0)
        low1 = multiply(<uint64_t>0xCA5A826395121157, c2, &high1)
        c0 = high1 ^ c1 ^ k0
        c1 = low1
        c2 = high0 ^ c3 ^ k1
        c3 = low0
        k0 += <uint64_t>0x9E3779B97F4A7C15
        k1 += <uint64_t>0xBB67AE8584CAA73B
    stream.words[0] = c0
    stream.words[1] = c1
    stream.words[2] = c2
    stream.words[3] = c3


cdef inline void start(Philox* stream, uint64_t seed, uint64_t purpose, uint64_t index) noexcept nogil:
    """Put the stream at its beginning."""
    stream.key[0] = seed
    stream.key[1] = purpose
    stream.index = index
    stream.block = 0
    stream.used = 4


cdef inline uint64_t word(Philox* stream) noexcept nogil:
    """Next 64 bits."""
    if stream.used == 4:
        refill(stream)
    stream.used += 1
    return stream.words[stream.used - 1]


cdef inline double uniform(Philox* stream) noexcept nogil:
    """Next number in [0, 1), a multiple of 2**-53."""
    return <double>(word(stream) >> 11) * (1.0 / 9007199254740992.0)
