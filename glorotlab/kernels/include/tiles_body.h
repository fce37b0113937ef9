/* The tiles for one SIMD level and one REAL, in the words of vectors.h.

   Counts that are `const int` are constants where the functions are used: the compiler unrolls their loops and keeps the
   arrays in registers. `some` stands for one vector of so many lanes, 0 for whole ones. */

INLINE VECTOR NAME(load)(const REAL *address, const int some) { return some ? LOAD_SOME(address, some) : LOAD(address); }

INLINE void NAME(store)(REAL *address, VECTOR value, const int some)
{
    if (some)
        STORE_SOME(address, value, some);
    else
        STORE(address, value);
}

/* sum[r] += x(r, 0) y(0) + x(r, 1) y(1) + ..., one after the other, of n rows y(i) of some vectors, for
   x(r, i) = x[r ldx + i next]. Meanwhile the rows from `ahead` on are fetched, unless that is null.

   One pointer for every three rows: an address has room for 0, 1 or 2 times ldx. */
INLINE void NAME(multiply)(const int rows, const int vectors, const int some, const REAL *x, ptrdiff_t ldx, ptrdiff_t next,
                           const REAL *y, ptrdiff_t ldy, int n, const REAL *ahead, VECTOR sum[MOST][VECTORS])
{
    const REAL *base[(MOST + 2) / 3];
    for (int r = 0; r < rows; r += 3)
        base[r / 3] = x + r * ldx;
    UNROLL_ROWS for (int i = 0; i < n; i++) {
        VECTOR of_y[VECTORS];
        for (int v = 0; v < vectors; v++) {
            of_y[v] = NAME(load)(y + i * ldy + v * LANES, some);
            if (ahead)
                PREFETCH(ahead + i * ldy + v * LANES);
        }
        UNROLL for (int r = 0; r < rows; r++) {
            const VECTOR of_x = BROADCAST(base[r / 3][r % 3 * ldx]);
            for (int v = 0; v < vectors; v++)
                sum[r][v] = FMA(of_x, of_y[v], sum[r][v]);
        }
        for (int r = 0; r < rows; r += 3) {
            base[r / 3] += next;
            DISTINCT(base[r / 3]);
        }
    }
}

/* s (examples, some columns) += z (examples, rows) w (rows, some columns) */
INLINE void NAME(forward_strip)(const int examples, const int vectors, const int some, int rows, int ahead, const REAL *z,
                                ptrdiff_t ldz, const REAL *w, ptrdiff_t ldw, REAL *s, ptrdiff_t lds)
{
    VECTOR sum[MOST][VECTORS];
    for (int a = 0; a < examples; a++)
        for (int v = 0; v < vectors; v++)
            sum[a][v] = NAME(load)(s + a * lds + v * LANES, some);
    NAME(multiply)(examples, vectors, some, z, ldz, 1, w, ldw, rows, ahead ? w + rows * ldw : NULL, sum);
    for (int a = 0; a < examples; a++)
        for (int v = 0; v < vectors; v++)
            NAME(store)(s + a * lds + v * LANES, sum[a][v], some);
}

/* All of w's columns. The rows after these are fetched meanwhile if `ahead`. */
INLINE void NAME(forward_block)(const int examples, int rows, int ahead, const REAL *z, ptrdiff_t ldz, const REAL *w,
                                ptrdiff_t ldw, REAL *s, ptrdiff_t lds, int width)
{
    int j = 0;
    for (; j + VECTORS * LANES <= width; j += VECTORS * LANES)
        NAME(forward_strip)(examples, VECTORS, 0, rows, ahead, z, ldz, w + j, ldw, s + j, lds);
    for (; j < width; j += LANES)
        NAME(forward_strip)(examples, 1, width - j < LANES ? width - j : LANES, rows, ahead, z, ldz, w + j, ldw, s + j, lds);
}

