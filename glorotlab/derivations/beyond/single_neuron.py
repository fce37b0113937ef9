"""Nielsen's simplest deep network, one neuron a layer: why gradients vanish, and how rarely they explode."""

from functools import cache

import numpy as np
import numpy.typing as npt
import sympy as sp

from glorotlab import activations
from glorotlab.derivations.engine.algebra import equal, equation, solves
from glorotlab.derivations.engine.derivation import Assumption, Conclusion, Derivation, Step
from glorotlab.derivations.engine.notation import ActivationSlope, Gradient, LayerQuantity, Weight, d, i, layer
from glorotlab.derivations.engine.trial import Trial

one_neuron = Assumption(
    "one_neuron",
    "Every layer has one neuron.",
    "Factors become matrices, diag(f') W, and their product has no order in which numbers can be compared: "
    "backward_variance has the mean over random weights.",
)
sigmoid_neurons = Assumption(
    "sigmoid_neurons",
    "Neurons are sigmoid: f(s) = 1 / (1 + exp(-s)).",
    "Another f has slopes of another size: the bound 1/4 and the interval belong to the sigmoid.",
)
equal_weights = Assumption(
    "equal_weights",
    "Every weight is w, and every bias makes its pre-activation 0.",
    "Every layer has a factor of its own, f'(s) w, of at most a quarter of its own weight.",
)
large_weight = Assumption(
    "large_weight",
    "The weight is at least 4 in absolute value; w stands for that.",
    "Below 4 no input makes the factor 1: it is at most w / 4.",
)

_W, _T, _U = sp.symbols("w t u", positive=True)
_WEIGHT = sp.Symbol("w", real=True)
_S = sp.Symbol("s", real=True)
_LARGER, _WIDTH = sp.symbols("u_larger Delta_a", positive=True)
_SIGMOID = 1 / (1 + sp.exp(-_S))
_ACTIVATION, _SLOPE = sp.Function("sigma", positive=True), sp.Function("sigma'", positive=True)


class BiasGradient(LayerQuantity):
    """dC/db^i."""

    letter = "b"
    derivative = True


