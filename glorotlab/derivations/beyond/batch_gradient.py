"""The weight gradient of a batch: the contribution of scattering kernels over all pairs of examples.

``glorotlab.theory.mean_field.kernel_covariance`` is the same for examples of any kernel, as numbers. Here different
examples are orthogonal, so that their mean kernels are 0 and everything there is between them is scatter.
"""

from functools import cache

import sympy as sp

from glorotlab.derivations.beyond.batch_gradient_notation import (
    BatchMean,
    BatchSquare,
    KernelAnswer,
    KernelCovariance,
    KernelVariance,
    OwnProduct,
    PairGradient,
    PairKernel,
)
from glorotlab.derivations.beyond.batch_gradient_trials import experiment
from glorotlab.derivations.beyond.example_pairs import EXAMPLES, FIRST, SECOND, mean_over_pairs, written
from glorotlab.derivations.beyond.random_weights import first_order_width, gaussian_weights
from glorotlab.derivations.catalogue import heading
from glorotlab.derivations.engine import delta_method
from glorotlab.derivations.engine.algebra import equal, equation, solves
from glorotlab.derivations.engine.assumptions import (
    equal_widths,
    gradient_independence,
    independent_weights,
    zero_bias,
    zero_mean_weights,
)
from glorotlab.derivations.engine.delta_method import SMALL
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.derivations.engine.fluctuation_notation import (
    MeanDerivative,
    MeanSquare,
    WideSignalSquare,
    width,
)
from glorotlab.derivations.engine.notation import WeightVariance, Width, d, i
from glorotlab.derivations.engine.step import Assumption, Conclusion, Step

orthogonal_examples = Assumption(
    "orthogonal_examples",
    "Inputs of different examples are orthogonal and equally long, and f is odd.",
    "Kernels then have means between examples, and scatter with those of single ones: the recursions have all three "
    "components, as glorotlab.theory.mean_field.kernel_covariance has them.",
)
linear_outputs = Assumption(
    "linear_outputs",
    "The cost of an example is half the squared distance of s^d from its target.",
    "S_d is then the mean product of two examples' second derivatives of the cost, over the outputs.",
)


_GAIN = Width(i) * WeightVariance(i)
_Q = WideSignalSquare(i)
_PAIR, _FIRST, _SECOND = sp.symbols("x y w", real=True)
"""The random parts of M_{a,a'}, M_{a,a} and M_{a',a'}."""

_COUNTS = (1, 2, 3)
_ODD = sum(sp.Symbol(f"c_{power}") * delta_method.SIGNED**power for power in (1, 3, 5))
"""The odd activation for which Gaussian integrals are written out."""


@cache
def batch_gradient_covariance(without: frozenset[str] = frozenset()) -> Derivation:
    """Derive E[T_i] for examples that have nothing in common; it carries no assumption that is dropped."""
    steps = (_pairs(), _covariance(), _scatter(), _answer(), _start(), _total(), _linear_layers())
    return Derivation(
        *heading("batch_gradient_covariance"),
        (
            gaussian_weights,
            independent_weights,
            zero_mean_weights,
            zero_bias,
            gradient_independence,
            first_order_width,
            orthogonal_examples,
            linear_outputs,
            equal_widths,
        ),
        steps,
        (
            Conclusion(
                None,
                steps[-2].equation,
                difference="In infinitely wide layers the second term is 0. It grows with N beside the first: its "
                "share is of the order of N / width.",
            ),
            Conclusion(None, steps[-1].equation, difference="For linear units; S_i is 1 for i = d."),
        ),
        experiment=lambda random: experiment({step.name: step.equation for step in steps}, random),
        without=without,
    )


def _pairs() -> Step:
    return Step(
        "pairs",
        "The gradient of a weight is a mean over examples, its mean square a mean over pairs, exactly.",
        equation(BatchSquare(i), mean_over_pairs(PairKernel(i, FIRST, SECOND) * PairGradient(i, FIRST, SECOND))),
        lambda claim, _: claim.lhs == BatchSquare(i) and _is_mean_square(claim.rhs),
        rule="dC/dW^i_(l,k) is the mean of z^i_l dC/ds^i_k; up to three examples and two units written out",
    )


def _is_mean_square(claimed: sp.Expr) -> bool:
    """Whether the claim is the mean square of the mean over examples of z g."""
    z, g = sp.Function("z"), sp.Function("g")
    for count, below, above in ((1, 1, 1), (2, 1, 2), (2, 2, 1), (3, 2, 2)):
        units = [(m, n) for m in range(below) for n in range(above)]
        gradients = [sum(z(a, m) * g(a, n) for a in range(1, count + 1)) / count for m, n in units]
        square = sum(gradient**2 for gradient in gradients) / len(units)
        pairs = written(claimed, count)
        pairs = pairs.replace(PairKernel, lambda _, a, b, n=below: sum(z(a, m) * z(b, m) for m in range(n)) / n)
        pairs = pairs.replace(PairGradient, lambda _, a, b, n=above: sum(g(a, m) * g(b, m) for m in range(n)) / n)
        if sp.expand(pairs - square) != 0:
            return False
    return True


