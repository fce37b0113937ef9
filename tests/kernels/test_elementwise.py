"""Element-wise kernels against the records, one name at a time, on any length, alignment and SIMD level."""

import ctypes
import itertools
import platform
import shutil
import subprocess
from pathlib import Path

import mpmath
import numpy as np
import pytest
from activation_points import points
from elementwise_calls import DTYPES, NAMES, PARAMETER, applied, derivative
from kernel_sources import include_options
from once import once

from glorotlab import activations
from glorotlab.kernels.network import elementwise

SHAPES = ((0, 5), (1, 1), (3, 7), (33, 65))

FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]  # as in setup.py
LEVELS = {"sse2": [], "avx2": ["-mavx2", "-mfma"], "avx512": ["-mavx512f"]}
SOURCE = """
#include "simd.h"
#undef GLOROTLAB_CLONES
#define GLOROTLAB_CLONES
#include "activations.c"
#include "exponentials.h"
void *const of_costs[] = {exponentials, logarithms};
void *const float32[] = {activate_float, multiply_derivative_float};
void *const float64[] = {activate_double, multiply_derivative_double};
"""


def test_every_record_of_the_vocabulary_has_a_kernel():
    assert set(elementwise.CODES) == set(activations.RECORDS)
    assert sorted(elementwise.CODES.values()) == list(range(len(elementwise.CODES)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_function_is_its_record(name, dtype):
    """Within 10 eps, 5 of each, and where a factor of the record underflows |s| times the smallest subnormal."""
    info, s = np.finfo(dtype), points(dtype, name)[np.newaxis]
    z, expected = applied(name, s), activations.get(name).function(s)
    smallest = np.maximum(1, np.abs(s)) * info.smallest_subnormal
    assert (np.abs(z - expected) <= 10 * info.eps * np.abs(expected) + smallest).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_derivative_is_its_record(name, dtype):
    """Within a few eps absolutely: f' from z = f(s), as 1 - z^2, cancels near saturation."""
    info, s = np.finfo(dtype), points(dtype, name)[np.newaxis]
    expected = -3 * activations.get(name).derivative(s)
    assert (np.abs(derivative(name, s, -3) - expected) <= 3 * 6 * info.eps).all()


@pytest.mark.parametrize("slope", [0.0, 0.25, 3.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_parameter_is_the_slope_of_leaky_relu(dtype, slope):
    s = np.array([[-2, -0.5, 0, 0.5, 2]], dtype)
    z, d = np.empty_like(s), np.ones_like(s)
    elementwise.apply(elementwise.CODES["leaky_relu"], s, z, slope)
    elementwise.apply_derivative(elementwise.CODES["leaky_relu"], s, z, d, slope)
    np.testing.assert_array_equal(z, [[-2 * slope, -slope / 2, 0, 0.5, 2]])
    np.testing.assert_array_equal(d, [[slope, slope, slope, 1, 1]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_every_element_of_every_shape_is_reached_and_no_other(name, dtype):
    eps, record = np.finfo(dtype).eps, activations.get(name)
    for shape in SHAPES:
        s = np.random.default_rng(0).normal(size=shape).astype(dtype)
        np.testing.assert_allclose(applied(name, s), record.function(s), rtol=10 * eps)
        np.testing.assert_allclose(derivative(name, s), record.derivative(s), rtol=0, atol=6 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_an_element_does_not_depend_on_its_neighbours(name, dtype):
    """Equal bits at every length up to 40, at unaligned starts, in place, and beside an angle that libm takes."""
    s = np.random.default_rng(0).normal(0, 3, (1, 50)).astype(dtype)
    z, d = applied(name, s), derivative(name, s)
    for length in range(41):
        start = length % 9
        part = s[:, start : start + length]
        np.testing.assert_array_equal(applied(name, part), z[:, start : start + length])
        np.testing.assert_array_equal(derivative(name, part), d[:, start : start + length])
    beside = np.append(s, [[1e7]], axis=1).astype(dtype)
    np.testing.assert_array_equal(applied(name, beside)[:, :50], z)
    np.testing.assert_array_equal(derivative(name, beside)[:, :50], d)
    elementwise.apply(elementwise.CODES[name], s, s, PARAMETER)
    np.testing.assert_array_equal(s, z)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_rows_have_the_bits_of_one_array_and_what_lies_between_them_stays(name, dtype):
    """Rows of f and f', in place too, each of them a block, or less, or more, with a gap behind it or none."""
    code = elementwise.CODES[name]
    for columns, gap in itertools.product([1, 10, 15, 16, 17, 31, 32, 45], [0, 1, 20]):
        wide = np.random.default_rng(0).normal(0, 3, (5, columns + gap)).astype(dtype)
        s = np.ascontiguousarray(wide[:, :columns])
        z, d = applied(name, s), derivative(name, s)
        out, slope = np.full_like(wide, 7), np.ones_like(wide)
        elementwise.apply(code, wide[:, :columns], out[:, :columns], PARAMETER)
        elementwise.apply_derivative(code, wide[:, :columns], out[:, :columns], slope[:, :columns], PARAMETER)
        np.testing.assert_array_equal(out[:, :columns], z)
        np.testing.assert_array_equal(slope[:, :columns], d)
        assert ((out[:, columns:] == 7).all(), (slope[:, columns:] == 1).all()) == (True, True), (columns, gap)
        elementwise.apply(code, wide[:, :columns], wide[:, :columns], PARAMETER)
        np.testing.assert_array_equal(wide[:, :columns], z)


def compiled_for(level, tmp_path_factory):
    """Return the activations, and the functions of costs, compiled for one SIMD level of this machine."""
    cpu = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not cpu.exists() or shutil.which("gcc") is None:
        pytest.skip("the activations have several SIMD levels only with gcc on Linux, x86-64")
    if missing := {option[2:] for option in LEVELS[level]} - set(cpu.read_text().split()):
        pytest.skip(f"this CPU has no {', '.join(sorted(missing))}")

    def compiled(folder):
        (folder / "levels.c").write_text(SOURCE)
        command = ["gcc", *FLAGS, *LEVELS[level], "-shared", "-fPIC", "levels.c"]
        command += include_options()
        subprocess.run([*command, "-o", "activations.so", "-lm"], cwd=folder, check=True)  # noqa: S603

    folder = once(tmp_path_factory, f"activations {level}", compiled)
    return ctypes.CDLL(str(folder / "activations.so"))


@pytest.fixture(scope="module", params=LEVELS)
def library(request, tmp_path_factory):
    return compiled_for(request.param, tmp_path_factory)


@pytest.mark.parametrize(
    ("index", "exact", "x"),
    [(0, mpmath.exp, -np.geomspace(1e-300, 745, 2000)), (1, mpmath.log, 1 + np.geomspace(1e-16, 1e6, 2000))],
    ids=["exp", "log"],
)
def test_exponentials_and_logarithms_of_costs(library, tmp_path_factory, index, exact, x):
    """Within 1 ULP, or the smallest subnormal number; equal bits on every level and whatever follows in the block."""

    def of(some, library):
        room = np.full((len(some) + 7) // 8 * 8, np.nan)
        room[: len(some)] = some
        address = (ctypes.c_void_p * 2).in_dll(library, "of_costs")[index]
        ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_ssize_t)(address)(room.ctypes.data, len(some))
        return room[: len(some)]

    found = of(x, library)
    with mpmath.workdps(30):
        assert max(abs(f - exact(v)) / mpmath.mpf(np.spacing(f)) for f, v in zip(found, x, strict=True)) <= 1
    np.testing.assert_array_equal(found, of(x, compiled_for("sse2", tmp_path_factory)))
    for count in range(1, 17):
        np.testing.assert_array_equal(of(x[:count], library), found[:count])
    edges = of([[-0.0, -1e3, -np.inf, np.nan], [1.0, 2.0, 4.0, np.nan]][index], library)
    np.testing.assert_array_equal(edges, [[1, 0, 0, np.nan], [0, np.log(2), 2 * np.log(2), np.nan]][index])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_equal_bits_on_every_simd_level(library, name, dtype):
    def call(index, *arrays):
        address = (ctypes.c_void_p * 2).in_dll(library, dtype)[index]
        n, rows = arrays[0].size, [ctypes.c_void_p, ctypes.c_ssize_t] * len(arrays)
        kinds = [ctypes.c_int, ctypes.c_double, *rows, ctypes.c_ssize_t, ctypes.c_ssize_t]
        given = [number for array in arrays for number in (array.ctypes.data, n)]
        ctypes.CFUNCTYPE(None, *kinds)(address)(elementwise.CODES[name], PARAMETER, *given, 1, n)

    spread = np.random.default_rng(0).normal(0, 5, 1001)
    s = np.concatenate([points(dtype, name), spread, [np.nan, np.inf, -np.inf, 0.0, -0.0]]).astype(dtype)[np.newaxis]
    z, d = np.empty_like(s), np.ones_like(s)
    call(0, s, z)
    call(1, s, z, d)
    np.testing.assert_array_equal(z, applied(name, s))
    np.testing.assert_array_equal(d, derivative(name, s))
