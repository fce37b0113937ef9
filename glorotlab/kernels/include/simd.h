/* What the kernels need of the compiler and the CPU, with a plain C meaning where it is not GCC or clang.

   Levels: the tiles (tiles.h) are compiled for each of them with instructions of its own and called through
   a table; a level's results differ from another's by rounding.

   GLOROTLAB_CLONES is for plain loops: it compiles a function once per level too, and the loader picks the best (ifunc,
   glibc). Wider vectors change no bits of what is compiled so: the loops fix the order of their sums, and the build
   forbids FMA contraction. */
#ifndef GLOROTLAB_SIMD_H
#define GLOROTLAB_SIMD_H

#define BASELINE 0 /* what every CPU of the architecture has */
#define AVX2 1     /* with FMA */
#define AVX512 2

#if defined(__GNUC__) && !defined(GLOROTLAB_PLAIN) /* the tests define it, to see the loops of other compilers */
#define GLOROTLAB_VECTORS
#endif

#if defined(__x86_64__) && defined(GLOROTLAB_VECTORS)
#define LEVELS 3
#define GLOROTLAB_BASELINE "sse2"
#elif defined(__aarch64__) && defined(GLOROTLAB_VECTORS)
#define GLOROTLAB_NEON
#define LEVELS 1
#define GLOROTLAB_BASELINE "neon"
#else
#define LEVELS 1
#define GLOROTLAB_BASELINE "plain"
#endif

/* The widest level of this machine. */
static inline int glorotlab_widest_level(void)
{
#if LEVELS > 1
    if (__builtin_cpu_supports("avx512f"))
        return AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return AVX2;
#endif
    return BASELINE;
}

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define GLOROTLAB_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define GLOROTLAB_CLONES
#endif

#endif
