/* BODY for one LEVEL, in float and double, or in one of them where ONLY_FLOAT or ONLY_DOUBLE is defined. */

#ifndef ONLY_DOUBLE
#define REAL float
#define OF_REAL(stem) stem##_float
#define NAME(stem) AT_LEVEL(stem##_float)
#define SUFFIX(stem) stem##_ps
#include "vectors.h"
#include BODY
#include "vectors_end.h"
#endif

#ifndef ONLY_FLOAT
#define REAL double
#define OF_REAL(stem) stem##_double
#define NAME(stem) AT_LEVEL(stem##_double)
#define SUFFIX(stem) stem##_pd
#include "vectors.h"
#include BODY
#include "vectors_end.h"
#endif

#undef LEVEL
#undef AT_LEVEL
