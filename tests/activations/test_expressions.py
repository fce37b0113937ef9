"""A user's expression as an activation: what is refused, and that what is accepted is what it says."""

import ast
import math
import signal
import subprocess
import sys
from contextlib import contextmanager

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from glorotlab import activations
from glorotlab.activations.expression import polynomials, syntax, taylor, tree
from glorotlab.activations.expression.taylor import X
from glorotlab.errors import InvalidValueError, UnknownNameError
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec, TrainingSpec
from glorotlab.theory.gaussian.moments import moments

SYNTAX = [
    ("(" * 10_000 + "x" + ")" * 10_000, "20,001 characters: allowed are at most 200"),
    ("x+" * 500_000 + "x", "1,000,001 characters"),
    ("(" * 90 + "x" + ")" * 90, "brackets 90 deep: allowed are at most 15"),
    ("-" * 150 + "x", "151 terms: allowed are at most 80"),
    ("9**9**9", r"number 3.87e\+08"),
    ("x**9**9", r"number 3.87e\+08"),
    ("9**9**9**9*x", r"number 3.87e\+08"),
    ("x**17", "power 17: allowed are at most 16"),
    ("((x**4)**4)**4", "power 64: allowed are at most 16, nested ones multiplied"),
    ("9" * 150 + "*x", r"number 1e\+150"),
    ("1e400*x", "number inf"),
    ("1e-9*x", "number 1e-09"),
    ("exp(exp(9))*x", "is not a finite number"),
    ("exp(100)*x", r"number 2.69e\+43"),
    ("log(0)+x", r"log\(0\) is not a finite number"),
    ("(-2)**0.5*x", "power 0.5 of the negative number -2"),
    ("x/0", "division by 0"),
    ("x/(1-1)", "division by 0"),
    ("0**-1*x", "division by 0"),
    ("x**x", "a power of x with x in its exponent"),
    ("__import__('os').system('id')", 'character "\'"'),
    ("x.real", "Attribute is not allowed"),
    ("().__class__", "Attribute is not allowed"),
    ("x.__class__.__base__", "Attribute is not allowed"),
    ("open(x)", "unknown function 'open': allowed are abs, "),
    ("eval(x)", "unknown function 'eval'"),
    ("__import__(x)", "unknown function '__import__'"),
    ("exp(x)(x)", "Call is not allowed"),
    ("y*x", "unknown name 'y': allowed are x, pi, e and abs, "),
    ("exp*x", r"exp without its argument: write exp\(x\)"),
    ("exp(x,x)", "exp of 2 arguments: allowed is 1"),
    ("max(x)", "max of 1 arguments: allowed are 2 to 4"),
    ("exp(*x)", "Starred is not allowed"),
    ("x[0]", r"character '\['"),
    ("lambda: x", "character ':'"),
    ("lambda x", "not an expression"),
    ("(x:=3)", "character ':'"),
    ("f'{x}'", 'character "\'"'),
    ("x\0", r"character '\\x00'"),
    ("x\n+1", r"character '\\n'"),
    ("x;x", "character ';'"),
    ("\u2179", "character '\u2179'"),
    ("\uff45xp(x)", "character '\uff45'"),
    ("x\u00b2", "character '\u00b2'"),
    ("1j*x", "'1j' is not a number"),
    ("0x10*x", "'0x10' is not a number"),
    ("1_000*x", "'1_000' is not a number"),
    ("2x", "'2x' is not a number"),
    ("x*sigmoid(../..1inf.702*x)", r"'\.\.' is not a number"),
    ("1if x else 2", "'1if' is not a number"),
    ("True*x", "Constant is not allowed"),
    ("x if x else x", "IfExp is not allowed"),
    ("x and x", "BoolOp is not allowed"),
    ("x or x", "BoolOp is not allowed"),
    ("not x", "Not is not allowed"),
    ("x//2", "FloorDiv is not allowed"),
    ("x<1", "character '<'"),
    ("x,x", "Tuple is not allowed"),
    ("()", "Tuple is not allowed"),
    ("", "not an expression"),
    ("x+", "not an expression"),
    ("yield x", "not an expression"),
    ("await x", "Await is not allowed"),
    ("import os", "not an expression"),
]

