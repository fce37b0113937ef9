/* Update: w steps by z' d, a strip of some of its columns after the other. Part of tiles_body.h. */

/* A Descent in vectors; `keep` is what stays of w, in w or in the velocity. */
typedef struct {
    VECTOR keep, rate, momentum;
    int nesterov;
} NAME(rule);

/* w from what it was and `changed` = keep w - rate z' d, through the velocity v unless that is null. */
INLINE void NAME(descend)(const NAME(rule) *rule, const int some, VECTOR old, VECTOR changed, REAL *w, REAL *v)
{
    if (v) {
        const VECTOR velocity = FMA(rule->momentum, NAME(load)(v, some), changed);
        NAME(store)(v, velocity, some);
        changed = old + (rule->nesterov ? FMA(rule->momentum, velocity, changed) : velocity);
    }
    NAME(store)(w, changed, some);
}

/* Some columns of w (rows, ...) step by x' d, summed over a batch of x(r, a) = x[r + a next]. If `stepping`, x has the
   rate and sums begin at what is kept of w; else at 0, so that many examples lose no digits to w. The w before the tile is
   fetched, and what is `ahead` of d unless that is null. */
INLINE void NAME(update_strip)(const int rows, const int vectors, const int some, const int stepping, const REAL *x,
                               ptrdiff_t next, const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, REAL *v, ptrdiff_t ldv,
                               int batch, int tile, const REAL *ahead, const NAME(rule) *rule)
{
    VECTOR sum[ROWS][WIDEST];
    DISTINCT(rule); /* or its vectors would take registers where there are none to spare */
    UNROLL for (int r = 0; r < rows; r++) /* constants index `sum` */
        UNROLL for (int u = 0; u < vectors; u++)
            sum[r][u] = stepping ? rule->keep * NAME(load)(w + r * ldw + u * LANES, some) : BROADCAST(0);
    NAME(multiply)(rows, vectors, some, x, 1, next, d, ldd, batch, ahead, ldd, sum);
    DISTINCT(rule);
#if REGISTERS == 32
    const NAME(rule) own = *rule; /* stays in registers, where stores to w would have it loaded again */
    rule = &own;
#endif
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int u = 0; u < vectors; u++) {
            REAL *place = w + r * ldw + u * LANES;
            const VECTOR old = NAME(load)(place, some);
            NAME(fetch)(w + (r - tile) * ldw, u);
            if (v)
                NAME(fetch)(v + (r - tile) * ldv, u);
            NAME(descend)(rule, some, old, stepping ? sum[r][u] : FMA(-rule->rate, sum[r][u], rule->keep * old), place,
                          AT(v, r * ldv + u * LANES));
        }
}

/* w (rows, fan_out) steps by z' d, where d is read from `strips` unless they are null */
INLINE void NAME(update_tile)(const REAL *d, ptrdiff_t ldd, const REAL *strips, REAL *w, ptrdiff_t ldw, REAL *v, ptrdiff_t ldv,
                              const REAL *z, ptrdiff_t ldz, int batch, int rows, int fan_out, const NAME(rule) *rule)
{
    const ptrdiff_t ld = strips ? VECTORS * LANES : ldd;
    int j = 0;
#define WHOLE(n) \
    NAME(update_strip)(n, VECTORS, 0, 0, z + i, ldz, strip, ld, w + i * ldw + j, ldw, AT(v, i * ldv + j), ldv, batch, rows, \
                       i == 0 ? after : NULL, rule)
#define SOME(n) \
    NAME(update_strip)(n, 1, fan_out - j < LANES ? fan_out - j : LANES, 0, z + i, ldz, d + j, ldd, w + i * ldw + j, ldw, \
                       AT(v, i * ldv + j), ldv, batch, rows, NULL, rule)
    for (; j + VECTORS * LANES <= fan_out; j += VECTORS * LANES) {
        const REAL *strip = strips ? strips + (ptrdiff_t)j * batch : d + j;
        const REAL *after = strips ? strip + VECTORS * LANES * (ptrdiff_t)batch : strip + VECTORS * LANES;
        FOR_BLOCKS(i, rows, WHOLE)
    }
    for (; j < fan_out; j += LANES)
        FOR_BLOCKS(i, rows, SOME)
#undef WHOLE
#undef SOME
}

/* A thread's strips of d, of those that are whole: all examples of VECTORS vectors of units, then of the next. */
INLINE void NAME(strips)(const REAL *d, ptrdiff_t ldd, REAL *out, int batch, int fan_out, int thread, int threads)
{
    const int width = VECTORS * LANES;
    for (int j = thread * width; j + width <= fan_out; j += threads * width)
        NAME(strip)(d + j, ldd, out + (ptrdiff_t)j * batch, batch);
}
