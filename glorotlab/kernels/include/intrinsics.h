/* What vectors.h needs several intrinsics for: sums of the lanes of four vectors at once, where pairs of lanes are added
   while vectors are interleaved, which takes less than half of the shuffles of four sums one by one; and NEON's names. */
#ifndef GLOROTLAB_INTRINSICS_H
#define GLOROTLAB_INTRINSICS_H

#include "simd.h"

#if LEVELS > 1
#include <immintrin.h>

#define SUMS_OF(level) __attribute__((target(level), always_inline)) static inline

SUMS_OF("avx2,fma") void sums_256_ps(__m256 a, __m256 b, __m256 c, __m256 d, float *out)
{
    const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)); /* a b a b in each 128 bits */
    const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    const __m256 abcd = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xEE)); /* a b c d */
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1)));
}

SUMS_OF("avx2,fma") void sums_256_pd(__m256d a, __m256d b, __m256d c, __m256d d, double *out)
{
    const __m256d ab = _mm256_add_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)); /* a b in each 128 bits */
    const __m256d cd = _mm256_add_pd(_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
    _mm_storeu_pd(out, _mm_add_pd(_mm256_castpd256_pd128(ab), _mm256_extractf128_pd(ab, 1)));
    _mm_storeu_pd(out + 2, _mm_add_pd(_mm256_castpd256_pd128(cd), _mm256_extractf128_pd(cd, 1)));
}

/* Masks of the first n lanes. */
SUMS_OF("avx2,fma") __m256i first_lanes_ps(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

SUMS_OF("avx2,fma") __m256i first_lanes_pd(int n)
{
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}

SUMS_OF("avx512f") __m256d half_sum(__m512d a)
{
    return _mm256_add_pd(_mm512_castpd512_pd256(a), _mm512_extractf64x4_pd(a, 1));
}

SUMS_OF("avx512f") void sums_512_pd(__m512d a, __m512d b, __m512d c, __m512d d, double *out)
{
    const __m256d ab = half_sum(_mm512_add_pd(_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)));
    const __m256d cd = half_sum(_mm512_add_pd(_mm512_unpacklo_pd(c, d), _mm512_unpackhi_pd(c, d)));
    _mm_storeu_pd(out, _mm_add_pd(_mm256_castpd256_pd128(ab), _mm256_extractf128_pd(ab, 1)));
    _mm_storeu_pd(out + 2, _mm_add_pd(_mm256_castpd256_pd128(cd), _mm256_extractf128_pd(cd, 1)));
}

SUMS_OF("avx512f") void sums_512_ps(__m512 a, __m512 b, __m512 c, __m512 d, float *out)
{
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    const __m512 abcd = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xEE));
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(abcd),
                                      _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(abcd), 1)));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

#elif defined(GLOROTLAB_NEON)
#include <arm_neon.h>

static inline float32x4_t fma_neon_ps(float32x4_t x, float32x4_t y, float32x4_t z) { return vfmaq_f32(z, x, y); }
static inline float64x2_t fma_neon_pd(float64x2_t x, float64x2_t y, float64x2_t z) { return vfmaq_f64(z, x, y); }

static inline void sums_neon_ps(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d, float *out)
{
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

static inline void sums_neon_pd(float64x2_t a, float64x2_t b, float64x2_t c, float64x2_t d, double *out)
{
    vst1q_f64(out, vpaddq_f64(a, b));
    vst1q_f64(out + 2, vpaddq_f64(c, d));
}
#endif

#endif