WITHOUT_MOMENTS = [
    ("x*cos(exp(min(x, 1e6)))", "cannot be computed"),  # whose sign takes SymPy minutes
    ("1/x", "infinite at x = 0"),
    ("x/(x**2-2)", "infinite at x = -1.41421"),
    ("1/(1+x**3)", "infinite at x = -1"),
    ("sin(x)/x", "infinite at x = 0"),
    ("log(x)", "infinite at x = 0"),
    ("log(abs(x))", "infinite at x = 0"),
    ("log(x**2-0.25)", "infinite at x = -0.5"),
    ("log(sin(x)-2)", "its argument is not positive everywhere"),
    ("max(4,log(x))", "infinite at x = 0"),
    ("sqrt(x)", "its base is negative somewhere"),
    ("sqrt(-x*x)", "not a real number everywhere"),
    ("abs(x)**0.5", "infinite at x = 0"),
    ("sign(x)", "jumps at x = 0, where E f'\\^2 does not exist"),
    ("max(0,sign(x-1))", "jumps at x = 1"),
    ("exp(x**2)", "E f\\^4 does not exist for every q"),
    ("x*exp(0.01*x**2)", "E f\\^4 does not exist for every q"),
    ("exp(exp(x))", "E f\\^4 does not exist for every q"),
    ("sin(exp(x**2))", "E f\\^4 does not exist for every q"),
    ("tan(x)", "unknown function 'tan'"),
    ("abs(sin(x))", "cannot find the zeros of .* exactly"),
    ("max(sin(x),x)", "cannot find the zeros of .* exactly"),
    ("1/(x+exp(x))", "cannot show that .* is never 0"),
    ("log(cosh(x))", "f is computed as inf at x = -10000"),
    ("x-x", "does not depend on x"),
    ("2+3", "does not depend on x"),
    ("tanh(sqrt(x)*x/(2*2**x))", "its base is negative somewhere"),
    ("sinh(2**(max(x,x,0)+x**0.5))", "its base is negative somewhere"),
    ("erf(2**max(x,1e6,x))*exp(max(x+0.5,3,x))", "cannot be computed"),
    ("max(sinh(cosh(max(1e6,x,x,1/3))),x*x+(x-x)*x)", "cannot be computed"),
    ("(x*(min(x,1e6)))**0.5", "its branch at x = -0.125 cannot be determined"),
    ("min((x)/relu(x),max(erf(x),x,x))", "not a real number everywhere"),
    ("sign(sign(sqrt((sign(x))**0.3)))", "not a real number everywhere"),
    ("abs(max(x,exp(x**16)/(max(x,-x,16)*(x-x))))", "not a real number everywhere"),
    ("sinh(cos(x)/relu(abs(x)*(x-x)+x)**0.5)", "not a real number everywhere"),
    ("relu(x-cosh(softplus(max(0.5,sign(x)+999983))))", "its numbers are too large"),
    ("(x**16+1)*(x**16+x)*x", r"a polynomial of degree 33 \(at most 32\)"),
    (
        "max(max(x,x**2,x**3,x**4),max(-x,1-x,2-x,3-x),max(5*x,6*x,7*x,8*x),max(x/2,x/3,x/4,x/5))+max(max(x-1,x-2),x**5)",
        "kinks: allowed are at most 16",
    ),
]


def test_a_polynomial_takes_its_branch_beside_a_zero_that_ends_an_interval():
    s = np.linspace(-2, 2, 401)
    function = activations.get("min(x*x+x,x**3*exp(1))").function
    np.testing.assert_allclose(function(s), np.minimum(s * s + s, s**3 * np.e), rtol=1e-13, atol=1e-15)


