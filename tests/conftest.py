"""Fixtures of several test modules, the marks of tests by name, and the seed of statistical tests."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores: a thread each, but where a test asks for more
    os.environ.setdefault("GLOROTLAB_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What is remembered of data files and of SIMD levels, here and in processes of the tests.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="glorotlab-tests-")

import pytest
from hypothesis import HealthCheck, settings
from marks import MARKS
from seeds import test_seeds

from glorotlab.kernels.network import dense
from glorotlab.theory.finite_width import whole_networks
from glorotlab.threads import num_threads, set_num_threads
from glorotlab.training import loop

settings.register_profile("glorotlab", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("glorotlab")  # how long an example takes on a busy machine is no property of the code

TESTS = Path(__file__).parent

atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)


def pytest_collection_modifyitems(items):
    """Mark tests as ``tests/fixtures/marks.py`` lists them, and begin with the slow: the end is short everywhere."""
    for item in items:
        place = str(item.path.relative_to(TESTS)) if item.path.is_relative_to(TESTS) else ""
        for mark, places in MARKS.items():
            if place in places or f"{place}::{item.originalname}" in places:
                item.add_marker(mark)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk():
    """Let files be written without a flush: only a power failure would tell, and a file takes milliseconds less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(params=test_seeds(os.environ.get("GLOROTLAB_TEST_SEED")))
def test_seed(request):
    """Return the seed of a test that must pass for every seed: 0, or each that GLOROTLAB_TEST_SEED names."""
    return request.param


@pytest.fixture(scope="session", autouse=True)
def _no_narrow_lines():
    """Give every line all the columns it wants, wherever the tests run; cli/test_tables.py has narrow ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "1000")
        yield


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


@pytest.fixture
def bands_by_expansion(monkeypatch):
    """Draw no whole network for the bands of narrow layers: they are found sooner, where no test judges them."""
    monkeypatch.setattr(whole_networks, "MOST", 0)
