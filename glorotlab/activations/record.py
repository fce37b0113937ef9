"""What is known of one activation."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from glorotlab.arrays import FloatArray


@dataclass(frozen=True)
class Activation:
    """A hidden activation z = f(s).

    Parameters
    ----------
    name : str
        Canonical text, parameters included, for example ``leaky_relu(slope=0.01)``.
    expression : str
        f as a SymPy expression in ``x``.
    function, derivative : callable
        f and f' on NumPy arrays of float32 or float64, dtype kept; at a kink f' is the derivative from the left
        or, for ``hard_tanh``, 0.
    bound : float or None
        Supremum of |f|; None where f is unbounded, or where no supremum is known of an expression.
    kinks : tuple of float
        Where f or a derivative jumps, ascending: quadrature splits there.
    odd : bool
        f(-x) = -f(x).
    smoothness : float
        How many derivatives are continuous: 0 for ReLU, inf for tanh, -1 where f itself jumps.
    growth : float
        Smallest p known with |f(x)| <= C (1 + |x|)^p: 0 where f is bounded; inf where f grows faster than any power.
    parameters : tuple of float
        Values of the parameters in brackets.
    """

    name: str
    expression: str
    function: Callable[[FloatArray], FloatArray]
    derivative: Callable[[FloatArray], FloatArray]
    bound: float | None = None
    kinks: tuple[float, ...] = ()
    odd: bool = False
    smoothness: float = math.inf
    growth: float = 1.0
    parameters: tuple[float, ...] = ()

    @property
    def family(self) -> str:
        """The name without its parameters, by which kernels and closed forms are found."""
        return self.name.partition("(")[0] if self.parameters else self.name
