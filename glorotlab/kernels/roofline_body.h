/* The loops for one SIMD level and one REAL, in the words of vectors.h. */

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
    *sum = 0;
    for (int c = 0; c < CHAINS; c++)
        *sum += SUM(value[c]);
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
    *sum = rest;
    for (int v = 0; v < STREAMS; v++)
        *sum += SUM(partial[v]);
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
