/* Back and update of a small batch: w is read once, goes back as it was, and steps. Part of tiles_body.h.

   Where the sums and the steps of all examples fit into registers, two rows of w go by once, vector by vector. Where they
   do not, a few rows by a few columns of w stay in the first cache, and go back and step one after the other. */

#if REGISTERS == 32
#define ONE_PASS SMALL_BATCH /* examples that fit */
#else
#define ONE_PASS 4
#endif
#define PAIR 2        /* rows of w that go back together */
#define FEW 12        /* rows of w that stay in the first cache, and bytes of each; twice as many were slower */
#define FEW_PADDED 16 /* the same in whole vectors of any level */
#define CHUNK ((int)(1024 / sizeof(REAL)))

/* The sums of the lanes of vectors, one for each example. */
INLINE void NAME(fold)(const int count, const VECTOR *sum, REAL *out, ptrdiff_t ldo)
{
    REAL four[4];
    UNROLL for (int a = 0; a < count; a += 4) {
#define SUM_OF(b) ((b) < count ? sum[b] : BROADCAST(0))
        SUMS(SUM_OF(a), SUM_OF(a + 1), SUM_OF(a + 2), SUM_OF(a + 3), four);
#undef SUM_OF
        for (int b = 0; b < 4; b++)
            if (a + b < count)
                out[(a + b) * ldo] = four[b];
    }
}

/* One vector, or `some` of its lanes, of each row and example in one_pass. */
INLINE void NAME(pass_step)(const int examples, const int rows, const int some, const REAL *d, ptrdiff_t ldd, REAL *w,
                            ptrdiff_t ldw, REAL *v, ptrdiff_t ldv, const NAME(rule) *rule, VECTOR step[PAIR][SMALL_BATCH],
                            VECTOR sum[PAIR][SMALL_BATCH])
{
    VECTOR old[PAIR], changed[PAIR];
    for (int i = 0; i < rows; i++) {
        old[i] = NAME(load)(w + i * ldw, some);
        changed[i] = rule->keep * old[i];
        PREFETCH(w + (i - rows) * ldw);
        if (v)
            PREFETCH(v + (i - rows) * ldv);
    }
    UNROLL for (int a = 0; a < examples; a++) {
        VECTOR gradient = NAME(load)(d + a * ldd, some);
        KEEP(gradient);
        for (int i = 0; i < rows; i++) {
            sum[i][a] = FMA(gradient, old[i], sum[i][a]);
            changed[i] = FMA(step[i][a], gradient, changed[i]);
        }
    }
    for (int i = 0; i < rows; i++)
        NAME(descend)(rule, some, old[i], changed[i], w + i * ldw, AT(v, i * ldv));
}

/* Some rows of w for all examples, in registers. */
INLINE void NAME(one_pass)(const int examples, const int rows, const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, REAL *v,
                           ptrdiff_t ldv, REAL *out, ptrdiff_t ldo, const REAL *z, ptrdiff_t ldz, int fan_out,
                           const NAME(rule) *rule)
{
    VECTOR sum[PAIR][SMALL_BATCH], step[PAIR][SMALL_BATCH];
    int k = 0;
    for (int i = 0; i < rows; i++)
        for (int a = 0; a < examples; a++) {
            sum[i][a] = BROADCAST(0);
            step[i][a] = rule->rate * BROADCAST(-z[a * ldz + i]);
        }
    for (; k + LANES <= fan_out; k += LANES)
        NAME(pass_step)(examples, rows, 0, d + k, ldd, w + k, ldw, AT(v, k), ldv, rule, step, sum);
    if (k < fan_out)
        NAME(pass_step)(examples, rows, fan_out - k, d + k, ldd, w + k, ldw, AT(v, k), ldv, rule, step, sum);
    UNROLL for (int i = 0; i < rows; i++)
        NAME(fold)(examples, sum[i], out + i, ldo);
}

