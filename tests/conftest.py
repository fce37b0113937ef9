"""Fixtures of several test modules."""

import pytest

from glorotlab.kernels import dense


@pytest.fixture
def small_products_on_threads():
    """Let every dense product of two tiles run on several threads, however small."""
    previous = dense.set_parallel_work(0)
    yield
    dense.set_parallel_work(previous)
