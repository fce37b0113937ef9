"""Symbols of the schema's variables as MathML."""

from __future__ import annotations

import functools

from markupsafe import Markup, escape

TENSORS = {
    "preactivation": "s",
    "activation": "z",
    "backprop_gradient": r"(\partial C / \partial s)",
    "result_gradient": r"(\partial C / \partial z)",
    "example_weight_gradient": r"(\partial C / \partial W)",
    "batch_weight_gradient": r"(\partial \bar{C} / \partial W)",
    "weight": "W",
}
"""LaTeX of each tensor that a report shows; a bar is the mean over a batch."""

NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'
"""What HTML needs not be told."""

STATISTICS = {"second_moment": r"\operatorname{{E}}[{}^2]", "variance": r"\operatorname{{Var}}[{}]"}
"""LaTeX of each statistic of a tensor."""


@functools.cache
def symbol(variable: str) -> Markup:
    """Return the symbol of a variable of the schema, and of those that have none their name in words."""
    from latex2mathml.converter import convert

    for statistic, latex in STATISTICS.items():
        tensor = variable.removesuffix(f"_{statistic}")
        if tensor != variable and tensor in TENSORS:
            return Markup(convert(latex.format(TENSORS[tensor])).replace(NAMESPACE, ""))  # noqa: S704
    return escape(variable.replace("_", " "))
