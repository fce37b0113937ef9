/* The functions the activations are made of, branch-free and in double, so that a loop over them is vectorised at
   every SIMD level with the same bits: no fma, no library call, no comparison of integers.

   `single` is a constant once inlined: 1 says that the result will be rounded to float, for which shorter polynomials
   and reductions do (relative error below 2^-31, so 0.51 ULP of float in all); 0 asks for all of double. tanh of float,
   with which most networks here are timed, is computed in float alone, to 2.5 ULP.

   The polynomials are minimax fits, by Remez exchange at 45 digits, of the function each comment names; its error is
   stated relative to the primitive it serves. A NaN goes through every one of them. */
#ifndef GLOROTLAB_FUNCTIONS_H
#define GLOROTLAB_FUNCTIONS_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#include "simd.h"

#if defined(__GNUC__)
#define GLOROTLAB_INLINE static inline __attribute__((always_inline))
#else
#define GLOROTLAB_INLINE static inline
#endif

/* Before a loop over the elements of a block: they are independent, and the block is a multiple of every vector. */
#if defined(__GNUC__) && !defined(__clang__)
#define IN_VECTORS _Pragma("GCC ivdep") _Pragma("GCC unroll 1")
#else
#define IN_VECTORS
#endif

#define LOG2_E 1.4426950408889634
#define LN_2 0.69314718055994531
#define LN_2_HIGH 0x1.62e42fefa2000p-1 /* 40 bits: its product with an exponent is exact */
#define LN_2_LOW 0x1.9ef35793c7673p-41
#define FLOAT_LN_2_HIGH 0.693359375f /* 9 bits */
#define FLOAT_LN_2_LOW -2.12194440e-4f
#define ONE_OVER_PI 0.3183098861837907
#define PI_HIGH 0x1.921fb54440000p+1 /* pi = high + middle + low; 36 bits each of the first two */
#define PI_MIDDLE 0x1.68c234c4c0000p-38
#define PI_LOW 0x1.98a2e03707345p-76
#define SINE_LIMIT 1e5 /* up to here products of n with PI_HIGH and PI_MIDDLE are exact */
#define HALF_PI 0x1.921fb54442d18p+0
#define HALF_PI_LOW 0x1.1a62633145c07p-54
#define SQRT_2 1.4142135623730951
#define SQRT_HALF 0.70710678118654752
#define TWO_OVER_SQRT_PI 1.1283791670955126
#define NORMAL_PEAK 0.3989422804014327 /* 1 / sqrt(2 pi) */
#define ROUNDER 0x1.8p52 /* adding it leaves no bits for a fraction */
#define FLOAT_ROUNDER 0x1.8p23f

/* A clamp that lets NaN through. */
GLOROTLAB_INLINE double at_most(double x, double bound) { return x > bound ? bound : x; }
GLOROTLAB_INLINE double at_least(double x, double bound) { return x < bound ? bound : x; }

GLOROTLAB_INLINE double nearest_integer(double x) { return (x + ROUNDER) - ROUNDER; }

/* p x^4 + a x^3 + b x^2 + c x + d */
GLOROTLAB_INLINE double horner(double p, double x, double a, double b, double c, double d) {
    return (((p * x + a) * x + b) * x + c) * x + d;
}

