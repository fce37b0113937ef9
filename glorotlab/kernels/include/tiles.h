/* Tiles of a dense layer, for float and double, at every SIMD level this compiler can build for the machine; tiles.c is
   compiled for each. Row-major; leading dimensions count elements.

   A batch of ten leaves BLAS waiting for memory: it packs W before it multiplies. Here a small batch finds every weight
   where it stands, once a pass, and uses it for all examples while it is in a register or the first cache. Larger batches
   do what BLAS does: what blocks of registers share lies side by side. Each sum has one order, set by shape, level and
   what is asked for: over weight rows one by one (forward); over units one by one or, for a small batch that updates as
   well, over the lanes of a vector and then in a tree (backward); over examples one by one (update). */
#ifndef GLOROTLAB_TILES_H
#define GLOROTLAB_TILES_H

#include <stddef.h>
#include <string.h>
#include "descent.h"
#include "simd.h"

#if defined(GLOROTLAB_VECTORS) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_ROWS _Pragma("GCC unroll 4")
#else
#define UNROLL
#define UNROLL_ROWS
#endif

#define WIDEST_PANEL 32 /* examples of a panel, at any level */
#define SMALL_BATCH 10  /* examples for which W is read where it stands */
#define ROW_TILE 24     /* rows of W at most that go back and step together */

/* Rows of a block where `rows`, one or more, are cut into as few blocks of at most `most` as can be. */
static inline int glorotlab_block(int rows, int most)
{
    const int blocks = (rows + most - 1) / most;
    return (rows + blocks - 1) / blocks;
}

/* Whether d goes back through w from panels: always, but for a small batch that updates as well. */
static inline int glorotlab_needs_panels(int batch, int update)
{
    return batch > SMALL_BATCH || !update;
}

/* CALL(n) for blocks of n <= `most` <= ROWS rows from row `first` on; n is a constant to the compiler. */
#define FOR_BLOCKS(first, count, most, CALL) \
    for (int first = 0, n_; first < (count); first += n_) \
        switch (n_ = (count) - first < (most) ? (count) - first : (most)) { \
        case 10: if (ROWS > 9) CALL(10); break; \
        case 9: if (ROWS > 8) CALL(9); break; \
        case 8: if (ROWS > 7) CALL(8); break; \
        case 7: if (ROWS > 6) CALL(7); break; \
        case 6: CALL(6); break; \
        case 5: CALL(5); break; \
        case 4: CALL(4); break; \
        case 3: CALL(3); break; \
        case 2: CALL(2); break; \
        default: CALL(1); \
        }

/* The tiles of one SIMD level, for numbers of one type; tiles_body.h says what each computes. */
#define TILES_OF(REAL) \
    typedef struct { \
        void (*forward)(const REAL *z, ptrdiff_t ldz, const REAL *w, ptrdiff_t ldw, const REAL *begin, ptrdiff_t ldb, \
                        REAL *s, ptrdiff_t lds, int batch, int fan_in, int width); \
        void (*backward)(const REAL *d, ptrdiff_t ldd, const REAL *panels, const REAL *strips, REAL *w, ptrdiff_t ldw, \
                         REAL *v, ptrdiff_t ldv, REAL *out, ptrdiff_t ldo, const REAL *z, ptrdiff_t ldz, int batch, \
                         int rows, int fan_out, const Descent *descent); \
        void (*pack)(const REAL *d, ptrdiff_t ldd, REAL *panels, REAL *strips, int batch, int fan_out, int thread, \
                     int threads); \
    } Tiles_##REAL; \
    extern const Tiles_##REAL tiles_##REAL##_baseline;
TILES_OF(float)
TILES_OF(double)
#undef TILES_OF
#if LEVELS > 1
extern const Tiles_float tiles_float_avx2, tiles_float_avx512;
extern const Tiles_double tiles_double_avx2, tiles_double_avx512;
#define AT_EACH_LEVEL(stem) {&stem##_baseline, &stem##_avx2, &stem##_avx512}
#else
#define AT_EACH_LEVEL(stem) {&stem##_baseline}
#endif
static const Tiles_float *const tiles_float[] = AT_EACH_LEVEL(tiles_float);
static const Tiles_double *const tiles_double[] = AT_EACH_LEVEL(tiles_double);
#undef AT_EACH_LEVEL

#endif
