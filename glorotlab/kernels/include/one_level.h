/* BODY for one LEVEL, in float and double; included by every_level.h once for each level. */

#define REAL float
#define NAME(stem) AT_LEVEL(stem##_float)
#define SUFFIX(stem) stem##_ps
#include "vectors.h"
#include BODY
#include "vectors_end.h"

#define REAL double
#define NAME(stem) AT_LEVEL(stem##_double)
#define SUFFIX(stem) stem##_pd
#include "vectors.h"
#include BODY
#include "vectors_end.h"

#undef LEVEL
#undef AT_LEVEL
