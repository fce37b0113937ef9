"""Activations in JavaScript, written by SymPy from their records, so that no formula is typed twice."""

from __future__ import annotations

from sympy.printing.jscode import jscode

from glorotlab.activations import Activation
from glorotlab.activations.expression import syntax, tree


def function(record: Activation) -> str:
    """Return f of ``x`` as an expression of JavaScript, which calls a function ``erf`` where f does."""
    expression = tree.tree(syntax.parse(record.expression))
    return str(jscode(expression, user_functions={"erf": "erf"})).replace("\n", " ")
