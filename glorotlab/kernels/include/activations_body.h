/* Activations over any number of contiguous elements of type REAL; included by activations.c once for each type.

   The last elements go through the same loop, padded to a block. Beyond SINE_LIMIT, sin and cos come from libm, one by
   one; all other elements of that call keep their bits. */

GLOROTLAB_CLONES static int JOINED(beyond_sine_, REAL)(const REAL *s, ptrdiff_t n) {
    int beyond = 0;
    for (ptrdiff_t i = 0; i < n; i++) beyond |= !(fabs(s[i]) <= SINE_LIMIT);
    return beyond;
}

/* z = f(s) */
void JOINED(activate_, REAL)(int code, double parameter, const REAL *s, REAL *z, ptrdiff_t n) {
    static void (*const loops[])(double, const REAL *, REAL *, ptrdiff_t) = {GLOROTLAB_ACTIVATIONS(ACTIVATE)};
    ptrdiff_t left = n % BLOCK, whole = n - left;
    REAL last[BLOCK] = {0};
    if (code == sin_code && JOINED(beyond_sine_, REAL)(s, n)) {
        for (ptrdiff_t i = 0; i < n; i++)
            z[i] = (REAL)(fabs(s[i]) <= SINE_LIMIT ? sine(s[i], 0, SINGLE) : sin(s[i]));
        return;
    }
    loops[code](parameter, s, z, whole / BLOCK);
    if (left) {
        memcpy(last, s + whole, left * sizeof(REAL));
        loops[code](parameter, last, last, 1);
        memcpy(z + whole, last, left * sizeof(REAL));
    }
}

/* d *= f'(s): dC/dz becomes dC/ds (Glorot & Bengio 2010, eq. 2). */
void JOINED(multiply_derivative_, REAL)(int code, double parameter, const REAL *s, const REAL *z, REAL *d, ptrdiff_t n) {
    static void (*const loops[])(double, const REAL *, const REAL *, REAL *, ptrdiff_t) = {
        GLOROTLAB_ACTIVATIONS(MULTIPLY)};
    ptrdiff_t left = n % BLOCK, whole = n - left;
    REAL last[3][BLOCK] = {{0}};
    if (code == sin_code && JOINED(beyond_sine_, REAL)(s, n)) {
        for (ptrdiff_t i = 0; i < n; i++)
            d[i] = (REAL)(d[i] * (fabs(s[i]) <= SINE_LIMIT ? sine(s[i], -0.5, SINGLE) : cos(s[i])));
        return;
    }
    loops[code](parameter, s, z, d, whole / BLOCK);
    if (left) {
        memcpy(last[0], s + whole, left * sizeof(REAL));
        memcpy(last[1], z + whole, left * sizeof(REAL));
        memcpy(last[2], d + whole, left * sizeof(REAL));
        loops[code](parameter, last[0], last[1], last[2], 1);
        memcpy(d + whole, last[2], left * sizeof(REAL));
    }
}
