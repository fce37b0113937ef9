/* BODY, written in the words of vectors.h, for every SIMD level of this compiler and machine and both REALs; and the table
   of a function's versions, by level. */

#include "intrinsics.h"

#define LEVEL BASELINE
#define AT_LEVEL(stem) stem##_baseline
#include "one_level.h"
#if LEVELS > 1
#define LEVEL AVX2
#define AT_LEVEL(stem) stem##_avx2
#include "one_level.h"
#define LEVEL AVX512
#define AT_LEVEL(stem) stem##_avx512
#include "one_level.h"
#define AT_EACH_LEVEL(stem) {stem##_baseline, stem##_avx2, stem##_avx512}
#else
#define AT_EACH_LEVEL(stem) {stem##_baseline}
#endif
