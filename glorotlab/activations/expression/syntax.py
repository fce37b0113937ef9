"""What a user may write as an activation: the text is checked, then parsed by ``ast``, then walked against a whitelist.

Nothing of the text is ever run. Its length, characters, nesting and numbers are bounded before anything whose cost
depends on them; SymPy is not needed to refuse a text.
"""

import ast
import math
import re
from collections.abc import Callable
from fractions import Fraction

from glorotlab.errors import InvalidValueError

MAX_LENGTH = 200
MAX_NESTING = 15
MAX_NODES = 80
MAX_POWER = 16
"""Largest product of the powers around one x."""
LARGEST = 10**6
"""Numbers are 0 or lie in [1/LARGEST, LARGEST]."""

CONSTANTS = {"pi": math.pi, "e": math.e}

FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "asinh": math.asinh,
    "atan": math.atan,
    "cos": math.cos,
    "cosh": math.cosh,
    "erf": math.erf,
    "exp": math.exp,
    "log": math.log,
    "max": max,
    "min": min,
    "relu": lambda value: max(0.0, value),
    "sigmoid": lambda value: 1 / (1 + math.exp(-value)),
    "sign": lambda value: float((value > 0) - (value < 0)),
    "sin": math.sin,
    "sinh": math.sinh,
    "softplus": lambda value: math.log1p(math.exp(value)),
    "sqrt": math.sqrt,
    "tanh": math.tanh,
}
"""Functions allowed in an expression, with their values at constants."""

ALIASES = {"Abs": "abs", "Max": "max", "Min": "min", "arctan": "atan", "arcsinh": "asinh", "ln": "log", "E": "e"}

_SEVERAL = ("max", "min")
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_+\-*/()., ]")
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)


def refusal(text: str, reason: str) -> InvalidValueError:
    """Return the error with the expression and what is wrong with it."""
    shown = text if len(text) <= 60 else text[:57] + "..."
    return InvalidValueError(f"activation {shown!r}: {reason}")


def parse(text: str) -> ast.expr:
    """Return the checked syntax tree of an expression in x, aliases replaced and constant parts folded.

    Constants are ``ast.Constant`` nodes that hold a ``Fraction``.

    Raises
    ------
    InvalidValueError
        Where the text is anything but an expression of the whitelist within its bounds.
    """
    return _Checker(text).visit(_checked(text))


def canonical(text: str) -> str:
    """Return the text in one normal form, without blanks, needless brackets or aliases; errors as for ``parse``."""
    tree = _checked(text)
    _Checker(text).visit(tree)
    return ast.unparse(_Renamer().visit(tree)).replace(" ", "")


def _checked(text: str) -> ast.expr:
    """Parse a text that is short and plain enough to be parsed."""
    if len(text) > MAX_LENGTH:
        raise refusal(text, f"{len(text):,} characters: allowed are at most {MAX_LENGTH}")
    if forbidden := _FORBIDDEN.search(text):
        raise refusal(text, f"character {forbidden[0]!r}: allowed are letters, digits and _+-*/()., of ASCII")
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        raise refusal(text, f"brackets {deepest} deep: allowed are at most {MAX_NESTING}")
    _check_literals(text)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise refusal(text, f"not an expression: {getattr(error, 'msg', error)}") from None
    if (nodes := sum(isinstance(node, ast.expr) for node in ast.walk(tree))) > MAX_NODES:
        raise refusal(text, f"{nodes} terms: allowed are at most {MAX_NODES}")
    return tree