HEAVY = [
    "((x+1)*(x+2)*(x+3)*(x+4)*(x+5)*(x+6)*(x+7)*(x+8))**4",
    "(x/2)**2*(x**2-16)**5*(x**2+1e6*x)-x**4",
    "softplus(softplus(tanh(abs(asinh(x)))))*asinh(erf(-x*x))*tanh(x)*(x+asinh(1/3)*atan(asinh(x)))",
    "((x-pi)*x*x)**4+x**4+(x-1e-6)*2*x",
]
"""Expressions whose expansion, zeros by continued fractions or third derivative take SymPy from 5 to 20 seconds."""


@contextmanager
def limit(seconds):
    """End the test where the code inside takes far too long: what is refused takes milliseconds."""

    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def unless_refused(function, text):
    """Return function(text), or None where it is refused in one line."""
    message = ""
    with limit(60):
        try:
            return function(text)
        except InvalidValueError as error:
            message = str(error)
    assert message.isprintable()
    return None


@pytest.mark.parametrize(("text", "reason"), SYNTAX + WITHOUT_MOMENTS, ids=lambda text: ascii(text)[:40])
def test_what_is_wrong_is_named_in_one_line(text, reason):
    with limit(20), pytest.raises(InvalidValueError, match=reason) as caught:
        activations.get(text)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.parametrize("text", HEAVY)
def test_what_is_long_for_sympy_is_answered_at_once(text):
    with limit(4):
        record = activations.get(text)
    s = np.array([-2.7, -0.3, 0.4, 1.9])
    names = {name: getattr(mpmath, name) for name in ("tanh", "asinh", "erf", "atan", "pi")}
    names |= {"softplus": lambda x: mpmath.log1p(mpmath.exp(x)), "abs": abs}
    code = compile(text, "test", "eval")
    with mpmath.workdps(50):
        exact = [mpmath.taylor(lambda x: eval(code, names | {"x": x}), mpmath.mpf(v), 1) for v in s]  # noqa: S307
    np.testing.assert_allclose(record.function(s), [float(value) for value, _ in exact], rtol=1e-11)
    np.testing.assert_allclose(record.derivative(s), [float(slope) for _, slope in exact], rtol=1e-10)


@pytest.mark.parametrize(
    "roots",
    [
        ["-1000000", "0.000001", "0.000002", "3", "4"],
        ["-8", "-7", "-6", "-5", "-4", "-3", "-2", "-1", *["0.5"] * 8, *["2.25"] * 14],
        ["1000000", "0.999999", "1.000001", "-0.3333333333"],
        ["0", "-0.45", "0.82"],  # 0 ends the interval in which another one lies
        ["-1", "0", "1", "0.5", "-0.25", "2"],
    ],
)
def test_zeros_of_a_polynomial_are_its_roots(roots):
    exact = sorted({sympy.Rational(root) for root in roots})
    expr = sympy.prod([X - sympy.Rational(root) for root in roots]) * (X**2 + 7)
    zeros = polynomials.real_zeros(polynomials.polynomial(expr))
    assert len(zeros) == len(exact)
    assert all(abs(zero - root) <= sympy.Rational(1, 10**20) for zero, root in zip(zeros, exact, strict=True))


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("tanh(x)*exp(-x**2)/(1+x**2)", lambda x: mpmath.tanh(x) * mpmath.exp(-(x**2)) / (1 + x**2)),
        ("sin(softplus(x))**1.5", lambda x: mpmath.sin(mpmath.log1p(mpmath.exp(x))) ** 1.5),
        ("(1+x**2)**-2.5*sigmoid(3*x)", lambda x: (1 + x**2) ** -2.5 / (1 + mpmath.exp(-3 * x))),
        ("sqrt(erf(x)+atan(x))*log(2+x)", lambda x: mpmath.sqrt(mpmath.erf(x) + mpmath.atan(x)) * mpmath.log(2 + x)),
    ],
)
def test_taylor_series_are_those_of_mpmath(text, reference):
    series = taylor.series(tree.tree(syntax.parse(text)), sympy.Rational(2, 7), 3)
    with mpmath.workdps(60):
        exact = mpmath.taylor(reference, mpmath.mpf(2) / 7, 3)
    np.testing.assert_allclose([float(c) for c in series], [float(c) for c in exact], rtol=1e-14)


