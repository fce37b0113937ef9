"""Number of threads, and a BLAS held at one thread."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  loads SciPy's BLAS
import threadpoolctl

import glorotlab
from glorotlab import threads
from glorotlab.errors import InvalidValueError


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    monkeypatch.setitem(threads._state, "threads", threads._state["threads"])


@pytest.fixture
def three_blas_threads():
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        assert set(blas_threads()) == {3}
        yield


def blas_threads():
    return [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]


def asked(value):
    """What num_threads() answers in a new process with GLOROTLAB_NUM_THREADS = value."""
    environment = {key: text for key, text in os.environ.items() if key != "GLOROTLAB_NUM_THREADS"}
    environment["PYTHONPATH"] = str(Path(glorotlab.__file__).parents[1])
    if value is not None:
        environment["GLOROTLAB_NUM_THREADS"] = value
    code = (
        "from glorotlab.errors import InvalidValueError\n"
        "from glorotlab.threads import num_threads\n"
        "try: print(num_threads())\n"
        "except InvalidValueError as error: print(error)"
    )
    result = subprocess.run(  # noqa: S603  our own interpreter and code
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


@pytest.mark.parametrize(("value", "expected"), [("3", "3"), ("1024", "1024")])
def test_environment(value, expected):
    assert asked(value) == expected


def test_default_is_what_the_process_may_use():
    assert asked(None) == str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())


@pytest.mark.parametrize("value", ["0", "-1", "1025", "two", "1.5"])
def test_environment_errors(value, monkeypatch):
    monkeypatch.setenv("GLOROTLAB_NUM_THREADS", value)
    with pytest.raises(
        InvalidValueError, match=rf"GLOROTLAB_NUM_THREADS '?{value}'?: allowed are whole numbers from 1"
    ):
        threads.default_num_threads()


def test_set_num_threads():
    for n in (1, 7, np.int64(5)):
        threads.set_num_threads(n)
        assert threads.num_threads() == n


@pytest.mark.parametrize("wrong", [0, -1, 1025, 1.0, "2", True, None])
def test_set_num_threads_errors_change_nothing(wrong):
    threads.set_num_threads(2)
    with pytest.raises(
        InvalidValueError, match=f"number of threads {wrong!r}: allowed are whole numbers from 1 to 1024"
    ):
        threads.set_num_threads(wrong)
    assert threads.num_threads() == 2


@pytest.mark.usefixtures("three_blas_threads")
def test_blas_is_single_threaded_inside_and_restored_outside():
    with threads.single_threaded_blas():
        assert set(blas_threads()) == {1}
        with threads.single_threaded_blas():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert set(blas_threads()) == {3}


@pytest.mark.usefixtures("three_blas_threads")
def test_blas_is_restored_after_an_error():
    with pytest.raises(ZeroDivisionError), threads.single_threaded_blas():
        raise ZeroDivisionError
    assert set(blas_threads()) == {3}


@pytest.mark.usefixtures("three_blas_threads")
def test_blas_stays_single_threaded_until_the_last_thread_leaves():
    entered, leave = threading.Event(), threading.Event()

    def other():
        with threads.single_threaded_blas():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with threads.single_threaded_blas():
        thread.start()
        assert entered.wait(10)
    assert set(blas_threads()) == {1}
    leave.set()
    thread.join(10)
    assert set(blas_threads()) == {3}


@pytest.mark.usefixtures("three_blas_threads")
def test_every_thread_may_limit_blas_whoever_did_before():
    """Also while the main thread holds a limit of the user's own, as the fixture does here."""
    with threads.single_threaded_blas():
        pass
    seen = []

    def other():
        with threads.single_threaded_blas():
            seen.extend(blas_threads())

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(10)
    assert set(seen) == {1}
    assert set(blas_threads()) == {3}


def test_no_other_user_of_threadpoolctl_is_locked_out():
    with threads.single_threaded_blas():
        pass
    seen = []

    def other():
        with threadpoolctl.threadpool_limits(3, user_api="blas"):
            seen.extend(blas_threads())

    thread = threading.Thread(target=other)
    thread.start()
    thread.join(10)
    assert set(seen) == {3}
