/* Small-batch tiles of a dense layer, for float and double, at every SIMD level this compiler can build for the machine.
   Row-major; leading dimensions count elements.

   A batch of ten leaves BLAS waiting for memory: it packs W before it multiplies. Here every weight is read where it
   stands, once a pass, and used for all examples while in a register. Each sum has one order, set by the shape and the
   level alone: over weight rows one by one (forward), over the lanes of a vector and then in a tree (backward), over
   examples (update). */
#ifndef GLOROTLAB_TILES_H
#define GLOROTLAB_TILES_H

#include <stddef.h>
#include "simd.h"
#if LEVELS > 1
#include <immintrin.h>
#endif

#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_ROWS _Pragma("GCC unroll 4")
#else
#define UNROLL
#define UNROLL_ROWS
#endif

#define MOST_EXAMPLES 10
#define FORWARD_ROWS 32 /* weight rows between two loads of a sum: 8, 64 and 128 were slower for the paper's network */

/* Examples of the next block where `left` are left: the sizes that are compiled. */
static inline int glorotlab_block(int left)
{
    return left >= MOST_EXAMPLES ? MOST_EXAMPLES : left >= 5 ? 5 : left >= 2 ? 2 : 1;
}

/* CALL(n) for blocks of n examples from example a on. */
#define FOR_EXAMPLES(batch, CALL) \
    for (int a = 0, n; a < (batch); a += n) \
        switch (n = glorotlab_block((batch) - a)) { \
        case MOST_EXAMPLES: CALL(MOST_EXAMPLES); break; \
        case 5: CALL(5); break; \
        case 2: CALL(2); break; \
        default: CALL(1); \
        }

#define BODY "tiles_body.h"
#include "levels.h"

static void (*const forward_tiles_float[])(const float *, ptrdiff_t, const float *, ptrdiff_t, float *, ptrdiff_t, int,
                                           int, int) = AT_EACH_LEVEL(forward_tile_float);
static void (*const forward_tiles_double[])(const double *, ptrdiff_t, const double *, ptrdiff_t, double *, ptrdiff_t,
                                            int, int, int) = AT_EACH_LEVEL(forward_tile_double);
static void (*const backward_tiles_float[])(const float *, ptrdiff_t, float *, ptrdiff_t, float *, ptrdiff_t,
                                            const float *, ptrdiff_t, int, int, int, float, float) =
    AT_EACH_LEVEL(backward_tile_float);
static void (*const backward_tiles_double[])(const double *, ptrdiff_t, double *, ptrdiff_t, double *, ptrdiff_t,
                                             const double *, ptrdiff_t, int, int, int, double, double) =
    AT_EACH_LEVEL(backward_tile_double);

#endif
