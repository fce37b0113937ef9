"""The linear regime: an odd f with f'(0) = 1 is the identity to first order."""

import sympy as sp

_S = sp.Symbol("s", positive=True)
SYMMETRIC_ACTIVATIONS = (sp.tanh(_S), _S / (1 + _S))
"""tanh and softsign at positive s; odd functions need no more."""


def is_first_order_activation(value: sp.Expr, preactivation: sp.Expr) -> bool:
    """Whether ``value`` is f(s) to first order in s for the paper's symmetric activations."""
    return all(sp.series(f, _S, 0, 2).removeO().subs(_S, preactivation) == value for f in SYMMETRIC_ACTIVATIONS)


def is_first_order_derivative(value: sp.Expr) -> bool:
    """Whether ``value`` is f'(s) to zeroth order in s for the paper's symmetric activations."""
    return all(sp.limit(sp.diff(f, _S), _S, 0) == value for f in SYMMETRIC_ACTIVATIONS)
