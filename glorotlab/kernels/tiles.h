/* Small-batch tiles of a dense layer, for float and double. Row-major; leading dimensions count elements.

   A batch of ten leaves BLAS waiting for memory: it packs W before it multiplies. Here every weight is read where it
   stands, once a tile, and used for all examples while in registers or the first-level cache. Each sum has one order,
   whatever the SIMD level and the tile: over weight rows in eights (forward), over 64-byte lanes and then in a tree
   (backward), over examples (update). */
#ifndef GLOROTLAB_TILES_H
#define GLOROTLAB_TILES_H

#include <stddef.h>
#include "simd.h"

#define REAL float
#define NAME(stem) stem##_float
#include "tiles_body.h"
#undef REAL
#undef NAME

#define REAL double
#define NAME(stem) stem##_double
#include "tiles_body.h"
#undef REAL
#undef NAME

#endif
