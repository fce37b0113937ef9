"""Assumptions about weights, biases and widths in derivations of scatter between networks."""

import sympy as sp

from glorotlab.derivations.engine.fluctuation_notation import kappa
from glorotlab.derivations.engine.notation import WeightVariance, i
from glorotlab.derivations.engine.step import Assumption

gaussian_weights = Assumption(
    "gaussian_weights",
    "Weights are Gaussian.",
    "Given the activations below, pre-activations then have cumulants beyond the second.",
)
any_law_of_weights = Assumption(
    "any_law_of_weights",
    "Weights of a layer have one law, with all moments; kappa is its excess kurtosis.",
    "Without moments sums over units need not be nearly Gaussian, however many they are.",
)
gaussian_bias = Assumption(
    "gaussian_bias",
    "Biases are Gaussian with mean 0 and variance Var[b^i], independent of each other and of all else.",
    "A bias of another law changes that of its pre-activation in wide layers too.",
)
first_order_width = Assumption(
    "first_order_width",
    "Layers are so wide that terms of order 1 / width squared are left out.",
    "Every further order brings the next cumulants of q, each with a recursion of its own. Only of scale-free units, "
    "such as ReLU, does E[(q_i)^2] close at every width: they have the exact factor in the full derivation.",
)

REPLACED = {"zero_bias": gaussian_bias, "gaussian_weights": any_law_of_weights}
"""The assumptions that replace dropped ones."""


def mean_over_weights(polynomial: sp.Expr, weights: list[sp.Expr]) -> sp.Expr:
    """Return the mean of a polynomial over independent weights of mean 0 and excess kurtosis kappa."""
    moments = {0: sp.S.One, 2: WeightVariance(i), 4: (3 + kappa) * WeightVariance(i) ** 2}
    terms = sp.Poly(polynomial, *weights).terms()
    return sum(value * sp.Mul(*(moments.get(power, sp.S.Zero) for power in powers)) for powers, value in terms)
