/* The tiles for one SIMD level and one REAL, in the words of vectors.h.

   The *_block functions take their counts as constants: the compiler unrolls them and keeps the arrays in registers. */

/* s (examples, some columns) += z (examples, rows) w (rows, some columns): `vectors` whole vectors, or one of `some`.
   As many weights are fetched from `ahead` as are used. */
INLINE void NAME(forward_strip)(const int examples, const int rows, const int vectors, const int some,
                                const REAL *ahead, const REAL *z, ptrdiff_t ldz, const REAL *w, ptrdiff_t ldw, REAL *s, ptrdiff_t lds)
{
    VECTOR sum[MOST_EXAMPLES][VECTORS];
    for (int a = 0; a < examples; a++)
        for (int v = 0; v < vectors; v++)
            sum[a][v] = some ? LOAD_SOME(s + a * lds, some) : LOAD(s + a * lds + v * LANES);
    UNROLL_ROWS for (int i = 0; i < rows; i++) {
        VECTOR weight[VECTORS];
        for (int v = 0; v < vectors; v++) {
            weight[v] = some ? LOAD_SOME(w + i * ldw, some) : LOAD(w + i * ldw + v * LANES);
            if (ahead)
                PREFETCH(ahead + (i * vectors + v) * LANES);
        }
        UNROLL for (int a = 0; a < examples; a++) {
            const VECTOR x = BROADCAST(z[a * ldz + i]);
            for (int v = 0; v < vectors; v++)
                sum[a][v] = FMA(x, weight[v], sum[a][v]);
        }
    }
    for (int a = 0; a < examples; a++)
        for (int v = 0; v < vectors; v++)
            if (some)
                STORE_SOME(s + a * lds, sum[a][v], some);
            else
                STORE(s + a * lds + v * LANES, sum[a][v]);
}

/* All of w's columns. `ahead`: the rows after these are fetched meanwhile, in the order of memory. */
INLINE void NAME(forward_block)(const int examples, const int rows, const int ahead, const REAL *z, ptrdiff_t ldz,
                                const REAL *w, ptrdiff_t ldw, REAL *s, ptrdiff_t lds, int width)
{
    int j = 0;
    for (; j + VECTORS * LANES <= width; j += VECTORS * LANES)
        NAME(forward_strip)(examples, rows, VECTORS, 0, ahead ? w + rows * (ldw + j) : NULL, z, ldz, w + j, ldw, s + j, lds);
    for (; j + LANES <= width; j += LANES)
        NAME(forward_strip)(examples, rows, 1, 0, ahead ? w + rows * (ldw + j) : NULL, z, ldz, w + j, ldw, s + j, lds);
    if (j < width)
        NAME(forward_strip)(examples, rows, 1, width - j, NULL, z, ldz, w + j, ldw, s + j, lds);
}

/* s (batch, width) += z (batch, fan_in) w (fan_in, width) */
TARGET static void NAME(forward_tile)(const REAL *z, ptrdiff_t ldz, const REAL *w, ptrdiff_t ldw, REAL *s,
                                      ptrdiff_t lds, int batch, int fan_in, int width)
{
#define MANY_ROWS(n) \
    NAME(forward_block)(n, FORWARD_ROWS, a == 0, z + a * ldz + i, ldz, w + i * ldw, ldw, s + a * lds, lds, width)
#define LAST_ROWS(n) NAME(forward_block)(n, fan_in - i, 0, z + a * ldz + i, ldz, w + i * ldw, ldw, s + a * lds, lds, width)
    int i = 0;
    for (; i + FORWARD_ROWS <= fan_in; i += FORWARD_ROWS)
        FOR_EXAMPLES(batch, MANY_ROWS)
    if (i < fan_in)
        FOR_EXAMPLES(batch, LAST_ROWS)
#undef MANY_ROWS
#undef LAST_ROWS
}

