/* The tiles of one SIMD level: the build compiles this file once for each LEVEL of simd.h and each type (ONLY_FLOAT,
   ONLY_DOUBLE), side by side. What is compiled for a level that the compiler or the architecture lacks is empty. */
#include "tiles.h"

#if LEVEL < LEVELS
#if LEVEL == AVX512
#define AT_LEVEL(stem) stem##_avx512
#elif LEVEL == AVX2
#define AT_LEVEL(stem) stem##_avx2
#else
#define AT_LEVEL(stem) stem##_baseline
#endif
#define BODY "tiles_body.h"
#include "intrinsics.h"
#include "one_level.h"
#endif
