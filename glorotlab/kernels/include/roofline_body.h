/* The loops for one SIMD level and one REAL, in the words of vectors.h. */

/* The sum of all lanes of n vectors, a multiple of four. */
INLINE REAL NAME(total)(const VECTOR *value, int n)
{
    REAL four[4], total = 0;
    for (int i = 0; i < n; i += 4) {
        SUMS(value[i], value[i + 1], value[i + 2], value[i + 3], four);
        total += four[0] + four[1] + four[2] + four[3];
    }
    return total;
}

/* value <- x value + y, `rounds` times in every lane of every chain; chain c begins at c, for equal chains would be
   computed once. Fills *sum with the sum of all lanes and returns how many multiply-adds that took. */
TARGET static ptrdiff_t NAME(multiply_add)(REAL x, REAL y, ptrdiff_t rounds, REAL *sum)
{
    VECTOR value[CHAINS];
    const VECTOR factor = BROADCAST(x), term = BROADCAST(y);
    UNROLL for (int c = 0; c < CHAINS; c++)
        value[c] = BROADCAST((REAL)c);
    for (ptrdiff_t i = 0; i < rounds; i++)
        UNROLL for (int c = 0; c < CHAINS; c++)
            value[c] = FMA(factor, value[c], term);
    *sum = NAME(total)(value, CHAINS);
    return rounds * CHAINS * LANES;
}

/* *sum = `passes` times the sum of a buffer of n. */
TARGET static void NAME(read)(const REAL *buffer, ptrdiff_t n, ptrdiff_t passes, REAL *sum)
{
    VECTOR partial[STREAMS];
    REAL rest = 0;
    UNROLL for (int v = 0; v < STREAMS; v++)
        partial[v] = BROADCAST(0);
    for (ptrdiff_t pass = 0; pass < passes; pass++) {
        ptrdiff_t i = 0;
        for (; i + STREAMS * LANES <= n; i += STREAMS * LANES)
            UNROLL for (int v = 0; v < STREAMS; v++)
                partial[v] = partial[v] + LOAD(buffer + i + v * LANES);
        for (; i < n; i++)
            rest += buffer[i];
        PASS_ENDS;
    }
    *sum = rest + NAME(total)(partial, STREAMS);
}

/* buffer *= x, `passes` times: every number is read and written. */
TARGET static void NAME(scale)(REAL *buffer, ptrdiff_t n, REAL x, ptrdiff_t passes)
{
    const VECTOR factor = BROADCAST(x);
    for (ptrdiff_t pass = 0; pass < passes; pass++) {
        ptrdiff_t i = 0;
        for (; i + STREAMS * LANES <= n; i += STREAMS * LANES)
            UNROLL for (int v = 0; v < STREAMS; v++)
                STORE(buffer + i + v * LANES, factor * LOAD(buffer + i + v * LANES));
        for (; i < n; i++)
            buffer[i] *= x;
        PASS_ENDS;
    }
}