/* One vector, or `some` of its lanes, of each row and example in backward_block. */
INLINE void NAME(backward_step)(const int examples, const int rows, const int back, const int update, const int some,
                                const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, VECTOR keep,
                                VECTOR step[ROWS][MOST_EXAMPLES], VECTOR sum[ROWS][MOST_EXAMPLES])
{
    VECTOR old[ROWS], changed[ROWS];
    for (int i = 0; i < rows; i++) {
        old[i] = some ? LOAD_SOME(w + i * ldw, some) : LOAD(w + i * ldw);
        changed[i] = keep * old[i];
        PREFETCH(w + (i + rows) * ldw);
    }
    UNROLL for (int a = 0; a < examples; a++) {
        VECTOR gradient = some ? LOAD_SOME(d + a * ldd, some) : LOAD(d + a * ldd);
        KEEP(gradient);
        for (int i = 0; i < rows; i++) {
            if (back)
                sum[i][a] = FMA(gradient, old[i], sum[i][a]);
            if (update)
                changed[i] = FMA(step[i][a], gradient, changed[i]);
        }
    }
    for (int i = 0; i < rows && update; i++)
        if (some)
            STORE_SOME(w + i * ldw, changed[i], some);
        else
            STORE(w + i * ldw, changed[i]);
}

/* One pass over w (rows, fan_out):
   `back`:   out (examples, rows) = d (examples, fan_out) w'
   `update`: w = keep w - rate z' d for z (examples, rows)
   Both at once: the weights that carry back are those before the update. */
INLINE void NAME(backward_block)(const int examples, const int rows, const int back, const int update, const REAL *d,
                                 ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, REAL *out, ptrdiff_t ldo, const REAL *z,
                                 ptrdiff_t ldz, int fan_out, REAL keep, REAL rate)
{
    VECTOR sum[ROWS][MOST_EXAMPLES], step[ROWS][MOST_EXAMPLES];
    int k = 0;
    for (int i = 0; i < rows; i++)
        for (int a = 0; a < examples; a++) {
            sum[i][a] = BROADCAST(0);
            step[i][a] = update ? BROADCAST(-rate * z[a * ldz + i]) : sum[i][a];
        }
    for (; k + LANES <= fan_out; k += LANES)
        NAME(backward_step)(examples, rows, back, update, 0, d + k, ldd, w + k, ldw, BROADCAST(keep), step, sum);
    if (k < fan_out)
        NAME(backward_step)(examples, rows, back, update, fan_out - k, d + k, ldd, w + k, ldw, BROADCAST(keep), step, sum);
    for (int i = 0; i < rows && back; i++)
        for (int a = 0; a < examples; a++)
            out[a * ldo + i] = SUM(sum[i][a]);
}

/* The row or rows of w that one call of backward_tile's loop takes, for the whole batch. */
INLINE void NAME(backward_rows)(const int rows, const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, REAL *out,
                                ptrdiff_t ldo, const REAL *z, ptrdiff_t ldz, int batch, int fan_out, REAL keep,
                                REAL rate)
{
#define BLOCK(n, back, update, kept) \
    NAME(backward_block)(n, rows, back, update, d + a * ldd, ldd, w, ldw, out + a * ldo, ldo, z + a * ldz, ldz, fan_out, \
                         kept, rate)
#define BOTH(n) BLOCK(n, 1, 1, keep)
#define BACK(n) BLOCK(n, 1, 0, 1)
#define UPDATE(n) BLOCK(n, 0, 1, a ? 1 : keep)
    if (out && z && batch == glorotlab_block(batch)) {
        FOR_EXAMPLES(batch, BOTH)
        return;
    }
    if (out)
        FOR_EXAMPLES(batch, BACK)
    if (z)
        FOR_EXAMPLES(batch, UPDATE)
#undef BLOCK
#undef BOTH
#undef BACK
#undef UPDATE
}

/* out (batch, rows) = d (batch, fan_out) w' unless out is null, then
   w (rows, fan_out) = keep w - rate z' d for z (batch, rows) unless z is null */
TARGET static void NAME(backward_tile)(const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, REAL *out, ptrdiff_t ldo,
                                       const REAL *z, ptrdiff_t ldz, int batch, int rows, int fan_out, REAL keep,
                                       REAL rate)
{
#define AT(pointer, i) ((pointer) ? (pointer) + (i) : (pointer))
    int i = 0;
    for (; i + ROWS <= rows; i += ROWS)
        NAME(backward_rows)(ROWS, d, ldd, w + i * ldw, ldw, AT(out, i), ldo, AT(z, i), ldz, batch, fan_out, keep, rate);
    for (; i < rows; i++)
        NAME(backward_rows)(1, d, ldd, w + i * ldw, ldw, AT(out, i), ldo, AT(z, i), ldz, batch, fan_out, keep, rate);
#undef AT
}
