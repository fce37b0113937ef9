/* The tiles for one type REAL, named by NAME; included by tiles.h once for each.

   The *_block functions take their counts as constants: the compiler unrolls them and keeps the arrays in registers. */

typedef GLOROTLAB_VECTOR(REAL) NAME(vector);
#define VECTOR NAME(vector)
#define LANES ((int)(sizeof(VECTOR) / sizeof(REAL)))

/* s (examples, width) += z (examples, rows) w (rows, width) */
GLOROTLAB_INLINE void NAME(forward_block)(const int examples, const int rows, const REAL *z, ptrdiff_t ldz,
                                          const REAL *w, ptrdiff_t ldw, REAL *s, ptrdiff_t lds, int width)
{
    REAL x[2][8];
    int j = 0;
    for (int a = 0; a < examples; a++)
        for (int i = 0; i < rows; i++)
            x[a][i] = z[a * ldz + i];
    for (; j + LANES <= width; j += LANES)
        for (int a = 0; a < examples; a++) {
            VECTOR sum = *(const VECTOR *)(s + a * lds + j);
            for (int i = 0; i < rows; i++)
                sum += x[a][i] * *(const VECTOR *)(w + i * ldw + j);
            *(VECTOR *)(s + a * lds + j) = sum;
        }
    for (; j < width; j++)
        for (int a = 0; a < examples; a++) {
            REAL sum = s[a * lds + j];
            for (int i = 0; i < rows; i++)
                sum += x[a][i] * w[i * ldw + j];
            s[a * lds + j] = sum;
        }
}

/* s (batch, width) += z (batch, fan_in) w (fan_in, width) */
GLOROTLAB_CLONES static void NAME(forward_tile)(const REAL *z, ptrdiff_t ldz, const REAL *w, ptrdiff_t ldw, REAL *s,
                                                ptrdiff_t lds, int batch, int fan_in, int width)
{
    int i = 0;
    for (; i + 8 <= fan_in; i += 8) {
        int a = 0;
        for (int row = 8; row < 16; row++) /* the next eight: a short piece of each row escapes the hardware's prefetch */
            for (int j = 0; j < width; j += LANES)
                GLOROTLAB_PREFETCH(w + (i + row) * ldw + j);
        for (; a + 2 <= batch; a += 2)
            NAME(forward_block)(2, 8, z + a * ldz + i, ldz, w + i * ldw, ldw, s + a * lds, lds, width);
        for (; a < batch; a++)
            NAME(forward_block)(1, 8, z + a * ldz + i, ldz, w + i * ldw, ldw, s + a * lds, lds, width);
    }
    for (; i < fan_in; i++)
        for (int a = 0; a < batch; a++)
            NAME(forward_block)(1, 1, z + a * ldz + i, ldz, w + i * ldw, ldw, s + a * lds, lds, width);
}

