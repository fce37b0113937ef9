"""How fast layers learn, in Nielsen's sense: the length of dC/db^i, one layer relative to the next."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import sympy as sp

from glorotlab import activations
from glorotlab.arrays import Array
from glorotlab.derivations.beyond.example_pairs import (
    EXAMPLES,
    FIRST,
    SECOND,
    DerivativeProduct,
    GradientProduct,
    SquaredSpeed,
    is_batch_mean,
    is_mean_product,
    is_square_of_mean,
    mean_over_pairs,
    written,
)
from glorotlab.derivations.beyond.single_neuron_chain import BiasGradient, sigmoid_neurons, single_neuron_chain
from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import equal, equation, solves
from glorotlab.derivations.engine.assumptions import gradient_independence, independent_weights, zero_mean_weights
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.notation import Gradient, WeightVariance, Width, d, i, k
from glorotlab.derivations.engine.step import Assumption, Conclusion, Step
from glorotlab.derivations.engine.trial import Trial
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.theory.gaussian.pair_moments import pair_moments

alike_examples = Assumption(
    "alike_examples",
    "Examples are so alike that E[f'(s_a) f'(s_b)] is the same for any two, as where biases drive deep layers.",
    "Every pair of examples then weighs in by a mean of its own.",
)
fan_in_variance = Assumption(
    "fan_in_variance",
    "Var[W^i] = 1 / n_i, as Nielsen initializes.",
    "Each layer then keeps its factor n_(i+1) Var[W^(i+1)].",
)

_FACTOR = Width(i + 1) * WeightVariance(i + 1)
_RATIO = SquaredSpeed(i) / SquaredSpeed(i + 1)


@cache
def learning_speed_ratio(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive V^i / V^(i+1); ``without`` alike_examples a sum over pairs of examples is left in its place."""
    alike, fan_in = "alike_examples" not in without, "fan_in_variance" not in without
    steps = [_batch_mean(), _pairs(), _one_layer(), _speed()]
    steps += [_ratio()] if alike else []
    steps += [_by_fan_in(alike=alike)] if fan_in else []
    result = steps[-1].equation
    bounded = not without
    optional = ((alike_examples, alike), (fan_in_variance, fan_in), (sigmoid_neurons, bounded))
    return Derivation(
        *heading("learning_speed_ratio"),
        (
            zero_mean_weights,
            independent_weights,
            gradient_independence,
            *(item for item, assumed in optional if assumed),
        ),
        (*steps, *((_bound(),) if bounded else ())),
        (Conclusion(None, result, difference=_remark(alike=alike, bounded=bounded)),),
        experiment=lambda random: _experiment(result, random, alike=alike, fan_in=fan_in),
        carries=frozenset({"alike_examples", "fan_in_variance", "sigmoid_neurons"}) - without,
        without=without,
    )


def _remark(*, alike: bool, bounded: bool) -> str:
    if bounded:
        return (
            "Nielsen measures .003 in the first of four hidden layers and .285 in the last, a factor of 95. Sigmoid "
            "layers of biases N(0, 1) settle at Var[s] = 1.302; E[f'(s)^2] is .0420 there and the square of E[f'(s)] "
            ".0392. D^i lies between the two, so that over three layers the speed, the root of V, falls by a factor "
            "of 116 to 129."
        )
    if alike:
        return "D^i is E[f'(s)^2] for examples that are equal, and as small as the square of E[f'(s)] for others."
    return "Pairs of unlike examples count less in each further layer below: their D^i_(a,a') is smaller."


def _batch_mean() -> Step:
    return Step(
        "batch_mean",
        "The cost is a mean over N examples, and so is the gradient of a bias.",
        equation(BiasGradient(i, k), sp.Sum(Gradient(i, k, FIRST), (FIRST, 1, EXAMPLES)) / EXAMPLES),
        is_batch_mean,
        rule="s^i_a is the bias and what does not depend on it; up to three examples written out",
    )


def _pairs() -> Step:
    return Step(
        "pairs",
        "V^i is the mean square of the length of dC/db^i over networks, P^i_(a,a') the mean scalar product of two "
        "examples' dC/ds^i.",
        equation(SquaredSpeed(i), mean_over_pairs(GradientProduct(i, FIRST, SECOND))),
        lambda claim, earlier: claim.lhs == SquaredSpeed(i) and is_square_of_mean(claim.rhs, earlier["batch_mean"].rhs),
        follows=("batch_mean",),
        rule="the square of a sum, up to three examples and units written out",
    )


def _one_layer() -> Step:
    chain_rule = backward_variance().lemma("chain_rule")
    product = DerivativeProduct(i, FIRST, SECOND) * GradientProduct(i + 1, FIRST, SECOND)
    return Step(
        "one_layer",
        "One layer multiplies it by n_(i+1) Var[W^(i+1)] and by D^i_(a,a'), the mean of f'(s^i_a) f'(s^i_a').",
        equation(GradientProduct(i, FIRST, SECOND), _FACTOR * product),
        lambda claim, _: (
            claim.lhs == GradientProduct(i, FIRST, SECOND) and is_mean_product(claim.rhs, chain_rule.equation.rhs)
        ),
        uses=(independent_weights, zero_mean_weights, gradient_independence),
        lemmas=(chain_rule,),
        rule="the chain rule of two examples through the same weights, up to three units written out",
    )


