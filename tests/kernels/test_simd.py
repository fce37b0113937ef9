"""The SIMD level: one that the machine has, and the one that is named; equal bits on any number of threads at each.

That every level computes what it should is test_tiles.py's business, which is the best that of test_best_level.py.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kernel_reference import workers

import glorotlab as gl
from glorotlab.errors import InvalidValueError
from glorotlab.kernels import simd
from glorotlab.kernels.network import dense
from glorotlab.threads import num_threads, set_num_threads

FLAGS = {"avx2": {"avx2", "fma"}, "avx512": {"avx512f"}}
pytestmark = pytest.mark.usefixtures("small_products_on_threads")


def run(level):
    code = "from glorotlab.kernels import simd; print(simd.get_level())"
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], env=os.environ | {"GLOROTLAB_SIMD": level}, capture_output=True, text=True
    )


def test_the_levels_are_those_of_the_cpu():
    cpu = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not cpu.exists():
        pytest.skip("what a CPU can do is read from /proc/cpuinfo of x86-64")
    flags = set(cpu.read_text().split())
    levels = ["sse2", *(name for name, needed in FLAGS.items() if needed <= flags)]
    assert list(simd.LEVELS) == levels


@pytest.mark.parametrize("level", simd.LEVELS)
def test_the_environment_names_a_level(level):
    assert run(level).stdout.strip() == level


def test_an_unknown_level_is_refused():
    refused = run("avx9")
    assert refused.returncode != 0
    assert "SIMD level 'avx9': allowed on this machine are " + ", ".join(simd.LEVELS) in refused.stderr
    before = simd.get_level()
    with pytest.raises(InvalidValueError, match="SIMD level ''"):
        simd.set_level("")
    assert simd.get_level() == before


@pytest.mark.parametrize("level", simd.LEVELS)
@pytest.mark.parametrize("options", [{}, {"momentum": 0.5, "l2": 0.01}], ids=str)
@pytest.mark.parametrize("batch", [1, 10, 17])
def test_equal_bits_on_any_number_of_threads(level, options, batch):
    spec = gl.NetworkSpec.parse("70,133x2,9", activation="tanh")
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(batch, 70)).astype(np.float32), rng.integers(0, 9, batch)
    ends, before, threads = [], simd.get_level(), num_threads()
    simd.set_level(level)
    try:
        for count in (1, 2, 4):
            set_num_threads(count)
            net = gl.Network(spec)
            for _ in range(3):
                net.train_step(x, labels, 0.1, **options)
            assert dense.workers() == workers(count, count)
            ends.append([array.tobytes() for array in (*net.weights, *net.biases)])
    finally:
        simd.set_level(before)
        set_num_threads(threads)
    assert ends[0] == ends[1] == ends[2]
