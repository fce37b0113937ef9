"""Derivatives of a layer's pair moments in the kernel Q of its pre-activations, by Mehler's Hermite series.

With g = sum_n g_n(q) h_n(s / sqrt(q)) in orthonormal Hermite polynomials E[g_a g_b] = sum_n g_n(q_a) g_n(q_b) rho^n and
2 q dg_n/dq = n g_n + sqrt((n + 1)(n + 2)) g_{n+2} (of t g'(t), integrated by parts), so that for different examples

    dE[g_a g_b]/dQ_ab = sum_n n g_n(q_a) g_n(q_b) rho^(n-1) / sqrt(q_a q_b)           (Price: E[g'_a g'_b]),
    dE[g_a g_b]/dq_a = sum_n sqrt((n + 1)(n + 2)) g_{n+2}(q_a) g_n(q_b) rho^n / (2 q_a)   (E[g''_a g_b] / 2),

for any g, smooth or not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.theory.gaussian.covariance import correlation
from glorotlab.theory.gaussian.hermite_series import coefficients, mixed_sum, symmetric_sum
from glorotlab.theory.gaussian.moments import Row

TERMS = 64
"""Terms of the series. Where g jumps and the correlation is .98, 11 % of dE[g_a g_b]/dQ_ab is left out."""


class PairDerivatives(NamedTuple):
    """Derivatives of E[g_a g_b] for different examples, (examples, examples); their diagonals mean nothing.

    Parameters
    ----------
    own : (examples, examples)
        Derivative in q_a.
    pair : (examples, examples)
        Derivative in Q_ab.
    """

    own: Array
    pair: Array


def pair_derivatives(record: Activation, kernel: Array) -> tuple[PairDerivatives, PairDerivatives]:
    """Return the derivatives of E[f_a f_b] and of E[f'_a f'_b] of pre-activations of covariance ``kernel``."""
    q, rho = np.diagonal(kernel), correlation(kernel)
    f, derivative = coefficients(record, (Row.F, Row.DERIVATIVE), q, TERMS + 2)
    return _derivatives(f, q, rho), _derivatives(derivative, q, rho)


def _derivatives(g: Array, q: Array, rho: Array) -> PairDerivatives:
    return PairDerivatives(own_derivative(g, q, rho), pair_derivative(g, q, rho))


def own_derivative(g: Array, q: Array, rho: Array) -> Array:
    """Return dE[g_a g_b]/dq_a from Hermite coefficients g (terms + 2, examples)."""
    n = np.arange(2.0, len(g))[:, np.newaxis]
    return mixed_sum(np.sqrt(n * (n - 1)) * g[2:], g[:-2], rho) / (2 * q[:, np.newaxis])


def pair_derivative(g: Array, q: Array, rho: Array) -> Array:
    """Return dE[g_a g_b]/dQ_ab from Hermite coefficients g (terms + 2, examples)."""
    n = np.arange(1.0, len(g) - 1)[:, np.newaxis]
    return symmetric_sum(np.sqrt(n) * g[1:-1] / np.sqrt(q), rho)
