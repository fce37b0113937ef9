"""The quantities of Glorot & Bengio (2010) as SymPy functions of the layer index, with their printed forms.

Layer i has n_i units; s^i = z^i W^i with W^i of shape (n_i, n_{i+1}); z^0 = x and z^{i+1} = f(s^i). The
weights are W^0 ... W^d, so s^d is the output pre-activation and has n_{d+1} units.
"""

from typing import Any, ClassVar

import sympy as sp
from sympy.printing.pretty.stringpict import prettyForm

__all__ = [
    "Activation",
    "ActivationSecondMoment",
    "ActivationSlope",
    "ActivationVariance",
    "Bias",
    "BiasVariance",
    "Gradient",
    "GradientVariance",
    "Preactivation",
    "PreactivationVariance",
    "SecondMomentSymbol",
    "SlopeSecondMoment",
    "VarianceSymbol",
    "Weight",
    "WeightGradient",
    "WeightGradientVariance",
    "WeightVariance",
    "Width",
    "d",
    "gaussian_slope",
    "gaussian_square",
    "i",
    "input_second_moment",
    "input_variance",
    "j",
    "k",
    "layer",
    "markup",
    "unit",
]


class LayerQuantity(sp.Function):  # type: ignore[misc]
    """A real quantity of layer ``args[0]``; further arguments are the indices of units.

    Class attributes say how it is written: the ``letter``; whether the layer is its subscript, as in n_i, and
    not its superscript; whether f' is taken of it, then the derivative of the cost by it, then the variance or the
    second moment; and its ``place`` in a printed product (n_i Var[W^i] Var[z^i]).
    """

    letter: ClassVar[str]
    layer_below: ClassVar[bool] = False
    slope: ClassVar[bool] = False
    derivative: ClassVar[bool] = False
    variance: ClassVar[bool] = False
    second_moment: ClassVar[bool] = False
    place: ClassVar[int] = 0
    is_real = True

    @classmethod
    def class_key(cls) -> tuple[int, int, str]:
        """Return the key by which SymPy orders factors."""
        return 4, cls.place, cls.__name__

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        layer_index, *units = (printer._print(index) for index in self.args)
        body = f"{self.letter}{'_' if self.layer_below else '^'}{{{layer_index}}}"
        if units:
            body += f"_{{{','.join(units)}}}"
        if self.slope:
            body = rf"f'\left({body}\right)"
        if self.derivative:
            body = rf"\frac{{\partial C}}{{\partial {body}}}"
        if self.variance:
            body = rf"\operatorname{{Var}}\left[{body}\right]"
        if self.second_moment:
            body = rf"\operatorname{{E}}\left[\left({body}\right)^{{2}}\right]"
        if exp is None:
            return body
        bare = self.layer_below or self.variance or self.second_moment
        return f"{body}^{{{exp}}}" if bare else rf"\left({body}\right)^{{{exp}}}"

    def _sympystr(self, printer: Any) -> str:
        layer_index, *units = (printer._print(index) for index in self.args)
        bracketed = layer_index if self.args[0].is_Atom else f"({layer_index})"
        body = f"{self.letter}{'_' if self.layer_below else '^'}{bracketed}"
        if units:
            body += f"_{','.join(units)}"
        if self.slope:
            body = f"f'({body})"
        if self.derivative:
            body = f"dC/d{body}" if self.variance else f"(dC/d{body})"
        if self.second_moment:
            body = f"E[{body}^2]" if self.slope else f"E[({body})^2]"
        return f"Var[{body}]" if self.variance else body

    def _pretty(self, printer: Any) -> prettyForm:
        return prettyForm(sp.sstr(self))

    def _mathml_presentation(self, printer: Any) -> Any:
        layer_index, *units = (printer._print(index) for index in self.args)
        letter = markup(printer, "mi", self.letter)
        body = markup(printer, "msub" if self.layer_below else "msup", letter, markup(printer, "mrow", layer_index))
        if units:
            separated = [node for index in units for node in (markup(printer, "mo", ","), index)][1:]
            body = markup(printer, "msub", body, markup(printer, "mrow", *separated))
        if self.slope:
            body = markup(printer, "mrow", markup(printer, "mi", "f'"), *_enclosed(printer, "(", body, ")"))
        if self.derivative:
            above = markup(printer, "mrow", markup(printer, "mo", "∂"), markup(printer, "mi", "C"))
            body = markup(printer, "mfrac", above, markup(printer, "mrow", markup(printer, "mo", "∂"), body))
        if self.second_moment:
            return _mathml_second_moment(printer, body)
        return _mathml_variance(printer, body) if self.variance else body


