/* One SIMD level's vectors of one REAL: what a BODY such as tiles_body.h is written in. Included by one_level.h once for each pair.

   TARGET      attribute of every function of the level
   VECTOR      LANES numbers; loads and stores need no alignment
   REGISTERS   vectors that the CPU holds
   FMA         x y + z, rounded once where the level has the instruction
   SUMS        of the lanes of four vectors, each in a fixed order, into an array
   LOAD_SOME   the first n lanes, the others 0; STORE_SOME writes the first n
   KEEP        makes the compiler hold a loaded vector in a register: it would rather load it anew for each use
   DISTINCT    hides where a pointer comes from: the compiler would count all from one and run out of registers */

#if LEVEL == AVX512
#define TARGET __attribute__((target("avx512f")))
#define BYTES 64
#define REGISTERS 32
#elif LEVEL == AVX2
#define TARGET __attribute__((target("avx2,fma")))
#define BYTES 32
#define REGISTERS 16
#else
#define TARGET
#define BYTES 16
#ifdef GLOROTLAB_NEON
#define REGISTERS 32
#else
#define REGISTERS 16
#endif
#endif

#ifdef GLOROTLAB_VECTORS
typedef REAL NAME(vector) __attribute__((vector_size(BYTES)));
typedef REAL NAME(unaligned) __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
#define INLINE TARGET static inline __attribute__((always_inline))
#define PREFETCH(address) __builtin_prefetch(address, 0, 2) /* into the second cache */
#define PREFETCH_SOON(address) __builtin_prefetch(address, 0, 3) /* into the first */
#define DISTINCT(pointer) __asm__("" : "+r"(pointer))
#else /* vectors of one lane: the same loops, scalar */
typedef REAL NAME(vector);
typedef REAL NAME(unaligned);
#define INLINE static inline
#define PREFETCH(address) ((void)(address))
#define PREFETCH_SOON PREFETCH
#define DISTINCT(pointer) ((void)(pointer))
#endif
#define VECTOR NAME(vector)
#define LANES ((int)(sizeof(VECTOR) / sizeof(REAL)))
#define LOAD(address) ((VECTOR) * (const NAME(unaligned) *)(address))
#define STORE(address, value) (*(NAME(unaligned) *)(address) = (value))

#if LEVEL == AVX512
#define KEEP(value) __asm__("" : "+v"(value))
#define INTRINSIC(name) SUFFIX(_mm512_##name)
#define MASK(n) ((unsigned short)((1u << (n)) - 1))
#define BROADCAST(x) ((VECTOR)INTRINSIC(set1)(x))
#define FMA(x, y, z) ((VECTOR)INTRINSIC(fmadd)(x, y, z))
#define SUMS SUFFIX(sums_512)
#define LOAD_SOME(address, n) ((VECTOR)INTRINSIC(maskz_loadu)(MASK(n), address))
#define STORE_SOME(address, value, n) INTRINSIC(mask_storeu)(address, MASK(n), value)
#else

#if LEVEL == AVX2
#define KEEP(value) __asm__("" : "+x"(value))
#define INTRINSIC(name) SUFFIX(_mm256_##name)
#define BROADCAST(x) ((VECTOR)INTRINSIC(set1)(x))
#define FMA(x, y, z) ((VECTOR)INTRINSIC(fmadd)(x, y, z))
#define SUMS SUFFIX(sums_256)
#elif defined(GLOROTLAB_NEON)
#define KEEP(value) __asm__("" : "+w"(value))
#define BROADCAST(x) ((x) - (VECTOR){0})
#define FMA(x, y, z) ((VECTOR)SUFFIX(fma_neon)(x, y, z))
#define SUMS SUFFIX(sums_neon)
#else
#define KEEP(value) ((void)(value))
#define BROADCAST(x) ((x) - (VECTOR){0}) /* + would turn -0 into 0, and cost an addition */
#define FMA(x, y, z) ((x) * (y) + (z))
#define SUMS NAME(sums)
#endif

#if LEVEL == AVX2
#define LOAD_SOME(address, n) ((VECTOR)INTRINSIC(maskload)(address, SUFFIX(first_lanes)(n)))
#else
#define LOAD_SOME(address, n) NAME(load_some)(address, n)
#endif
#define STORE_SOME(address, value, n) NAME(store_some)(address, value, n)

#if LEVEL == BASELINE && !defined(GLOROTLAB_NEON)
INLINE void NAME(sums)(VECTOR a, VECTOR b, VECTOR c, VECTOR d, REAL *out)
{
    REAL lane[4][LANES];
    STORE(lane[0], a);
    STORE(lane[1], b);
    STORE(lane[2], c);
    STORE(lane[3], d);
    for (int k = 0; k < 4; k++) {
        for (int half = LANES / 2; half; half /= 2)
            for (int i = 0; i < half; i++)
                lane[k][i] += lane[k][i + half];
        out[k] = lane[k][0];
    }
}
#endif

#if LEVEL != AVX2
INLINE VECTOR NAME(load_some)(const REAL *address, int n)
{
    REAL lane[LANES] = {0};
    for (int i = 0; i < n; i++)
        lane[i] = address[i];
    return LOAD(lane);
}
#endif

INLINE void NAME(store_some)(REAL *address, VECTOR value, int n)
{
    REAL lane[LANES], *from = lane;
    STORE(lane, value);
    for (int some = LANES; some; some /= 2) /* a loop over n would become a call */
        if (n & some) {
            memcpy(address, from, some * sizeof(REAL));
            address += some;
            from += some;
        }
}
#endif
