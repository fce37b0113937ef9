/* Back and update of a small batch: w is read once, goes back as it was, and steps. Part of tiles_body.h.

   Where the sums and the steps of all examples fit into registers, two rows of w go by once, vector by vector. Where they
   do not, a few rows by a few columns of w stay in the first cache, and go back and step one after the other. */

#if REGISTERS == 32
#define ONE_PASS SMALL_BATCH /* examples that fit */
#else
#define ONE_PASS 4
#endif
#define PAIR 2   /* rows of w that go back together */
#define FEW 12   /* rows of w that stay in the first cache, and bytes of each; twice as many were slower */
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
    for (; k + LANES <= count; k += LANES)
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
#define DOTS(n) \
    do { \
        int i = 0; \
        for (; i + PAIR <= rows; i += PAIR) \
            NAME(dots)(n, PAIR, d + a * ldd, ldd, w + i * ldw, ldw, count, sums + i * SMALL_BATCH + a, first); \
        if (i < rows) \
            NAME(dots)(n, 1, d + a * ldd, ldd, w + i * ldw, ldw, count, sums + i * SMALL_BATCH + a, first); \
    } while (0)
#define STRIP(n, vectors, some, stepping) \
    NAME(update_strip)(n, vectors, some, stepping, x + i, FEW, d + j, ldd, w + i * ldw + j, ldw, AT(v, i * ldv + j), ldv, \
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
    if (sums) {
        FOR_BLOCKS(a, batch, DOTS)
        FOR_BLOCKS(i, rows, STEP)
    } else
        FOR_BLOCKS(i, rows, ONLY_STEP)
#undef DOTS
#undef STRIP
#undef STRIPS
#undef STEP
#undef ONLY_STEP
}

/* A few rows of w, chunk by chunk of their columns. */
INLINE void NAME(two_passes)(const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, REAL *v, ptrdiff_t ldv, REAL *out,
                             ptrdiff_t ldo, const REAL *z, ptrdiff_t ldz, int batch, int rows, int fan_out,
                             const NAME(rule) *rule, REAL rate)
{
    VECTOR sums[FEW * SMALL_BATCH];
    REAL x[SMALL_BATCH * FEW];
    for (int i = 0; i < FEW; i++)
        for (int a = batch; a < SMALL_BATCH; a++)
            sums[i * SMALL_BATCH + a] = BROADCAST(0); /* folded with the others */
    for (int a = 0; a < batch; a++)
        for (int i = 0; i < rows; i++)
            x[a * FEW + i] = out ? rate * -z[a * ldz + i] : z[a * ldz + i];
    for (int k = 0; k < fan_out; k += CHUNK)
        NAME(back_and_step)(d + k, ldd, w + k, ldw, AT(v, k), ldv, x, batch, rows, fan_out - k < CHUNK ? fan_out - k : CHUNK,
                            out ? sums : NULL, k == 0, rule);
    for (int i = 0; out && i < rows; i++) {
        REAL folded[SMALL_BATCH];
        NAME(fold)(SMALL_BATCH, sums + i * SMALL_BATCH, folded, 1);
        for (int a = 0; a < batch; a++)
            out[a * ldo + i] = folded[a];
    }
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
    FOR_BLOCKS(a, batch, PASSES)
#undef PASS
#undef PASSES
}

#undef PAIR
#undef FEW
#undef CHUNK
