/* Activations over rows of elements of type REAL; included by activations.c once for each type.

   Rows without a gap between them are one long row. Of each row whole blocks come first; its last elements go through
   the same loop in a block of their own: one that overlaps the block before it, or of a row shorter than a block one
   that is padded. Those of a few rows go together; they are filled before the whole blocks change what they overlap, and
   written after them. Beyond SINE_LIMIT, sin and cos come from libm, one by one; all other elements keep their bits. */

GLOROTLAB_CLONES static int JOINED(beyond_sine_, REAL)(const REAL *s, ptrdiff_t n) {
    int beyond = 0;
    for (ptrdiff_t i = 0; i < n; i++) beyond |= !(fabs(s[i]) <= SINE_LIMIT);
    return beyond;
}

/* The last n elements of a row, n at most a block. */
static inline void JOINED(copy_last_, REAL)(REAL *to, const REAL *from, ptrdiff_t n) {
    if (n == BLOCK)
        memcpy(to, from, BLOCK * sizeof(REAL)); /* in registers, without a call */
    else
        memcpy(to, from, n * sizeof(REAL));
}

/* z = f(s) */
void JOINED(activate_, REAL)(int code, double parameter, const REAL *s, ptrdiff_t lds, REAL *z, ptrdiff_t ldz,
                             ptrdiff_t rows, ptrdiff_t n) {
    static void (*const loops[])(double, const REAL *, REAL *, ptrdiff_t) = {GLOROTLAB_ACTIVATIONS(ACTIVATE)};
    REAL last[ROWS_AT_ONCE * BLOCK] = {0};
    if (lds == n && ldz == n) n *= rows, rows = 1;
    const ptrdiff_t blocks = n / BLOCK, size = n % BLOCK == 0 ? 0 : n < BLOCK ? n : BLOCK, first = n - size;
    for (ptrdiff_t some; rows > 0; rows -= some, s += some * lds, z += some * ldz) {
        some = code == sin_code ? 1 : rows < ROWS_AT_ONCE ? rows : ROWS_AT_ONCE;
        if (code == sin_code && JOINED(beyond_sine_, REAL)(s, n)) {
            for (ptrdiff_t i = 0; i < n; i++)
                z[i] = (REAL)(fabs(s[i]) <= SINE_LIMIT ? sine(s[i], 0, SINGLE) : sin(s[i]));
            continue;
        }
        if (size) {
            for (ptrdiff_t a = 0; a < some; a++) JOINED(copy_last_, REAL)(last + a * BLOCK, s + a * lds + first, size);
            loops[code](parameter, last, last, some);
        }
        for (ptrdiff_t a = 0; a < some && blocks; a++) loops[code](parameter, s + a * lds, z + a * ldz, blocks);
        for (ptrdiff_t a = 0; a < some && size; a++)
            JOINED(copy_last_, REAL)(z + a * ldz + first, last + a * BLOCK, size);
    }
}

/* d *= f'(s): dC/dz becomes dC/ds (Glorot & Bengio 2010, eq. 2). */
void JOINED(multiply_derivative_, REAL)(int code, double parameter, const REAL *s, ptrdiff_t lds, const REAL *z,
                                        ptrdiff_t ldz, REAL *d, ptrdiff_t ldd, ptrdiff_t rows, ptrdiff_t n) {
    static void (*const loops[])(double, const REAL *, const REAL *, REAL *, ptrdiff_t) = {
        GLOROTLAB_ACTIVATIONS(MULTIPLY)};
    REAL last[3][ROWS_AT_ONCE * BLOCK] = {{0}};
    if (lds == n && ldz == n && ldd == n) n *= rows, rows = 1;
    const ptrdiff_t blocks = n / BLOCK, size = n % BLOCK == 0 ? 0 : n < BLOCK ? n : BLOCK, first = n - size;
    for (ptrdiff_t some; rows > 0; rows -= some, s += some * lds, z += some * ldz, d += some * ldd) {
        some = code == sin_code ? 1 : rows < ROWS_AT_ONCE ? rows : ROWS_AT_ONCE;
        if (code == sin_code && JOINED(beyond_sine_, REAL)(s, n)) {
            for (ptrdiff_t i = 0; i < n; i++)
                d[i] = (REAL)(d[i] * (fabs(s[i]) <= SINE_LIMIT ? sine(s[i], -0.5, SINGLE) : cos(s[i])));
            continue;
        }
        if (size) {
            for (ptrdiff_t a = 0; a < some; a++) {
                JOINED(copy_last_, REAL)(last[0] + a * BLOCK, s + a * lds + first, size);
                JOINED(copy_last_, REAL)(last[1] + a * BLOCK, z + a * ldz + first, size);
                JOINED(copy_last_, REAL)(last[2] + a * BLOCK, d + a * ldd + first, size);
            }
            loops[code](parameter, last[0], last[1], last[2], some);
        }
        for (ptrdiff_t a = 0; a < some && blocks; a++)
            loops[code](parameter, s + a * lds, z + a * ldz, d + a * ldd, blocks);
        for (ptrdiff_t a = 0; a < some && size; a++)
            JOINED(copy_last_, REAL)(d + a * ldd + first, last[2] + a * BLOCK, size);
    }
}
