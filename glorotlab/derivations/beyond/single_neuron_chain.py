"""Nielsen's simplest deep network, one neuron a layer: why gradients vanish."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import sympy as sp

from glorotlab import activations
from glorotlab.arrays import Array
from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine.algebra import equal, equation, solves
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.notation import ActivationDerivative, Gradient, Weight, d, i, layer
from glorotlab.derivations.engine.quantity import LayerQuantity
from glorotlab.derivations.engine.step import Assumption, Conclusion, Step
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
    "Another f has derivatives of another size: the bound 1/4 and the interval belong to the sigmoid.",
)
equal_weights = Assumption(
    "equal_weights",
    "Every weight is w, and every bias makes its pre-activation 0.",
    "Every layer has a factor of its own, f'(s) w, of at most a quarter of its own weight.",
)
PREACTIVATION = sp.Symbol("s", real=True)
SIGMOID = 1 / (1 + sp.exp(-PREACTIVATION))

_WEIGHT = sp.Symbol("w", real=True)
_ACTIVATION, _DERIVATIVE = sp.Function("sigma", positive=True), sp.Function("sigma'", positive=True)


class BiasGradient(LayerQuantity):
    """dC/db^i."""

    letter = "b"
    cost_gradient = True


@cache
def single_neuron_chain(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive dC/db^i of a chain of single neurons; ``without`` sigmoid_neurons or equal_weights without its bound."""
    sigmoid, bounded = "sigmoid_neurons" not in without, not without
    product = _product()
    result = product[-1].equation
    return Derivation(
        *heading("single_neuron_chain"),
        (one_neuron, *((sigmoid_neurons,) if sigmoid else ()), *((equal_weights,) if bounded else ())),
        (*product, *((_sigmoid(),) if sigmoid else ()), *((_bound(),) if bounded else ())),
        (
            Conclusion(
                None,
                result,
                difference="Nielsen prints it for four layers, with the output's derivative and cost in place of "
                "dC/ds^d.",
            ),
        ),
        experiment=lambda random: _chains("sigmoid" if sigmoid else "tanh", random),
        carries=frozenset({"sigmoid_neurons", "equal_weights"}) - without,
        without=without,
    )


def _product() -> tuple[Step, Step, Step]:
    """Return the steps to the gradient of a bias as a product over the layers above."""
    factor = ActivationDerivative(layer) * Weight(layer + 1)
    product = Gradient(d) * sp.Product(factor, (layer, i, d - 1))
    return (
        Step(
            "chain_rule",
            "The chain rule through one neuron multiplies by its derivative and the weight above it.",
            equation(Gradient(i), ActivationDerivative(i) * Weight(i + 1) * Gradient(i + 1)),
            _is_chain_rule,
            uses=(one_neuron,),
            rule="s^(i+1) = f(s^i) W^(i+1) + b^(i+1)",
        ),
        Step(
            "gradient",
            "So the gradient that reaches layer i is a product over the layers above.",
            equation(Gradient(i), product),
            lambda claim, earlier: (
                claim.lhs == Gradient(i) and solves(claim, earlier["chain_rule"], start=d, value=Gradient(d))
            ),
            follows=("chain_rule",),
            rule="induction downwards from the output, where the product is empty",
        ),
        Step(
            "bias_gradient",
            "A bias has the gradient of its pre-activation.",
            equation(BiasGradient(i), product),
            lambda claim, earlier: claim.lhs == BiasGradient(i) and equal(claim.rhs, earlier["gradient"].rhs),
            follows=("gradient",),
            rule="s^i is its bias and what does not depend on it",
        ),
    )


def _sigmoid() -> Step:
    return Step(
        "derivative",
        "The derivative of the sigmoid is a quarter at s = 0 and less elsewhere.",
        equation(_DERIVATIVE(PREACTIVATION), sp.Rational(1, 4) - (_ACTIVATION(PREACTIVATION) - sp.Rational(1, 2)) ** 2),
        lambda claim, _: (
            claim.lhs == _DERIVATIVE(PREACTIVATION) and equal(_concrete(claim.rhs), sp.diff(SIGMOID, PREACTIVATION))
        ),
        uses=(sigmoid_neurons,),
        rule="sigma(s) = 1 / (1 + exp(-s))",
    )


def _bound() -> Step:
    return Step(
        "bound",
        "With equal weights and all derivatives at their largest the gradient is a power of w / 4: it vanishes "
        "where w is below 4, and a weight of 100 makes every factor 25.",
        equation(BiasGradient(i), Gradient(d) * (_WEIGHT / 4) ** (d - i)),
        lambda claim, earlier: (
            claim.lhs == BiasGradient(i)
            and equal(claim.rhs, _at_the_top(earlier["bias_gradient"].rhs, earlier["derivative"]))
        ),
        uses=(equal_weights,),
        follows=("bias_gradient", "derivative"),
    )


def _is_chain_rule(claim: sp.Eq, _: Mapping[str, sp.Eq]) -> bool:
    """Whether the claim is the derivative of a cost C(s^(i+1)) by s^i."""
    f, cost = sp.Function("f"), sp.Function("C")
    below, above, bias = sp.symbols("s_below s_above b", real=True)
    after = f(below) * Weight(i + 1) + bias
    upper = cost(above).diff(above).subs(above, after).doit()
    right = claim.rhs.subs(Gradient(i + 1), upper).subs(ActivationDerivative(i), f(below).diff(below))
    return bool(claim.lhs == Gradient(i) and sp.simplify(right - cost(after).diff(below).doit()) == 0)


def _concrete(expression: sp.Expr) -> sp.Expr:
    return expression.subs(_ACTIVATION(PREACTIVATION), SIGMOID)


def _at_the_top(product: sp.Expr, derivative: sp.Eq) -> sp.Expr:
    """Return the product over layers with the derivative at s = 0 and equal weights."""
    largest = _concrete(derivative.rhs).subs(PREACTIVATION, 0)
    return product.replace(ActivationDerivative, lambda _: largest).replace(Weight, lambda _: _WEIGHT).doit()


def _chains(name: str, random: np.random.Generator, chains: int = 60_000, depth: int = 3) -> tuple[Trial, ...]:
    """Draw chains whose biases put every s at 0: the squared gradient by a difference of the cost C = s^d."""
    record, variance, step = activations.get(name), 9.0, 1e-6
    weights = np.sqrt(3 * variance) * random.uniform(-1, 1, (depth, chains))
    at_zero = float(record.function(np.zeros(1))[0])

    def cost(moved: float) -> Array:
        s = np.full(chains, moved)
        for weight in weights:
            s = weight * (np.asarray(record.function(s)) - at_zero)
        return s

    gradient = (cost(step) - cost(-step)) / (2 * step)
    derivative = float(record.derivative(np.zeros(1))[0])
    return (Trial.of("E[(dC/db^0)^2]", (variance * derivative**2) ** depth, gradient**2),)