#if ONE_PASS < SMALL_BATCH
/* One vector, or `some` of its lanes, of each row and example in `dots`. */
INLINE void NAME(dot_step)(const int examples, const int rows, const int some, const REAL *d, ptrdiff_t ldd, const REAL *w,
                           ptrdiff_t ldw, VECTOR sum[PAIR][ROWS])
{
    VECTOR of_w[PAIR];
    for (int i = 0; i < rows; i++)
        of_w[i] = NAME(load)(w + i * ldw, some);
    UNROLL for (int a = 0; a < examples; a++) {
        VECTOR gradient = NAME(load)(d + a * ldd, some);
        KEEP(gradient);
        for (int i = 0; i < rows; i++)
            sum[i][a] = FMA(gradient, of_w[i], sum[i][a]);
    }
}

/* sums (rows, examples), from 0 on if `first`, += w (rows, count) d (examples, count)', lane by lane */
INLINE void NAME(dots)(const int examples, const int rows, const REAL *d, ptrdiff_t ldd, const REAL *w, ptrdiff_t ldw, int count,
                       VECTOR *sums, int first)
{
    VECTOR sum[PAIR][ROWS];
    int k = 0;
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int a = 0; a < examples; a++)
            sum[i][a] = first ? BROADCAST(0) : sums[i * SMALL_BATCH + a];
    UNROLL_ROWS for (; k + LANES <= count; k += LANES)
        NAME(dot_step)(examples, rows, 0, d + k, ldd, w + k, ldw, sum);
    if (k < count)
        NAME(dot_step)(examples, rows, count - k, d + k, ldd, w + k, ldw, sum);
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int a = 0; a < examples; a++)
            sums[i * SMALL_BATCH + a] = sum[i][a];
}

/* Some columns of w (rows, ...), the `first` or later ones, go back into sums (rows, examples), and step by x' d for
   x (examples, rows) that has the rate. If sums are null, they only step, and x is without the rate as in update_tile. */
INLINE void NAME(back_and_step)(const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, REAL *v, ptrdiff_t ldv, const REAL *x,
                                int batch, int rows, int count, VECTOR *sums, int first, const NAME(rule) *rule)
{
#define DOTS_OF(n, some_rows) \
    NAME(dots)(n, some_rows, d + a * ldd, ldd, w + i * ldw, ldw, count, sums + i * SMALL_BATCH + a, first)
#define DOTS(n) DOTS_OF(n, PAIR)
#define LAST_DOTS(n) DOTS_OF(n, 1)
#define STRIP(n, vectors, some, stepping) \
    NAME(update_strip)(n, vectors, some, stepping, x + i, FEW_PADDED, d + j, ldd, w + i * ldw + j, ldw, AT(v, i * ldv + j), ldv, \
                       batch, rows, NULL, NULL, rule)
#define STRIPS(n, stepping) \
    do { \
        int j = 0; \
        for (; j + VECTORS * LANES <= count; j += VECTORS * LANES) \
            STRIP(n, VECTORS, 0, stepping); \
        for (; j < count; j += LANES) \
            STRIP(n, 1, count - j < LANES ? count - j : LANES, stepping); \
    } while (0)
#define STEP(n) STRIPS(n, 1)
#define ONLY_STEP(n) STRIPS(n, 0)
    const int examples = glorotlab_block(batch, ROWS), at_once = glorotlab_block(rows, ROWS);
    if (sums) {
        for (int i = 0; i < rows; i += PAIR)
            if (i + PAIR <= rows)
                FOR_BLOCKS(a, batch, examples, DOTS)
            else
                FOR_BLOCKS(a, batch, examples, LAST_DOTS)
        FOR_BLOCKS(i, rows, at_once, STEP)
    } else
        FOR_BLOCKS(i, rows, at_once, ONLY_STEP)
#undef DOTS_OF
#undef DOTS
#undef LAST_DOTS
#undef STRIP
#undef STRIPS
#undef STEP
#undef ONLY_STEP
}