def test_a_taylor_series_ends_where_a_derivative_is_infinite():
    """|x|^2.5 has two derivatives at 0, x^-1 not even a value."""
    x = sympy.Symbol("x", real=True)
    assert [mpmath.isnan(c) for c in taylor.series(x ** sympy.Rational(5, 2), sympy.Integer(0), 3)] == [0, 0, 0, 1]
    assert all(mpmath.isnan(c) for c in taylor.series(1 / x, sympy.Integer(0), 3))


@pytest.mark.parametrize("text", ["swish", "ex", "pi", "lambda", "tanhx"])
def test_one_word_is_an_unknown_name(text):
    with pytest.raises(UnknownNameError, match=rf"unknown activation '{text}': allowed are .*an expression in x"):
        activations.get(text)


def test_hostile_text_is_refused_without_sympy():
    program = (
        "import sys; from glorotlab import activations; from glorotlab.errors import InvalidValueError\n"
        f"for text in {[text for text, _ in SYNTAX if len(text) < 1000]!r}:\n"
        "    try:\n        activations.get(text)\n        print(text)\n"
        "    except InvalidValueError:\n        pass\n"
        "activations.get('leaky_relu(slope=0.2)')\n"
        "print(*(sys.modules.keys() & {'sympy', 'scipy', 'mpmath'}))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert result.stdout.strip() == ""


pieces = st.sampled_from([*"x()+-*/.,_ 129", "**", "x", "exp", "max(", "abs(x)", "1e5", "log(", "if", "or", "lambda"])
texts = st.one_of(st.text(max_size=250), st.lists(pieces, max_size=40).map("".join))


@given(texts)
@settings(max_examples=500)
def test_any_text_is_parsed_or_refused_and_nothing_runs(text):
    tree = unless_refused(syntax.parse, text)
    if tree is None:
        return
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert names <= {"x", *syntax.FUNCTIONS}
    allowed = ast.Name | ast.Constant | ast.UnaryOp | ast.BinOp | ast.Call | ast.operator | ast.unaryop
    assert all(isinstance(node, allowed) for node in ast.walk(tree))
    again = syntax.canonical(text)
    assert syntax.canonical(again) == again
    assert ast.dump(syntax.parse(again)) == ast.dump(tree)


def nested(inner):
    pair = st.tuples(inner, inner)
    one = st.sampled_from(sorted(set(syntax.FUNCTIONS) - {"max", "min"}))
    return st.one_of(
        st.builds("({0[0]}{1}{0[1]})".format, pair, st.sampled_from("+-*/")),
        st.builds("({})**{}".format, inner, st.sampled_from(["2", "3", "0.5", "1.5", "-1"])),
        st.builds("{1}({0[0]},{0[1]})".format, pair, st.sampled_from(["max", "min"])),
        st.builds("{}({})".format, one, inner),
    )


expressions = st.recursive(st.sampled_from(["x", "1", "0.5", "-x", "pi"]), nested, max_leaves=6)


@given(expressions)
@settings(max_examples=150)
def test_any_expression_has_true_properties_or_is_refused(text):
    record = unless_refused(activations.get, text)
    if record is None:
        return
    assert activations.get(record.name).name == record.name
    s = np.concatenate([np.linspace(-6.03, 6.01, 302), record.kinks])
    for dtype in ("float32", "float64"):
        z, d = record.function(s.astype(dtype)), record.derivative(s.astype(dtype))
        assert z.dtype == d.dtype == dtype
        assert z.shape == d.shape == s.shape
        assert np.isnan(record.function(np.array([np.nan], dtype))).all()
    assert np.isfinite(z).all()
    assert np.isfinite(d).all()
    if record.odd:
        np.testing.assert_allclose(record.function(-s), -z, rtol=1e-9, atol=1e-9)
    if record.bound is not None:
        assert np.abs(z).max() <= record.bound * (1 + 1e-12)
    if record.growth == 0:
        assert np.abs(record.function(np.geomspace(1, 1e6, 50))).max() < 1e14


SAME = {
    "relu": "max(0,x)",
    "leaky_relu": "max(x,0.01*x)",
    "gelu": "x*(1+erf(x/sqrt(2)))/2",
    "silu": "x/(1+exp(-x))",
    "elu": "max(0,x)+exp(min(0,x))-1",
    "softplus": "log(1+exp(x))",
    "hard_tanh": "max(-1,min(1,x))",
    "sigmoid": "1/(1+exp(-x))",
    "softsign": "x/(1+abs(x))",
    "mish": "x*tanh(log(1+exp(x)))",
    "tanh": "tanh(x)",
    "erf": "erf(x)",
    "arctan": "arctan(x)",
    "sin": "sin(x)",
    "linear": "x",
}


@pytest.mark.parametrize("name", SAME)
def test_an_expression_equal_to_a_named_activation_has_its_values_and_properties(name):
    named, record = activations.get(name), activations.get(SAME[name])
    s = np.linspace(-20, 20, 398)
    np.testing.assert_allclose(record.function(s), named.function(s), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(record.derivative(s), named.derivative(s), rtol=1e-13, atol=1e-15)
    for dtype in ("float32", "float64"):
        large = np.array([-np.finfo(dtype).max, -1e4, 1e4, np.finfo(dtype).max], dtype)
        np.testing.assert_allclose(record.function(large), named.function(large), rtol=1e-6)
    assert (record.kinks, record.odd, record.smoothness) == (named.kinks, named.odd, named.smoothness)
    assert record.growth == named.growth
    assert record.bound is None or record.bound == named.bound


SUPREMA = {
    "x*exp(-x**2)": 1 / math.sqrt(2 * math.e),
    "x/(1+x**2)": 1 / 2,
    "x**2/(1+x**2)": 1,
    "x/sqrt(1+x**2)": 1,
    "x/(1+abs(x))": 1,
    "x*exp(-abs(x))": 1 / math.e,
    "sin(x)+cos(x)": math.sqrt(2),
    "tanh(x+1/2)-tanh(x-1/2)": 2 * math.tanh(1 / 2),
    "max(0,1-abs(x))*exp(x)": 1.0,
    "exp(-1000*(x-0.77)**2)*cos(x-0.77)": 1,
    "cos(x)*cos(2*x)+cos(x)": 2,
    "sin(8*x)*cos(8*x)/2": 1 / 4,
    "1-1/log(3+abs(x))": None,
    "sin(x)*sin(sqrt(2)*x)": None,
    "x/(1+abs(x))+log(2+x**2)": None,
}
"""Suprema of |f| by hand; None where it is approached too slowly or by too many turns to be seen, or infinite."""


@pytest.mark.parametrize("text", SUPREMA)
def test_a_bounded_expression_has_its_supremum(text):
    assert activations.get(text).bound == (SUPREMA[text] and pytest.approx(SUPREMA[text], rel=1e-9))


@pytest.mark.parametrize(
    ("text", "kinks", "smoothness", "odd", "growth"),
    [
        ("x*exp(-x**2)", (), math.inf, True, 0),
        ("x*abs(x)", (0.0,), 1, True, 2),
        ("abs(x)**1.5", (0.0,), 1, False, 1.5),
        ("relu(x)**3", (0.0,), 2, False, 3),
        ("sqrt(max(0,x)**2)", (0.0,), 0, False, 1),
        ("max(0,x**3-x)", (-1.0, 0.0, 1.0), 0, False, 3),
        ("abs(abs(x)-1)", (-1.0, 0.0, 1.0), 0, False, 1),
        ("max(tanh(x),0.5)", (math.atanh(0.5),), 0, False, 0),
        ("max(x,x**2/3)", (0.0, 3.0), 0, False, 2),
        ("max(x,x)", (), math.inf, True, 1),
        ("max(x,-11)-x", (-11.0,), 0, False, 1),
        ("sigmoid(x)-1/2", (), math.inf, True, 0),
        ("exp(x)", (), math.inf, False, math.inf),
        ("exp(abs(x)**1.5)", (0.0,), 1, False, math.inf),
        ("sign(x)*log(1+abs(x))", (0.0,), 1, True, 1),
        ("2**x", (), math.inf, False, math.inf),
    ],
)
def test_properties(text, kinks, smoothness, odd, growth):
    record = activations.get(text)
    assert record.kinks == pytest.approx(kinks, abs=1e-15)
    assert (record.smoothness, record.odd, record.growth) == (smoothness, odd, growth)


@pytest.mark.parametrize("text", ["x*exp(-x**2)", "abs(x)**1.5", "relu(x)**2", "x*tanh(softplus(x))", "exp(sin(x))"])
def test_derivative_is_that_of_the_function(text):
    """Against mpmath's numerical derivative of the expression written out in mpmath."""
    names = {name: getattr(mpmath, name) for name in ("exp", "tanh", "sin")} | {"abs": abs}
    names |= {"relu": lambda x: max(x, mpmath.mpf(0)), "softplus": lambda x: mpmath.log(1 + mpmath.exp(x))}
    code = compile(text, "test", "eval")
    s = np.array([-7.3, -1.1, -0.2, 0.1, 0.9, 4.4])
    with mpmath.workdps(40):
        exact = [float(mpmath.diff(lambda x: eval(code, names | {"x": x}), mpmath.mpf(v))) for v in s]  # noqa: S307
    np.testing.assert_allclose(activations.get(text).derivative(s), exact, rtol=1e-13, atol=1e-300)


def test_moments_of_an_expression():
    """E f^2 = q / (1 + 4 q)^1.5 and E f^4 = 3 q^2 / (1 + 8 q)^2.5 of x exp(-x^2)."""
    q = np.array([1e-4, 0.3, 1.0, 50.0])
    found = moments("x*exp(-x**2)", q)
    np.testing.assert_allclose(found.second_moment, q / (1 + 4 * q) ** 1.5, rtol=1e-12)
    np.testing.assert_allclose(found.fourth_moment, 3 * q**2 / (1 + 8 * q) ** 2.5, rtol=1e-12)
    assert (found.mean == 0).all()


def test_a_spec_holds_the_canonical_text_and_keeps_it_through_toml():
    spec = NetworkSpec.parse("4,3,2", activation=" x * (Abs( x )) ")
    assert spec.activation == "x*abs(x)"
    run = RunSpec(network=spec, training=TrainingSpec(updates=1))
    assert RunSpec.from_toml(run.to_toml()) == run
    other = RunSpec(network=NetworkSpec.parse("4,3,2", activation="x*abs(x)"), training=TrainingSpec(updates=1))
    assert other.content_hash == run.content_hash


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_expression_trains(dtype):
    """Through the NumPy step, and as the named activation it equals."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 6)), rng.integers(3, size=20)
    nets = [
        Network(NetworkSpec.parse("6,30,30,3", activation=name), dtype=dtype) for name in ("tanh", "2/(1+exp(-2*x))-1")
    ]
    costs = [[net.train_step(x, y, 0.3) for _ in range(20)] for net in nets]
    np.testing.assert_allclose(costs[0], costs[1], rtol=1e-3 if dtype == "float32" else 1e-11)
    assert costs[1][-1] < 0.7 * costs[1][0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_infinities_that_cancel_are_taken_to_the_limit(dtype):
    """f' = exp(-x^2) - 2 x^2 exp(-x^2) is 0 - inf 0 at large x."""
    largest = np.finfo(dtype).max
    s = np.array([-np.inf, -largest, largest, np.inf], dtype)
    record = activations.get("x*exp(-x**2)")
    assert not record.function(s).any()
    assert not record.derivative(s).any()
