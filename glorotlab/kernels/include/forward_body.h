/* Forward: s = z w from a beginning, a strip of some columns of w after the other. Part of tiles_body.h.

   A small batch reads w where it stands, FORWARD_ROWS rows between two loads of its sums, so that what it reads goes along
   the rows; a few small batches do so one after the other. From PACKED_FROM examples on, strips of PACKED bytes are packed.
   Other numbers were slower for layers of 1,000 units. */

#define FORWARD_ROWS 32
#define STRIPS_AHEAD 3 /* a strip of w is fetched while the third before it is multiplied */
#if REGISTERS == 32
#define ROWS_OF_MANY 64
#define PACKED_FROM 64
#else
#define ROWS_OF_MANY 32
#define PACKED_FROM 32
#endif
#define PACKED 16384
#define PACKED_ROWS (PACKED / (VECTORS * BYTES))

INLINE void NAME(load_sums)(const int examples, const int vectors, const int some, const REAL *begin, ptrdiff_t ldb,
                            VECTOR sum[ROWS][WIDEST])
{
    UNROLL for (int a = 0; a < examples; a++)
        UNROLL for (int v = 0; v < vectors; v++)
            sum[a][v] = begin ? NAME(load)(begin + a * ldb + v * LANES, some) : BROADCAST(0);
}

INLINE void NAME(store_sums)(const int examples, const int vectors, const int some, REAL *s, ptrdiff_t lds,
                             VECTOR sum[ROWS][WIDEST])
{
    UNROLL for (int a = 0; a < examples; a++)
        UNROLL for (int v = 0; v < vectors; v++)
            NAME(store)(s + a * lds + v * LANES, sum[a][v], some);
}

/* s (examples, some columns) = z (examples, rows) w (rows, some columns) summed onto `begin`, or onto 0 if that is null.
   Meanwhile as many rows from `ahead` on are fetched into the first cache, unless that is null. */
INLINE void NAME(forward_strip)(const int examples, const int vectors, const int some, const REAL *z, ptrdiff_t ldz,
                                const REAL *w, ptrdiff_t ldw, const REAL *begin, ptrdiff_t ldb, REAL *s, ptrdiff_t lds,
                                int rows, const REAL *ahead)
{
    VECTOR sum[ROWS][WIDEST];
    NAME(load_sums)(examples, vectors, some, begin, ldb, sum);
    NAME(multiply)(examples, vectors, some, z, ldz, 1, w, ldw, rows, ahead, ldw, 1, sum);
    NAME(store_sums)(examples, vectors, some, s, lds, sum);
}

/* The same for w packed in `strip`. So many rows `ahead` of w are fetched into the second cache. */
INLINE void NAME(packed_strip)(const int examples, const REAL *z, ptrdiff_t ldz, const REAL *strip, const REAL *begin,
                               ptrdiff_t ldb, REAL *s, ptrdiff_t lds, int rows, const REAL *ahead, ptrdiff_t ldw, int fetched)
{
    const int width = VECTORS * LANES;
    VECTOR sum[ROWS][WIDEST];
    NAME(load_sums)(examples, VECTORS, 0, begin, ldb, sum);
    NAME(multiply)(examples, VECTORS, 0, z, ldz, 1, strip, width, fetched, ahead, ldw, 0, sum);
    NAME(multiply)(examples, VECTORS, 0, z + fetched, ldz, 1, strip + fetched * width, width, rows - fetched, NULL, 0, 0, sum);
    NAME(store_sums)(examples, VECTORS, 0, s, lds, sum);
}

/* The address of column j in the first of these rows. Where j is beyond the last column, w is read on in the rows after
   these, if there are `more` of them; else there is nothing to fetch, and the address is null. */
INLINE const REAL *NAME(later)(const REAL *w, ptrdiff_t ldw, int j, int rows, int width, int more)
{
    return j < width ? w + j : more ? w + rows * ldw + j - width : NULL;
}