def _covariance() -> Step:
    return Step(
        "covariance",
        "Given z^i, s^i is Gaussian of covariance n_i Var[W^i] M^i: the mean of D^i_(a,a') is a function of its three "
        "components. Of these M^i_(a,a') scatters with itself alone, since f is odd.",
        equation(KernelCovariance(i), _GAIN * KernelAnswer(i) * KernelVariance(i)),
        lambda claim, _: claim.lhs == KernelCovariance(i) and equal(claim.rhs, _first_order_covariance()),
        uses=(
            gaussian_weights,
            independent_weights,
            zero_mean_weights,
            zero_bias,
            first_order_width,
            orthogonal_examples,
        ),
        rule="the delta method",
    )


def _first_order_covariance() -> sp.Expr:
    """Return E[M D] - E M E D of M of mean M and D a function of all three components, to second order in them."""
    mean, scatter = sp.Symbol("M"), sp.Symbol("V")
    known = {_PAIR**2: KernelVariance(i), _FIRST**2: scatter, _SECOND**2: scatter}
    moved = [SMALL * _GAIN * part for part in (_PAIR, _FIRST, _SECOND)]
    slopes = (KernelAnswer(i), *sp.symbols("R_1 R_2"))
    gradient = sp.Symbol("D") + sum(slope * part for slope, part in zip(slopes, moved, strict=True))
    gradient += sum(sp.Symbol(f"H_{m}{n}") * moved[m] * moved[n] for m in range(3) for n in range(m + 1))
    product = delta_method.mean((mean + SMALL * _PAIR) * gradient, known)
    return sp.expand(product - mean * delta_method.mean(gradient, known))


def _scatter() -> Step:
    own, gain = MeanSquare(_Q) ** 2 / Width(i + 1), _GAIN**2 * MeanDerivative(_Q) ** 4
    return Step(
        "scatter",
        "A mean over n units scatters by 1 / n, and follows the layer below.",
        equation(KernelVariance(i + 1), own + gain * KernelVariance(i)),
        lambda claim, _: claim.lhs == KernelVariance(i + 1) and equal(claim.rhs, _scattered()),
        uses=(gaussian_weights, independent_weights, zero_bias, first_order_width, orthogonal_examples),
        rule="at covariance 0 the mean of f(s) f(s') over a pair is 0 and its slope the square of m(q) = E[f'(s)]; "
        "F(q) = E[f(s)^2]",
    )


def _scattered() -> sp.Expr:
    """Return Var[M_(i+1)]: that of n independent units at covariance 0, plus the derivative there times Var[M_i]."""
    products = sp.symbols("p_1:4")  # f_a f_a' of each unit, of mean 0 and mean square F^2
    for n in _COUNTS:
        square = sp.Poly((sum(products[:n]) / n) ** 2, *products)
        if sum(square.coeff_monomial(product**2) for product in products) != sp.Rational(1, n):
            return sp.nan
    return MeanSquare(_Q) ** 2 / Width(i + 1) + (_GAIN * _slope_of_kernel()) ** 2 * KernelVariance(i)


def _slope_of_kernel() -> sp.Expr:
    """Return the derivative of E[f_a f_a'] at covariance 0 as m(q)^2, if it is such a square."""
    is_square = _slope(_ODD) == sp.expand(_mean(sp.diff(_ODD, delta_method.SIGNED)) ** 2)
    return MeanDerivative(_Q) ** 2 if is_square else sp.nan


