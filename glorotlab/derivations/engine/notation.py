"""The quantities of Glorot & Bengio (2010) as SymPy functions of the layer index.

Layer i has n_i units; s^i = z^i W^i with W^i of shape (n_i, n_{i+1}); z^0 = x and z^{i+1} = f(s^i). The
weights are W^0 ... W^d, so s^d is the output pre-activation and has n_{d+1} units.
"""

import sympy as sp

from glorotlab.derivations.engine.quantity import LayerQuantity, SecondMomentSymbol, VarianceSymbol


class Width(LayerQuantity):
    """n_i, the number of units of layer i."""

    letter = "n"
    subscript = True
    is_integer = True
    is_positive = True


class Weight(LayerQuantity):
    """W^i_{l,k}, from unit l of layer i to unit k of layer i + 1."""

    letter = "W"
    place = 2


class Bias(LayerQuantity):
    """b^i_k, of unit k of layer i + 1."""

    letter = "b"
    place = 4


class Activation(LayerQuantity):
    """z^i_l; z^0 is the input x."""

    letter = "z"
    place = 1


class Preactivation(LayerQuantity):
    """s^i_k, the pre-activation of unit k of layer i + 1."""

    letter = "s"


class ActivationDerivative(LayerQuantity):
    """f'(s^i_k)."""

    letter = "s"
    derivative = True


class Gradient(LayerQuantity):
    """dC/ds^i_k, the back-propagated gradient."""

    letter = "s"
    cost_gradient = True
    place = 3


class WeightGradient(LayerQuantity):
    """dC/dw^i_{l,k}."""

    letter = "w"
    cost_gradient = True


class WeightVariance(LayerQuantity):
    """Var[W^i]."""

    letter = "W"
    variance = True
    place = 1
    is_positive = True


class ActivationVariance(LayerQuantity):
    """Var[z^i]."""

    letter = "z"
    variance = True
    place = 2
    is_positive = True


class BiasVariance(LayerQuantity):
    """Var[b^i]."""

    letter = "b"
    variance = True
    place = 4
    is_positive = True


class ActivationSecondMoment(LayerQuantity):
    """E[(z^i)^2], which is not Var[z^i] where the mean of z^i is not 0."""

    letter = "z"
    second_moment = True
    place = 2
    is_positive = True


class DerivativeSecondMoment(LayerQuantity):
    """E[f'(s^i)^2]."""

    letter = "s"
    derivative = True
    second_moment = True
    place = 2
    is_positive = True


class PreactivationVariance(LayerQuantity):
    """Var[s^i]."""

    letter = "s"
    variance = True
    place = 2
    is_positive = True


class GradientVariance(LayerQuantity):
    """Var[dC/ds^i]."""

    letter = "s"
    cost_gradient = True
    place = 3
    variance = True
    is_positive = True


class WeightGradientVariance(LayerQuantity):
    """Var[dC/dw^i]."""

    letter = "w"
    cost_gradient = True
    variance = True
    is_positive = True


i, d = sp.symbols("i d", integer=True, nonnegative=True)
"""The index of a layer, and that of the output weights."""

layer = sp.Symbol("i'", integer=True, nonnegative=True)
"""The paper's bound index of products over layers."""

j, k, unit = sp.symbols("j k l", integer=True, positive=True)
"""The index of a layer in eq. 16, and those of a unit above and below."""

input_variance = VarianceSymbol("x", positive=True)
input_second_moment = SecondMomentSymbol("x", positive=True)

gaussian_square, gaussian_derivative_square = sp.Function("F", positive=True), sp.Function("G", positive=True)
"""F(q) = E[f(s)^2] and G(q) = E[f'(s)^2] over s ~ N(0, q)."""