/* Sum of the lanes, in a tree. */
GLOROTLAB_INLINE REAL NAME(lane_sum)(VECTOR sum)
{
    REAL lane[LANES];
    *(VECTOR *)lane = sum;
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

/* out (examples, rows) = d (examples, fan_out) w' for w (rows, fan_out); fetches the next rows ahead if asked */
GLOROTLAB_INLINE void NAME(backward_block)(const int examples, const int rows, const int ahead, const REAL *d,
                                           ptrdiff_t ldd, const REAL *w, ptrdiff_t ldw, REAL *out, ptrdiff_t ldo,
                                           int fan_out)
{
    VECTOR sum[2][5] = {{{0}}};
    int k = 0;
    for (; k + LANES <= fan_out; k += LANES)
        for (int i = 0; i < rows; i++) {
            if (ahead)
                GLOROTLAB_PREFETCH(w + (rows + i) * ldw + k);
            for (int a = 0; a < examples; a++)
                sum[i][a] += *(const VECTOR *)(d + a * ldd + k) * *(const VECTOR *)(w + i * ldw + k);
        }
    for (int i = 0; i < rows; i++)
        for (int a = 0; a < examples; a++) {
            REAL total = NAME(lane_sum)(sum[i][a]);
            for (int rest = k; rest < fan_out; rest++)
                total += d[a * ldd + rest] * w[i * ldw + rest];
            out[a * ldo + i] = total;
        }
}

/* out (batch, rows) = d (batch, fan_out) w' for w (rows, fan_out) */
GLOROTLAB_CLONES static void NAME(backward_tile)(const REAL *d, ptrdiff_t ldd, const REAL *w, ptrdiff_t ldw, REAL *out,
                                                 ptrdiff_t ldo, int batch, int rows, int fan_out)
{
    int a = 0;
    for (; a + 5 <= batch; a += 5) {
        int i = 0;
        for (; i + 2 <= rows; i += 2)
            if (a == 0)
                NAME(backward_block)(5, 2, 1, d, ldd, w + i * ldw, ldw, out + i, ldo, fan_out);
            else
                NAME(backward_block)(5, 2, 0, d + a * ldd, ldd, w + i * ldw, ldw, out + a * ldo + i, ldo, fan_out);
        for (; i < rows; i++)
            NAME(backward_block)(5, 1, 0, d + a * ldd, ldd, w + i * ldw, ldw, out + a * ldo + i, ldo, fan_out);
    }
    for (; a < batch; a++)
        for (int i = 0; i < rows; i++)
            NAME(backward_block)(1, 1, 0, d + a * ldd, ldd, w + i * ldw, ldw, out + a * ldo + i, ldo, fan_out);
}

/* w (rows, fan_out) = keep w - rate z' d for z (examples, rows), d (examples, fan_out) */
GLOROTLAB_INLINE void NAME(update_block)(const int examples, const int rows, const REAL *z, ptrdiff_t ldz,
                                         const REAL *d, ptrdiff_t ldd, REAL *w, ptrdiff_t ldw, int fan_out, REAL keep,
                                         REAL rate)
{
    REAL x[2][5];
    int k = 0;
    for (int i = 0; i < rows; i++)
        for (int a = 0; a < examples; a++)
            x[i][a] = rate * z[a * ldz + i];
    for (; k + LANES <= fan_out; k += LANES)
        for (int i = 0; i < rows; i++) {
            VECTOR weight = keep * *(const VECTOR *)(w + i * ldw + k);
            for (int a = 0; a < examples; a++)
                weight -= x[i][a] * *(const VECTOR *)(d + a * ldd + k);
            *(VECTOR *)(w + i * ldw + k) = weight;
        }
    for (; k < fan_out; k++)
        for (int i = 0; i < rows; i++) {
            REAL weight = keep * w[i * ldw + k];
            for (int a = 0; a < examples; a++)
                weight -= x[i][a] * d[a * ldd + k];
            w[i * ldw + k] = weight;
        }
}

/* w (rows, fan_out) = keep w - rate z' d for z (batch, rows), d (batch, fan_out) */
GLOROTLAB_CLONES static void NAME(update_tile)(const REAL *z, ptrdiff_t ldz, const REAL *d, ptrdiff_t ldd, REAL *w,
                                               ptrdiff_t ldw, int batch, int rows, int fan_out, REAL keep, REAL rate)
{
    int i = 0;
    for (; i < rows; i += 2) {
        int a = 0;
        REAL scale = keep; /* once: the first block applies it */
        for (; a + 5 <= batch; a += 5, scale = 1)
            if (i + 2 <= rows)
                NAME(update_block)(5, 2, z + a * ldz + i, ldz, d + a * ldd, ldd, w + i * ldw, ldw, fan_out, scale, rate);
            else
                NAME(update_block)(5, 1, z + a * ldz + i, ldz, d + a * ldd, ldd, w + i * ldw, ldw, fan_out, scale, rate);
        for (; a < batch; a++, scale = 1)
            if (i + 2 <= rows)
                NAME(update_block)(1, 2, z + a * ldz + i, ldz, d + a * ldd, ldd, w + i * ldw, ldw, fan_out, scale, rate);
            else
                NAME(update_block)(1, 1, z + a * ldz + i, ldz, d + a * ldd, ldd, w + i * ldw, ldw, fan_out, scale, rate);
    }
}

#undef VECTOR
#undef LANES