/* Some columns of z (examples, ...) times `scale` side by side, in rows of FEW_PADDED. */
INLINE void NAME(scale_rows)(const REAL *z, ptrdiff_t ldz, REAL *x, int examples, int rows, REAL scale)
{
    const VECTOR scales = BROADCAST(scale);
    for (int a = 0; a < examples; a++)
        for (int i = 0; i < rows; i += LANES)
            STORE(x + a * FEW_PADDED + i, scales * NAME(load)(z + a * ldz + i, rows - i < LANES ? rows - i : 0));
}

/* out (batch, rows) = the sums of the lanes of sums (rows, examples) */
INLINE void NAME(fold_rows)(const VECTOR *sums, REAL *out, ptrdiff_t ldo, int batch, int rows)
{
    REAL four[4];
    for (int i = 0; i < rows; i += 4) /* rows beyond the last are 0, up to FEW */
        for (int a = 0; a < batch; a++) {
            const VECTOR *of_a = sums + i * SMALL_BATCH + a;
            SUMS(of_a[0], of_a[SMALL_BATCH], of_a[2 * SMALL_BATCH], of_a[3 * SMALL_BATCH], four);
            if (rows - i >= 4)
                memcpy(out + a * ldo + i, four, sizeof(four));
            else
                for (int r = 0; r < rows - i; r++)
                    out[a * ldo + i + r] = four[r];
        }
}

/* A few rows of w, chunk by chunk of their columns. */
INLINE void NAME(two_passes)(const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, REAL *v, ptrdiff_t ldv, REAL *out,
                             ptrdiff_t ldo, const REAL *z, ptrdiff_t ldz, int batch, int rows, int fan_out,
                             const NAME(rule) *rule, REAL rate)
{
    VECTOR sums[FEW * SMALL_BATCH];
    REAL x[SMALL_BATCH * FEW_PADDED];
    for (int i = rows * SMALL_BATCH; i < FEW * SMALL_BATCH; i++)
        sums[i] = BROADCAST(0); /* folded with the others */
    NAME(scale_rows)(z, ldz, x, batch, rows, out ? -rate : 1);
    for (int k = 0; k < fan_out; k += CHUNK)
        NAME(back_and_step)(d + k, ldd, w + k, ldw, AT(v, k), ldv, x, batch, rows, fan_out - k < CHUNK ? fan_out - k : CHUNK,
                            out ? sums : NULL, k == 0, rule);
    if (out)
        NAME(fold_rows)(sums, out, ldo, batch, rows);
}
#endif

/* w (rows, fan_out) steps by z' d, and out (batch, rows) = d (batch, fan_out) w' with the w from before, unless out is null,
   as it may be where not all small batches go in ONE_PASS */
INLINE void NAME(back_and_update)(const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, REAL *v, ptrdiff_t ldv, REAL *out,
                                  ptrdiff_t ldo, const REAL *z, ptrdiff_t ldz, int batch, int rows, int fan_out,
                                  const NAME(rule) *rule, REAL rate)
{
#if ONE_PASS < SMALL_BATCH
    if (batch > ONE_PASS || !out) {
        for (int i = (rows - 1) / FEW * FEW; i >= 0; i -= FEW)
            NAME(two_passes)(d, ldd, w + i * ldw, ldw, AT(v, i * ldv), ldv, AT(out, i), ldo, z + i, ldz, batch,
                             rows - i < FEW ? rows - i : FEW, fan_out, rule, rate);
        return;
    }
#else
    (void)rate;
#endif
#define PASS(n, some_rows) \
    NAME(one_pass)(n, some_rows, d, ldd, w + i * ldw, ldw, AT(v, i * ldv), ldv, out + i, ldo, z + i, ldz, fan_out, rule)
#define PASSES(n) \
    do { \
        int i = rows; \
        if ((n) > ONE_PASS) \
            break; \
        if (i % PAIR) { \
            i--; \
            PASS(n, 1); \
        } \
        while (i > 0) { \
            i -= PAIR; \
            PASS(n, PAIR); \
        } \
    } while (0)
    FOR_BLOCKS(a, batch, glorotlab_block(batch, ROWS), PASSES)
#undef PASS
#undef PASSES
}

#undef PAIR
#undef FEW
#undef FEW_PADDED
#undef CHUNK
