"""What scatters between networks as SymPy functions of the layer index, and Gaussian means with their derivatives.

q_i is the second moment of s^i given the activations below, Q_i its value in wide layers; T_i the mean square of
dC/ds^i over the n_(i+1) units of the layer.
"""

from typing import Any, ClassVar

import sympy as sp
from sympy.printing.pretty.stringpict import prettyForm

from glorotlab.derivations.engine.quantity import LayerQuantity

_OPERATORS = {"E": r"\operatorname{E}", "Var": r"\operatorname{Var}"}

width = sp.Symbol("n", integer=True, positive=True)
"""The width of layers that are equally wide."""

kappa = sp.Symbol("kappa", real=True)
"""The excess kurtosis of the weights."""


class Statistic(LayerQuantity):
    """A number of a layer, or the mean or variance of one over networks.

    Class attributes say how it is written: ``operator`` is E, Var or nothing, ``logarithm`` and ``square`` what it is
    taken of, and ``given`` whether it is meant given q of the layer below.
    """

    subscript = True
    operator: ClassVar[str] = ""
    logarithm: ClassVar[bool] = False
    square: ClassVar[bool] = False
    given: ClassVar[bool] = False

    def _sympystr(self, printer: Any) -> str:
        index = self.args[0]
        body = f"{self.letter}{_subscript(printer, index)}"
        body = f"ln {body}" if self.logarithm else f"({body})^2" if self.square else body
        body += f" | q{_subscript(printer, index - 1)}" if self.given else ""
        return f"{self.operator}[{body}]" if self.operator else body

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        index = self.args[0]
        body = f"{self.letter}_{{{printer._print(index)}}}"
        body = rf"\ln {body}" if self.logarithm else f"{body}^{{2}}" if self.square else body
        body += rf" \mid q_{{{printer._print(index - 1)}}}" if self.given else ""
        if self.operator:
            body = rf"{_OPERATORS[self.operator]}\left[{body}\right]"
        return body if exp is None else f"{body}^{{{exp}}}"


class SignalSquare(Statistic):
    """q_i."""

    letter = "q"
    is_positive = True


class WideSignalSquare(Statistic):
    """Q_i, the value of q_i in wide layers: Q_(i+1) = n_(i+1) Var[W^(i+1)] F(Q_i), with Var[b^(i+1)] where it is."""

    letter = "Q"
    is_positive = True


class SignalMean(SignalSquare):
    """E[q_i]."""

    operator = "E"


class SignalVariance(SignalSquare):
    """Var[q_i]."""

    operator = "Var"


class SignalSecondMoment(SignalSquare):
    """E[(q_i)^2]."""

    operator = "E"
    square = True


class SignalMeanGiven(SignalSquare):
    """E[q_i | q_(i-1)]."""

    operator = "E"
    given = True


class SignalVarianceGiven(SignalSquare):
    """Var[q_i | q_(i-1)]."""

    operator = "Var"
    given = True


class SampledVariance(Statistic):
    """Var[m_i] of the mean square m_i of s^i over the units of the layer."""

    letter = "m"
    operator = "Var"
    is_positive = True


class GradientMean(Statistic):
    """E[T_i]."""

    letter = "T"
    operator = "E"
    is_positive = True


class GradientSecondMoment(GradientMean):
    """E[(T_i)^2]."""

    square = True


class GradientLogVariance(Statistic):
    """Var[ln T_i]."""

    letter = "T"
    operator = "Var"
    logarithm = True
    is_positive = True


class LogSensitivity(Statistic):
    """A_i, the derivative of the mean of ln T_i in q_i."""

    letter = "A"


class LogVariance(Statistic):
    """U_i, the variance of ln T_i given q_i."""

    letter = "U"
    is_nonnegative = True


class OwnVariance(Statistic):
    """w_i, the relative variance of T_i / T_(i+1) given q_i."""

    letter = "w"
    is_positive = True


class OwnCovariance(Statistic):
    """c_i, the relative covariance of T_i / T_(i+1) with q_(i+1) given q_i."""

    letter = "c"


class Concentration(Statistic):
    """r_i, the sum of (dC/ds^i)^4 over the square of the sum of (dC/ds^i)^2."""

    letter = "r"
    is_positive = True


class FourthCumulant(Statistic):
    """k_i, the fourth cumulant of s^i given the activations below."""

    letter = "k"


class GaussianMean(sp.Function):  # type: ignore[misc]
    """A mean over s ~ N(0, q) as a function of q; a second argument is the order of a derivative in q."""

    letter: ClassVar[str]
    nargs = (1, 2)
    is_real = True

    @property
    def order(self) -> int:
        """Return how often the derivative is taken."""
        return int(self.args[1]) if len(self.args) > 1 else 0

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the derivative in q."""
        return self.func(self.args[0], self.order + 1)

    def _eval_is_positive(self) -> bool | None:
        return None if self.order else True

    def _sympystr(self, printer: Any) -> str:
        return f"{self._head}({printer._print(self.args[0])})"

    def _pretty(self, printer: Any) -> prettyForm:
        return prettyForm(sp.sstr(self))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        body = rf"{self._head}\left({printer._print(self.args[0])}\right)"
        return body if exp is None else f"{body}^{{{exp}}}"

    @property
    def _head(self) -> str:
        return self.letter + "'" * self.order


class MeanSquare(GaussianMean):
    """F(q) = E[f(s)^2]."""

    letter = "F"


class MeanDerivative(GaussianMean):
    """m(q) = E[f'(s)]."""

    letter = "m"


class MeanDerivativeSquare(GaussianMean):
    """G(q) = E[f'(s)^2]."""

    letter = "G"


class MeanFourth(GaussianMean):
    """H(q) = E[f(s)^4]."""

    letter = "H"


class MeanDerivativeFourth(GaussianMean):
    """J(q) = E[f'(s)^4]."""

    letter = "J"


class MeanProductSquare(GaussianMean):
    """P(q) = E[f(s)^2 f'(s)^2]."""

    letter = "P"


def _subscript(printer: Any, index: sp.Expr) -> str:
    return f"_{printer._print(index)}" if index.is_Atom else f"_({printer._print(index)})"
