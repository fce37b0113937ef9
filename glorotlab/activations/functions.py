"""NumPy references of the named activations and their derivatives.

Each is accurate to a few units in the last place, keeps float32 and float64, passes NaN on, takes infinities to the
limit, and raises no overflow: exponentials are taken of -|s| only, 1 - f^2 and 1 + erf are written without their
cancellation.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import FloatArray

SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717
"""Fixed point of mean 0 and variance 1; Klambauer et al. (2017), eq. 14."""


def _finite(s: FloatArray) -> FloatArray:
    """Replace infinities by the largest number, where they would give inf - inf, inf / inf or 0 inf."""
    largest = np.finfo(s.dtype).max
    return np.asarray(np.clip(s, -largest, largest))


def _gaussian(s: FloatArray) -> FloatArray:
    """Return exp(-s^2): the rounding of s^2, multiplied by s^2 in the exponential, is taken out.

    With c the multiple of 1/16 next to s, c^2 is exact and s^2 = c^2 + (s - c)(s + c).
    """
    s = np.clip(s, -100, 100)  # exp(-10^4) is 0
    c: FloatArray = np.rint(16 * s) / 16
    return np.asarray(np.exp(-c * c) * np.exp((c - s) * (s + c)))


def sigmoid(s: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-s))."""
    e = np.exp(-np.abs(s))
    return np.asarray(np.where(s >= 0, 1, e) / (1 + e))


def sigmoid_derivative(s: FloatArray) -> FloatArray:
    """Return f (1 - f) for f = sigmoid(s)."""
    e = np.exp(-np.abs(s))
    return np.asarray(e / (1 + e) ** 2)


def tanh_derivative(s: FloatArray) -> FloatArray:
    """Return 1 - tanh(s)^2."""
    return np.asarray(4 * sigmoid_derivative(2 * np.clip(s, -400, 400)))


def softsign(s: FloatArray) -> FloatArray:
    """Return s / (1 + |s|)."""
    s = _finite(s)
    return np.asarray(s / (1 + np.abs(s)))


def softsign_derivative(s: FloatArray) -> FloatArray:
    """Return 1 / (1 + |s|)^2."""
    return np.asarray((1 / (1 + np.abs(s))) ** 2)


def relu(s: FloatArray) -> FloatArray:
    """Return max(0, s); Nair & Hinton (2010)."""
    return np.maximum(s, 0)


def step(s: FloatArray) -> FloatArray:
    """Return the derivative of ReLU: 1 above 0, else 0."""
    return np.where(np.isnan(s), s, s > 0).astype(s.dtype, copy=False)


def arctan_derivative(s: FloatArray) -> FloatArray:
    """Return 1 / (1 + s^2)."""
    return np.asarray((1 / np.hypot(1, s)) ** 2)


def sin(s: FloatArray) -> FloatArray:
    """Return the sine; NaN at the infinities."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sin(s))


def sin_derivative(s: FloatArray) -> FloatArray:
    """Return the cosine; NaN at the infinities."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.cos(s))


def erf(s: FloatArray) -> FloatArray:
    """Return the error function."""
    from scipy.special import erf

    return np.asarray(erf(s))


def erf_derivative(s: FloatArray) -> FloatArray:
    """Return 2 exp(-s^2) / sqrt(pi)."""
    return np.asarray(_gaussian(s) * (2 / math.sqrt(math.pi)))


