"""Quantities of layers as SymPy functions that know how they are written, as text and as LaTeX."""

from typing import Any, ClassVar

import sympy as sp
from sympy.printing.pretty.stringpict import prettyForm


class LayerQuantity(sp.Function):  # type: ignore[misc]
    """A real quantity of layer ``args[0]``; further arguments are the indices of units.

    Class attributes say how it is written: the ``letter``; whether the layer is its ``subscript``, as in n_i, and not
    its superscript; whether f' is taken of it, then the derivative of the cost by it, then the variance or the second
    moment; and its ``place`` in a printed product (n_i Var[W^i] Var[z^i]).
    """

    letter: ClassVar[str]
    subscript: ClassVar[bool] = False
    derivative: ClassVar[bool] = False
    cost_gradient: ClassVar[bool] = False
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
        body = f"{self.letter}{'_' if self.subscript else '^'}{{{layer_index}}}"
        if units:
            body += f"_{{{','.join(units)}}}"
        if self.derivative:
            body = rf"f'\left({body}\right)"
        if self.cost_gradient:
            body = rf"\frac{{\partial C}}{{\partial {body}}}"
        if self.variance:
            body = rf"\operatorname{{Var}}\left[{body}\right]"
        if self.second_moment:
            body = rf"\operatorname{{E}}\left[\left({body}\right)^{{2}}\right]"
        if exp is None:
            return body
        bare = self.subscript or self.variance or self.second_moment
        return f"{body}^{{{exp}}}" if bare else rf"\left({body}\right)^{{{exp}}}"

    def _sympystr(self, printer: Any) -> str:
        layer_index, *units = (printer._print(index) for index in self.args)
        bracketed = layer_index if self.args[0].is_Atom else f"({layer_index})"
        body = f"{self.letter}{'_' if self.subscript else '^'}{bracketed}"
        if units:
            body += f"_{','.join(units)}"
        if self.derivative:
            body = f"f'({body})"
        if self.cost_gradient:
            body = f"dC/d{body}" if self.variance else f"(dC/d{body})"
        if self.second_moment:
            body = f"E[{body}^2]" if self.derivative else f"E[({body})^2]"
        return f"Var[{body}]" if self.variance else body

    def _pretty(self, printer: Any) -> prettyForm:
        return prettyForm(sp.sstr(self))


class VarianceSymbol(sp.Symbol):  # type: ignore[misc]
    """The variance, one number, of the quantity ``name``: Var[x], Var[W]."""

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


class SecondMomentSymbol(sp.Symbol):  # type: ignore[misc]
    """The second moment, one number, of the quantity ``name``: E[x^2]."""

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
