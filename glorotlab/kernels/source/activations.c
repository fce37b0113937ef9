/* Hidden activations f(s) and their derivatives f'(s), one pair of inline functions each, and the loops over them.

   An activation is added as a pair here and a name in GLOROTLAB_ACTIVATIONS (activations.h). A pair computes in double;
   `single` says that float is enough (elementary.h), `parameter` is the one in brackets, as in leaky_relu(slope=0.01), and
   a derivative also gets z = f(s) and uses whichever is cheaper. A pair has no branch and calls no library, so that a loop
   over it is vectorised. */
#include <float.h>
#include <stddef.h>
#include "activations.h"
#include "elementary.h"

#define FUNCTION(name) GLOROTLAB_INLINE double name##_function(double s, double parameter, int single)
#define DERIVATIVE(name) GLOROTLAB_INLINE double name##_derivative(double s, double z, double parameter, int single)

FUNCTION(linear) { return s; }
DERIVATIVE(linear) { return 1; }

FUNCTION(relu) { return at_least(s, 0); }
DERIVATIVE(relu) { return s > 0 ? 1 : s <= 0 ? 0 : s; } /* NaN stays NaN */

FUNCTION(leaky_relu) { return s > 0 ? s : parameter * s; }
DERIVATIVE(leaky_relu) { return s > 0 ? 1 : s <= 0 ? parameter : s; }

FUNCTION(hard_tanh) { return at_most(at_least(s, -1), 1); }
DERIVATIVE(hard_tanh) { return fabs(s) < 1 ? 1 : fabs(s) >= 1 ? 0 : s; }

FUNCTION(softsign) {
    s = at_most(at_least(s, -DBL_MAX), DBL_MAX); /* an infinity would give inf / inf */
    return s / (1 + fabs(s));
}
DERIVATIVE(softsign) {
    double inverse = 1 / (1 + fabs(s)); /* its square reaches the subnormals; that of 1 + |s| overflows first */
    return inverse * inverse;
}

/* tanh |s| = (1 - e^(-2|s|)) / (1 + e^(-2|s|)). Of a float in float: in double it takes a third of a step of small layers. */
FUNCTION(tanh) {
    double t;
    if (single) {
        float u = expm1_negative_float(-2 * fabsf((float)s));
        return copysignf(u / (2 + u), (float)s);
    }
    t = expm1_negative(-2 * fabs(s), 0);
    return copysign(t / (2 + t), s);
}
/* f' of tanh and sigmoid from z: no exponential, and an error of eps absolutely; relatively it grows as 1 / f'. */
DERIVATIVE(tanh) {
    if (single) return (1 - (float)z) * (1 + (float)z);
    return (1 - z) * (1 + z);
}

FUNCTION(sigmoid) {
    Exponential e = exp_minus_abs(s, single);
    double q = 1 / (1 + times_exp(1, e, single));
    return s < 0 ? times_exp(q, e, single) : q;
}
DERIVATIVE(sigmoid) { return z * (1 - z); }

FUNCTION(erf) { return copysign(erf_positive(fabs(s), single), s); }
DERIVATIVE(erf) {
    double t = at_most(fabs(s), single ? 25 : 28); /* 0 beyond */
    return times_exp(TWO_OVER_SQRT_PI, exp_minus_square(t, 1, single), single);
}

/* Beyond SINE_LIMIT the loops below call sin and cos. */
FUNCTION(sin) { return sine(s, 0, single); }
DERIVATIVE(sin) { return sine(s, -0.5, single); }

FUNCTION(arctan) { return copysign(atan_positive(fabs(s), single), s); }
DERIVATIVE(arctan) {
    double scale = !single && fabs(s) > 0x1p300 ? 0x1p-300 : 1, y = scale * s; /* s^2 overflows before f' underflows */
    return scale * scale / (scale * scale + y * y);
}

/* s sigmoid(s); f' = (1 + e + s e) / (1 + e)^2 with e = e^-|s| for s >= 0, e (1 + e + s) / (1 + e)^2 below. */
FUNCTION(silu) {
    Exponential e = exp_minus_abs(s, single);
    double z_positive = s / (1 + times_exp(1, e, single));
    return s < 0 ? times_exp(at_least(z_positive, -800), e, single) : z_positive;
}
DERIVATIVE(silu) {
    Exponential exponential = exp_minus_abs(s, single);
    double e = times_exp(1, exponential, single), u = 1 + e;
    double x = at_most(at_least(s, -800), 800); /* an infinity times e would be NaN */
    double q = (u + (s < 0 ? x : x * e)) / (u * u);
    return s < 0 ? times_exp(q, exponential, single) : q;
}

/* s tanh(ln(1 + e^s)) = s ((1 + e^s)^2 - 1) / ((1 + e^s)^2 + 1). With e = e^-|s|, D = 2 + e (2 + e) for s < 0 and
   1 + 2 e (1 + e) for s >= 0, and the numerator taken from D so that little is lost where it is near D:
   s e (1 - e (1 + e) / D) and s (1 - 2 e^2 / D). f' = f / s + 4 s e (1 + e) / D^2, or that with e^2 in place of e. */
