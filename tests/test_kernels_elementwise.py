"""Element-wise kernels against the records, one name at a time."""

import numpy as np
import pytest
from references import guarded
from test_activations import points

from glorotlab import activations
from glorotlab.kernels import elementwise

NAMES = sorted(elementwise.CODES)
DTYPES = ("float32", "float64")
SHAPES = ((0, 5), (1, 1), (3, 7), (33, 65))


def test_every_record_of_the_vocabulary_has_a_kernel():
    assert set(elementwise.CODES) <= set(activations.RECORDS)
    assert len(set(elementwise.CODES.values())) == len(elementwise.CODES)


def applied(name, s):
    z, untouched = guarded(np.full_like(s, np.nan), s.dtype)
    elementwise.apply(elementwise.CODES[name], s, z)
    assert untouched()
    return z


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_function_is_its_record(name, dtype):
    """Within 6 eps of the record, which is itself within 4 eps of its expression.

    1 / (1 + e^-s) leaves the normal numbers a little before the record does.
    """
    info, s = np.finfo(dtype), points(dtype, name)[np.newaxis]
    z, expected = applied(name, s), activations.get(name).function(s)
    smallest = info.tiny if name == "sigmoid" else info.smallest_subnormal
    assert (np.abs(z - expected) <= 6 * info.eps * np.abs(expected) + smallest).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_derivative_is_its_record(name, dtype):
    """Within a few eps absolutely: f' from z = f(s), as 1 - z^2, cancels near saturation."""
    info, s = np.finfo(dtype), points(dtype, name)[np.newaxis]
    z, d = applied(name, s), np.full_like(s, -3)
    elementwise.apply_derivative(elementwise.CODES[name], s, z, d)
    with np.errstate(over="ignore"):
        expected = -3 * activations.get(name).derivative(s)
    assert (np.abs(d - expected) <= 3 * 4 * info.eps).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_infinities_and_nan(name, dtype):
    s = np.array([[-np.inf, np.inf, np.nan, -0.0, 0.0]], dtype)
    np.testing.assert_array_equal(applied(name, s), activations.get(name).function(s))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_every_element_of_every_shape_is_reached_and_no_other(name, dtype, shape):
    s = np.random.default_rng(0).normal(size=shape).astype(dtype)
    z = applied(name, s)
    d, untouched = guarded(np.ones_like(s), dtype)
    elementwise.apply_derivative(elementwise.CODES[name], s, z, d)
    assert untouched()
    np.testing.assert_allclose(z, activations.get(name).function(s), rtol=6 * np.finfo(dtype).eps)
    np.testing.assert_allclose(d, activations.get(name).derivative(s), rtol=0, atol=4 * np.finfo(dtype).eps)
