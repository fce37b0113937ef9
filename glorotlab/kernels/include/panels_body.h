/* Back through panels: out = d w' for larger batches, with no sum across the lanes of a vector. Part of tiles_body.h.

   A panel is d' of VECTORS vectors of examples, or of one: unit by unit, the examples side by side. */

typedef char NAME(panels_divide)[VECTORS == 2 && WIDEST_PANEL % (VECTORS * LANES) == 0 ? 1 : -1]; /* or does not compile */

/* Vectors of the next panel where `left` examples are left. */
INLINE int NAME(panel_vectors)(int left) { return left > LANES ? VECTORS : 1; }

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

/* A thread's units of d in panels: all units of some vectors of examples, then of the next. */
INLINE void NAME(panels)(const REAL *d, ptrdiff_t ldd, REAL *out, int batch, int fan_out, int thread, int threads)
{
    const int most = (fan_out + threads - 1) / threads, first = thread * most;
    const int count = fan_out - first < most ? fan_out - first : most;
    int p = 0;
    if (count <= 0)
        return;
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
    VECTOR sum[ROWS][WIDEST];
    REAL lanes[ROWS][VECTORS * LANES];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < vectors; v++)
            sum[r][v] = BROADCAST(0);
    NAME(multiply)(rows, vectors, 0, w, ldw, 1, panel, vectors * LANES, fan_out, NULL, 0, 0, sum);
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < vectors; v++)
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
    const int at_once = glorotlab_block(rows, ROWS);
    int p = 0;
    for (; p < batch && NAME(panel_vectors)(batch - p) == VECTORS; p += VECTORS * LANES)
        FOR_BLOCKS(i, rows, at_once, WHOLE)
    if (p < batch)
        FOR_BLOCKS(i, rows, at_once, ONE)
#undef STRIP
#undef WHOLE
#undef ONE
}