def _speed() -> Step:
    product = DerivativeProduct(i, FIRST, SECOND) * GradientProduct(i + 1, FIRST, SECOND)
    return Step(
        "speed",
        "So every pair of examples weighs in by its own D^i_(a,a').",
        equation(SquaredSpeed(i), _FACTOR * mean_over_pairs(product)),
        lambda claim, earlier: (
            claim.lhs == SquaredSpeed(i) and equal(claim.rhs, _passed(earlier["pairs"].rhs, earlier["one_layer"]))
        ),
        follows=("pairs", "one_layer"),
    )


def _ratio() -> Step:
    def check(claim: sp.Eq, earlier: Mapping[str, sp.Eq]) -> bool:
        below = earlier["speed"].rhs.replace(DerivativeProduct, lambda index, *_: DerivativeProduct(index))
        return claim.lhs == _RATIO and equal(claim.rhs * earlier["pairs"].rhs.subs(i, i + 1), below)

    return Step(
        "ratio",
        "Where that is one number D^i for all pairs, it leaves the sum, which is V^(i+1).",
        equation(_RATIO, _FACTOR * DerivativeProduct(i)),
        check,
        uses=(alike_examples,),
        follows=("pairs", "speed"),
    )


def _by_fan_in(*, alike: bool) -> Step:
    before, start = ("ratio", _ratio()) if alike else ("speed", _speed())
    left, right = start.equation.args
    return Step(
        "by_fan_in",
        "With variances 1 / fan_in the width drops out.",
        equation(left, right / _FACTOR),
        lambda claim, earlier: (
            claim.lhs == left and equal(claim.rhs, earlier[before].rhs.subs(WeightVariance(i + 1), 1 / Width(i + 1)))
        ),
        uses=(fan_in_variance,),
        follows=(before,),
        rule="Var[W^(i+1)] = 1 / n_(i+1)",
    )


def _bound() -> Step:
    derivative = single_neuron_chain().lemma("derivative")
    right = SquaredSpeed(d - 1) / sp.Integer(16) ** (d - 1 - i)

    def check(claim: sp.Eq, earlier: Mapping[str, sp.Eq]) -> bool:
        (argument,) = derivative.equation.rhs.atoms(sp.core.function.AppliedUndef)
        largest = derivative.equation.rhs.subs(argument, sp.Rational(1, 2)) ** 2
        one_layer = earlier["by_fan_in"].rhs.replace(DerivativeProduct, lambda _: largest) * SquaredSpeed(i + 1)
        recurrence = equation(SquaredSpeed(i), one_layer)
        return claim.lhs == SquaredSpeed(i) and solves(claim, recurrence, start=d - 1, value=SquaredSpeed(d - 1))

    return Step(
        "bound",
        "Were every derivative at its largest, a quarter, the speed would fall by a factor of 4 a layer, of 64 over "
        "three; it falls by more.",
        equation(SquaredSpeed(i), right),
        check,
        uses=(sigmoid_neurons,),
        follows=("by_fan_in",),
        lemmas=(derivative,),
        rule="sigma is a half where its derivative is largest; induction downwards from the last hidden layer",
    )


def _passed(pairs: sp.Expr, one_layer: sp.Eq) -> sp.Expr:
    """Return the sum over pairs of examples with one layer passed."""
    return pairs.replace(
        GradientProduct, lambda index, a, b: one_layer.rhs.subs({i: index, FIRST: a, SECOND: b}, simultaneous=True)
    )


def _experiment(
    result: sp.Eq, random: np.random.Generator, *, alike: bool, fan_in: bool, networks: int = 60_000
) -> tuple[Trial, ...]:
    """Draw one layer of five units below and four above, and difference the mean cost of three examples by its biases.

    The cost of an example is linear in s^(i+1), with slopes g of its own.
    """
    q, below, above, h = 1.302, 5, 4, 1e-4
    variance = 1 / below if fan_in else 0.4
    correlation = np.ones((3, 3)) if alike else np.array([[1, 0.8, -0.5], [0.8, 1, 0], [-0.5, 0, 1]])
    covariance, zero = np.array([[1, 0.6, 0.3], [0.6, 1.5, 0.2], [0.3, 0.2, 0.5]]), np.zeros(3)
    outcomes = []
    for name in ("sigmoid", "tanh"):
        function = activations.get(name).function
        s = random.multivariate_normal(zero, q * correlation, (networks, below), method="eigh")
        g = random.multivariate_normal(zero, covariance, (networks, above), method="eigh")
        weights = np.sqrt(3 * variance) * random.uniform(-1, 1, (networks, below, above))
        raised, lowered = ((np.asarray(function(s + step)) * (weights @ g)).mean(axis=-1) for step in (h, -h))
        derivatives = pair_moments(name, q, q, correlation).derivative_second_moment
        predicted = _value(result, derivatives, above * covariance, below, variance)
        outcomes.append(Trial.of(f"{name}: V^i", predicted, (((raised - lowered) / (2 * h)) ** 2).sum(axis=1)))
    return tuple(outcomes)


def _value(result: sp.Eq, derivatives: Array, gradients: Array, below: int, variance: float) -> float:
    """Return V^i as the result has it, with these D^i and P^(i+1) of all pairs of examples."""
    whole = result.rhs * (SquaredSpeed(i + 1) if result.lhs == _RATIO else 1)
    numbers = written(whole.subs({Width(i + 1): below, WeightVariance(i + 1): variance}), len(gradients))
    numbers = numbers.subs({SquaredSpeed(i + 1): gradients.mean(), DerivativeProduct(i): derivatives[0, 0]})
    numbers = numbers.replace(DerivativeProduct, lambda _, a, b: sp.Float(derivatives[int(a) - 1, int(b) - 1]))
    return float(numbers.replace(GradientProduct, lambda _, a, b: sp.Float(gradients[int(a) - 1, int(b) - 1])))
