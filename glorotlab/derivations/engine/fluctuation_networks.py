"""Networks drawn at random to test what derivations say of their scatter: q, T and how both go together.

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
from glorotlab.derivations.engine.trial import Trial
from glorotlab.theory.finite_width import recursions
from glorotlab.theory.gaussian.moments import moments

Values = Mapping[type[sp.Function], Sequence[float]]
"""What quantities are, layer by layer."""

NETWORKS, CHUNK = 40_000, 1_000


@dataclass(frozen=True)
class Networks:
    """What networks are drawn from.

    Attributes
    ----------
    widths : n_0 ... n_d, and n_(d+1) where gradients are wanted
    activation : name
    first : q_0 but for the bias
    gain : n_i Var[W^i] of all other layers
    bias_variance : of every layer
    uniform : whether weights are uniform; else they are Gaussian
    """

    widths: tuple[int, ...]
    activation: str
    first: float = 1.0
    gain: float = 1.5
    bias_variance: float = 0.0
    uniform: bool = False

    @property
    def kurtosis(self) -> float:
        """Excess kurtosis of the weights."""
        return -6 / 5 if self.uniform else 0.0

    def weight_variance(self, layer: int) -> float:
        """Var[W^i]; every input is 1."""
        return (self.gain if layer else self.first) / self.widths[layer]

    @cached_property
    def wide(self) -> list[float]:
        """Q_i of every layer."""
        found = [self.first + self.bias_variance]
        for _ in self.widths[1:]:
            square = float(moments(self.activation, found[-1]).second_moment)
            found.append(self.gain * square + self.bias_variance)
        return found

    def value(self, expression: sp.Expr, layer: int, known: Values) -> float:
        """Return the value of a formula where i is ``layer``."""
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
        q = float(mean.args[0])
        if isinstance(mean, names.MeanSlopeFourth):
            return float(moments(self.activation, q).derivative_fourth_moment)
        units = recursions.unit_moments(activations.get(self.activation), np.array([q]))
        square, slope = units.square[:, 0], units.derivative_square[:, 0]
        return float(
            {
                names.MeanSquare: square[mean.order],
                names.MeanSlopeSquare: slope[mean.order],
                names.MeanFourth: units.square_variance[0] + square[0] ** 2,
                names.MeanProductSquare: units.covariance[0] + square[0] * slope[0],
            }[type(mean)]
        )

    def fourth_cumulant(self, layer: int) -> float:
        """k_i where activations have their moments of wide layers."""
        fourth = self._gaussian(names.MeanFourth(self.wide[layer - 1])) if layer else 1.0
        return self.kurtosis * self.weight_variance(layer) ** 2 * self.widths[layer] * fourth


@dataclass(frozen=True)
class Sample:
    """What was drawn; a list over the layers, of arrays (networks,) or (networks, costs).

    Attributes
    ----------
    q : second moments of s^i given the activations below, for layers 0 ... d
    m : mean squares of s^i over the units, for layers below
    t : mean squares of dC/ds^i over the units; empty where no gradients are wanted
    """

    q: list[Array]
    m: list[Array]
    t: list[Array]


def draw(
    setting: Networks, random: np.random.Generator, gradients: str | None = None, networks: int = NETWORKS
) -> Sample:
    """Draw networks; ``gradients`` is ``outputs`` for the costs s^d_k, one for each output, or an activation f.

    Then the cost is the sum of F(s^d_k), F' = f, with signs at random.
    """
    parts = [_draw(setting, random, gradients, CHUNK) for _ in range(networks // CHUNK)]
    q, m, t = ([np.concatenate(layer) for layer in zip(*values, strict=True)] for values in zip(*parts, strict=True))
    return Sample(q, m, t)


def _draw(
    setting: Networks, random: np.random.Generator, gradients: str | None, networks: int
) -> tuple[list[Array], list[Array], list[Array]]:
    record, n = activations.get(setting.activation), setting.widths
    z = np.ones((networks, 1, n[0]), dtype=np.float32)
    weights, slopes, q, m = [], [], [], []
    depth = len(n) - 1
    for index in range(depth + (gradients is None)):
        variance = setting.weight_variance(index)
        q.append(variance * (z.astype(np.float64) ** 2).sum(axis=(1, 2)) + setting.bias_variance)
        if index == depth:
            break
        weights.append(_weights(setting, random, networks, index))
        bias = np.sqrt(setting.bias_variance) * random.standard_normal((networks, 1, n[index + 1]), dtype=np.float32)
        s = z @ weights[-1] + bias
        m.append((s.astype(np.float64) ** 2).mean(axis=(1, 2)))
        z, slope = np.asarray(record.function(s)), np.asarray(record.derivative(s))
        slopes.append(slope)
    return q, m, [] if gradients is None else _back(weights, slopes, s, gradients, random)


def _back(
    weights: list[npt.NDArray[np.float32]],
    slopes: list[npt.NDArray[np.float32]],
    outputs: npt.NDArray[np.float32],
    gradients: str,
    random: np.random.Generator,
) -> list[Array]:
    networks, _, count = outputs.shape
    if gradients == "outputs":
        g = np.broadcast_to(np.eye(count, dtype=np.float32), (networks, count, count))
    else:
        signs = random.integers(0, 2, outputs.shape) * 2 - 1
        g = np.asarray(activations.get(gradients).function(outputs) * signs, dtype=np.float32)
    t = [(g.astype(np.float64) ** 2).mean(axis=2)]
    for w, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        g = slope * (g @ np.swapaxes(w, 1, 2))
        t.insert(0, (g.astype(np.float64) ** 2).mean(axis=2))
    return t


def _weights(setting: Networks, random: np.random.Generator, networks: int, index: int) -> npt.NDArray[np.float32]:
    shape, variance = (networks, *setting.widths[index : index + 2]), setting.weight_variance(index)
    if setting.uniform:
        return np.asarray(
            np.float32(np.sqrt(12 * variance)) * (random.random(shape, dtype=np.float32) - np.float32(0.5))
        )
    return np.asarray(np.float32(np.sqrt(variance)) * random.standard_normal(shape, dtype=np.float32))


def expand(setting: Networks, variance: sp.Eq, mean: sp.Eq) -> dict[type[sp.Function], list[float]]:
    """Return Var[q_i] and E[q_i] of every layer by their recurrences."""
    layers = range(len(setting.widths))
    found = {
        names.SignalVariance: [0.0],
        names.SignalMean: setting.wide[:1],
        names.FourthCumulant: [setting.fourth_cumulant(layer) for layer in layers],
    }
    for layer in layers[:-1]:
        following = {
            names.SignalVariance: setting.value(variance.rhs, layer, found),
            names.SignalMean: setting.value(mean.rhs, layer, found),
        }
        for quantity, number in following.items():
            found[quantity].append(number)
    return found


def signal_trials(setting: Networks, sample: Sample, variance: sp.Eq, mean: sp.Eq) -> list[Trial]:
    """Set Var[q_i] and E[q_i] beside drawn networks.

    Of E[q_(i+1)] what m_i moves in proportion is taken out, whose mean is known: what F'' does is left.
    """
    known, found = expand(setting, variance, mean), []
    for layer in range(1, len(sample.q)):
        q, predicted = sample.q[layer], known[names.SignalMean]
        found.append(Trial.of(f"Var[q_{layer}]", known[names.SignalVariance][layer], (q - q.mean()) ** 2))
        slope = setting.gain * setting.value(names.MeanSquare(setting.wide[layer - 1], 1), 0, {})
        straight = slope * (sample.m[layer - 1] - predicted[layer - 1])
        found.append(Trial.of(f"E[q_{layer}], curvature alone", predicted[layer], q - straight))
    return found


def exact_signal_trials(setting: Networks, sample: Sample, ratio: sp.Eq) -> list[Trial]:
    """Set Var[q_i] / E[q_i]^2 beside drawn networks of scale-free units, whose E[q_i] is Q_i."""
    return [
        Trial.of(
            f"{setting.activation}: Var[q_{layer}] / E[q_{layer}]^2",
            setting.value(ratio.rhs, layer, {}) - 1,
            (sample.q[layer] / setting.wide[layer] - 1) ** 2,
        )
        for layer in range(1, len(sample.q))
    ]


def gradient_trials(
    setting: Networks, sample: Sample, forward: Sequence[sp.Eq], steps: Sequence[sp.Eq], *, given: bool
) -> list[Trial]:
    """Set the relative variance of T_i, and its covariance with q_1, beside drawn networks.

    Layers are multiplied, (1 + A^2 Var q) prod (1 + U_i - U_(i+1)) - 1: to first order that is A^2 Var q + U, and what
    it adds is most of the next order. A tanh cost has the moments of tanh units at its top.
    """
    _, joint, slope, scatter = steps
    top = len(setting.widths) - 2
    known = expand(setting, *forward)
    known |= {quantity: [0.0] * (top + 1) for quantity in (names.LogSlope, names.LogVariance)}
    known[names.Concentration] = [0.0] * top + [1.0]
    if not given:
        q, kurtosis = setting.wide[top], setting.value(_KURTOSIS[False], top, known) / setting.widths[-1]
        known[names.LogSlope][top] = setting.value(names.MeanSquare(q, 1) / names.MeanSquare(q), 0, {})
        known[names.LogVariance][top] = kurtosis - 1 / setting.widths[-1]
        known[names.Concentration][top] = kurtosis
    for layer in range(top - 1, -1, -1):
        fourth = 3 + setting.kurtosis * known[names.Concentration][layer + 1]
        known[names.Concentration][layer] = (
            fourth * setting.value(_KURTOSIS[True], layer, known) / setting.widths[layer + 1]
        )
    found, product = [], 1 + known[names.LogVariance][top]
    relative = [t / t.mean(axis=0) - 1 for t in sample.t]
    for layer in range(top - 1, -1, -1):
        known[names.LogSlope][layer] = a = setting.value(slope.rhs, layer, known)
        known[names.LogVariance][layer] = u = setting.value(scatter.rhs, layer, known)
        product *= 1 + u - known[names.LogVariance][layer + 1]
        predicted = (1 + a**2 * known[names.SignalVariance][layer]) * product - 1
        found.append(_relative_variance(f"Var[T_{layer}] / E[T_{layer}]^2", predicted, relative[layer]))
    if not given:
        return found
    covariance = setting.value(joint.rhs.subs(names.SignalSquare(i), names.WideSignalSquare(i)), 0, known)
    covariance += known[names.LogSlope][1] * known[names.SignalVariance][1]
    moved = relative[0] * (sample.q[1] - sample.q[1].mean())[:, np.newaxis]
    found.append(Trial.of("Cov[T_0, q_1] / E[T_0]", covariance, moved.mean(axis=1)))
    return found


_KURTOSIS = {
    derivative: fourth(names.WideSignalSquare(i)) / square(names.WideSignalSquare(i)) ** 2
    for derivative, fourth, square in (
        (True, names.MeanSlopeFourth, names.MeanSlopeSquare),
        (False, names.MeanFourth, names.MeanSquare),
    )
}


def exact_gradient_trials(setting: Networks, sample: Sample, ratio: sp.Eq) -> list[Trial]:
    """Set Var[T_i] / E[T_i]^2 beside drawn networks of scale-free units."""
    found = []
    for layer in range(len(setting.widths) - 2):
        statement, t = f"{setting.activation}: Var[T_{layer}] / E[T_{layer}]^2", sample.t[layer]
        predicted = setting.value(ratio.rhs, layer, {}) - 1
        found.append(_relative_variance(statement, predicted, t / t.mean(axis=0) - 1))
    return found


def _relative_variance(statement: str, predicted: float, relative: Array) -> Trial:
    """Return the trial of the variance of T / E[T], with the error that the sample's own mean adds."""
    squares = relative**2
    return Trial.of(statement, predicted, (squares - 2 * squares.mean(axis=0) * relative).mean(axis=1))
