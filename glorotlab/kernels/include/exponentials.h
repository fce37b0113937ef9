/* e^x and ln x of many numbers, in double and with the same bits on every machine: what a cost needs, without libm.

   Whole blocks are computed, so that no element is left to scalar code: up to a multiple of BLOCK the array has room,
   and what stands there counts for nothing. */
#ifndef GLOROTLAB_EXPONENTIALS_H
#define GLOROTLAB_EXPONENTIALS_H

#include <stddef.h>
#include "elementary.h"

#define GLOROTLAB_BLOCK 8

/* ln x for x >= 1 with x = f 2^n, 1 <= f < 2; NaN for NaN and infinity. */
GLOROTLAB_INLINE double log_from_one(double x) {
    uint64_t bits, exponent;
    double f, n;
    memcpy(&bits, &x, sizeof x);
    exponent = bits >> 52 | 0x4330000000000000ULL; /* 2^52 + n + 1023 */
    bits = (bits & 0x000fffffffffffffULL) | 0x3ff0000000000000ULL;
    memcpy(&n, &exponent, sizeof n);
    memcpy(&f, &bits, sizeof f);
    n -= 0x1p52 + 1023;
    return n * LN_2_HIGH + (n * LN_2_LOW + log1p_unit(f - 1, 0)) + (x - x);
}

/* x = e^x for x <= 0; NaN stays NaN. */
GLOROTLAB_CLONES static void exponentials(double *x, ptrdiff_t n) {
    for (ptrdiff_t i = n; i % GLOROTLAB_BLOCK; i++) x[i] = 0;
    for (ptrdiff_t first = 0; first < n; first += GLOROTLAB_BLOCK)
        IN_VECTORS for (int i = 0; i < GLOROTLAB_BLOCK; i++)
            x[first + i] = times_exp(1, exponential(at_least(x[first + i], -800), 0, 0), 0);
}

/* x = ln x for x >= 1; NaN stays NaN. */
GLOROTLAB_CLONES static void logarithms(double *x, ptrdiff_t n) {
    for (ptrdiff_t i = n; i % GLOROTLAB_BLOCK; i++) x[i] = 1;
    for (ptrdiff_t first = 0; first < n; first += GLOROTLAB_BLOCK)
        IN_VECTORS for (int i = 0; i < GLOROTLAB_BLOCK; i++) x[first + i] = log_from_one(x[first + i]);
}

#endif