/* Some rows of w, where they stand, for a small batch; the first block of examples fetches them into the first cache. */
INLINE void NAME(forward_rows)(const REAL *z, ptrdiff_t ldz, const REAL *w, ptrdiff_t ldw, const REAL *begin, ptrdiff_t ldb,
                               REAL *s, ptrdiff_t lds, int batch, int rows, int width, int more)
{
    const int examples = glorotlab_block(batch, ROWS);
    int j = 0;
#define STRIP(n, vectors, some) \
    NAME(forward_strip)(n, vectors, some, z + a * ldz, ldz, w + j, ldw, AT(begin, a * ldb + j), ldb, \
                        s + a * lds + j, lds, rows, \
                        a ? NULL : NAME(later)(w, ldw, j + STRIPS_AHEAD * vectors * LANES, rows, width, more))
#define WHOLE(n) STRIP(n, VECTORS, 0)
#define SOME(n) STRIP(n, 1, width - j < LANES ? width - j : LANES)
    if (batch == 1)
        for (const int a = 0; j + WIDEST * LANES <= width; j += WIDEST * LANES)
            STRIP(1, WIDEST, 0);
    for (; j + VECTORS * LANES <= width; j += VECTORS * LANES)
        FOR_BLOCKS(a, batch, examples, WHOLE)
    for (; j < width; j += LANES)
        FOR_BLOCKS(a, batch, examples, SOME)
#undef STRIP
#undef WHOLE
#undef SOME
}

/* Some rows of w, strip by strip packed into the first cache, where all examples find it. Each block of examples fetches its
   share of the next strip: all of it at once would hold up what the block reads. */
INLINE void NAME(forward_packed)(const REAL *z, ptrdiff_t ldz, const REAL *w, ptrdiff_t ldw, const REAL *begin, ptrdiff_t ldb,
                                 REAL *s, ptrdiff_t lds, int batch, int rows, int width)
{
    REAL strip[PACKED / sizeof(REAL)];
    const int examples = glorotlab_block(batch, ROWS);
    int j = 0;
#define SHARE(a) (rows * (a) / batch)
#define WHOLE(n) \
    NAME(packed_strip)(n, z + a * ldz, ldz, strip, AT(begin, a * ldb + j), ldb, s + a * lds + j, lds, rows, \
                       w + SHARE(a) * ldw + j + VECTORS * LANES, ldw, SHARE(a + n) - SHARE(a))
#define SOME(n) \
    NAME(forward_strip)(n, 1, width - j < LANES ? width - j : LANES, z + a * ldz, ldz, w + j, ldw, \
                        AT(begin, a * ldb + j), ldb, s + a * lds + j, lds, rows, NULL)
    for (; j + VECTORS * LANES <= width; j += VECTORS * LANES) {
        NAME(strip)(w + j, ldw, strip, rows);
        FOR_BLOCKS(a, batch, examples, WHOLE)
    }
    for (; j < width; j += LANES)
        FOR_BLOCKS(a, batch, examples, SOME)
#undef SHARE
#undef WHOLE
#undef SOME
}

/* s (batch, width) = begin + z (batch, fan_in) w (fan_in, width) for rows ldb apart of `begin`, which is 0 if it is null */
TARGET static void NAME(forward_tile)(const REAL *z, ptrdiff_t ldz, const REAL *w, ptrdiff_t ldw, const REAL *begin,
                                      ptrdiff_t ldb, REAL *s, ptrdiff_t lds, int batch, int fan_in, int width)
{
    const int packed = batch >= PACKED_FROM, most = packed ? PACKED_ROWS : batch > SMALL_BATCH ? ROWS_OF_MANY : FORWARD_ROWS;
    for (int i = 0; i < fan_in; i += most) {
        const int rows = fan_in - i < most ? fan_in - i : most;
        if (packed)
            NAME(forward_packed)(z + i, ldz, w + i * ldw, ldw, begin, ldb, s, lds, batch, rows, width);
        else
            for (int a = 0, some; a < batch; a += some) {
                some = glorotlab_block(batch - a, SMALL_BATCH);
                NAME(forward_rows)(z + a * ldz + i, ldz, w + i * ldw, ldw, AT(begin, a * ldb), ldb, s + a * lds, lds, some,
                                   rows, width, a == 0 && i + rows < fan_in);
            }
        begin = s;
        ldb = lds;
    }
}

#undef FORWARD_ROWS
#undef STRIPS_AHEAD
#undef ROWS_OF_MANY
#undef PACKED_FROM
#undef PACKED
#undef PACKED_ROWS
