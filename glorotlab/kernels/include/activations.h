/* Hidden activations and their codes; activations.c has f and f' of each. */
#ifndef GLOROTLAB_ACTIVATIONS_H
#define GLOROTLAB_ACTIVATIONS_H

#include <stddef.h>

#define GLOROTLAB_ACTIVATIONS(X) \
    X(linear) X(relu) X(leaky_relu) X(hard_tanh) X(softsign) X(tanh) X(sigmoid) X(erf) X(sin) X(arctan) \
    X(silu) X(mish) X(gelu) X(softplus) X(elu) X(selu)

/* The code of an activation is its place in the list. */
#define CODE(name) name##_code,
enum { GLOROTLAB_ACTIVATIONS(CODE) ACTIVATIONS };
#undef CODE
extern const char *const activation_names[];

/* z = f(s) over rows of n contiguous elements, from one to the next lds and ldz; z may be s itself, row by row. */
void activate_float(int code, double parameter, const float *s, ptrdiff_t lds, float *z, ptrdiff_t ldz, ptrdiff_t rows,
                    ptrdiff_t n);
void activate_double(int code, double parameter, const double *s, ptrdiff_t lds, double *z, ptrdiff_t ldz,
                     ptrdiff_t rows, ptrdiff_t n);

/* d *= f'(s): dC/dz becomes dC/ds (Glorot & Bengio 2010, eq. 2). */
void multiply_derivative_float(int code, double parameter, const float *s, ptrdiff_t lds, const float *z, ptrdiff_t ldz,
                               float *d, ptrdiff_t ldd, ptrdiff_t rows, ptrdiff_t n);
void multiply_derivative_double(int code, double parameter, const double *s, ptrdiff_t lds, const double *z,
                                ptrdiff_t ldz, double *d, ptrdiff_t ldd, ptrdiff_t rows, ptrdiff_t n);

#endif
