"""Padded matrices: rows on cache lines, never a multiple of 4,096 bytes apart, and nothing lost in copying."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glorotlab.kernels import costs, dense
from glorotlab.kernels.buffers import padded_matrix

DTYPES = st.sampled_from(["float32", "float64"])


@given(rows=st.integers(1, 20), columns=st.integers(1, 3000), dtype=DTYPES)
def test_rows_start_on_cache_lines_of_different_sets(rows, columns, dtype):
    matrix = padded_matrix(rows, columns, dtype)
    assert matrix.shape == (rows, columns)
    assert matrix.dtype == dtype
    assert matrix.ctypes.data % 64 == 0
    assert matrix.strides[1] == matrix.itemsize
    if rows > 1:
        assert matrix.strides[0] % 64 == 0
        assert matrix.strides[0] % 4096 != 0
        assert 0 <= matrix.strides[0] - columns * matrix.itemsize < 128


@pytest.mark.parametrize("columns", [1024, 2048])
def test_memory_of_a_layer_is_within_a_tenth_of_its_weights(columns):
    matrix = padded_matrix(1000, columns, "float32")
    assert matrix.base is not None
    assert matrix.strides[0] * 1000 <= 1.1 * matrix.size * matrix.itemsize


def test_kernels_refuse_rows_that_are_not_contiguous():
    good, bias = np.ones((4, 4)), np.ones(4)
    with pytest.raises(ValueError, match="contiguous"):
        dense.forward(good, np.asfortranarray(good), bias, 0, good, good, 1)
    with pytest.raises(ValueError, match="contiguous"):
        costs.output(0, good[:, ::2], good[:, :2])