@cache
def single_neuron_chain(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive dC/db^i of a chain of single neurons; ``without`` sigmoid_neurons or equal_weights without its bound."""
    sigmoid, bounded = "sigmoid_neurons" not in without, not without
    factor = ActivationSlope(layer) * Weight(layer + 1)
    result = equation(BiasGradient(i), Gradient(d) * sp.Product(factor, (layer, i, d - 1)))
    one_factor = equation(Gradient(i), ActivationSlope(i) * Weight(i + 1) * Gradient(i + 1))
    steps = [
        Step(
            "The chain rule through one neuron multiplies by its slope and the weight above it.",
            one_factor,
            "one_neuron; s^(i+1) = f(s^i) W^(i+1) + b^(i+1)",
            _is_chain_rule,
        ),
        Step(
            "So the gradient that reaches layer i is a product over the layers above.",
            equation(Gradient(i), result.rhs),
            "step 1 by induction downwards from the output, where the product is empty",
            lambda claim, earlier: claim.lhs == Gradient(i) and solves(claim, earlier[0], start=d, value=Gradient(d)),
        ),
        Step(
            "A bias has the gradient of its pre-activation.",
            result,
            "step 2; s^i is its bias and what does not depend on it",
            lambda claim, earlier: claim.lhs == BiasGradient(i) and equal(claim.rhs, earlier[1].rhs),
        ),
    ]
    if sigmoid:
        steps.append(
            Step(
                "The slope of the sigmoid is a quarter at s = 0 and less elsewhere.",
                equation(_SLOPE(_S), sp.Rational(1, 4) - (_ACTIVATION(_S) - sp.Rational(1, 2)) ** 2),
                "sigmoid_neurons; the derivative of sigma(s) = 1 / (1 + exp(-s))",
                lambda claim, _: claim.lhs == _SLOPE(_S) and equal(_concrete(claim.rhs), sp.diff(_SIGMOID, _S)),
            )
        )
    if bounded:
        steps.append(
            Step(
                "With equal weights and all slopes at their largest the gradient is a power of w / 4: it vanishes "
                "where w is below 4, and a weight of 100 makes every factor 25.",
                equation(BiasGradient(i), Gradient(d) * (_WEIGHT / 4) ** (d - i)),
                "steps 3 and 4; equal_weights",
                lambda claim, earlier: (
                    claim.lhs == BiasGradient(i) and equal(claim.rhs, _at_the_top(earlier[2].rhs, earlier[3]))
                ),
            )
        )
    assumptions = (one_neuron, *((sigmoid_neurons,) if sigmoid else ()), *((equal_weights,) if bounded else ()))
    said = "Nielsen prints it for four layers, with the output's slope and cost in place of dC/ds^d."
    return Derivation(
        "single_neuron_chain",
        "Gradient of a chain of single neurons",
        "Nielsen 2015, chapter 5",
        assumptions,
        tuple(steps),
        (Conclusion(None, result, difference=said),),
        experiment=lambda random: _chains("sigmoid" if sigmoid else "tanh", random),
        carries=frozenset({"sigmoid_neurons", "equal_weights"}) - without,
    )


@cache
def explosion_interval() -> Derivation:
    """Derive how wide the interval of inputs is on which one sigmoid neuron does not shrink a gradient."""
    width = 2 / _W * sp.log(_W * (1 + sp.sqrt(1 - 4 / _W)) / 2 - 1)
    result = equation(_WIDTH, width)
    steps = (
        Step(
            "With u = exp(-s) the factor w sigma'(s) is 1 where",
            equation((1 + _U) ** 2, _W * _U),
            "sigmoid_neurons",
            lambda claim, _: equal(claim.rhs / claim.lhs, _factor()) and claim.rhs == _W * _U,
        ),
        Step(
            "The larger of both solutions, real by large_weight, is",
            equation(_LARGER, (_W - 2 + sp.sqrt(_W**2 - 4 * _W)) / 2),
            "step 1 solved for u; large_weight",
            lambda claim, earlier: claim.lhs == _LARGER and equal(claim.rhs, _larger(earlier[0])),
        ),
        Step(
            "and the other is its inverse; between them the factor exceeds 1. So s spans twice the logarithm, and the "
            "input a = (s - b) / w the w-th part of it.",
            equation(_WIDTH, 2 / _W * sp.log(_LARGER)),
            "step 2: the product of both solutions is 1; sigmoid_neurons: at s = 0 the factor is w / 4",
            lambda claim, earlier: claim.lhs == _WIDTH and equal(claim.rhs, _span(earlier[0], earlier[1])),
        ),
        Step(
            "This is the width, whatever the bias.",
            result,
            "step 2 inserted into step 3",
            lambda claim, earlier: (
                claim.lhs == _WIDTH
                and sp.simplify(sp.expand_log(claim.rhs - earlier[2].rhs.subs(*earlier[1].args), force=True)) == 0
                and _same_numbers(claim.rhs, earlier[2].rhs.subs(*earlier[1].args))
            ),
        ),
        Step(
            "With w four times the square of cosh(t/2) that logarithm is t, and the width",
            equation(_WIDTH, _T / (2 * sp.cosh(_T / 2) ** 2)),
            "step 3; u = exp(t) solves step 1 for this w",
            lambda claim, earlier: claim.lhs == _WIDTH and equal(claim.rhs, _in_t(earlier[0], earlier[2])),
        ),
        Step(
            "is largest where this holds: t = 1.543, w = 6.89, width 0.448.",
            equation(_T * sp.tanh(_T / 2), sp.S.One),
            "the derivative of step 5 vanishes",
            lambda claim, earlier: (
                claim.lhs == _T * sp.tanh(_T / 2)
                and sp.simplify((claim.lhs - claim.rhs) / sp.diff(earlier[4].rhs, _T) * _decay()) == 1
            ),
        ),
    )
    said = "It is the form Nielsen asks for; his largest width, about 0.45 near w = 6.9, follows."
    return Derivation(
        "explosion_interval",
        "Inputs that let a gradient grow",
        "Nielsen 2015, chapter 5, exercise",
        (sigmoid_neurons, large_weight),
        steps,
        (Conclusion(None, result, difference=said),),
        experiment=lambda random: _interval(result, random),
    )


def _is_chain_rule(claim: sp.Eq, _: tuple[sp.Eq, ...]) -> bool:
    """Whether the claim is the derivative of a cost C(s^(i+1)) by s^i."""
    f, cost = sp.Function("f"), sp.Function("C")
    below, above, bias = sp.symbols("s_below s_above b", real=True)
    after = f(below) * Weight(i + 1) + bias
    upper = cost(above).diff(above).subs(above, after).doit()
    right = claim.rhs.subs(Gradient(i + 1), upper).subs(ActivationSlope(i), f(below).diff(below))
    return bool(claim.lhs == Gradient(i) and sp.simplify(right - cost(after).diff(below).doit()) == 0)


def _concrete(expression: sp.Expr) -> sp.Expr:
    return expression.subs(_ACTIVATION(_S), _SIGMOID)


def _at_the_top(product: sp.Expr, slope: sp.Eq) -> sp.Expr:
    """Return the product over layers with the slope at s = 0 and equal weights."""
    largest = _concrete(slope.rhs).subs(_S, 0)
    return product.replace(ActivationSlope, lambda _: largest).replace(Weight, lambda _: _WEIGHT).doit()


def _factor() -> sp.Expr:
    """Return w sigma'(s) in u = exp(-s)."""
    return _W * sp.simplify(sp.diff(_SIGMOID, _S).subs(_S, -sp.log(_U)))


def _larger(relation: sp.Eq) -> sp.Expr:
    roots = sp.solve(relation.lhs - relation.rhs, _U)
    return max(roots, key=lambda root: float(root.subs(_W, 9)))


def _span(relation: sp.Eq, larger: sp.Eq) -> sp.Expr:
    """Return the width of the interval of a, where both roots of the relation are inverse and the middle exceeds 1."""
    roots = sp.solve(relation.lhs - relation.rhs, _U)
    inverse = len(roots) == 2 and sp.simplify(roots[0] * roots[1]) == 1
    beyond = sp.simplify((relation.rhs / relation.lhs).subs(_U, 1) - _W / 4) == 0
    return 2 / _W * sp.log(larger.lhs) if inverse and beyond else sp.nan


def _same_numbers(first: sp.Expr, second: sp.Expr) -> bool:
    return all(abs(sp.N((first - second).subs(_W, value), 30)) < 1e-25 for value in (5, sp.Rational(69, 10), 40))


def _in_t(relation: sp.Eq, width: sp.Eq) -> sp.Expr:
    weight = 4 * sp.cosh(_T / 2) ** 2
    difference = (relation.lhs - relation.rhs).subs({_U: sp.exp(_T), _W: weight})
    if sp.simplify(difference.rewrite(sp.exp)) != 0:
        return sp.nan
    return width.rhs.subs({_LARGER: sp.exp(_T), _W: weight})


def _decay() -> sp.Expr:
    """Return what divides 1 - t tanh(t/2) in the derivative of the width, up to the sign: it has no zero."""
    return -1 / (2 * sp.cosh(_T / 2) ** 2)


def _chains(name: str, random: np.random.Generator, chains: int = 60_000, depth: int = 3) -> tuple[Trial, ...]:
    """Chains whose biases put every s at 0: the squared gradient by a difference of the cost C = s^d."""
    record, variance, step = activations.get(name), 9.0, 1e-6
    weights = np.sqrt(3 * variance) * random.uniform(-1, 1, (depth, chains))
    at_zero = float(record.function(np.zeros(1))[0])

    def cost(moved: float) -> npt.NDArray[np.float64]:
        s = np.full(chains, moved)
        for weight in weights:
            s = weight * (np.asarray(record.function(s)) - at_zero)
        return s

    gradient = (cost(step) - cost(-step)) / (2 * step)
    slope = float(record.derivative(np.zeros(1))[0])
    return (Trial.of("E[(dC/db^0)^2]", (variance * slope**2) ** depth, gradient**2),)


def _interval(result: sp.Eq, random: np.random.Generator, draws: int = 60_000) -> tuple[Trial, ...]:
    """Measure the share of inputs of [-1, 1] at which a sigmoid neuron of bias 0 does not shrink a gradient."""
    record, found = activations.get("sigmoid"), []
    for weight in (5.0, 6.9, 40.0):
        a = random.uniform(-1, 1, draws)
        grows = weight * np.asarray(record.derivative(weight * a)) >= 1
        width = float(result.rhs.subs(_W, weight))
        found.append(Trial.of(f"width at w = {weight:g}", width, 2.0 * grows))
    return tuple(found)
