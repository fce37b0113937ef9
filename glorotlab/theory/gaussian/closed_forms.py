"""Closed forms of Gaussian moments and pair moments, where they keep their digits.

With t = 1/sqrt(q): linear, ReLU and leaky ReLU (Cho & Saul 2009; He et al. 2015; Tsuchida et al. 2018), erf (Williams
1997), sin, GELU (Tsuchida et al. 2021, here by Stein's identity), and one example's moments of ELU, SELU and hard tanh,
which are exponentials and powers over half-lines and intervals. Where such a sum cancels it is left to quadrature;
so is softsign's closed form in Dawson's integral and Ei, which has fewer digits than quadrature at every q.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from glorotlab.activations import Activation
from glorotlab.arrays import Array

Where = npt.NDArray[np.bool_]
Values = dict[str, tuple[Array, Where]]
"""Values of some moments by name, and a mask of the accurate ones."""

PI = float(np.pi)

ROUNDING = 32 * float(np.finfo(float).eps)
"""Relative rounding error of a value: a few units in the last place, after up to four products."""

MAX_HARD_TANH_ERROR = 1e-9
"""Largest relative error of the closed form of pairs of hard tanh; beyond it quadrature is used."""


def moments(record: Activation, q: Array) -> Values:
    """Return those moments of ``moments.NAMES`` that have a closed form, by name."""
    always = np.ones(q.shape, dtype=bool)
    known: Values = {"mean": (np.zeros_like(q), always)} if record.odd else {}
    family = _MOMENTS.get(record.family)
    if family is None:
        return known
    names = family(record, q)
    return known | {name: value if isinstance(value, tuple) else (value, always) for name, value in names.items()}


Family = dict[str, Array | tuple[Array, Where]]


def _piecewise_linear(record: Activation, q: Array) -> Family:
    """Return half of the Gaussian moments on either side of 0."""
    slope = {"linear": 1.0, "relu": 0.0}.get(record.family, *record.parameters[:1] or (0.0,))
    one = np.ones_like(q)
    return {
        "mean": (1 - slope) * np.sqrt(q / (2 * PI)),
        "second_moment": (1 + slope**2) / 2 * q,
        "derivative_mean": (1 + slope) / 2 * one,
        "derivative_second_moment": (1 + slope**2) / 2 * one,
        "fourth_moment": 1.5 * (1 + slope**4) * q**2,
        "derivative_fourth_moment": (1 + slope**4) / 2 * one,
        "product_second_moment": (1 + slope**4) / 2 * q,
    }


def _erf(record: Activation, q: Array) -> Family:
    """Use that the derivative of erf is a Gaussian: it turns N(0, q) into N(0, q / (1 + 2 k q)) and a factor."""

    def square(q: Array) -> Array:
        return np.asarray(2 / PI * np.arctan2(2 * q, np.sqrt(1 + 4 * q)))

    return {
        "second_moment": square(q),
        "derivative_mean": 2 / np.sqrt(PI * (1 + 2 * q)),
        "derivative_second_moment": 4 / PI / np.sqrt(1 + 4 * q),
        "derivative_fourth_moment": 16 / PI**2 / np.sqrt(1 + 8 * q),
        "product_second_moment": 4 / PI / np.sqrt(1 + 4 * q) * square(q / (1 + 4 * q)),
    }


def _sin(record: Activation, q: Array) -> Family:
    u, a = -np.expm1(-2 * q), np.exp(-2 * q)
    return {
        "second_moment": u / 2,
        "derivative_mean": np.exp(-q / 2),
        "derivative_second_moment": (1 + a) / 2,
        "fourth_moment": u**2 * (6 - 4 * u + u**2) / 8,
        "derivative_fourth_moment": (3 + 4 * a + a**4) / 8,
        "product_second_moment": -np.expm1(-8 * q) / 8,
    }


def _gelu(record: Activation, q: Array) -> Family:
    second, derivative = _gelu_pairs(record, q, q, np.ones_like(q), np.zeros_like(q))
    return {
        "mean": q / np.sqrt(2 * PI * (1 + q)),
        "second_moment": second,
        "derivative_mean": np.full_like(q, 0.5),
        "derivative_second_moment": derivative,
    }


def _sigmoid(record: Activation, q: Array) -> Family:
    return {"mean": np.full_like(q, 0.5)}


def _elu(record: Activation, q: Array) -> Family:
    """Return sums of h_k = E[e^(k s); s < 0]; the error of a sum is that of its terms, which are of order 1."""
    from scipy.special import erfcx

    from glorotlab.activations.functions import SELU_ALPHA, SELU_SCALE

    scale, alpha = (SELU_SCALE, SELU_ALPHA) if record.family == "selu" else (1.0, 1.0)
    h1, h2, h3, h4 = (erfcx(k * np.sqrt(q / 2)) / 2 for k in (1, 2, 3, 4))
    return {
        "mean": (scale * (np.sqrt(q / (2 * PI)) + alpha * (h1 - 0.5)), q >= 1e-2),
        "second_moment": (scale**2 * (q / 2 + alpha**2 * (h2 - 2 * h1 + 0.5)), q >= 0.3),
        "derivative_mean": scale * (0.5 + alpha * h1),
        "derivative_second_moment": scale**2 * (0.5 + alpha**2 * h2),
        "fourth_moment": (scale**4 * (1.5 * q**2 + alpha**4 * (h4 - 4 * h3 + 6 * h2 - 4 * h1 + 0.5)), q >= 1),
        "derivative_fourth_moment": scale**4 * (0.5 + alpha**4 * h4),
        "product_second_moment": (scale**4 * (q / 2 + alpha**4 * (h4 - 2 * h3 + h2)), q >= 0.3),
    }


def _hard_tanh(record: Activation, q: Array) -> Family:
    """Moments inside (-1, 1), which cancel where the density is flat there, and the probability outside."""
    from scipy.special import erf, erfc

    t = 1 / np.sqrt(q)
    inside, outside = erf(t / np.sqrt(2)), erfc(t / np.sqrt(2))
    edge = 2 * t * np.exp(-(t**2) / 2) / np.sqrt(2 * PI)
    second = q * (inside - edge)
    return {
        "second_moment": (second + outside, q <= 100),
        "derivative_mean": inside,
        "derivative_second_moment": inside,
        "fourth_moment": (q**2 * (3 * inside - edge * (t**2 + 3)) + outside, q <= 1),
        "derivative_fourth_moment": inside,
        "product_second_moment": (second, q <= 10),
    }


_MOMENTS: dict[str, Callable[[Activation, Array], Family]] = {
    "linear": _piecewise_linear,
    "relu": _piecewise_linear,
    "leaky_relu": _piecewise_linear,
    "erf": _erf,
    "sin": _sin,
    "gelu": _gelu,
    "sigmoid": _sigmoid,
    "elu": _elu,
    "selu": _elu,
    "hard_tanh": _hard_tanh,
}


def susceptibility(record: Activation, q: Array) -> Array | None:
    """Return dE[f^2]/dq of an odd f where quadrature cannot follow it to large q; else None."""
    return np.exp(-2 * q) if record.family == "sin" else None


def pairs(
    record: Activation, q1: Array, q2: Array, rho: Array, unlike: Array | None = None
) -> tuple[Array, Array, Array] | None:
    """Return E f(s1) f(s2), E f'(s1) f'(s2) and relative errors where there is a closed form; else None.

    Parameters
    ----------
    record : Activation
    q1, q2, rho : arrays
        Second moments of s1 and s2, and their correlation.
    unlike : array, optional
        1 - abs(rho), where it is known to more digits than rho has.
    """
    family = _PAIRS.get(record.family)
    if family is None:
        return None
    errors = np.full(np.broadcast_shapes(np.shape(q1), np.shape(q2), np.shape(rho)), ROUNDING)
    if record.family == "hard_tanh":  # its second differences lose digits where the density is flat
        errors *= 2 + np.sqrt(q1) * np.sqrt(q2) / 8
        if errors.max(initial=0) > MAX_HARD_TANH_ERROR:
            return None
    return *family(record, q1, q2, rho, 1 - np.abs(rho) if unlike is None else unlike), errors


def has_pairs(record: Activation) -> bool:
    """Return whether ``pairs`` knows the activation."""
    return record.family in _PAIRS


def _piecewise_linear_pairs(record: Activation, q1: Array, q2: Array, rho: Array, unlike: Array) -> tuple[Array, Array]:
    """Arc-cosine kernels of degree 1 and 0 (Cho & Saul 2009) for the part of f that is ReLU."""
    scale = np.sqrt(q1) * np.sqrt(q2)
    slope = {"linear": 1.0, "relu": 0.0}.get(record.family, *record.parameters[:1] or (0.0,))
    if slope == 1:
        return scale * rho, np.ones_like(scale * rho)
    angle = 2 * np.arcsin(np.sqrt(unlike / 2))
    angle = np.where(rho < 0, PI - angle, angle)
    degree_1 = (np.sqrt(unlike * (1 + np.abs(rho))) + (PI - angle) * rho) / (2 * PI)
    degree_0 = np.broadcast_to((PI - angle) / (2 * PI), np.shape(scale * rho))
    return scale * (slope * rho + (1 - slope) ** 2 * degree_1), slope + (1 - slope) ** 2 * degree_0


def _erf_pairs(record: Activation, q1: Array, q2: Array, rho: Array, unlike: Array) -> tuple[Array, Array]:
    """Williams (1997), eq. 11; asin(x / sqrt(x^2 + y)) is written atan2(x, sqrt(y)), exact also at 1."""
    determinant = 1 + 2 * q1 + 2 * q2 + 4 * q1 * q2 * unlike * (1 + np.abs(rho))
    root = np.sqrt(determinant)
    return 2 / PI * np.arctan2(2 * np.sqrt(q1) * np.sqrt(q2) * rho, root), 4 / PI / root


def _sin_pairs(record: Activation, q1: Array, q2: Array, rho: Array, unlike: Array) -> tuple[Array, Array]:
    """exp(-(q1 + q2) / 2) times sinh and cosh of the covariance, without their overflow or cancellation."""
    scale = np.sqrt(q1) * np.sqrt(q2)
    unequal = (np.sqrt(q1) - np.sqrt(q2)) ** 2 / 2
    largest = np.exp(-unequal - scale * unlike) / 2
    second = np.exp(-2 * scale * np.abs(rho))
    return np.sign(rho) * largest * -np.expm1(-2 * scale * np.abs(rho)), largest * (1 + second)


def _gelu_pairs(record: Activation, q1: Array, q2: Array, rho: Array, unlike: Array) -> tuple[Array, Array]:
    """Stein's identity twice on s1 s2 Phi(s1) Phi(s2); each phi tilts the Gaussian. Agrees with Tsuchida et al. 2021.

    With D = det(I + Q) and c the covariance: E Phi Phi = 1/4 + atan2(c, sqrt(D)) / (2 pi),
    E phi(s1) phi(s2) = 1 / (2 pi sqrt(D)), E s2 phi(s1) Phi(s2) = (q2 (1 + q1) - c^2) / (2 pi (1 + q1) sqrt(D)).
    """
    c = np.sqrt(q1) * np.sqrt(q2) * rho
    minor = q1 * q2 * unlike * (1 + np.abs(rho))  # q1 q2 - c^2
    root = np.sqrt(1 + q1 + q2 + minor)
    both = 0.25 + np.arctan2(c, root) / (2 * PI)
    first = (q2 + minor) / (1 + q1) / (2 * PI * root)  # E s2 phi(s1) Phi(s2)
    # E s1 phi(s1) Phi(s2) and E s2 Phi(s1) phi(s2)
    mixed_1, mixed_2 = c / (1 + q1) / (2 * PI * root), c / (1 + q2) / (2 * PI * root)
    second = c * both + q1 * first + c * mixed_2
    derivative = both + mixed_1 + mixed_2 + c / (2 * PI * root**3)
    return second, derivative


def _hard_tanh_pairs(record: Activation, q1: Array, q2: Array, rho: Array, unlike: Array) -> tuple[Array, Array]:
    """f(s) = (s + 1)_+ - (s - 1)_+ - 1: second differences of E (s1 - a)_+ (s2 - b)_+ and of P(s1 > a, s2 > b).

    With h = a / sqrt(q1), k = b / sqrt(q2), r^2 = 1 - rho^2, L = P(x > h, y > k) of the standard pair (Owen 1956):
    E (x - h)_+ (y - k)_+ = (rho + h k) L - h phi(k) Phi(-(h - rho k) / r) - k phi(h) Phi(-(k - rho h) / r)
    + r^2 phi_2(h, k). Below ``LINEAR`` f is s but for a probability below 1e-18, and E s1 f(s2) = c P(|s2| < 1).
    """
    from scipy.special import erf

    q1, q2, rho, unlike = np.broadcast_arrays(q1, q2, rho, unlike)
    scale = np.sqrt(q1) * np.sqrt(q2)
    inside = [erf(1 / np.sqrt(2 * q)) for q in (q1, q2)]
    second, derivative = scale * rho * inside[0] * inside[1], inside[0] * inside[1]
    both = (q1 >= LINEAR) & (q2 >= LINEAR)
    root1, root2, rho, unlike = np.sqrt(q1[both]), np.sqrt(q2[both]), rho[both], unlike[both]
    h, k = 1 / root1, 1 / root2
    corners = [
        (sign1, sign2, *_corner(sign1 * h, sign2 * k, rho, unlike)) for sign1 in (-1.0, 1.0) for sign2 in (-1.0, 1.0)
    ]
    total = sum(sign1 * sign2 * ramps for sign1, sign2, ramps, _ in corners)
    # E of each ramp alone makes up for the -1: E f1 f2 = E (f1 + 1) (f2 + 1) - 1, as E f = 0
    second[both] = root1 * root2 * total - 1
    derivative[both] = sum(sign1 * sign2 * tail for sign1, sign2, _, tail in corners)
    return second, derivative


LINEAR = 0.0125
"""Second moment up to which a hard tanh is linear, to 1e-18."""


def _difference(y: Array, x: Array, rho: Array, unlike: Array) -> Array:
    """Return y - rho x without its cancellation where rho is near 1 and y near x, or both near their negatives."""
    return np.where(rho > 0, (y - x) + x * unlike, (y + x) - x * unlike)


def _corner(h: Array, k: Array, rho: Array, unlike: Array) -> tuple[Array, Array]:
    """Return E (x - h)_+ (y - k)_+ and P(x > h, y > k) of a standard pair, h and k not 0."""
    from scipy.special import ndtr, owens_t

    r = np.sqrt(unlike * (1 + np.abs(rho)))
    with np.errstate(divide="ignore", invalid="ignore"):
        # at rho = +-1 infinite, or 0 / 0 where both bounds are the same point
        a, b = (
            np.nan_to_num(_difference(y, x, rho, unlike) / r, posinf=np.inf, neginf=-np.inf)
            for x, y in ((h, k), (k, h))
        )
    # P(x < -h, y < -k) by Owen's function T
    tail = (ndtr(-h) + ndtr(-k)) / 2 - owens_t(-h, a / h) - owens_t(-k, b / k) - (h * k < 0) / 2
    density_h, density_k = (np.exp(-(x**2) / 2) / np.sqrt(2 * PI) for x in (h, k))
    ramps = (rho + h * k) * tail - h * density_k * ndtr(-b) - k * density_h * ndtr(-a)
    return ramps + r * density_h * np.exp(-(a**2) / 2) / np.sqrt(2 * PI), tail


_PAIRS: dict[str, Callable[[Activation, Array, Array, Array, Array], tuple[Array, Array]]] = {
    "linear": _piecewise_linear_pairs,
    "relu": _piecewise_linear_pairs,
    "leaky_relu": _piecewise_linear_pairs,
    "erf": _erf_pairs,
    "sin": _sin_pairs,
    "gelu": _gelu_pairs,
    "hard_tanh": _hard_tanh_pairs,
}
