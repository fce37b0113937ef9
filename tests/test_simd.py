"""The small-batch tiles compiled for one SIMD level at a time give the bits of the built kernels, whichever level
those run at: a wider vector changes nothing.
"""

import ctypes
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import glorotlab
from glorotlab.kernels import dense, elementwise
from glorotlab.threads import single_threaded_blas

KERNELS = Path(glorotlab.__file__).parent / "kernels"
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]  # as in setup.py
LEVELS = {"baseline": [], "avx2": ["-mavx2", "-mfma"], "avx512f": ["-mavx512f"]}
SOURCE = """
#include "simd.h"
#undef GLOROTLAB_CLONES
#define GLOROTLAB_CLONES
#include "tiles.h"
void *const float32[] = {forward_tile_float, backward_tile_float, update_tile_float};
void *const float64[] = {forward_tile_double, backward_tile_double, update_tile_double};
"""
SHAPES = [(1, 1, 1), (3, 17, 15), (10, 40, 133), (11, 37, 64), (32, 70, 45)]  # batch, fan_in, fan_out
LINEAR = elementwise.CODES["linear"]


@pytest.fixture(scope="module", params=LEVELS)
def library(request, tmp_path_factory):
    """The tiles, compiled for one level of this machine."""
    cpu = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not cpu.exists() or shutil.which("gcc") is None:
        pytest.skip("the tiles have several SIMD levels only with gcc on Linux, x86-64")
    if missing := {option[2:] for option in LEVELS[request.param]} - set(cpu.read_text().split()):
        pytest.skip(f"this CPU has no {', '.join(sorted(missing))}")
    folder = tmp_path_factory.mktemp("simd")
    (folder / "tiles.c").write_text(SOURCE)
    command = ["gcc", *FLAGS, *LEVELS[request.param], "-shared", "-fPIC", f"-I{KERNELS}", "tiles.c", "-o", "tiles.so"]
    subprocess.run(command, cwd=folder, check=True)  # noqa: S603
    return ctypes.CDLL(str(folder / "tiles.so"))


def call(library, index, out, *arguments):
    """Call tile ``index`` of the dtype of ``out``: matrices with their leading dimensions, integers, reals."""
    real = {"float32": ctypes.c_float, "float64": ctypes.c_double}[out.dtype.name]
    kinds, values = [], []
    for value in arguments:
        if isinstance(value, np.ndarray):
            kinds += [ctypes.c_void_p, ctypes.c_ssize_t]
            values += [value.ctypes.data, value.shape[1]]
        else:
            kinds.append(ctypes.c_int if isinstance(value, int) else real)
            values.append(value)
    address = (ctypes.c_void_p * 3).in_dll(library, out.dtype.name)[index]
    ctypes.CFUNCTYPE(None, *kinds)(address)(*values)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equal_bits_on_every_simd_level(library, shape, dtype):
    batch, fan_in, fan_out = shape
    rng = np.random.default_rng(0)
    z, weight, d = (
        rng.normal(size=size).astype(dtype) for size in ((batch, fan_in), (fan_in, fan_out), (batch, fan_out))
    )
    zero, rate, decay = np.zeros(fan_out, dtype), 0.3, 0.01
    s, d_below, new = np.empty_like(d), np.empty_like(z), weight.copy()
    with single_threaded_blas():
        dense.forward(z, weight, zero, LINEAR, s, s, 1)
        dense.backward(d, weight, z, z, LINEAR, d_below, 1)
        dense.backward_update(d, new, zero.copy(), None, z, LINEAR, None, None, None, rate, decay, 0.0, 1)
    ours = [np.zeros_like(d), np.empty_like(z), weight.copy()]
    keep = float(1 - np.asarray(decay, dtype))
    call(library, 0, s, z, weight, ours[0], batch, fan_in, fan_out)
    call(library, 1, s, d, weight, ours[1], batch, fan_in, fan_out)
    call(library, 2, s, z, d, ours[2], batch, fan_in, fan_out, keep, rate)
    for found, expected in zip(ours, (s, d_below, new), strict=True):
        np.testing.assert_array_equal(found, expected)
