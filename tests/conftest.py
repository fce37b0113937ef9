"""Fixtures of several test modules."""

import pytest
from hypothesis import HealthCheck, settings

from glorotlab.kernels import dense
from glorotlab.threads import num_threads, set_num_threads
from glorotlab.training import loop

settings.register_profile("glorotlab", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("glorotlab")  # how long an example takes on a busy machine is no property of the code


@pytest.fixture
def one_thread():
    """Use one thread: many small networks are measured faster."""
    before = num_threads()
    set_num_threads(1)
    yield
    set_num_threads(before)


@pytest.fixture
def small_products_on_threads():
    """Let every dense product of two tiles run on several threads, however small."""
    previous = dense.set_parallel_work(0)
    yield
    dense.set_parallel_work(previous)


@pytest.fixture
def each_update_reported(monkeypatch):
    """Let runs take their updates one by one and report each, not one for every tenth of a second."""
    monkeypatch.setattr(loop, "ANSWERS_WITHIN", 0.0)
