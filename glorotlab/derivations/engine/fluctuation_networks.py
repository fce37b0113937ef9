"""Networks drawn at random to test derivations of their scatter: q, T and their covariance.

Every network has weights of its own and one input. What holds to first order in 1 / width is tried on layers of 20 to
60 tanh units, where terms of the next order are about one standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import sympy as sp

from glorotlab import activations
from glorotlab.arrays import Array
from glorotlab.derivations.engine import fluctuation_notation as names
from glorotlab.derivations.engine.notation import BiasVariance, WeightVariance, Width, d, i
from glorotlab.theory.finite_width import recursions
from glorotlab.theory.gaussian.moments import moments

Values = Mapping[type[sp.Function], Sequence[float]]
"""The numbers of quantities, layer by layer."""

NETWORKS, CHUNK = 40_000, 1_000
"""The number of networks drawn, and of those drawn at once."""

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Networks:
    """A law that networks are drawn from; every input is 1.

    Attributes
    ----------
    widths : tuple of int
        n_0 ... n_d, and n_(d+1) where gradients are wanted.
    activation : str
        The name of f.
    first : float
        q_0 but for the bias.
    gain : float
        n_i Var[W^i] of all layers but the first.
    bias_variance : float
        The variance of every layer's biases.
    uniform : bool
        Whether weights are uniform; else they are Gaussian.
    """

    widths: tuple[int, ...]
    activation: str
    first: float = 1.0
    gain: float = 1.5
    bias_variance: float = 0.0
    uniform: bool = False

    @property
    def kurtosis(self) -> float:
        """Return the excess kurtosis of the weights."""
        return -6 / 5 if self.uniform else 0.0

    def weight_variance(self, layer: int) -> float:
        """Return Var[W^i]."""
        return (self.gain if layer else self.first) / self.widths[layer]

    @cached_property
    def wide(self) -> list[float]:
        """Return Q_i of every layer."""
        squares = [self.first + self.bias_variance]
        for _ in self.widths[1:]:
            passed_on = float(moments(self.activation, squares[-1]).second_moment)
            squares.append(self.gain * passed_on + self.bias_variance)
        return squares

    def value(self, expression: sp.Expr, layer: int, known: Values) -> float:
        """Return the value of a formula with i = ``layer``; ``known`` has quantities that the formula does not fix."""
        numbers: dict[type[sp.Function], Callable[[int], float]] = {
            Width: self.widths.__getitem__,
            WeightVariance: self.weight_variance,
            BiasVariance: lambda _: self.bias_variance,
            names.WideSignalSquare: self.wide.__getitem__,
            **{quantity: values.__getitem__ for quantity, values in known.items()},
        }
        concrete = expression.subs({i: layer, d: len(self.widths) - 2, names.width: self.widths[1]}).doit()
        concrete = concrete.subs(names.kappa, sp.Float(self.kurtosis))
        for quantity, number in numbers.items():
            concrete = concrete.replace(quantity, lambda index, number=number: sp.Float(number(int(index))))
        concrete = concrete.replace(
            lambda node: isinstance(node, names.GaussianMean), lambda node: sp.Float(self._gaussian(node))
        )
        return float(concrete)

    def _gaussian(self, mean: names.GaussianMean) -> float:
        """Return the value of a mean over s ~ N(0, q)."""
        q = float(mean.args[0])
        if isinstance(mean, names.MeanDerivativeFourth):
            return float(moments(self.activation, q).derivative_fourth_moment)
        if isinstance(mean, names.MeanDerivative):
            return float(moments(self.activation, q).derivative_mean)
        units = recursions.unit_moments(activations.get(self.activation), np.array([q]))
        square, derivative = units.square[:, 0], units.derivative_square[:, 0]
        return float(
            {
                names.MeanSquare: square[mean.order],
                names.MeanDerivativeSquare: derivative[mean.order],
                names.MeanFourth: units.square_variance[0] + square[0] ** 2,
                names.MeanProductSquare: units.covariance[0] + square[0] * derivative[0],
            }[type(mean)]
        )

    def fourth_cumulant(self, layer: int) -> float:
        """Return k_i where activations have their moments of wide layers."""
        fourth = self._gaussian(names.MeanFourth(self.wide[layer - 1])) if layer else 1.0
        return self.kurtosis * self.weight_variance(layer) ** 2 * self.widths[layer] * fourth


@dataclass(frozen=True)
class Sample:
    """Statistics of drawn networks; lists over the layers, of arrays (networks,) or, for T, (networks, costs).

    Attributes
    ----------
    q : list of array
        Second moments of s^i given the activations below, for layers 0 ... d.
    m : list of array
        Mean squares of s^i over the units, for layers below.
    t : list of array
        Mean squares of dC/ds^i over the units; empty where no gradients are wanted.
    """

    q: list[Array]
    m: list[Array]
    t: list[Array]


def draw(
    setting: Networks, random: np.random.Generator, gradients: str | None = None, networks: int = NETWORKS
) -> Sample:
    """Draw networks and return their statistics.

    Parameters
    ----------
    setting : Networks
        The law they are drawn from.
    random : numpy.random.Generator
        What draws them.
    gradients : str, optional
        ``outputs`` for the costs s^d_k, one for each output; or the name of an activation f: then the cost is the sum
        of F(s^d_k), F' = f, with signs at random. None where no gradients are wanted.
    networks : int
        How many are drawn, in multiples of ``CHUNK``.

    Returns
    -------
    Sample
    """
    chunks = [_draw_chunk(setting, random, gradients) for _ in range(networks // CHUNK)]
    q, m, t = ([np.concatenate(layer) for layer in zip(*values, strict=True)] for values in zip(*chunks, strict=True))
    return Sample(q, m, t)


def _draw_chunk(
    setting: Networks, random: np.random.Generator, gradients: str | None
) -> tuple[list[Array], list[Array], list[Array]]:
    record, n = activations.get(setting.activation), setting.widths
    z = np.ones((CHUNK, 1, n[0]), dtype=np.float32)
    weights, derivatives, q, m = [], [], [], []
    depth = len(n) - 1
    for index in range(depth + (gradients is None)):
        variance = setting.weight_variance(index)
        q.append(variance * (z.astype(np.float64) ** 2).sum(axis=(1, 2)) + setting.bias_variance)
        if index == depth:
            break
        weights.append(_weights(setting, random, index))
        bias = np.sqrt(setting.bias_variance) * random.standard_normal((CHUNK, 1, n[index + 1]), dtype=np.float32)
        s = z @ weights[-1] + bias
        m.append((s.astype(np.float64) ** 2).mean(axis=(1, 2)))
        z = np.asarray(record.function(s))
        derivatives.append(np.asarray(record.derivative(s)))
    return q, m, [] if gradients is None else _back_propagated(weights, derivatives, s, gradients, random)


def _back_propagated(
    weights: list[Float32], derivatives: list[Float32], outputs: Float32, gradients: str, random: np.random.Generator
) -> list[Array]:
    """Return the mean squares of dC/ds^i, one a network and cost."""
    networks, _, count = outputs.shape
    if gradients == "outputs":
        g = np.broadcast_to(np.eye(count, dtype=np.float32), (networks, count, count))
    else:
        signs = random.integers(0, 2, outputs.shape) * 2 - 1
        g = np.asarray(activations.get(gradients).function(outputs) * signs, dtype=np.float32)
    t = [(g.astype(np.float64) ** 2).mean(axis=2)]
    for w, derivative in zip(weights[:0:-1], derivatives[-2::-1], strict=True):
        g = derivative * (g @ np.swapaxes(w, 1, 2))
        t.insert(0, (g.astype(np.float64) ** 2).mean(axis=2))
    return t


def _weights(setting: Networks, random: np.random.Generator, index: int) -> Float32:
    shape, variance = (CHUNK, *setting.widths[index : index + 2]), setting.weight_variance(index)
    if setting.uniform:
        centred = random.random(shape, dtype=np.float32) - np.float32(0.5)
        return np.asarray(np.float32(np.sqrt(12 * variance)) * centred)
    return np.asarray(np.float32(np.sqrt(variance)) * random.standard_normal(shape, dtype=np.float32))
