"""ArraySource: what it accepts, keeps and refuses."""

import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glorotlab.data.source import ArraySource
from glorotlab.errors import InvalidValueError

X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = np.array([0, 2, 1, 0])


@pytest.mark.parametrize(
    ("given_dtype", "kept"),
    [
        ("f4", "f4"),
        ("f8", "f8"),
        (">f8", "f8"),
        (">f4", "f4"),
        ("f2", "f4"),
        ("i8", "f4"),
        ("u1", "f4"),
        ("?", "f4"),
    ],
)
def test_precision(given_dtype, kept):
    source = ArraySource(X.astype(given_dtype), Y)
    assert source.x.dtype == np.dtype(kept)
    np.testing.assert_array_equal(source.x, X.astype(given_dtype).astype(kept))


@given(hnp.arrays("f8", hnp.array_shapes(min_dims=2, max_dims=4, max_side=4), elements=st.floats(-1e9, 1e9)))
def test_flattens_each_example(x):
    source = ArraySource(x, np.zeros(len(x), int))
    assert (source.length, source.fan_in, source.classes) == (len(x), x[0].size, 1)
    for example, row in zip(x, source.x, strict=True):
        np.testing.assert_array_equal(row, example.ravel())


def test_fortran_order_and_lists():
    source = ArraySource(np.asfortranarray(X), Y.tolist())
    assert source.x.flags.c_contiguous
    np.testing.assert_array_equal(source.x, X)
    assert source.y.dtype == np.int64


def test_later_edits_change_nothing():
    x, y = X.copy(), Y.copy()
    source = ArraySource(x, y)
    x[:], y[:] = -1, 1
    np.testing.assert_array_equal(source.x, X)
    np.testing.assert_array_equal(source.y, Y)
    for array in (source.x, source.y, *source.batch(0, 2)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_batch():
    source = ArraySource(X, Y)
    for start in range(5):
        for size in range(5 - start):
            x, y = source.batch(start, size)
            np.testing.assert_array_equal(x, X[start : start + size])
            np.testing.assert_array_equal(y, Y[start : start + size])
            assert size == 0 or np.shares_memory(x, source.x)


@pytest.mark.parametrize(("start", "size"), [(-1, 2), (0, 5), (4, 1), (2, -1), (5, 0)])
def test_batch_out_of_range(start, size):
    with pytest.raises(InvalidValueError, match=f"batch of {size} examples from {start}: .* the 4 there are"):
        ArraySource(X, Y).batch(start, size)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_not_finite_names_the_first(bad, dtype):
    x = X.astype(dtype)
    x[3, 0] = x[1, 2] = bad
    with pytest.raises(InvalidValueError, match=rf"x\[1, 2\] is {bad}: allowed are finite"):
        ArraySource(x, Y)


def test_overflow_of_float32_is_refused():
    x = X.astype(np.longdouble)
    x[2, 1] = np.longdouble(10) ** 60
    with pytest.raises(
        InvalidValueError, match=r"x\[2, 1\] is 1e\+60: allowed are finite float32 numbers, up to 3.4e\+38"
    ):
        ArraySource(x, Y)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[0], r"x has shape \(3,\)"),
        (X[:0], r"x has shape \(0, 3\)"),
        (X[:, :0], r"x has shape \(4, 0\)"),
        (3.0, r"x has shape \(\)"),
        (X.astype(complex), "x has dtype complex128"),
        (X.astype(object), "x has dtype object"),
        (X.astype(str), "x has dtype <U32"),
        ([[1.0], [1.0, 2.0]], "x: allowed is an array"),
    ],
)
def test_wrong_inputs(x, message):
    with pytest.raises(InvalidValueError, match=message) as caught:
        ArraySource(x, Y)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        ([0, 2, 1, 3], 3, r"y\[3\] is 3: allowed are labels from 0 to 2"),
        ([0, -1, -2, 3], None, r"y\[1\] is -1: allowed are labels from 0"),
        (np.array([0, 1, 2**64 - 1, 0], np.uint64), None, r"y\[2\] is 18446744073709551615"),
        ([0, 1, 2], None, r"y has shape \(3,\): allowed is \(4,\)"),
        ([[0], [1], [2], [0]], 3, r"y has dtype int64 and shape \(4, 1\): allowed with classes 3 are integer labels"),
        ([0.0, 1.0, 2.0, 0.0], 3, "y has dtype float64 and shape .*: allowed with classes 3 are integer labels"),
        ([0.0, 1.0, 2.0], None, r"y has shape \(3,\) and dtype float64: allowed are \(4,\) or \(4, targets\)"),
        ([0.0, 1.0, math.inf, 0.0], None, r"y\[2, 0\] is inf: allowed are finite float64 numbers"),
        (np.zeros((4, 0)), None, r"y has shape \(4, 0\)"),
        (np.zeros((4, 2, 1)), None, r"y has shape \(4, 2, 1\)"),
        ([True, False, True, True], None, "y has dtype bool"),
        (Y, 0, "classes 0"),
        (Y, 3.5, r"classes 3\.5"),
    ],
)
def test_wrong_labels(y, classes, message):
    with pytest.raises(InvalidValueError, match=message):
        ArraySource(X, y, classes)


def test_digest_depends_on_every_part():
    x = X.astype("f8")
    digests = [
        ArraySource(*arguments).digest()
        for arguments in (
            (X, Y),
            (x, Y),
            (X + 1, Y),
            (X.reshape(4, 3)[:, ::-1], Y),
            (X, Y[::-1]),
            (X, Y, 4),
            (X[:3], Y[:3]),
        )
    ]
    assert len(set(digests)) == len(digests)
    assert ArraySource(X.astype(">f4"), Y.astype("i1")).digest() == digests[0]


@pytest.mark.parametrize(
    ("y", "targets", "dtype"),
    [
        ([0.5, 1.0, 2.0, -3.0], 1, "float64"),
        (np.array([0.5, 1.0, 2.0, -3.0], np.float32), 1, "float32"),
        ([[0, 1], [2, 3], [4, 5], [6, 7]], 2, "float64"),
    ],
    ids=["column", "float32", "whole"],
)
def test_targets(y, targets, dtype):
    """Floats, and rows of any numbers, are targets: a read-only matrix, and no classes."""
    source = ArraySource(X, y)
    assert (source.targets, source.classes, source.y.dtype) == (targets, 0, dtype)
    np.testing.assert_array_equal(source.y, np.reshape(y, (4, targets)))
    np.testing.assert_array_equal(source.batch(1, 2)[1], np.reshape(y, (4, targets))[1:3])
    assert not source.y.flags.writeable
    assert f"{targets} targets" in repr(source)
    assert source.digest() != ArraySource(X, np.array(y) + 1).digest() != ArraySource(X, Y).digest()
    assert ArraySource(X, Y).targets == 0
