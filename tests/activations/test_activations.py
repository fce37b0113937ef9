"""Activation records: NumPy against their own SymPy expression at 400 digits, and their properties."""

import math

import mpmath
import numpy as np
import pytest
import sympy
from activation_points import points

from glorotlab import activations
from glorotlab.errors import InvalidValueError, UnknownNameError

NAMES = sorted({*activations.RECORDS, "leaky_relu(slope=0.3)"})
DTYPES = ("float32", "float64")
DIGITS = 400  # log(1 + exp(-700)) is 1e-304
X = sympy.Symbol("x", real=True)

ENDS = {
    "linear": (-math.inf, math.inf),
    "relu": (0, math.inf),
    "leaky_relu": (-math.inf, math.inf),
    "leaky_relu(slope=0.3)": (-math.inf, math.inf),
    "erf": (-1, 1),
    "sin": (math.nan, math.nan),
    "gelu": (0, math.inf),
    "silu": (0, math.inf),
    "elu": (-1, math.inf),
    "selu": (-1.0507009873554805 * 1.6732632423543772, math.inf),
    "softplus": (0, math.inf),
    "hard_tanh": (-1, 1),
    "tanh": (-1, 1),
    "sigmoid": (0, 1),
    "softsign": (-1, 1),
    "arctan": (-math.pi / 2, math.pi / 2),
    "mish": (0, math.inf),
}
"""Limits of f, by hand."""

SLOPES = {"linear": (1, 1), "leaky_relu": (0.01, 1), "leaky_relu(slope=0.3)": (0.3, 1), "selu": (0, 1.0507009873554805)}
"""Limits of f' where they are not 0 on a side where f has a finite limit, else 1."""

PLACES = sorted({-1.0, 0.0, 1.0}.union(*(record.kinks for record in activations.RECORDS.values())))
"""Where some activation has a kink: the others have none there."""

ROOTS = {"gelu": -0.7518, "silu": -1.2785, "mish": -1.1924}
"""Where f' changes sign; next to it the error is relative to 1."""


SPECIAL = {"erf": lambda z: mpmath.erf(max(-1000, min(z, 1000))), "DiracDelta": lambda *_: 0}


def exactly(expression, s):
    """Evaluate an expression to 400 digits at floating-point points."""
    f = sympy.lambdify(X, expression, [SPECIAL, "mpmath"])
    with mpmath.workdps(DIGITS):
        return [f(mpmath.mpf(float(value))) for value in s]


def expression(name):
    return sympy.parse_expr(activations.get(name).expression, local_dict={"x": X})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_function_is_its_expression(name, dtype):
    """Within 5 eps, or |s| times the smallest subnormal where a factor underflows."""
    s, info = points(dtype, name), np.finfo(dtype)
    z = activations.get(name).function(s)
    assert z.dtype == dtype
    assert z.shape == s.shape
    floor = np.maximum(1, np.abs(s).astype(float)) * float(info.smallest_subnormal)
    with mpmath.workdps(DIGITS):
        errors = [
            abs(mpmath.mpf(float(a)) - e) / (float(info.eps) * abs(e) + float(least))
            for a, e, least in zip(z, exactly(expression(name), s), floor, strict=True)
        ]
    assert max(errors) <= 5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_derivative_is_that_of_its_expression(name, dtype):
    s, info = points(dtype, name), np.finfo(dtype)
    derivative = activations.get(name).derivative(s)
    exact = exactly(sympy.diff(expression(name), X), s)
    assert derivative.dtype == dtype
    assert derivative.shape == s.shape
    off = [
        (value, d)
        for value, d, e in zip(s, derivative, exact, strict=True)
        if abs(mpmath.mpf(float(d)) - e)
        > 6 * float(info.eps) * max(abs(e), abs(value - ROOTS.get(name, math.inf)) < 1) + float(info.tiny)
    ]
    assert not off


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_limits_and_nan(name, dtype):
    record, infinities = activations.get(name), np.array([-np.inf, np.inf, np.nan], dtype)
    np.testing.assert_array_equal(record.function(infinities), np.array([*ENDS[name], np.nan], dtype))
    slopes = SLOPES.get(name, tuple(1 if math.isinf(end) else end * 0 for end in ENDS[name]))
    expected = np.array([*slopes, 1 if name == "linear" else np.nan], dtype)
    np.testing.assert_array_equal(record.derivative(infinities), expected)


def test_selu_beyond_the_largest_number_is_infinite():
    for dtype in DTYPES:
        assert activations.get("selu").function(np.array([np.finfo(dtype).max]))[0] == np.inf


def jumps(f, point):
    above, below = exactly(f, [np.nextafter(point, 9), np.nextafter(point, -9)])
    return abs(above - below) > 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_properties_are_true(name):
    record, f = activations.get(name), expression(name)
    s = points("float64", name)
    opposite = record.function(-s) + record.function(s)
    assert record.odd == (not np.nan_to_num(opposite, posinf=1).any())
    if record.bound is None:
        assert math.inf in np.abs(ENDS[name])
        assert record.growth == 1
        assert np.abs(record.function(np.array([1e9]))) == pytest.approx(1e9, rel=0.1)
    else:
        assert record.growth == 0
        ends = np.nan_to_num(np.abs(ENDS[name]), nan=1.0)
        assert record.bound == ends.max()
        assert (np.abs(record.function(s)) <= record.bound).all()
    order = 0
    while order <= min(record.smoothness, 2):
        assert not any(jumps(f, kink) for kink in PLACES)
        f, order = sympy.diff(f, X), order + 1
    if record.kinks:
        found = tuple(float(kink) for kink in PLACES if jumps(f, kink))
        assert order == record.smoothness + 1
        assert found == record.kinks
    else:
        assert record.smoothness == math.inf


def test_unknown_name_is_named_with_what_is_allowed():
    with pytest.raises(UnknownNameError, match=r"unknown activation 'swish': allowed are .*tanh"):
        activations.get("swish")


def test_the_sixteen_of_the_vocabulary():
    assert set(activations.RECORDS) == {name.partition("(")[0] for name in ENDS}
    assert all(record.family == name for name, record in activations.RECORDS.items())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("leaky_relu", "leaky_relu(slope=0.01)"),
        (" leaky_relu ( slope = 1e-2 ) ", "leaky_relu(slope=0.01)"),
        ("leaky_relu(slope=-0.0)", "leaky_relu(slope=0)"),
        ("leaky_relu()", "leaky_relu(slope=0.01)"),
        (" tanh ", "tanh"),
    ],
)
def test_names_are_canonical(text, name):
    record = activations.get(text)
    assert record.name == activations.get(record.name).name == name


@pytest.mark.parametrize("slope", ["1", "-0.1", "nan", "inf", "", "a", "0.1, slope=0.2"])
def test_a_bad_slope_is_named(slope):
    with pytest.raises(InvalidValueError, match=r"leaky_relu.*slope.*(allowed are (finite )?numbers|given twice)"):
        activations.get(f"leaky_relu(slope={slope})")


def test_an_unknown_parameter_is_named():
    with pytest.raises(InvalidValueError, match=r"unknown parameter 'alpha'; allowed are slope"):
        activations.get("leaky_relu(alpha=0.1)")
