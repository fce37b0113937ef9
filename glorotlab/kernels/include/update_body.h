/* Update: w steps by z' d, a strip of some of its columns after the other. Part of tiles_body.h.

   What AT_ONCE examples have of z lies packed in the first cache, where all columns find it. Sums of a larger batch wait
   for its next examples in the second cache, of so many BYTES_OF_SUMS. Layers of 1,000 units were as slow or slower with
   64 and with 256 examples. */

#define AT_ONCE 128
#define FEW_COLUMNS 64 /* for which z is not packed */
#define BYTES_OF_SUMS 49152
#define COLUMNS ((int)(BYTES_OF_SUMS / (ROW_TILE * sizeof(REAL))))

/* A Descent in vectors; `keep` is what stays of w, in w or in the velocity. */
typedef struct {
    VECTOR keep, rate, momentum;
    int nesterov, keeps_all; /* keeps_all: `keep` is 1, and nothing needs multiplying by it */
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

/* Some columns of z (examples, ...) side by side, in rows of ROW_TILE. Those before them, of the next tile, are fetched. */
INLINE void NAME(pack_rows)(const REAL *z, ptrdiff_t ldz, REAL *x, int examples, int rows)
{
    for (int a = 0; a < examples; a++) {
        int r = 0;
        PREFETCH(z + a * ldz - ROW_TILE);
        for (; r + LANES <= rows; r += LANES)
            STORE(x + a * ROW_TILE + r, LOAD(z + a * ldz + r));
        if (r < rows)
            STORE(x + a * ROW_TILE + r, LOAD_SOME(z + a * ldz + r, rows - r));
    }
}

/* sums (rows, some columns), from 0 on if `first`, += x' d over a part of a batch of x(r, a) = x[r + a next]; what is
   `ahead` of d is fetched. */
INLINE void NAME(add_strip)(const int rows, const REAL *x, ptrdiff_t next, const REAL *d, ptrdiff_t ldd, int examples,
                            const REAL *ahead, REAL *sums, int first)
{
    VECTOR sum[ROWS][WIDEST];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int u = 0; u < VECTORS; u++)
            sum[r][u] = first ? BROADCAST(0) : LOAD(sums + (r * VECTORS + u) * LANES);
    NAME(multiply)(rows, VECTORS, 0, x, 1, next, d, ldd, examples, ahead, ldd, 0, sum);
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int u = 0; u < VECTORS; u++)
            STORE(sums + (r * VECTORS + u) * LANES, sum[r][u]);
}

/* Some columns of w (rows, ...) step by x' d, summed over a batch of x(r, a) = x[r + a next]. If `stepping`, x has the
   rate and sums begin at what is kept of w; else at `sums`, or at 0 where that is null, so that many examples lose no digits
   to w. The w before the tile is fetched, and what is `ahead` of d unless that is null. */
INLINE void NAME(update_strip)(const int rows, const int vectors, const int some, const int stepping, const REAL *x,
                               ptrdiff_t next, const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, REAL *v, ptrdiff_t ldv,
                               int batch, int tile, const REAL *ahead, const REAL *sums, const NAME(rule) *rule)
{
    VECTOR sum[ROWS][WIDEST];
    REAL *row[(ROWS + 2) / 3];
#define OF_W(r, u) (row[(r) / 3] + (r) % 3 * ldw + (u) * LANES) /* as in `multiply` */
#define START_AT(first) \
    for (int r = 0; r < rows; r += 3) { \
        row[r / 3] = (first) + r * ldw; \
        DISTINCT(row[r / 3]); \
    }
    DISTINCT(rule); /* or its vectors would take registers where there are none to spare */
    START_AT(w)
    UNROLL for (int r = 0; r < rows; r++) /* constants index `sum` */
        UNROLL for (int u = 0; u < vectors; u++)
            sum[r][u] = stepping ? NAME(load)(OF_W(r, u), some)
                        : sums   ? LOAD(sums + (r * VECTORS + u) * LANES)
                                 : BROADCAST(0);
    if (stepping && !rule->keeps_all)
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int u = 0; u < vectors; u++)
                sum[r][u] = rule->keep * sum[r][u];
    NAME(multiply)(rows, vectors, some, x, 1, next, d, ldd, batch, ahead, ldd, 0, sum);
    DISTINCT(rule);
#if REGISTERS == 32
    const NAME(rule) own = *rule; /* stays in registers, where stores to w would have it loaded again */
    rule = &own;