FUNCTION(mish) {
    Exponential exponential = exp_minus_abs(s, single);
    double e = times_exp(1, exponential, single);
    double denominator = s < 0 ? 2 + e * (2 + e) : 1 + 2 * e * (1 + e);
    double q = at_least(s, -800) * (1 - e * (s < 0 ? 1 + e : 2 * e) / denominator);
    return s < 0 ? times_exp(q, exponential, single) : q;
}
DERIVATIVE(mish) {
    Exponential exponential = exp_minus_abs(s, single);
    double e = times_exp(1, exponential, single);
    double denominator = s < 0 ? 2 + e * (2 + e) : 1 + 2 * e * (1 + e);
    double numerator = s < 0 ? 2 + e : 1 + 2 * e;
    double x = at_most(at_least(s, -800), 800), slope = 4 * x * (1 + e) * (s < 0 ? 1 : e * e);
    double q = (numerator * denominator + slope) / (denominator * denominator);
    return s < 0 ? times_exp(q, exponential, single) : q;
}

/* s P(N(0, 1) < s), the tail e^(-s^2 / 2) M(|s|); f' = P(N(0, 1) < s) + s e^(-s^2 / 2) / sqrt(2 pi). */
FUNCTION(gelu) {
    double t = at_most(fabs(s), single ? 15 : 39); /* beyond, the tail is 0 */
    Mills m = mills_ratio(t, single);
    Exponential e = exp_minus_square(t, 0.5, single);
    double a = SQRT_HALF * s;
    double z;
    e.rest += m.lost * e.mantissa;
    z = s < 0 ? times_exp(-t * m.value, e, single) : s * (1 - times_exp(m.value, e, single));
    if (single) return z;
    return t < 0.5 ? s * (0.5 + 0.5 * (a + a * erf_ratio(a * a, single))) : z; /* fewer roundings */
}
DERIVATIVE(gelu) {
    double t = at_most(fabs(s), single ? 15 : 39);
    double h = times_exp(mills_ratio(t, single).value - t * NORMAL_PEAK, exp_minus_square(t, 0.5, single), single);
    return s < 0 ? h : 1 - h;
}

FUNCTION(softplus) {
    double e = times_exp(1, exp_minus_abs(s, single), single);
    return at_least(s, 0) + log1p_unit(e, single);
}
DERIVATIVE(softplus) { return sigmoid_function(s, parameter, single); }

/* alpha (e^s - 1) for s <= 0; elu has alpha 1, selu also a scale (Klambauer et al. 2017). */
#define SELU_SCALE 1.0507009873554804934193349852946
#define SELU_ALPHA 1.6732632423543772848170429916717

FUNCTION(elu) { return s > 0 ? s : expm1_negative(s, single); }
DERIVATIVE(elu) { return s > 0 ? 1 : times_exp(1, exp_minus_abs(s, single), single); }

FUNCTION(selu) { return s > 0 ? SELU_SCALE * s : SELU_SCALE * SELU_ALPHA * expm1_negative(s, single); }
DERIVATIVE(selu) {
    double steep = times_exp(SELU_SCALE * SELU_ALPHA, exp_minus_abs(s, single), single);
    return s > 0 ? SELU_SCALE : steep;
}

#undef FUNCTION
#undef DERIVATIVE

/* The loops, over whole blocks: a multiple of every vector's length, so that no element is left to scalar code. z may
   be s itself, element by element; nothing overlaps otherwise. */
#define BLOCK 16
#define ROWS_AT_ONCE 32 /* whose last blocks go through a loop together */

#define LOOPS(name, real, single)                                                                              \
    GLOROTLAB_CLONES static void name##_activate_##real(double parameter, const real *s, real *z,              \
                                                        ptrdiff_t blocks) {                                    \
        for (; blocks > 0; blocks--, s += BLOCK, z += BLOCK)                                                   \
            IN_VECTORS for (int i = 0; i < BLOCK; i++)                                                         \
                z[i] = (real)name##_function(s[i], parameter, single);                                         \
    }                                                                                                          \
    GLOROTLAB_CLONES static void name##_multiply_##real(double parameter, const real *s, const real *z,        \
                                                        real *d, ptrdiff_t blocks) {                           \
        for (; blocks > 0; blocks--, s += BLOCK, z += BLOCK, d += BLOCK)                                       \
            IN_VECTORS for (int i = 0; i < BLOCK; i++)                                                         \
                d[i] = (real)(d[i] * name##_derivative(s[i], z[i], parameter, single));                        \
    }
#define ALL_LOOPS(name) LOOPS(name, float, 1) LOOPS(name, double, 0)
GLOROTLAB_ACTIVATIONS(ALL_LOOPS)
#undef ALL_LOOPS
#undef LOOPS

#define NAME(name) #name,
const char *const activation_names[] = {GLOROTLAB_ACTIVATIONS(NAME)};
#undef NAME

#define ACTIVATE(name) JOINED(name##_activate_, REAL),
#define MULTIPLY(name) JOINED(name##_multiply_, REAL),
#define JOINED(stem, real) PASTED(stem, real)
#define PASTED(stem, real) stem##real

#define REAL float
#define SINGLE 1
#include "activations_body.h"
#undef REAL
#undef SINGLE

#define REAL double
#define SINGLE 0
#include "activations_body.h"
