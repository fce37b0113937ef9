"""Trials of recursions for the scatter between networks: comparisons with drawn networks."""

from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp

from glorotlab.arrays import Array
from glorotlab.derivations.engine import fluctuation_notation as names
from glorotlab.derivations.engine.fluctuation_networks import Networks, Sample
from glorotlab.derivations.engine.notation import i
from glorotlab.derivations.engine.trial import Trial

Numbers = dict[type[sp.Function], list[float]]
"""The numbers of quantities, layer by layer."""

_Q = names.WideSignalSquare(i)
_KURTOSIS = names.MeanFourth(_Q) / names.MeanSquare(_Q) ** 2
_DERIVATIVE_KURTOSIS = names.MeanDerivativeFourth(_Q) / names.MeanDerivativeSquare(_Q) ** 2


def expand(setting: Networks, variance: sp.Eq, mean: sp.Eq) -> Numbers:
    """Return Var[q_i] and E[q_i] of every layer by their recursions."""
    layers = range(len(setting.widths))
    known: Numbers = {
        names.SignalVariance: [0.0],
        names.SignalMean: setting.wide[:1],
        names.FourthCumulant: [setting.fourth_cumulant(layer) for layer in layers],
    }
    for layer in layers[:-1]:
        following = {
            names.SignalVariance: setting.value(variance.rhs, layer, known),
            names.SignalMean: setting.value(mean.rhs, layer, known),
        }
        for quantity, number in following.items():
            known[quantity].append(number)
    return known


def expand_back(setting: Networks, signal: Sequence[sp.Eq], equations: Mapping[str, sp.Eq], *, given: bool) -> Numbers:
    """Return the result of ``expand``, with A_i and U_i of every layer by their recursions.

    Parameters
    ----------
    setting : Networks
        The law of the networks.
    signal : sequence of sympy.Eq
        The recursions of Var[q_i] and E[q_i].
    equations : mapping of str to sympy.Eq
        The steps ``sensitivity`` and ``log_variance`` by name.
    given : bool
        Whether the output's gradient is given; else it is tanh of the logits, with the moments of tanh units.
    """
    top = len(setting.widths) - 2
    known = expand(setting, *signal)
    known |= {quantity: [0.0] * (top + 1) for quantity in (names.LogSensitivity, names.LogVariance)}
    known[names.Concentration] = [0.0] * top + [1.0]
    if not given:
        q, kurtosis = setting.wide[top], setting.value(_KURTOSIS, top, known) / setting.widths[-1]
        known[names.LogSensitivity][top] = setting.value(names.MeanSquare(q, 1) / names.MeanSquare(q), 0, {})
        known[names.LogVariance][top] = kurtosis - 1 / setting.widths[-1]
        known[names.Concentration][top] = kurtosis
    for layer in range(top - 1, -1, -1):
        fourth = (3 + setting.kurtosis * known[names.Concentration][layer + 1]) / setting.widths[layer + 1]
        known[names.Concentration][layer] = fourth * setting.value(_DERIVATIVE_KURTOSIS, layer, known)
    for layer in range(top - 1, -1, -1):
        known[names.LogSensitivity][layer] = setting.value(equations["sensitivity"].rhs, layer, known)
        known[names.LogVariance][layer] = setting.value(equations["log_variance"].rhs, layer, known)
    return known


def signal_trials(setting: Networks, sample: Sample, variance: sp.Eq, mean: sp.Eq) -> list[Trial]:
    """Set Var[q_i] and E[q_i] beside drawn networks.

    From E[q_(i+1)] what m_i moves in proportion is taken out, whose mean is known: what F'' does is left.
    """
    known, outcomes = expand(setting, variance, mean), []
    for layer in range(1, len(sample.q)):
        q, predicted = sample.q[layer], known[names.SignalMean]
        outcomes.append(Trial.of(f"Var[q_{layer}]", known[names.SignalVariance][layer], (q - q.mean()) ** 2))
        derivative = setting.gain * setting.value(names.MeanSquare(setting.wide[layer - 1], 1), 0, {})
        straight = derivative * (sample.m[layer - 1] - predicted[layer - 1])
        outcomes.append(Trial.of(f"E[q_{layer}], curvature alone", predicted[layer], q - straight))
    return outcomes


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
    setting: Networks, sample: Sample, signal: Sequence[sp.Eq], equations: Mapping[str, sp.Eq], *, given: bool
) -> list[Trial]:
    """Set the relative variance of T_i, and its covariance with q_1, beside drawn networks.

    Layers are multiplied, (1 + A^2 Var q) prod (1 + U_i - U_(i+1)) - 1: to first order that is A^2 Var q + U, and what
    it adds is most of the next order. The parameters are those of ``expand_back``; the covariance, where gradients
    depend on q, needs the step ``own_covariance`` too.
    """
    top = len(setting.widths) - 2
    known = expand_back(setting, signal, equations, given=given)
    sensitivity, scatter = known[names.LogSensitivity], known[names.LogVariance]
    outcomes, product = [], 1 + scatter[top]
    relative = [t / t.mean(axis=0) - 1 for t in sample.t]
    for layer in range(top - 1, -1, -1):
        product *= 1 + scatter[layer] - scatter[layer + 1]
        predicted = (1 + sensitivity[layer] ** 2 * known[names.SignalVariance][layer]) * product - 1
        outcomes.append(_relative_variance(f"Var[T_{layer}] / E[T_{layer}]^2", predicted, relative[layer]))
    if not given:
        return outcomes
    joint = equations["own_covariance"].rhs.subs(names.SignalSquare(i), _Q)
    covariance = setting.value(joint, 0, known) + sensitivity[1] * known[names.SignalVariance][1]
    moved = relative[0] * (sample.q[1] - sample.q[1].mean())[:, np.newaxis]
    outcomes.append(Trial.of("Cov[T_0, q_1] / E[T_0]", covariance, moved.mean(axis=1)))
    return outcomes


def exact_gradient_trials(setting: Networks, sample: Sample, ratio: sp.Eq) -> list[Trial]:
    """Set Var[T_i] / E[T_i]^2 beside drawn networks of scale-free units."""
    outcomes = []
    for layer in range(len(setting.widths) - 2):
        statement, t = f"{setting.activation}: Var[T_{layer}] / E[T_{layer}]^2", sample.t[layer]
        predicted = setting.value(ratio.rhs, layer, {}) - 1
        outcomes.append(_relative_variance(statement, predicted, t / t.mean(axis=0) - 1))
    return outcomes


def _relative_variance(statement: str, predicted: float, relative: Array) -> Trial:
    """Return the trial of the variance of T / E[T], with the error that the sample's own mean adds."""
    squares = relative**2
    return Trial.of(statement, predicted, (squares - 2 * squares.mean(axis=0) * relative).mean(axis=1))