class VarianceSymbol(sp.Symbol):  # type: ignore[misc]
    """The variance of what ``name`` says, one number: Var[x], Var[W]."""

    @classmethod
    def class_key(cls) -> tuple[int, int, str]:
        """Return the key by which SymPy orders factors: after the other symbols."""
        return 2, 1, cls.__name__

    def _latex(self, printer: Any) -> str:
        return rf"\operatorname{{Var}}\left[{self.name}\right]"

    def _sympystr(self, printer: Any) -> str:
        return f"Var[{self.name}]"

    def _pretty(self, printer: Any) -> prettyForm:
        return prettyForm(sp.sstr(self))

    def _mathml_presentation(self, printer: Any) -> Any:
        return _mathml_variance(printer, markup(printer, "mi", self.name))


class SecondMomentSymbol(sp.Symbol):  # type: ignore[misc]
    """The second moment of what ``name`` says, one number: E[x^2]."""

    @classmethod
    def class_key(cls) -> tuple[int, int, str]:
        """Return the key by which SymPy orders factors: after the other symbols."""
        return 2, 1, cls.__name__

    def _latex(self, printer: Any) -> str:
        return rf"\operatorname{{E}}\left[{self.name}^{{2}}\right]"

    def _sympystr(self, printer: Any) -> str:
        return f"E[{self.name}^2]"

    def _pretty(self, printer: Any) -> prettyForm:
        return prettyForm(sp.sstr(self))

    def _mathml_presentation(self, printer: Any) -> Any:
        return _mathml_second_moment(printer, markup(printer, "mi", self.name))


def markup(printer: Any, name: str, *children: Any) -> Any:
    """Return an element of MathML; strings among its children are text."""
    node = printer.dom.createElement(name)
    for child in children:
        node.appendChild(printer.dom.createTextNode(child) if isinstance(child, str) else child)
    return node


def _enclosed(printer: Any, left: str, body: Any, right: str) -> tuple[Any, Any, Any]:
    return markup(printer, "mo", left), body, markup(printer, "mo", right)


def _mathml_variance(printer: Any, body: Any) -> Any:
    return markup(printer, "mrow", markup(printer, "mi", "Var"), *_enclosed(printer, "[", body, "]"))


def _mathml_second_moment(printer: Any, body: Any) -> Any:
    bracketed = markup(printer, "mrow", *_enclosed(printer, "(", body, ")"))
    square = markup(printer, "msup", bracketed, markup(printer, "mn", "2"))
    return markup(printer, "mrow", markup(printer, "mi", "E"), *_enclosed(printer, "[", square, "]"))


class Width(LayerQuantity):
    """n_i, the number of units of layer i."""

    letter = "n"
    layer_below = True
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
    """s^i_k, the input of unit k of layer i + 1."""

    letter = "s"


class ActivationSlope(LayerQuantity):
    """f'(s^i_k)."""

    letter = "s"
    slope = True


class Gradient(LayerQuantity):
    """dC/ds^i_k, the back-propagated gradient."""

    letter = "s"
    derivative = True
    place = 3


class WeightGradient(LayerQuantity):
    """dC/dw^i_{l,k}."""

    letter = "w"
    derivative = True


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


class SlopeSecondMoment(LayerQuantity):
    """E[f'(s^i)^2]."""

    letter = "s"
    slope = True
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
    derivative = True
    place = 3
    variance = True
    is_positive = True


class WeightGradientVariance(LayerQuantity):
    """Var[dC/dw^i]."""

    letter = "w"
    derivative = True
    variance = True
    is_positive = True


i, d = sp.symbols("i d", integer=True, nonnegative=True)
layer = sp.Symbol("i'", integer=True, nonnegative=True)  # the paper's bound index of products over layers
j, k, unit = sp.symbols("j k l", integer=True, positive=True)
input_variance = VarianceSymbol("x", positive=True)
input_second_moment = SecondMomentSymbol("x", positive=True)
gaussian_square, gaussian_slope = sp.Function("F", positive=True), sp.Function("G", positive=True)
"""F(q) = E[f(s)^2] and G(q) = E[f'(s)^2] over s ~ N(0, q)."""