#endif
    START_AT(w)
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int u = 0; u < vectors; u++) {
            const VECTOR old = NAME(load)(OF_W(r, u), some);
            if (v)
                NAME(fetch)(v + (r - tile) * ldv, u, 0);
            NAME(descend)(rule, some, old, stepping ? sum[r][u] : FMA(-rule->rate, sum[r][u], rule->keep * old), OF_W(r, u),
                          AT(v, r * ldv + u * LANES));
        }
    START_AT(w - tile * ldw)
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int u = 0; u < vectors; u++)
            NAME(fetch)(OF_W(r, 0), u, 0);
#undef OF_W
#undef START_AT
}

/* Some whole strips of w step. */
INLINE void NAME(update_columns)(const REAL *d, ptrdiff_t ldd, const REAL *strips, REAL *w, ptrdiff_t ldw, REAL *v,
                                 ptrdiff_t ldv, const REAL *z, ptrdiff_t ldz, int batch, int rows, int columns,
                                 const NAME(rule) *rule)
{
    const int packs = columns > FEW_COLUMNS, at_once = glorotlab_block(rows, ROWS);
    const ptrdiff_t ld = strips ? VECTORS * LANES : ldd, next = packs ? ROW_TILE : ldz;
    VECTOR sums[ROW_TILE * COLUMNS / LANES], packed[AT_ONCE * ROW_TILE / LANES + 1];
#define PART(n) \
    NAME(add_strip)(n, x + i, next, strip, ld, some, i == 0 ? after : NULL, (REAL *)sums + j * ROW_TILE + i * VECTORS * LANES, \
                    a == 0)
#define LAST(n) \
    NAME(update_strip)(n, VECTORS, 0, 0, x + i, next, strip, ld, w + i * ldw + j, ldw, AT(v, i * ldv + j), ldv, some, \
                       rows, i == 0 ? after : NULL, a ? (REAL *)sums + j * ROW_TILE + i * VECTORS * LANES : NULL, rule)
    for (int a = 0; a < batch; a += AT_ONCE) {
        const int some = batch - a < AT_ONCE ? batch - a : AT_ONCE;
        const REAL *x = packs ? (REAL *)packed : z + a * ldz;
        if (packs)
            NAME(pack_rows)(z + a * ldz, ldz, (REAL *)packed, some, rows);
        for (int j = 0; j < columns; j += VECTORS * LANES) {
            const REAL *strip = strips ? strips + (ptrdiff_t)j * batch + a * ld : d + a * ldd + j;
            const REAL *after = strip + (strips ? ld * batch : VECTORS * LANES);
            if (a + some < batch)
                FOR_BLOCKS(i, rows, at_once, PART)
            else
                FOR_BLOCKS(i, rows, at_once, LAST)
        }
    }
#undef PART
#undef LAST
}

/* w (rows, fan_out) steps by z' d, where d is read from `strips` unless they are null */
INLINE void NAME(update_tile)(const REAL *d, ptrdiff_t ldd, const REAL *strips, REAL *w, ptrdiff_t ldw, REAL *v, ptrdiff_t ldv,
                              const REAL *z, ptrdiff_t ldz, int batch, int rows, int fan_out, const NAME(rule) *rule)
{
    const int whole = fan_out / (VECTORS * LANES) * (VECTORS * LANES), at_once = glorotlab_block(rows, ROWS);
    int j = 0;
#define SOME(n) \
    NAME(update_strip)(n, 1, fan_out - j < LANES ? fan_out - j : LANES, 0, z + i, ldz, d + j, ldd, w + i * ldw + j, ldw, \
                       AT(v, i * ldv + j), ldv, batch, rows, NULL, NULL, rule)
    for (int columns; j < whole; j += columns) {
        columns = whole - j < COLUMNS ? whole - j : COLUMNS;
        NAME(update_columns)(d + j, ldd, strips ? strips + (ptrdiff_t)j * batch : NULL, w + j, ldw, AT(v, j), ldv, z, ldz,
                             batch, rows, columns, rule);
    }
    for (; j < fan_out; j += LANES)
        FOR_BLOCKS(i, rows, at_once, SOME)
#undef SOME
}

/* A thread's strips of d, of those that are whole: all examples of VECTORS vectors of units, then of the next. */
INLINE void NAME(strips)(const REAL *d, ptrdiff_t ldd, REAL *out, int batch, int fan_out, int thread, int threads)
{
    const int width = VECTORS * LANES;
    for (int j = thread * width; j + width <= fan_out; j += threads * width)
        NAME(strip)(d + j, ldd, out + (ptrdiff_t)j * batch, batch);
}

#undef AT_ONCE
#undef FEW_COLUMNS
#undef BYTES_OF_SUMS
#undef COLUMNS