def _check_literals(text: str) -> None:
    """Refuse malformed numbers: Python would warn of some, and read others as hexadecimal."""
    if ".." in text:
        raise refusal(text, "'..' is not a number")
    for literal in re.finditer(r"(?<![\w.])\.?\d(?:[eE][+-]|[\w.])*", text):
        if not re.fullmatch(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", literal[0]):
            raise refusal(text, f"{literal[0]!r} is not a number")


class _Renamer(ast.NodeTransformer):
    """Replaces aliases, and drops unary plus."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(ALIASES.get(node.id, node.id))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        operand: ast.expr = self.visit(node.operand)
        return operand if isinstance(node.op, ast.UAdd) else ast.UnaryOp(node.op, operand)


class _Checker:
    """Checks a syntax tree from the leaves up and folds its constant parts."""

    def __init__(self, text: str) -> None:
        self.text = text

    def visit(self, node: ast.expr, power: float = 1.0, depth: int = 0) -> ast.expr:
        """Return the folded node; ``power`` is the product of the exponents around it."""
        if depth > 3 * MAX_NESTING:
            raise refusal(self.text, f"nested more than {3 * MAX_NESTING} deep")
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return self._constant(self._exact(value))
            case ast.Name(id=name):
                return self._name(ALIASES.get(name, name))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
                return self._unary(op, self.visit(operand, power, depth + 1))
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _ARITHMETIC):
                if isinstance(op, ast.Pow):
                    return self._power(left, right, power, depth + 1)
                return self._binary(self.visit(left, power, depth + 1), op, self.visit(right, power, depth + 1))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(ALIASES.get(name, name), [self.visit(argument, 1.0, depth + 1) for argument in args])
            case ast.Call(func=ast.Name(id=name)):
                raise refusal(self.text, f"{name} with a named argument: allowed are arguments alone")
        shown = type(node.op).__name__ if isinstance(node, ast.BinOp | ast.UnaryOp) else type(node).__name__
        raise refusal(self.text, f"{shown} is not allowed: allowed are x, numbers, + - * / ** and functions")

    def _exact(self, value: float) -> Fraction:
        if isinstance(value, float) and not math.isfinite(value):
            raise refusal(self.text, f"number {value}: allowed are 0 and sizes from 1e-06 to 1e+06")
        return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)

    def _constant(self, value: Fraction) -> ast.Constant:
        if value and not Fraction(1, LARGEST) <= abs(value) <= LARGEST:
            raise refusal(self.text, f"number {float(value):.3g}: allowed are 0 and sizes from 1e-06 to 1e+06")
        short = value if value.denominator < 10**17 else Fraction(float(value))
        return ast.Constant(short)  # type: ignore[arg-type]  # a Fraction in place of a literal

    def _name(self, name: str) -> ast.expr:
        if name == "x":
            return ast.Name("x")
        if name in CONSTANTS:
            return self._constant(Fraction(CONSTANTS[name]))
        if name in FUNCTIONS:
            raise refusal(self.text, f"{name} without its argument: write {name}(x)")
        raise refusal(self.text, f"unknown name {name!r}: allowed are x, pi, e and {', '.join(FUNCTIONS)}")

    def _unary(self, op: ast.unaryop, operand: ast.expr) -> ast.expr:
        if isinstance(op, ast.UAdd):
            return operand
        value = constant(operand)
        return ast.UnaryOp(op, operand) if value is None else self._constant(-value)

    def _binary(self, left: ast.expr, op: ast.operator, right: ast.expr) -> ast.expr:
        a, b = constant(left), constant(right)
        if isinstance(op, ast.Div) and b == 0:
            raise refusal(self.text, "division by 0")
        if a is None or b is None:
            return ast.BinOp(left, op, right)
        match op:
            case ast.Add():
                return self._constant(a + b)
            case ast.Sub():
                return self._constant(a - b)
            case ast.Mult():
                return self._constant(a * b)
        return self._constant(a / b)

    def _power(self, left: ast.expr, right: ast.expr, power: float, depth: int) -> ast.expr:
        exponent = self.visit(right, 1.0, depth)
        value = constant(exponent)
        if value is None:
            base = constant(self.visit(left, power, depth))
            if base is None or base <= 0:
                raise refusal(self.text, "a power of x with x in its exponent: allowed are x**number and number**x")
            return ast.Call(ast.Name("exp"), [ast.BinOp(self._fold("log", [base]), ast.Mult(), exponent)], [])
        together = power * max(1.0, abs(float(value)))
        if together > MAX_POWER:
            raise refusal(self.text, f"power {together:g}: allowed are at most {MAX_POWER}, nested ones multiplied")
        base_node = self.visit(left, together, depth)
        base = constant(base_node)
        if base is None:
            return ast.BinOp(base_node, ast.Pow(), exponent)
        if base == 0 and value <= 0:
            raise refusal(self.text, "division by 0")
        if value.denominator == 1:
            return self._constant(base ** int(value))
        if base < 0:
            raise refusal(self.text, f"power {float(value):g} of the negative number {float(base):g}")
        return self._constant(Fraction(float(base) ** float(value)))

    def _call(self, name: str, arguments: list[ast.expr]) -> ast.expr:
        if name not in FUNCTIONS:
            raise refusal(self.text, f"unknown function {name!r}: allowed are {', '.join(FUNCTIONS)}")
        if name in _SEVERAL:
            if not 2 <= len(arguments) <= 4:
                raise refusal(self.text, f"{name} of {len(arguments)} arguments: allowed are 2 to 4")
        elif len(arguments) != 1:
            raise refusal(self.text, f"{name} of {len(arguments)} arguments: allowed is 1")
        values = [value for value in map(constant, arguments) if value is not None]
        if len(values) == len(arguments):
            return self._fold(name, values)
        return ast.Call(ast.Name(name), arguments, [])

    def _fold(self, name: str, values: list[Fraction]) -> ast.Constant:
        try:
            value = Fraction(FUNCTIONS[name](*map(float, values)))
        except (ValueError, OverflowError):
            shown = ", ".join(f"{float(value):g}" for value in values)
            raise refusal(self.text, f"{name}({shown}) is not a finite number") from None
        return self._constant(value)


def constant(node: ast.expr) -> Fraction | None:
    """Return the number that a folded node is, or None."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, Fraction) else None