def _mean(unit: sp.Expr) -> sp.Expr:
    """Return E g(s) of a polynomial in s ~ N(0, q)."""
    q, s = sp.Symbol("q"), delta_method.SIGNED
    terms = sp.Poly(unit, s).terms()
    return sp.expand(sum(c * (sp.factorial2(n - 1) * q ** (n // 2) if n % 2 == 0 else 0) for (n,), c in terms))


def _slope(unit: sp.Expr) -> sp.Expr:
    """Return the derivative of E[g(s) g(s')] in the covariance of s and s' where it is 0: (E[s g(s)] / q)^2.

    The density of both has there the derivative s s' / q^2 times itself.
    """
    q, s = sp.Symbol("q"), delta_method.SIGNED
    return sp.expand(sp.cancel(_mean(sp.expand(s * unit)) / q) ** 2)


def _answer() -> Step:
    back = Width(i + 2) * WeightVariance(i + 1) * Width(i + 1) * WeightVariance(i + 1)
    return Step(
        "answer",
        "On the way back D^i is n_(i+2) Var[W^(i+1)] e D^(i+1) with e the mean of f'(s_a) f'(s_a'); it answers through "
        "the signal that it sends up.",
        equation(KernelAnswer(i), back * MeanDerivative(_Q) ** 4 * KernelAnswer(i + 1)),
        lambda claim, _: claim.lhs == KernelAnswer(i) and equal(claim.rhs, _answered()),
        uses=(gaussian_weights, independent_weights, zero_mean_weights, gradient_independence, orthogonal_examples),
        rule="at covariance 0 e is the square of m(q), and its slope that of E[f''(s)], 0 for odd f",
    )


def _answered() -> sp.Expr:
    """Return the derivative of n v e(c) D(n v M(c)) at c = 0."""
    c, slope_of_e = sp.Symbol("c"), _slope(sp.diff(_ODD, delta_method.SIGNED))
    e = MeanDerivative(_Q) ** 2 + slope_of_e * c
    passed_on = Width(i + 1) * WeightVariance(i + 1) * _slope_of_kernel() * c
    above = sp.Symbol("D") + KernelAnswer(i + 1) * passed_on
    return sp.diff(Width(i + 2) * WeightVariance(i + 1) * e * above, c).subs(c, 0)


def _start() -> Step:
    return Step(
        "start",
        "The gradient of an output is its distance from the target.",
        equation(KernelAnswer(d), sp.S.One),
        lambda claim, _: claim.lhs == KernelAnswer(d) and equal(claim.rhs, _of_outputs()),
        uses=(linear_outputs,),
        rule="D^d is the covariance of s^d and a mean product of targets",
    )


def _of_outputs() -> sp.Expr:
    """Return the derivative in c of E[dC/ds_a dC/ds_a'] for C = (s - y)^2 / 2 of logits of covariance c."""
    c, s, first, second = sp.symbols("c s y_1 y_2")
    gradients = [sp.diff((s - y) ** 2 / 2, s) for y in (first, second)]
    a, b = sp.symbols("s_1 s_2")
    product = sp.Poly(sp.expand(gradients[0].subs(s, a) * gradients[1].subs(s, b)), a, b)
    expectations = {(1, 1): c, (0, 0): sp.S.One}
    return sp.diff(sum(value * expectations.get(powers, 0) for powers, value in product.terms()), c)


def _total() -> Step:
    pairs = (EXAMPLES - 1) * _GAIN * KernelAnswer(i) * KernelVariance(i)
    return Step(
        "total",
        "Every pair of different examples adds the covariance, and nothing else: their mean kernels are 0.",
        equation(BatchMean(i), (OwnProduct(i) + pairs) / EXAMPLES),
        lambda claim, earlier: (
            claim.lhs == BatchMean(i) and _is_total(claim.rhs, earlier["pairs"].rhs, earlier["covariance"].rhs)
        ),
        uses=(orthogonal_examples,),
        follows=("pairs", "covariance"),
        rule="up to three examples written out",
    )


def _is_total(claimed: sp.Expr, pairs: sp.Expr, covariance: sp.Expr) -> bool:
    for count in _COUNTS:
        product = PairKernel(i, FIRST, SECOND) * PairGradient(i, FIRST, SECOND)
        total = sp.S.Zero
        for a in range(1, count + 1):
            for b in range(1, count + 1):
                term = product.subs({FIRST: a, SECOND: b}, simultaneous=True)
                coefficient = sp.expand(written(pairs, count)).coeff(term)
                total += coefficient * (OwnProduct(i) if a == b else covariance)
        if sp.simplify(claimed.subs(EXAMPLES, count) - total) != 0:
            return False
    return True


def _linear_layers() -> Step:
    below = WideSignalSquare(i - 1) ** 2 / width
    return Step(
        "linear_layers",
        "For linear units every layer adds as much.",
        equation(KernelVariance(i), i * below),
        lambda claim, earlier: claim.lhs == KernelVariance(i) and _is_linear(claim, earlier["scatter"]),
        uses=(equal_widths,),
        follows=("scatter",),
        rule="F(q) = q and m(q) = 1; induction upwards from Var[M_0] = 0, Q_(i+1) being n Var[W] Q_i",
    )


def _is_linear(claim: sp.Eq, scatter: sp.Eq) -> bool:
    ratio, start = sp.Symbol("r", positive=True), sp.Symbol("q", positive=True)

    def written_out(expression: sp.Expr) -> sp.Expr:
        expression = expression.replace(MeanSquare, lambda q: q).replace(MeanDerivative, lambda _: sp.S.One)
        expression = expression.replace(Width, lambda _: width).replace(WeightVariance, lambda _: ratio / width)
        return expression.replace(WideSignalSquare, lambda index: start * ratio**index)

    formula, recurrence = (equation(*map(written_out, each.args)) for each in (claim, scatter))
    return solves(formula, recurrence, start=sp.S.Zero, value=sp.S.Zero)
