"""Fuzz target expression: activations that a user writes as an expression in x.

What is accepted is compared, values and derivatives, with the text evaluated by NumPy, node by node and without SymPy:
``reference_expression`` has the rules.
"""

import random

import numpy as np
from harness import Target, Wrong
from mutations import NUMBERS, WORDS, mutate_text
from reference_expression import evaluate

from glorotlab import activations
from glorotlab.activations.expression import syntax
from glorotlab.activations.expression.record import read

ONE = (
    "abs",
    "asinh",
    "atan",
    "cos",
    "cosh",
    "erf",
    "exp",
    "log",
    "relu",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
)
ONE += ("tanh", "Abs", "arctan", "ln")
SAMPLES = (
    "x*exp(-x**2)",
    "max(x, 0.1*x)",
    "x/(1+abs(x))",
    "tanh(x) + 0.1*x",
    "min(max(x, -1), 1)",
    "x*sigmoid(1.702*x)",
    "log(1+exp(x))",
    "x**3/(1+x**2)",
    "2**(-x**2)*sin(pi*x)",
    "sqrt(1+x**2)-1",
    "relu(x)**2",
    "sign(x)*log(1+abs(x))",
    "(x+1)*(x+2)*(x+3)",
    "atan(e*x)/2",
)
PIECES = (
    *ONE,
    "max",
    "min",
    "x",
    "**",
    "(",
    ")",
    ",",
    "+",
    "-",
    "*",
    "/",
    "pi",
    "e",
    "1j",
    "0x1",
    "lambda",
    "__import__",
    "[",
    ".",
)
PIECES += (
    "import",
    "x=1",
    "if",
    "**16",
    "**0.5",
    "**-1",
    "**(1/3)",
    "10**6",
    "1e-6",
    "_",
    "None",
    "True",
    "...",
    "\\",
    "'a'",
    "@",
)
EXPONENTS = ("2", "3", "4", "0.5", "-1", "-2", "(1/3)", "1.5", "16", "x", "0", "1", "-0.5", "(2/3)")
CONSTANTS = ("1", "2", "0.5", "3", "0.1", "pi", "e", "1e-6", "1e6", "0", "-1", "1/3", "0.044715", "7")

POINTS = np.concatenate([np.linspace(-2.97, 3.01, 12), [-7.3, 11.7]])
TOLERANCE = 1e-7
"""Difference allowed of values and derivatives, in parts of the largest numbers on the way to them."""


class Expressions(Target):
    """An expression becomes a record; its canonical text is the same function, and so is the text by NumPy alone."""

    name = "expression"

    def make(self, rng: random.Random) -> str:
        """Return a text: grown by a grammar, or a sample, and mutated in half of the cases."""
        text = _grown(rng, rng.choice((1, 2, 2, 3, 3, 4))) if rng.random() < 0.35 else rng.choice(SAMPLES)
        return mutate_text(rng, text, (*PIECES, *NUMBERS, *WORDS)) if rng.random() < 0.75 else text

    def run(self, made: str) -> None:
        """Read the expression as ``--activation`` is read, and compare it."""
        read.cache_clear()
        record = activations.get(made)
        if record.name in activations.RECORDS or made.strip() in activations.RECORDS or "leaky_relu" in made:
            return
        if activations.get(record.name).name != record.name or syntax.canonical(made) != record.name:
            raise Wrong(f"{record.name!r} has another canonical text")
        with np.errstate(all="ignore"):
            reference = evaluate(made, POINTS)
            values = record.function(POINTS), record.derivative(POINTS)
        for what, computed, right, scale in zip(("f", "f'"), values, reference[:2], reference[2:], strict=True):
            sure = np.isfinite(right) & np.isfinite(scale) & (scale < 1e100)
            wrong = sure & ~(np.abs(computed - right) <= TOLERANCE * (scale + 1e-3))
            if wrong.any():
                place = np.flatnonzero(wrong)[0]
                raise Wrong(f"{what}({POINTS[place]:.6g}) = {computed[place]!r}, by NumPy {right[place]!r}")
        if record.bound is not None and np.abs(values[0]).max() > record.bound * (1 + 1e-9):
            raise Wrong(f"bound {record.bound} of values up to {np.abs(values[0]).max()}")
        if record.odd and not np.allclose(record.function(-POINTS), -values[0], 1e-9, 1e-9):
            raise Wrong("said to be odd")


def _grown(rng: random.Random, depth: int) -> str:
    """Return an expression of the grammar, at most so deep."""
    if depth == 0:
        return "x" if rng.random() < 0.6 else rng.choice(CONSTANTS)
    inner = _grown(rng, depth - 1)
    match rng.randrange(8):
        case 0 | 1:
            return f"{rng.choice(ONE)}({inner})"
        case 2:
            return f"({inner}){rng.choice('+-*/')}({_grown(rng, depth - 1)})"
        case 3 | 4:
            return f"{inner}{rng.choice('+-*')}{_grown(rng, rng.randrange(depth))}"
        case 5:
            return f"({inner})**{rng.choice(EXPONENTS)}"
        case 6:
            others = (_grown(rng, rng.randrange(depth)) for _ in range(rng.choice((1, 1, 2, 3))))
            return f"{rng.choice(('max', 'min', 'Max'))}({inner}, {', '.join(others)})"
    return f"{rng.choice(('-', '2*', 'x*', '1/', 'x/', '2**', 'exp(-1)*'))}({inner})"
