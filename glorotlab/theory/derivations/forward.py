"""Equation 5: how the variance of activations travels upwards."""

from functools import cache

import sympy as sp

from glorotlab.theory.derivations.activations import is_first_order_activation
from glorotlab.theory.derivations.algebra import equal, equation, insert, solves
from glorotlab.theory.derivations.assumptions import FORWARD
from glorotlab.theory.derivations.derivation import Conclusion, Derivation, Step
from glorotlab.theory.derivations.moments import is_variance_of_sum
from glorotlab.theory.derivations.notation import (
    Activation,
    ActivationVariance,
    Preactivation,
    PreactivationVariance,
    Weight,
    WeightVariance,
    Width,
    i,
    input_variance,
    k,
    layer,
    unit,
)


@cache
def forward_variance() -> Derivation:
    """Derive Var[z^i] by induction over layers."""
    weighted_sum = sp.Sum(Activation(i, unit) * Weight(i, unit, k), (unit, 1, Width(i)))
    product = sp.Product(Width(layer) * WeightVariance(layer), (layer, 0, i - 1))
    result = equation(ActivationVariance(i), input_variance * product)
    steps = (
        Step(
            "The pre-activation of a unit sums over the n_i units below.",
            equation(Preactivation(i, k), weighted_sum),
            "definition s^i = z^i W^i with W^i of shape (n_i, n_(i+1)); zero_bias",
            lambda claim, _: _is_matrix_product(claim),
        ),
        Step(
            "Products of independent terms of mean 0 add their variances.",
            equation(PreactivationVariance(i), Width(i) * WeightVariance(i) * ActivationVariance(i)),
            "independent_weights, zero_mean_weights; E[z^2] is Var[z] by zero_mean_inputs and "
            "zero_mean_weights; equal in every unit by equal_input_variance; the z need not be independent "
            "of each other; induction on n_i",
            lambda claim, earlier: (
                claim.lhs == PreactivationVariance(i)
                and is_variance_of_sum(
                    claim.rhs,
                    earlier[0].rhs,
                    {Weight: WeightVariance(i), Activation: ActivationVariance(i)},
                    independent={Weight},
                )
            ),
        ),
        Step(
            "To first order the activation is the pre-activation.",
            equation(Activation(i + 1, k), Preactivation(i, k)),
            "linear_regime",
            lambda claim, _: (
                claim.lhs == Activation(i + 1, k) and is_first_order_activation(claim.rhs, Preactivation(i, k))
            ),
        ),
        Step(
            "So one layer multiplies the variance by n_i Var[W^i].",
            equation(ActivationVariance(i + 1), Width(i) * WeightVariance(i) * ActivationVariance(i)),
            "steps 2 and 3",
            lambda claim, earlier: (
                earlier[2].args == (Activation(i + 1, k), Preactivation(i, k))
                and claim.lhs == ActivationVariance(i + 1)
                and equal(claim.rhs, insert(PreactivationVariance(i), earlier[1]))
            ),
        ),
        Step(
            "Hence the variance in layer i is a product over the layers below.",
            result,
            "step 4 by induction over layers from Var[z^0] = Var[x]",
            lambda claim, earlier: (
                claim.lhs == ActivationVariance(i) and solves(claim, earlier[3], start=sp.S.Zero, value=input_variance)
            ),
        ),
    )
    return Derivation(
        "forward_variance",
        "Variance of activations",
        "Glorot & Bengio 2010, eq. 5",
        FORWARD,
        steps,
        (Conclusion(5, result, printed=equation(ActivationVariance(i), input_variance * product)),),
    )


def _is_matrix_product(claim: sp.Eq, fan_out: int = 2) -> bool:
    """Whether ``claim`` is each entry of z^i W^i, written out for one to three units below."""
    for fan_in in (1, 2, 3):
        z = sp.Matrix(1, fan_in, lambda _, row: Activation(i, row + 1))
        w = sp.Matrix(fan_in, fan_out, lambda row, column: Weight(i, row + 1, column + 1))
        for column, entry in enumerate(z * w, start=1):
            concrete = claim.subs({Width(i): fan_in, k: column}).doit()
            if concrete.lhs != Preactivation(i, column) or sp.expand(concrete.rhs - entry) != 0:
                return False
    return True
