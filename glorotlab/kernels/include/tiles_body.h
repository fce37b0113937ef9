/* The tiles for one SIMD level and one REAL, in the words of vectors.h: what all of them are made of, and their table.

   Counts that are `const int` are constants where the functions are used: the compiler unrolls their loops and keeps the
   arrays in registers. `some` stands for one vector of so many lanes, 0 for whole ones.

   A block of registers is ROWS rows, of examples or of W, by VECTORS vectors. With 16 registers, 6 by 2 sums, two vectors
   and a broadcast fill them: 8 loads for 12 multiply-adds, of which a CPU has units for as many a cycle as for loads. One
   vector for ten rows takes 11 loads for 10. With 32 there is room for all ten examples of a small batch. */

#if REGISTERS == 32
#define ROWS 10
#else
#define ROWS 6
#endif
#define VECTORS 2
#define WIDEST 4 /* vectors of a block of one row: sums that hide the latency of a multiply-add; 8 were slower */

#define AT(pointer, i) ((pointer) ? (pointer) + (i) : (pointer))

INLINE VECTOR NAME(load)(const REAL *address, const int some) { return some ? LOAD_SOME(address, some) : LOAD(address); }

INLINE void NAME(store)(REAL *address, VECTOR value, const int some)
{
    if (some)
        STORE_SOME(address, value, some);
    else
        STORE(address, value);
}

/* Fetch vector v from an address on, once for each cache line, into the first cache if `soon`, else the second. */
INLINE void NAME(fetch)(const REAL *address, const int v, const int soon)
{
    if (v * BYTES % 64 == 0) {
        if (soon)
            PREFETCH_SOON(address + v * LANES);
        else
            PREFETCH(address + v * LANES);
    }
}

/* sum[r] += x(r, 0) y(0) + x(r, 1) y(1) + ..., one after the other, of n rows y(i) of some vectors, for
   x(r, i) = x[r ldx + i next]. Meanwhile rows from `ahead` on are fetched, lda apart, unless that is null.

   One pointer for every three rows: an address has room for 0, 1 or 2 times ldx. */
INLINE void NAME(multiply)(const int rows, const int vectors, const int some, const REAL *x, ptrdiff_t ldx, ptrdiff_t next,
                           const REAL *y, ptrdiff_t ldy, int n, const REAL *ahead, ptrdiff_t lda, const int soon,
                           VECTOR sum[ROWS][WIDEST])
{
    const REAL *base[(ROWS + 2) / 3];
    for (int r = 0; r < rows; r += 3)
        base[r / 3] = x + r * ldx;
    UNROLL_ROWS for (int i = 0; i < n; i++) {
        VECTOR of_y[WIDEST];
        UNROLL for (int v = 0; v < vectors; v++) {
            of_y[v] = NAME(load)(y + i * ldy + v * LANES, some);
            if (rows > 2)
                KEEP(of_y[v]);
            if (ahead)
                NAME(fetch)(ahead + i * lda, v, soon);
        }
        UNROLL for (int r = 0; r < rows; r++) {
            const VECTOR of_x = BROADCAST(base[r / 3][r % 3 * ldx]);
            UNROLL for (int v = 0; v < vectors; v++)
                sum[r][v] = FMA(of_x, of_y[v], sum[r][v]);
        }
        for (int r = 0; r < rows; r += 3) {
            base[r / 3] += next;
            DISTINCT(base[r / 3]);
        }
    }
}

/* Some columns of a matrix side by side, as `multiply` reads them. */
INLINE void NAME(strip)(const REAL *matrix, ptrdiff_t ld, REAL *strip, int rows)
{
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < VECTORS; v++)
            STORE(strip + (i * VECTORS + v) * LANES, LOAD(matrix + i * ld + v * LANES));
}

#include "forward_body.h"
#include "update_body.h"
#include "panels_body.h"
#include "small_batch_body.h"

/* out (batch, rows) = d (batch, fan_out) w' unless out is null, then
   w (rows, fan_out) steps by z' d for z (batch, rows) unless z is null, through the velocity v unless that is null.
   Where glorotlab_needs_panels(), d goes back from `panels`; else, for a small batch, both share a pass. W steps by d in
   `strips`, unless they are null. Meanwhile the w before this is fetched: tiles come from the last rows to the first. */
TARGET static void NAME(backward_tile)(const REAL *d, ptrdiff_t ldd, const REAL *panels, const REAL *strips, REAL *w,
                                       ptrdiff_t ldw, REAL *v, ptrdiff_t ldv, REAL *out, ptrdiff_t ldo, const REAL *z,
                                       ptrdiff_t ldz, int batch, int rows, int fan_out, const Descent *descent)
{
    static const Descent none = {0, 0, 0, 0};
    const Descent *step = z ? descent : &none;
    const NAME(rule) rule = {BROADCAST((v ? 0 : 1) - (REAL)step->decay), BROADCAST((REAL)step->rate),
                             BROADCAST((REAL)step->momentum), step->nesterov, !v && (REAL)step->decay == 0};
    if (!glorotlab_needs_panels(batch, z != NULL) && (out || ONE_PASS < SMALL_BATCH)) {
        NAME(back_and_update)(d, ldd, w, ldw, v, ldv, out, ldo, z, ldz, batch, rows, fan_out, &rule, (REAL)step->rate);
        return;
    }
    if (out)
        NAME(back_tile)(panels, batch, w, ldw, out, ldo, rows, fan_out);
    if (z)
        NAME(update_tile)(d, ldd, strips, w, ldw, v, ldv, z, ldz, batch, rows, fan_out, &rule);
}

/* A thread's share of d in `panels` and in `strips`, unless they are null. */
TARGET static void NAME(pack)(const REAL *d, ptrdiff_t ldd, REAL *panels, REAL *strips, int batch, int fan_out, int thread,
                              int threads)
{
    if (panels)
        NAME(panels)(d, ldd, panels, batch, fan_out, thread, threads);
    if (strips)
        NAME(strips)(d, ldd, strips, batch, fan_out, thread, threads);
}

const OF_REAL(Tiles) NAME(tiles) = {NAME(forward_tile), NAME(backward_tile), NAME(pack)};

#undef ROWS
#undef VECTORS
#undef WIDEST
#undef ONE_PASS
#undef AT
