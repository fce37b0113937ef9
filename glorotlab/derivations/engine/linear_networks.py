"""Networks drawn at random to test a derivation: z, dC/ds and dC/dw of layers of unequal widths.

They are small: under the assumptions of a result it holds for every width. Inputs, weights and biases are drawn, and so
is the gradient of the cost by the outputs, which is then independent of the weights as gradient_independence asks.
Outside the linear regime one hidden layer over one given input has Gaussian pre-activations, whatever its width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from glorotlab import activations
from glorotlab.arrays import Array
from glorotlab.derivations.engine import notation as q
from glorotlab.derivations.engine.trial import Trial
from glorotlab.theory.gaussian.moments import moments

NETWORKS = 60_000
"""The number of networks drawn."""


@dataclass(frozen=True)
class Setting:
    """A law that networks are drawn from.

    Attributes
    ----------
    widths : tuple of int
        n_0 ... n_{d+1}.
    weight_variances, bias_variances : tuple of float
        Var[W^0] ... Var[W^d] and Var[b^0] ... Var[b^d].
    input_mean, input_deviation : float
        Mean and standard deviation of every input.
    gradient_variance : float
        Var[dC/ds^d].
    activation : str
        The name of f.
    uniform : bool
        Whether weights are uniform; else they are Gaussian.
    """

    widths: tuple[int, ...] = (7, 5, 9, 4, 3)
    weight_variances: tuple[float, ...] = (0.3, 0.16, 0.4, 0.2)
    bias_variances: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    input_mean: float = 0.0
    input_deviation: float = 1.4
    gradient_variance: float = 0.5
    activation: str = "linear"
    uniform: bool = False

    @property
    def top(self) -> int:
        """Return d, the index of the output weights."""
        return len(self.weight_variances) - 1

    def activation_square(self, layer: int) -> float:
        """Return E[(z^i)^2] by the recurrence."""
        if layer == 0:
            return self.input_mean**2 + self.input_deviation**2
        return float(moments(self.activation, self.preactivation_variance(layer - 1)).second_moment)

    def preactivation_variance(self, layer: int) -> float:
        """Return Var[s^i] by the recurrence."""
        factor = self.widths[layer] * self.weight_variances[layer]
        return factor * self.activation_square(layer) + self.bias_variances[layer]

    def derivative_square(self, layer: int) -> float:
        """Return E[f'(s^i)^2]."""
        return float(moments(self.activation, self.preactivation_variance(layer)).derivative_second_moment)

    def value(self, expression: sp.Expr, layer: int) -> float:
        """Return the value of a formula in layer ``layer``."""
        concrete = expression.subs({q.i: layer, q.d: self.top}).doit()
        numbers = {
            q.Width: self.widths.__getitem__,
            q.WeightVariance: self.weight_variances.__getitem__,
            q.BiasVariance: self.bias_variances.__getitem__,
            q.ActivationSecondMoment: self.activation_square,
            q.DerivativeSecondMoment: self.derivative_square,
            q.GradientVariance: lambda _: self.gradient_variance,
        }
        for quantity, number in numbers.items():
            concrete = concrete.replace(quantity, lambda index, number=number: sp.Float(number(int(index))))
        concrete = concrete.replace(q.gaussian_square, self._gaussian_square)
        inputs = {q.input_variance: self.input_deviation**2, q.input_second_moment: self.activation_square(0)}
        return float(concrete.subs(inputs))

    def _gaussian_square(self, variance: sp.Expr) -> sp.Expr:
        return sp.Float(float(moments(self.activation, float(variance)).second_moment))


LINEAR = Setting()
"""Linear networks of three hidden layers of unequal widths."""

NONLINEAR = Setting((7, 5, 4), (0.3, 0.4), (0.0, 0.0), input_mean=1.4, input_deviation=0.0, activation="tanh")
"""Tanh networks of one hidden layer over one given input."""

MeanSquares = dict[type[sp.Function], list[Array]]
"""Mean squares over the units of each layer, (networks,), by the quantity they estimate."""


def draw(setting: Setting, random: np.random.Generator, networks: int = NETWORKS) -> MeanSquares:
    """Draw networks, each with an input and an output gradient of its own."""
    record, n = activations.get(setting.activation), setting.widths
    weights = [_weights(setting, random, networks, index) for index in range(setting.top + 1)]
    z = [setting.input_mean + setting.input_deviation * random.standard_normal((networks, n[0]))]
    derivatives = []
    for w, bias_variance in zip(weights[:-1], setting.bias_variances, strict=False):
        bias = np.sqrt(bias_variance) * random.standard_normal((networks, w.shape[2]))
        s = np.einsum("ra,rab->rb", z[-1], w) + bias
        z.append(np.asarray(record.function(s)))
        derivatives.append(np.asarray(record.derivative(s)))
    g = [np.sqrt(setting.gradient_variance) * random.standard_normal((networks, n[-1]))]
    for index in range(setting.top, 0, -1):
        g.insert(0, derivatives[index - 1] * np.einsum("rab,rb->ra", weights[index], g[0]))
    below, above = ([np.mean(layer**2, axis=1) for layer in values] for values in (z, g))
    products = [a * b for a, b in zip(below, above, strict=True)]
    return {
        q.ActivationVariance: below,
        q.ActivationSecondMoment: below,
        q.GradientVariance: above,
        q.WeightGradientVariance: products,
    }


def _weights(setting: Setting, random: np.random.Generator, networks: int, index: int) -> Array:
    shape = (networks, *setting.widths[index : index + 2])
    deviation = np.sqrt(setting.weight_variances[index])
    if setting.uniform:
        return np.asarray(deviation * random.uniform(-np.sqrt(3), np.sqrt(3), shape))
    return np.asarray(deviation * random.standard_normal(shape))


def trials(
    results: Sequence[sp.Eq], setting: Setting, random: np.random.Generator, networks: int = NETWORKS
) -> tuple[Trial, ...]:
    """Set results ``Q(i) = ...`` beside drawn networks, in every layer whose Q a formula of layer 0 ... d gives."""
    outcomes, measured = [], draw(setting, random, networks)
    for result in results:
        for layer in range(setting.top + 1):
            index = int(result.lhs.args[0].subs(q.i, layer))
            if index <= setting.top:
                statement = sp.sstr(result.lhs.func(index))
                samples = measured[result.lhs.func][index]
                outcomes.append(Trial.of(statement, setting.value(result.rhs, layer), samples))
    return tuple(outcomes)
