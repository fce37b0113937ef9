"""Nothing is allocated inside a step: calls of malloc are counted, and their number does not grow with the steps.

The count is by a library that is loaded before glibc's, so that C is seen as well as Python, on every thread. Python's
own pools are turned off: each of its objects is a call. What NumPy holds at most is test_tiles.py's business.
"""

import json
import os
import platform
import shutil
import subprocess
import sys

import pytest
from once import once

COUNTER = """
#include <errno.h>
#include <stddef.h>
void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
static _Atomic long count;
static int counting = 0;
long allocations(void) { return counting = 1, count; } /* from now on */
#define COUNTED(call) return count += counting, call
void *malloc(size_t size) { COUNTED(__libc_malloc(size)); }
void *calloc(size_t n, size_t size) { COUNTED(__libc_calloc(n, size)); }
void *realloc(void *p, size_t size) { COUNTED(__libc_realloc(p, size)); }
void *memalign(size_t unit, size_t size) { COUNTED(__libc_memalign(unit, size)); }
void *aligned_alloc(size_t unit, size_t size) { COUNTED(__libc_memalign(unit, size)); }
int posix_memalign(void **p, size_t unit, size_t size) {
    count += counting;
    *p = __libc_memalign(unit, size);
    return *p ? 0 : ENOMEM;
}
"""

PROGRAM = """
import ctypes, json, sys
import numpy as np
import glorotlab as gl
from glorotlab.kernels.network import dense

FEW, MANY = 10, 210
allocations = ctypes.CDLL(None).allocations
allocations.restype = ctypes.c_long
dense.set_parallel_work(0)

def counted(activation, dtype, batch, options, threads):
    gl.set_num_threads(threads)
    net = gl.Network(gl.NetworkSpec.parse("120,70x2,9", activation=activation), dtype=dtype)
    x, y = np.random.default_rng(0).normal(size=(batch, 120)).astype(dtype), np.arange(batch) % 9
    order, found = np.tile(np.arange(batch), MANY), []
    for updates in (FEW, FEW, MANY):
        before = allocations()
        costs = net.train_steps(x, y, 1e-3, batch_size=batch, order=order[: updates * batch], **options)
        found.append(allocations() - before)
        assert len(costs) == updates
    return found[2] - found[1]

print(json.dumps([counted(*case) for case in json.loads(sys.argv[1])]))
"""

OPTIONS = ({}, {"momentum": 0.9, "nesterov": True, "l2": 0.01})
CASES = [
    ("tanh", dtype, batch, options, 2)
    for dtype in ("float32", "float64")
    for batch in (1, 10, 40)
    for options in OPTIONS
]
IN_PYTHON = ("x/(1+x**2)", "float32", 10, {}, 1)
"""An activation without a kernel goes through NumPy in every step."""


def count_allocations(folder):
    """Write what every case was found to allocate."""
    (folder / "counter.c").write_text(COUNTER)
    command = ["gcc", "-O2", "-shared", "-fPIC", "counter.c", "-o", "counter.so"]
    subprocess.run(command, cwd=folder, check=True)  # noqa: S603
    changed = {"LD_PRELOAD": str(folder / "counter.so"), "PYTHONMALLOC": "malloc"}
    cases = [*CASES, IN_PYTHON]
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-c", PROGRAM, json.dumps(cases)], env=os.environ | changed, capture_output=True, text=True
    )
    assert not run.returncode, run.stderr
    found = dict(zip(map(str, cases), json.loads(run.stdout), strict=True))
    (folder / "found.json").write_text(json.dumps(found))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Calls that 200 more steps make, by case."""
    if platform.libc_ver()[0] != "glibc" or shutil.which("gcc") is None:
        pytest.skip("calls of malloc are counted by a library of gcc's in the place of glibc's")
    folder = once(tmp_path_factory, "allocations", count_allocations)
    return json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_steps_allocate_nothing(case, found):
    """Up to 10 calls are those of a thread that starts, or of Python's tables that grow with a longer array."""
    assert found[str(case)] <= 10


def test_what_python_allocates_is_counted(found):
    assert found[str(IN_PYTHON)] >= 200