/* 2^n for an integer -1022 <= n <= 1023: the sum has n + 1023 in its lowest bits, which become the exponent. */
GLOROTLAB_INLINE double power_of_two(double n) {
    double x = n + (ROUNDER + 1023);
    uint64_t bits;
    memcpy(&bits, &x, sizeof x);
    bits <<= 52;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* a 2^n, rounded once where the result is subnormal; float, whose range ends long before, needs one factor. */
GLOROTLAB_INLINE double times_power(double a, double n, int single) {
    double half;
    if (single) return a * power_of_two(n);
    half = nearest_integer(0.5 * n);
    return (a * power_of_two(half)) * power_of_two(n - half);
}

/* e^r - 1 - r for |r| <= ln(2) / 2: r^2 times a fit of (e^r - 1 - r) / r^2, error 2^-32 and 2^-62 of e^r - 1.
   Single: by pairs of powers. A loop over it waits for the longest chain of operations, which is half as long. */
GLOROTLAB_INLINE double exp_remainder(double r, int single) {
    double p, square = r * r;
    if (single) {
        p = (0.00019914214711575306 * r + 0.0013941013738926959) * square;
        p = (p + (0.0083332729660195257 * r + 0.041666354607147467)) * square;
        return square * (p + (0.16666666817441214 * r + 0.5));
    }
    p = horner(2.0924586304335873e-09, r, 2.510901681683462e-08, 2.7557242290393543e-07, 2.7557244273912737e-06,
               2.4801587361112691e-05);
    p = horner(p, r, 0.00019841269886055222, 0.0013888888888866555, 0.0083333333333216603, 0.041666666666666699);
    return square * ((p * r + 0.16666666666666677) * r + 0.5);
}

/* e^(x + low) = (mantissa + rest) 2^exponent, for |x| <= 700 (double: 1000). */
typedef struct {
    double mantissa, rest, exponent;
} Exponential;

GLOROTLAB_INLINE Exponential exponential(double x, double low, int single) {
    double n = nearest_integer(x * LOG2_E), high, r;
    Exponential e = {1, 0, n};
    if (single) {
        r = x - n * LN_2;
        e.rest = r + exp_remainder(r, single);
    } else { /* low gathers what x - n ln 2 and then 1 + r lose */
        high = x - n * LN_2_HIGH;
        low -= n * LN_2_LOW;
        r = high + low;
        low = (high - r) + low;
        e.mantissa = 1 + r;
        low = (r - (e.mantissa - 1)) + low;
        e.rest = exp_remainder(r, single) + low;
    }
    return e;
}

/* a e^x with one rounding where the result is subnormal, so that s e^s keeps its digits as long as it has them. */
GLOROTLAB_INLINE double times_exp(double a, Exponential e, int single) {
    return times_power(a * (e.mantissa + e.rest), e.exponent, single);
}

/* e^-|x|: what every activation built on e^x needs of it, whatever the sign of x. */
GLOROTLAB_INLINE Exponential exp_minus_abs(double x, int single) {
    return exponential(at_least(-fabs(x), single ? -700 : -800), 0, single);
}

/* e^x - 1 for x <= 0 */
GLOROTLAB_INLINE double expm1_negative(double x, int single) {
    double n, power, r;
    x = at_least(x, -60); /* -1 to rounding */
    n = nearest_integer(x * LOG2_E);
    power = power_of_two(n);
    r = single ? x - n * LN_2 : (x - n * LN_2_HIGH) - n * LN_2_LOW;
    return power * (r + exp_remainder(r, single)) + (power - 1);
}

/* The same in float; the error of the fit is 2^-26. */
GLOROTLAB_INLINE float expm1_negative_float(float x) {
    float n, power, r, square, p;
    uint32_t bits;
    x = x < -20 ? -20 : x; /* -1 to rounding */
    n = (x * (float)LOG2_E + FLOAT_ROUNDER) - FLOAT_ROUNDER;
    power = n + (FLOAT_ROUNDER + 127);
    memcpy(&bits, &power, sizeof bits);
    bits <<= 23;
    memcpy(&power, &bits, sizeof bits);
    r = (x - n * FLOAT_LN_2_HIGH) - n * FLOAT_LN_2_LOW;
    square = r * r;
    p = ((0.0013882517f * r + 0.0083665475f) * square + (0.0416672f * r + 0.16666543f)) * r + 0.49999997f;
    return power * (r + square * p) + (power - 1);
}

/* ln(1 + x) for 0 <= x <= 1. With f = x, or (x - 1) / 2 beyond sqrt(2) - 1, and w = f / (2 + f):
   ln(1 + f) = 2 atanh(w) = f - (f^2 / 2 - w (f^2 / 2 + R)); R = w^2 times a fit of 2 (atanh(w) / w - 1) / w^2 in w^2,
   error 2^-37 and 2^-59 (Tang 1990; the form is that of fdlibm's log1p). */
GLOROTLAB_INLINE double log1p_unit(double x, int single) {
    double f = x > SQRT_2 - 1 ? 0.5 * (x - 1) : x;
    double w = f / (2 + f), v = w * w, square = 0.5 * f * f, p;
    if (single) {
        p = ((0.23582128916498798 * v + 0.28537311606341864) * v + 0.40000335098945966) * v + 0.66666665646115919;
    } else {
        p = horner(0.14795759262665661, v, 0.15314072808860374, 0.18183563323449781, 0.22222198594997872,
                   0.28571428742153931);
        p = (p * v + 0.39999999999415786) * v + 0.6666666666666734;
    }
    f = f - (square - w * (square + v * p));
    return x > SQRT_2 - 1 ? LN_2 + f : f;
}

/* Mills' ratio, up to a constant: M(t) = e^(t^2 / 2) P(N(0, 1) > t) for 0 <= t <= 39 (single: 15).
   Single: a rational fit, error 2^-33. Double: a polynomial in u = (t - 5) / (t + 5) for (t + 1.25) M(t), so flat that
   the rounding of u costs little, its constant in two parts; error 2^-56.6 (such a mapping: Shepherd and Laframboise
   1981, for e^(x^2) erfc(x)). `lost` is what its sum and t + 1.25 lost by rounding, relative to it, to a quarter: the
   sum is between 0.4 and 0.63, its inverse about 2. */
typedef struct {
    double value, lost;
} Mills;

GLOROTLAB_INLINE Mills mills_ratio(double t, int single) {
    double u, p, sum, denominator;
    Mills m = {0, 0};
    if (single) {
        p = horner(0.00089716275544738419, t, 0.011716240540667056, 0.071631393644373834, 0.25133216317394769,
                   0.50838916795823552);
        u = horner(0.0022488561207359837, t, 0.029368083132129241, 0.18180748414165857, 0.65926828422788619,
                   1.4505559584561747);
        m.value = (p * t + 0.49999999995578764) / ((u * t + 1.8146628882294438) * t + 1);
        return m;
    }
    u = (t - 5) / (t + 5);
    p = horner(6.3115960445725073e-10, u, 3.697803852249505e-09, 9.4246832703856391e-10, -3.0052292897927032e-08,
               -2.4663597718393927e-08);
    p = horner(p, u, 1.8835793460814141e-07, 1.4373450733452131e-07, -1.2485654837487734e-06, -2.3746586895509015e-07);
    p = horner(p, u, 8.7434069585813501e-06, -8.2354985801010228e-06, -5.336762912363032e-05, 0.00016722737253286839);
    p = horner(p, u, 4.136088651673451e-05, -0.001621184671707473, 0.0059272895688751801, -0.012922572764107021);
    p = horner(p, u, 0.018683488122417786, -0.014437204895289395, -0.010218616930823033, 0.06004757139746477);
    p = (p * u - 0.12741667065001183) * u + 1.5854914072827866e-17;
    sum = p + 0.48074565609378933;
    denominator = t + 1.25;
    m.value = sum / denominator;
    m.lost = 2 * ((p - (sum - 0.48074565609378933)) - (t - (denominator - 1.25)) * m.value);
    return m;
}

/* e^(-factor t^2) for 0 <= t <= 39 and factor 1/2 or 1. In double the square is split into a part that is exact in 52
   bits and the rest: rounding it would cost factor t^2 times eps. */
GLOROTLAB_INLINE Exponential exp_minus_square(double t, double factor, int single) {
    uint64_t bits;
    double high;
    if (single) return exponential(-factor * (t * t), 0, single);
    memcpy(&bits, &t, sizeof t);
    bits &= 0xfffffffff8000000ULL;
    memcpy(&high, &bits, sizeof t);
    return exponential(-factor * (high * high), -factor * ((t - high) * (t + high)), single);
}

/* erf(a) / a - 1 for v = a^2 <= 1: a fit in v, error 2^-35 and 2^-57. */
GLOROTLAB_INLINE double erf_ratio(double v, int single) {
    double p;
    if (single) {
        p = horner(-9.680137052014569e-06, v, 0.00011270548762792266, -0.00084847126956686802, 0.0052210750172173269,
                   -0.026865445893359985);
        return ((p * v + 0.11283782748887525) * v - 0.37612638483953931) * v + 0.12837916706317837;
    }
    p = horner(-7.8011888740977512e-10, v, 1.3722976265924504e-08, -1.6209175911748696e-07, 1.6447517677871873e-06,
               -1.4924744663335489e-05);
    p = horner(p, v, 0.00012055295320494294, -0.00085483259896967576, 0.0052239776074234677, -0.026866170643276219);
    return ((p * v + 0.11283791670945253) * v - 0.37612638903183548) * v + 0.12837916709551256;
}

/* erf(a) for a >= 0: up to 1 by the fit, beyond as one minus the tail. */
GLOROTLAB_INLINE double erf_positive(double a, int single) {
    double t = at_most(a, 6); /* erf(6) is 1 to rounding */
    double tail = 2 * times_exp(mills_ratio(SQRT_2 * t, single).value, exponential(-(t * t), 0, single), 1);
    return a < 1 ? a + a * erf_ratio(a * a, single) : 1 - tail;
}

/* sin(x - shift pi) for |x| <= SINE_LIMIT, shift 0 or -1/2. With n the integer nearest to x / pi - shift and
   r = x - (n + shift) pi: (-1)^n (r + r^3 times a fit of (sin(r) - r) / r^3 in r^2), error 2^-35 and 2^-62. */
GLOROTLAB_INLINE double sine(double x, double shift, int single) {
    double n = nearest_integer(x * ONE_OVER_PI - shift), turns = n + shift, high, middle, r, low, v, p, sign;
    high = x - turns * PI_HIGH; /* exact */
    middle = turns * PI_MIDDLE; /* exact */
    r = high - middle;
    low = ((high - r) - middle) - turns * PI_LOW; /* what r lost, and the last part of pi */
    r = single ? r + low : r;
    v = r * r;
    if (single) {
        p = horner(-2.3909532417883569e-08, v, 2.7526637640959008e-06, -0.00019840894533367873, 0.0083333313273795135,
                   -0.16666666631836424);
    } else {
        p = horner(2.7222741170403446e-15, v, -7.6430997137786646e-13, 1.6058944025288403e-10, -2.5052106962230327e-08,
                   2.7557319212155938e-06);
        p = ((p * v - 0.00019841269841215433) * v + 0.0083333333333332118) * v - 0.16666666666666666;
    }
    sign = 1 - 4 * fabs(0.5 * n - nearest_integer(0.5 * n)); /* (-1)^n */
    return sign * (single ? r + r * v * p : r + (r * v * p + low * (1 - 0.5 * v)));
}

/* atan(a) for a >= 0. With c = 0, pi/4 or pi/2 by the thirds of the quarter turn and w = tan(atan(a) - c):
   c + w + w^3 times a fit of (atan(w) - w) / w^3 in w^2, |w| <= sqrt(2) - 1, error 2^-35 and 2^-59. */
GLOROTLAB_INLINE double atan_positive(double a, int single) {
    double above = a > SQRT_2 - 1 ? 0.5 : 0, turns = a > SQRT_2 + 1 ? 1 : above; /* c in units of pi/2 */
    double numerator = a > SQRT_2 + 1 ? -1 : a > SQRT_2 - 1 ? a - 1 : a;
    double denominator = a > SQRT_2 + 1 ? a : a > SQRT_2 - 1 ? a + 1 : 1;
    double w = numerator / denominator, v = w * w, p;
    if (single) {
        p = horner(0.04748499885412634, v, -0.084785499119062552, 0.11045126835651815, -0.14282045477604288,
                   0.19999905332785867) * v - 0.33333332516532321;
    } else {
        p = horner(-0.017922306603485528, v, 0.038078349043033137, -0.050398467532627153, 0.058480092249687858,
                   -0.066631204312204415);
        p = horner(p, v, 0.076920616417310642, -0.090908978367339383, 0.11111110786148586, -0.1428571428024874);
        p = (p * v + 0.19999999999954085) * v - 0.33333333333333198;
    }
    return turns * HALF_PI + (w + (w * v * p + turns * HALF_PI_LOW));
}

#endif