def _normal_tail(s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the density phi(s) and Mills' ratio Phi(-|s|) / phi(s) of the standard normal distribution."""
    from scipy.special import erfcx

    s = np.clip(s, -100, 100)
    c = np.rint(16 * s) / 16  # as in _gaussian
    density = np.exp(-c * c / 2) * np.exp(-(s - c) * (s + c) / 2) / math.sqrt(2 * math.pi)
    return density, math.sqrt(math.pi / 2) * erfcx(np.abs(s) * math.sqrt(0.5))


def gelu(s: FloatArray) -> FloatArray:
    """Return s Phi(s), Phi the standard normal distribution function; Hendrycks & Gimpel (2016)."""
    density, mills = _normal_tail(s)
    tail = _finite(s) * mills * density  # s Phi(-|s|)
    return np.where(s > 0, s - tail, tail)


def gelu_derivative(s: FloatArray) -> FloatArray:
    """Return Phi(s) + s phi(s), phi the standard normal density."""
    density, mills = _normal_tail(s)
    s = _finite(s)
    return np.where(s > 0, 1 - density * (mills - s), density * (mills + s))


def silu(s: FloatArray) -> FloatArray:
    """Return s sigmoid(s), also called swish; Elfwing et al. (2018)."""
    return np.asarray(np.maximum(s, -np.finfo(s.dtype).max) * sigmoid(s))


def silu_derivative(s: FloatArray) -> FloatArray:
    """Return sigmoid(s) (1 + s sigmoid(-s))."""
    s = _finite(s)
    return np.asarray(sigmoid(s) * (1 + s * sigmoid(-s)))


def elu(s: FloatArray) -> FloatArray:
    """Return s above 0, exp(s) - 1 below; Clevert et al. (2016), alpha = 1."""
    return np.where(s > 0, s, np.expm1(np.minimum(s, 0)))


def elu_derivative(s: FloatArray) -> FloatArray:
    """Return 1 above 0, exp(s) below."""
    return np.asarray(np.exp(np.minimum(s, 0)))


def selu(s: FloatArray) -> FloatArray:
    """Return ELU times the scale, its negative part also times alpha; Klambauer et al. (2017)."""
    with np.errstate(over="ignore"):
        above = SELU_SCALE * s
    return np.where(s > 0, above, SELU_SCALE * SELU_ALPHA * np.expm1(np.minimum(s, 0)))


def selu_derivative(s: FloatArray) -> FloatArray:
    """Return the scale above 0, scale alpha exp(s) below."""
    return np.where(s > 0, s.dtype.type(SELU_SCALE), SELU_SCALE * SELU_ALPHA * np.exp(np.minimum(s, 0)))


def softplus(s: FloatArray) -> FloatArray:
    """Return log(1 + exp(s))."""
    return np.maximum(s, 0) + np.log1p(np.exp(-np.abs(s)))


def hard_tanh(s: FloatArray) -> FloatArray:
    """Return s clipped to [-1, 1]."""
    return np.clip(s, -1, 1)


def hard_tanh_derivative(s: FloatArray) -> FloatArray:
    """Return 1 inside (-1, 1), else 0."""
    return np.where(np.isnan(s), s, np.abs(s) < 1).astype(s.dtype, copy=False)


def _tanh_softplus(s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return tanh(log(1 + e^s)) and its derivative, rational functions of exp(-|s|) with positive terms."""
    e = np.exp(-np.abs(s))
    below = e * (e + 2)
    above = 1 + 2 * e
    value = np.where(s < 0, below / (below + 2), above / (above + 2 * e**2))
    derivative = 4 * e * (1 + e) * np.where(s < 0, 1 / (below + 2) ** 2, e / (above + 2 * e**2) ** 2)
    return value, derivative


def mish(s: FloatArray) -> FloatArray:
    """Return s tanh(log(1 + exp(s))); Misra (2020)."""
    return np.asarray(np.maximum(s, -np.finfo(s.dtype).max) * _tanh_softplus(s)[0])


def mish_derivative(s: FloatArray) -> FloatArray:
    """Return the derivative by the product rule."""
    s = _finite(s)
    value, derivative = _tanh_softplus(s)
    return np.asarray(value + s * derivative)


class LeakyReLU:
    """The function s above 0, slope s below; Maas et al. (2013)."""

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def __call__(self, s: FloatArray) -> FloatArray:
        """Return f(s)."""
        return np.where(s > 0, s, self.slope * s)

    def derivative(self, s: FloatArray) -> npt.NDArray[Any]:
        """Return 1 above 0, else the slope."""
        return np.where(np.isnan(s), s, np.where(s > 0, s.dtype.type(1), s.dtype.type(self.slope)))
