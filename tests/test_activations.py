"""Activation records: NumPy against their own SymPy expression at 250 digits, and their properties."""

import mpmath
import numpy as np
import pytest
import sympy

from glorotlab import activations
from glorotlab.errors import UnknownNameError

NAMES = sorted(activations.RECORDS)
DTYPES = ("float32", "float64")
DIGITS = 250  # 1 - tanh(200)^2 is 1e-173
X = sympy.Symbol("x", real=True)


def points(dtype, name):
    """Spread over all magnitudes, both signs, off the kinks."""
    rng, info = np.random.default_rng(1), np.finfo(dtype)
    spread = np.exp(rng.uniform(np.log(1e-6), np.log(200), 60))
    values = np.concatenate([spread, [info.smallest_subnormal, info.tiny, 1e-12, 1, 20, 1e4, info.max]]).astype(dtype)
    return np.concatenate([values, -values])


def exactly(expression, s):
    """Evaluate an expression to 250 digits at floating-point points."""
    f = sympy.lambdify(X, expression, "mpmath")
    with mpmath.workdps(DIGITS):
        return [f(mpmath.mpf(float(value))) for value in s]


def distances(actual, exact, dtype):
    """|actual - exact| in units of eps |exact| plus the smallest subnormal."""
    info = np.finfo(dtype)
    with mpmath.workdps(DIGITS):
        return [
            abs(mpmath.mpf(float(a)) - e) / (float(info.eps) * abs(e) + float(info.smallest_subnormal))
            for a, e in zip(actual, exact, strict=True)
        ]


def expression(name):
    return sympy.parse_expr(activations.RECORDS[name].expression, local_dict={"x": X})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_function_is_its_expression(name, dtype):
    s = points(dtype, name)
    z = activations.get(name).function(s)
    assert z.dtype == dtype
    assert z.shape == s.shape
    assert max(distances(z, exactly(expression(name), s), dtype)) <= 4


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_derivative_is_that_of_its_expression(name, dtype):
    s = points(dtype, name)
    with np.errstate(over="ignore"):  # (1 + |s|)^2 beyond the range: the derivative is 0 to rounding
        derivative = activations.get(name).derivative(s)
    exact = exactly(sympy.diff(expression(name), X), s)
    assert derivative.dtype == dtype
    tiny = float(np.finfo(dtype).tiny)
    off = [
        (value, d)
        for value, d, e in zip(s, derivative, exact, strict=True)
        if abs(mpmath.mpf(float(d)) - e) > 6 * float(np.finfo(dtype).eps) * abs(e) + tiny
    ]
    assert not off


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_limits_and_nan(name, dtype):
    infinities = np.array([-np.inf, np.inf, np.nan], dtype)
    z = activations.get(name).function(infinities)
    low, high = (float(sympy.limit(expression(name), X, end)) for end in (-sympy.oo, sympy.oo))
    np.testing.assert_array_equal(z, np.array([low, high, np.nan], dtype))


@pytest.mark.parametrize("name", NAMES)
def test_odd_bound_and_kinks_are_true(name):
    record, f = activations.get(name), expression(name)
    assert record.odd == (sympy.simplify((f + f.subs(X, -X)).rewrite(sympy.exp)) == 0)
    limits = [abs(sympy.limit(f, X, end)) for end in (-sympy.oo, sympy.oo)]
    assert record.bound == (None if sympy.oo in limits else float(max(limits)))
    if record.bound is not None:
        assert (np.abs(record.function(points("float64", name))) <= record.bound).all()
    for derivative in (f, sympy.diff(f, X), sympy.diff(f, X, 2)):
        jumps = sympy.limit(derivative, X, 0, "+") != sympy.limit(derivative, X, 0, "-")
        assert not jumps or 0.0 in record.kinks
    assert bool(record.kinks) == (name in ("softsign", "relu"))


def test_unknown_name_is_named_with_what_is_allowed():
    with pytest.raises(UnknownNameError, match=r"unknown activation 'swish': allowed are .*tanh"):
        activations.get("swish")


def test_the_five_of_the_vocabulary():
    assert set(NAMES) == {"linear", "tanh", "sigmoid", "softsign", "relu"}
    assert all(record.name == name for name, record in activations.RECORDS.items())
