/* Loops that do nothing but multiply-adds, or nothing but touch memory: what a machine can do at most, at every SIMD
   level. Their results are returned or stored, so no compiler may leave them out. */
#ifndef GLOROTLAB_ROOFLINE_H
#define GLOROTLAB_ROOFLINE_H

#include <stddef.h>
#include "simd.h"

#if defined(__GNUC__) && !defined(__clang__)
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL
#endif

/* Memory counts as changed here: the passes over a buffer are neither exchanged with the loop inside nor merged. */
#ifdef __GNUC__
#define PASS_ENDS __asm__ volatile("" ::: "memory")
#else
#define PASS_ENDS ((void)0)
#endif

/* Of multiply-adds, side by side: latency (4 cycles) x units (up to 4 on arm64, else 2), or 6 x 2 without FMA. */
#ifdef GLOROTLAB_NEON
#define CHAINS 16
#else
#define CHAINS 12
#endif
#define STREAMS 8 /* vectors of a buffer that are in flight together */

#define BODY "roofline_body.h"
#include "every_level.h"

#define LOOPS(REAL) \
    static ptrdiff_t (*const multiply_adds_##REAL[])(REAL, REAL, ptrdiff_t, REAL *) = \
        AT_EACH_LEVEL(multiply_add_##REAL); \
    static void (*const reads_##REAL[])(const REAL *, ptrdiff_t, ptrdiff_t, REAL *) = AT_EACH_LEVEL(read_##REAL); \
    static void (*const scales_##REAL[])(REAL *, ptrdiff_t, REAL, ptrdiff_t) = AT_EACH_LEVEL(scale_##REAL);
LOOPS(float)
LOOPS(double)

#endif