/* s (batch, width) += z (batch, fan_in) w (fan_in, width) */
TARGET static void NAME(forward_tile)(const REAL *z, ptrdiff_t ldz, const REAL *w, ptrdiff_t ldw, REAL *s,
                                      ptrdiff_t lds, int batch, int fan_in, int width)
{
#define ROWS_OF_W(n) \
    NAME(forward_block)(n, rows, a == 0 && i + rows < fan_in, z + a * ldz + i, ldz, w + i * ldw, ldw, s + a * lds, lds, width)
    const int most = batch > MOST ? 2 * FORWARD_ROWS : FORWARD_ROWS;
    for (int i = 0; i < fan_in; i += most) {
        const int rows = fan_in - i < most ? fan_in - i : most;
        FOR_BLOCKS(a, batch, ROWS_OF_W)
    }
#undef ROWS_OF_W
}

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

#define AT(pointer, i) ((pointer) ? (pointer) + (i) : (pointer))

/* One vector, or `some` of its lanes, of each row and example in backward_block. */
INLINE void NAME(backward_step)(const int examples, const int rows, const int some, const REAL *d, ptrdiff_t ldd, REAL *w,
                                ptrdiff_t ldw, REAL *v, ptrdiff_t ldv, const NAME(rule) *rule, VECTOR step[ROWS][MOST],
                                VECTOR sum[ROWS][MOST])
{
    VECTOR old[ROWS], changed[ROWS];
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

/* One pass over w (rows, fan_out) for one block of examples: w steps by z' d for z (examples, rows), and
   out (examples, rows) = d (examples, fan_out) w' with the w from before. */
INLINE void NAME(backward_block)(const int examples, const int rows, const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw,
                                 REAL *v, ptrdiff_t ldv, REAL *out, ptrdiff_t ldo, const REAL *z, ptrdiff_t ldz, int fan_out,
                                 const NAME(rule) *rule)
{
    const int sums = rows * examples;
    VECTOR sum[ROWS][MOST], step[ROWS][MOST];
    REAL four[4];
    int k = 0;
    for (int i = 0; i < rows; i++)
        for (int a = 0; a < examples; a++) {
            sum[i][a] = BROADCAST(0);
            step[i][a] = rule->rate * BROADCAST(-z[a * ldz + i]);
        }
    for (; k + LANES <= fan_out; k += LANES)
        NAME(backward_step)(examples, rows, 0, d + k, ldd, w + k, ldw, AT(v, k), ldv, rule, step, sum);
    if (k < fan_out)
        NAME(backward_step)(examples, rows, fan_out - k, d + k, ldd, w + k, ldw, AT(v, k), ldv, rule, step, sum);
    UNROLL for (int first = 0; first < sums; first += 4) { /* constants index `sum`, or it would leave the registers */
#define SUM_OF(i) ((i) < sums ? sum[(i) / examples][(i) % examples] : BROADCAST(0))
        SUMS(SUM_OF(first), SUM_OF(first + 1), SUM_OF(first + 2), SUM_OF(first + 3), four);
#undef SUM_OF
        for (int i = 0; i < 4; i++)
            if (first + i < sums)
                out[(first + i) % examples * ldo + (first + i) / examples] = four[i];
    }
}

typedef char NAME(panels_divide)[VECTORS <= 2 && WIDEST_PANEL % (VECTORS * LANES) == 0 ? 1 : -1]; /* or does not compile */

/* Vectors of the next panel where `left` examples are left. */
INLINE int NAME(panel_vectors)(int left) { return left > (VECTORS - 1) * LANES ? VECTORS : 1; }

/* Some rows of one panel, of `vectors` vectors; what is beyond the examples is 0. */
INLINE void NAME(panel_rows)(const int rows, const int vectors, int examples, const REAL *d, ptrdiff_t ldd,
                             REAL *panel)
{
    const int width = vectors * LANES;
    int a = 0;
    for (; a < examples && a < width; a++)
        for (int k = 0; k < rows; k++)
            panel[k * width + a] = d[a * ldd + k];
    for (; a < width; a++)
        for (int k = 0; k < rows; k++)
            panel[k * width + a] = 0;
}

INLINE void NAME(panel)(const int vectors, int examples, const REAL *d, ptrdiff_t ldd, REAL *panel, int count)
{
    int k = 0;
    for (; k + 8 <= count; k += 8)
        NAME(panel_rows)(8, vectors, examples, d + k, ldd, panel + k * vectors * LANES);
    for (; k < count; k++)
        NAME(panel_rows)(1, vectors, examples, d + k, ldd, panel + k * vectors * LANES);
}

/* Rows first..first+count of d' (fan_out, batch) in panels: all units of some vectors of examples, then of the next. */
TARGET static void NAME(panels)(const REAL *d, ptrdiff_t ldd, REAL *out, int batch, int fan_out, int first, int count)
{
    int p = 0;
    for (; p < batch && NAME(panel_vectors)(batch - p) == VECTORS; p += VECTORS * LANES)
        NAME(panel)(VECTORS, batch - p, d + p * ldd + first, ldd,
                    out + (ptrdiff_t)p * fan_out + (ptrdiff_t)first * VECTORS * LANES, count);
    if (p < batch)
        NAME(panel)(1, batch - p, d + p * ldd + first, ldd, out + (ptrdiff_t)p * fan_out + (ptrdiff_t)first * LANES, count);
}

/* out (examples, rows) = (w panel)' for one panel of `vectors` vectors */
INLINE void NAME(back_strip)(const int rows, const int vectors, const REAL *panel, int examples, const REAL *w, ptrdiff_t ldw,
                             REAL *out, ptrdiff_t ldo, int fan_out)
{
    VECTOR sum[MOST][VECTORS];
    REAL lanes[MOST][VECTORS * LANES];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sum[r][v] = BROADCAST(0);
    NAME(multiply)(rows, vectors, 0, w, ldw, 1, panel, vectors * LANES, fan_out, NULL, sum);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            STORE(lanes[r] + v * LANES, sum[r][v]);
    for (int a = 0; a < examples && a < vectors * LANES; a++)
        for (int r = 0; r < rows; r++)
            out[a * ldo + r] = lanes[r][a];
}

/* out (batch, rows) = d (batch, fan_out) w' */
INLINE void NAME(back_tile)(const REAL *panels, int batch, const REAL *w, ptrdiff_t ldw, REAL *out, ptrdiff_t ldo, int rows,
                            int fan_out)
{
#define STRIP(n, vectors) \
    NAME(back_strip)(n, vectors, panels + (ptrdiff_t)p * fan_out, batch - p, w + i * ldw, ldw, out + p * ldo + i, ldo, fan_out)
#define WHOLE(n) STRIP(n, VECTORS)
#define ONE(n) STRIP(n, 1)
    int p = 0;
    for (; p < batch && NAME(panel_vectors)(batch - p) == VECTORS; p += VECTORS * LANES)
        FOR_BLOCKS(i, rows, WHOLE)
    if (p < batch)
        FOR_BLOCKS(i, rows, ONE)
#undef STRIP
#undef WHOLE
#undef ONE
}

/* Some columns of w (rows, ...) step by z' d. The next columns of d are fetched if `ahead`, and the w before the tile. */
INLINE void NAME(update_strip)(const int rows, const int vectors, const int some, int ahead, const REAL *d, ptrdiff_t ldd,
                               REAL *w, ptrdiff_t ldw, REAL *v, ptrdiff_t ldv, const REAL *z, ptrdiff_t ldz, int batch,
                               int tile, const NAME(rule) *rule)
{
    VECTOR sum[MOST][VECTORS];
    UNROLL for (int r = 0; r < rows; r++) /* constants index `sum` */
        for (int u = 0; u < vectors; u++)
            sum[r][u] = BROADCAST(0);
    NAME(multiply)(rows, vectors, some, z, 1, ldz, d, ldd, batch, ahead ? d + vectors * LANES : NULL, sum);
    UNROLL for (int r = 0; r < rows; r++)
        for (int u = 0; u < vectors; u++) {
            REAL *place = w + r * ldw + u * LANES;
            const VECTOR old = NAME(load)(place, some);
            PREFETCH(place - tile * ldw);
            if (v)
                PREFETCH(v + (r - tile) * ldv + u * LANES);
            NAME(descend)(rule, some, old, FMA(-rule->rate, sum[r][u], rule->keep * old), place, AT(v, r * ldv + u * LANES));
        }
}

/* w (rows, fan_out) steps by z' d */
INLINE void NAME(update_tile)(const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, REAL *v, ptrdiff_t ldv, const REAL *z,
                              ptrdiff_t ldz, int batch, int rows, int fan_out, const NAME(rule) *rule)
{
#define STRIP(n, vectors, some) \
    NAME(update_strip)(n, vectors, some, i == 0, d + j, ldd, w + i * ldw + j, ldw, AT(v, i * ldv + j), ldv, z + i, ldz, batch, \
                       rows, rule)
#define WHOLE(n) STRIP(n, VECTORS, 0)
#define SOME(n) STRIP(n, 1, fan_out - j < LANES ? fan_out - j : LANES)
    int j = 0;
    for (; j + VECTORS * LANES <= fan_out; j += VECTORS * LANES)
        FOR_BLOCKS(i, rows, WHOLE)
    for (; j < fan_out; j += LANES)
        FOR_BLOCKS(i, rows, SOME)
#undef STRIP
#undef WHOLE
#undef SOME
}

/* w (rows, fan_out) steps by z' d, and out (batch, rows) = d (batch, fan_out) w' with the w from before, in one pass. */
INLINE void NAME(back_and_update_tile)(const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, REAL *v, ptrdiff_t ldv, REAL *out,
                                       ptrdiff_t ldo, const REAL *z, ptrdiff_t ldz, int batch, int rows, int fan_out,
                                       const NAME(rule) *rule)
{
#define PASS(n, some_rows) \
    NAME(backward_block)(n, some_rows, d, ldd, w + i * ldw, ldw, AT(v, i * ldv), ldv, out + i, ldo, z + i, ldz, fan_out, rule)
#define PASSES(n) \
    for (int i = rows; i > 0;) \
        if (ROWS > 1 && i % ROWS) { \
            i--; \
            PASS(n, 1); \
        } else { \
            i -= ROWS; \
            PASS(n, ROWS); \
        }
    FOR_BLOCKS(a, batch, PASSES)
#undef PASS
#undef PASSES
}

/* out (batch, rows) = d (batch, fan_out) w' unless out is null, then
   w (rows, fan_out) steps by z' d for z (batch, rows) unless z is null, through the velocity v unless that is null.
   Where glorotlab_needs_panels(), d goes back from `panels`; else, for one block of examples, both share a pass.
   Meanwhile the w before this is fetched: tiles come from the last rows to the first. */
TARGET static void NAME(backward_tile)(const REAL *d, ptrdiff_t ldd, const REAL *panels, REAL *w, ptrdiff_t ldw, REAL *v,
                                       ptrdiff_t ldv, REAL *out, ptrdiff_t ldo, const REAL *z, ptrdiff_t ldz, int batch,
                                       int rows, int fan_out, const Descent *descent)
{
    static const Descent none = {0, 0, 0, 0};
    const Descent *step = z ? descent : &none;
    const NAME(rule) rule = {BROADCAST((v ? 0 : 1) - (REAL)step->decay), BROADCAST((REAL)step->rate),
                             BROADCAST((REAL)step->momentum), step->nesterov};
    if (out && !glorotlab_needs_panels(batch, z != NULL)) {
        NAME(back_and_update_tile)(d, ldd, w, ldw, v, ldv, out, ldo, z, ldz, batch, rows, fan_out, &rule);
        return;
    }
    if (out)
        NAME(back_tile)(panels, batch, w, ldw, out, ldo, rows, fan_out);
    if (z)
        NAME(update_tile)(d, ldd, w, ldw, v, ldv, z, ldz, batch, rows, fan_out, &rule);
}
#undef AT

const OF_REAL(Tiles) NAME(tiles) = {NAME(forward_tile), NAME(backward_tile), NAME(panels)};
