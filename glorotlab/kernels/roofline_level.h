/* The loops of one LEVEL for float and double; included by roofline.h once for each level. */

#define REAL float
#define NAME(stem) AT_LEVEL(stem##_float)
#define SUFFIX(stem) stem##_ps
#include "vectors.h"
#include "roofline_body.h"
#include "vectors_end.h"

#define REAL double
#define NAME(stem) AT_LEVEL(stem##_double)
#define SUFFIX(stem) stem##_pd
#include "vectors.h"
#include "roofline_body.h"
#include "vectors_end.h"

#undef LEVEL
#undef AT_LEVEL
