/* What the kernels need of the compiler, with a plain C meaning where it is not GCC or clang.

   GLOROTLAB_CLONES compiles a function once per SIMD level; the loader picks the level of the machine (ifunc, glibc).
   Wider vectors change no bits of what is compiled here: the kernels fix the order of their sums, and the build forbids
   FMA contraction. tests/test_simd.py compares the tiles level by level. BLAS, which takes over beyond 32 examples, has
   kernels of its own for each CPU, and those do differ in the last digits. */
#ifndef GLOROTLAB_SIMD_H
#define GLOROTLAB_SIMD_H

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define GLOROTLAB_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define GLOROTLAB_CLONES
#endif

#if defined(__GNUC__)
#define GLOROTLAB_INLINE static inline __attribute__((always_inline))
#define GLOROTLAB_VECTOR(T) T __attribute__((vector_size(64), aligned(sizeof(T)), may_alias))
#define GLOROTLAB_PREFETCH(address) __builtin_prefetch(address)
#else /* a vector of one lane: the same loops, scalar */
#define GLOROTLAB_INLINE static inline
#define GLOROTLAB_VECTOR(T) T
#define GLOROTLAB_PREFETCH(address) ((void)(address))
#endif

#endif
