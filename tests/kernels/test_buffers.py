"""Padded matrices: rows on cache lines, off multiples of 4,096 bytes, large ones on huge pages, and nothing lost."""

import mmap
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from glorotlab.kernels.network import buffers, costs, dense
from glorotlab.kernels.network.buffers import READ_TOGETHER, STORED, padded_matrix

DTYPES = st.sampled_from(["float32", "float64"])


@example(rows=2, columns=1024, dtype="float32", clearance=1)
@example(rows=2, columns=1000, dtype="float32", clearance=2)
@example(rows=2, columns=520, dtype="float64", clearance=2)
@example(rows=10, columns=1000, dtype="float32", clearance=READ_TOGETHER)
@example(rows=10, columns=512, dtype="float64", clearance=READ_TOGETHER)
@example(rows=20, columns=15, dtype="float32", clearance=1)
@example(rows=20, columns=8, dtype="float64", clearance=1)
@example(rows=20, columns=15, dtype="float32", clearance=2)
@given(
    rows=st.integers(1, 20),
    columns=st.integers(1, 3000),
    dtype=DTYPES,
    clearance=st.sampled_from([1, STORED, 3, READ_TOGETHER]),
)
def test_rows_start_on_cache_lines_of_different_sets_or_are_short_and_packed(rows, columns, dtype, clearance):
    matrix = padded_matrix(rows, columns, dtype, clearance)
    assert matrix.shape == (rows, columns)
    assert matrix.dtype == dtype
    assert matrix.ctypes.data % 64 == 0
    assert matrix.strides[1] == matrix.itemsize
    if columns * matrix.itemsize < 64 and clearance == 1:
        assert matrix.strides[0] == columns * matrix.itemsize
    elif rows > 1:
        assert matrix.strides[0] % 64 == 0
        nearest = 4096 * round(matrix.strides[0] / 4096)
        assert nearest == 0 or abs(matrix.strides[0] - nearest) >= 64 * clearance
        assert 0 <= matrix.strides[0] - columns * matrix.itemsize < 128 * clearance


@pytest.mark.parametrize("columns", [1024, 2048])
def test_memory_of_a_layer_is_within_a_tenth_of_its_weights(columns):
    matrix = padded_matrix(1000, columns, "float32", STORED)
    assert matrix.base is not None
    assert matrix.strides[0] * 1000 <= 1.1 * matrix.size * matrix.itemsize


class Pages(mmap.mmap):
    """Memory that notes what it is advised, and refuses if told to."""

    advice: ClassVar[list[tuple[int, int, int]]] = []
    refuses = False

    def madvise(self, option, start, length):
        Pages.advice.append((option, start, length))
        if Pages.refuses:
            raise OSError(22, "Invalid argument")
        super().madvise(option, start, length)


@pytest.fixture
def pages(monkeypatch):
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        pytest.skip("this system advises no huge pages")
    monkeypatch.setattr(mmap, "mmap", Pages)
    monkeypatch.setattr(Pages, "advice", [])
    return Pages


@given(size=st.integers(1 << 21, 1 << 24))
def test_huge_pages_hold_a_large_matrix_and_waste_at_most_a_sixteenth(size):
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        pytest.skip("this system advises no huge pages")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(mmap, "mmap", Pages)
        patched.setattr(Pages, "advice", [])
        memory = buffers._memory(size)
        ((option, start, length),) = Pages.advice
    assert option == mmap.MADV_HUGEPAGE
    assert len(memory) == size
    assert memory.ctypes.data % (1 << 21) == 0
    assert length % (1 << 21) == 0
    assert size - (1 << 21) < length <= 17 / 16 * size
    assert (memory.ctypes.data - start) % mmap.PAGESIZE == 0
    memory[[0, -1]] = 1


def test_a_kernel_without_huge_pages_gives_usual_ones(pages, monkeypatch):
    monkeypatch.setattr(pages, "refuses", True)
    matrix = padded_matrix(1000, 1000, "float32")
    assert len(pages.advice) == 1
    matrix[...] = 1
    assert matrix.sum() == 1e6


def test_a_system_without_huge_pages_gives_usual_memory(pages, monkeypatch):
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE")
    matrix = padded_matrix(1000, 1000, "float32")
    assert pages.advice == []
    assert matrix.ctypes.data % 64 == 0
    matrix[...] = 1
    assert matrix.sum() == 1e6


def test_too_little_memory_is_a_memory_error(pages, monkeypatch):
    def refuse(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refuse)
    assert padded_matrix(1000, 1000, "float32").shape == (1000, 1000), "from NumPy, which has some"
    with pytest.raises(MemoryError):
        padded_matrix(1 << 28, 1 << 28, "float32")


def test_small_matrices_are_left_to_numpy(pages):
    padded_matrix(400, 1000, "float32")
    assert pages.advice == []


def test_kernels_refuse_rows_that_are_not_contiguous():
    good, bias = np.ones((4, 4)), np.ones(4)
    with pytest.raises(ValueError, match="contiguous"):
        dense.forward(good, np.asfortranarray(good), bias, 0, good, good, 1)
    with pytest.raises(ValueError, match="contiguous"):
        costs.output(0, good[:, ::2], good[:, :2])
