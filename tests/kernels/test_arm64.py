"""The kernels' C on arm64, cross-compiled and emulated: tiles against NumPy, activations against the bits of here,
and the mode in which subnormal numbers are zeros."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from kernel_reference import PARAMETERS, assert_within, matmul
from kernel_sources import include_options
from once import once

from glorotlab.kernels.network import elementwise

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
SOURCE = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#define LEVEL BASELINE
#include "tiles.c"
#include "activations.c"
#include "subnormals.h"
#if !defined(GLOROTLAB_VECTORS) || LEVELS != 1
#error one level in vectors is meant
#endif
static void *take(size_t bytes)
{
    void *memory = calloc(bytes + 1, 1);
    if (fread(memory, 1, bytes, stdin) != bytes)
        exit(1);
    return memory;
}
#define PROGRAM(real) \\
    static void layer_##real(int batch, int fan_in, int fan_out, const char *without) \\
    { \\
        const size_t in = sizeof(real) * batch * fan_in, out = sizeof(real) * batch * fan_out; \\
        const size_t all = sizeof(real) * fan_in * fan_out; \\
        const Descent descent = {0.125, 0.25, 0.5, 1}; \\
        real *z = take(in), *w = take(all), *d = take(out), *v = take(all); \\
        real *s = calloc(out, 1), *back = calloc(in, 1); \\
        real *panels = calloc(sizeof(real) * (batch + WIDEST_PANEL) * fan_out, 1), *strips = calloc(out, 1); \\
        tiles_##real[0]->forward(z, fan_in, w, fan_out, NULL, 0, s, fan_out, batch, fan_in, fan_out); \\
        tiles_##real[0]->pack(d, fan_out, panels, strips, batch, fan_out, 0, 1); \\
        tiles_##real[0]->backward(d, fan_out, panels, strips, w, fan_out, strcmp(without, "velocity") ? v : NULL, \\
                                 fan_out, strcmp(without, "back") ? back : NULL, fan_in, \\
                                 strcmp(without, "step") ? z : NULL, fan_in, batch, fan_in, fan_out, &descent); \\
        fwrite(s, 1, out, stdout), fwrite(back, 1, in, stdout), fwrite(v, 1, all, stdout), fwrite(w, 1, all, stdout); \\
    } \\
    static void activation_##real(const char *name, double parameter, int n) \\
    { \\
        int code = 0; \\
        real *s = take(sizeof(real) * n), *z = calloc(sizeof(real), n), *d = calloc(sizeof(real), n); \\
        while (strcmp(activation_names[code], name)) \\
            code++; \\
        for (int i = 0; i < n; i++) \\
            d[i] = 1; \\
        activate_##real(code, parameter, s, n, z, n, 1, n); \\
        multiply_derivative_##real(code, parameter, s, n, z, n, d, n, 1, n); \\
        fwrite(z, sizeof(real), n, stdout), fwrite(d, sizeof(real), n, stdout); \\
    }
PROGRAM(float)
PROGRAM(double)
/* Whether a subnormal operand and a subnormal result are 0, in float and in double. */
static void flushed(void)
{
    volatile float operand = 1e-39f, normal = 1.5e-38f, one = 1e30f, half = 0.5f;
    volatile double wide_operand = 1e-310, wide_normal = 3e-308;
    const char seen[] = {operand * one == 0, normal * half == 0, wide_operand * one == 0, wide_normal * half == 0};
    fwrite(seen, 1, 4, stdout);
}
static void modes(void)
{
    flushed();
    const FloatingPointMode before = flush_subnormals();
    flushed();
    restore_subnormals(before);
    flushed();
}
int main(int count, char **given)
{
    if (count < 5)
        return 1;
    const int wide = !strcmp(given[2], "float64");
    if (!strcmp(given[1], "modes"))
        modes();
    else if (!strcmp(given[1], "layer"))
        (wide ? layer_double : layer_float)(atoi(given[3]), atoi(given[4]), atoi(given[5]), given[6]);
    else
        (wide ? activation_double : activation_float)(given[1], atof(given[3]), atoi(given[4]));
    return 0;
}
"""


def compile_for_arm64(folder):
    """Intrinsics and the order of sums are what they are at any level; -O1 takes five times as long to compile."""
    (folder / "kernels.c").write_text(SOURCE)
    options = ["-O0", "-static", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
    options += include_options()
    subprocess.run([COMPILER, *options, "kernels.c", "-o", "kernels", "-lm"], cwd=folder, check=True)  # noqa: S603


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A function of arguments and arrays that returns the bytes the program on arm64 answers."""
    missing = [each for each in (COMPILER, EMULATOR) if shutil.which(each) is None]
    if missing and not os.environ.get("GLOROTLAB_REQUIRE_ARM64"):
        pytest.skip(f"no {' and no '.join(missing)} here")
    folder = once(tmp_path_factory, "arm64", compile_for_arm64)

    def answer(arguments, arrays):
        command = [EMULATOR, str(folder / "kernels"), *map(str, arguments)]
        given = b"".join(array.tobytes() for array in arrays)
        return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603

    return answer


LAYERS = [(batch, (41, 39), "nothing") for batch in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 33)]
LAYERS += [(batch, (41, 39), without) for batch in (1, 10, 11, 33) for without in ("velocity", "back", "step")]
LAYERS += [(batch, (3, 5), "nothing") for batch in (1, 10, 11, 33)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("batch", "fans", "without"), LAYERS, ids=str)
def test_tiles_on_arm64_compute_the_layer(run, batch, fans, dtype, without):
    rng, eps = np.random.default_rng(0), np.finfo(dtype).eps
    shapes = (batch, fans[0]), fans, (batch, fans[1]), fans
    z, w, d, v = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    answer = np.frombuffer(run(["layer", dtype, batch, *fans, without], (z, w, d, v)), dtype)
    s, back, new_v, new_w = np.split(answer, np.cumsum([d.size, z.size, v.size]))
    assert_within(s.reshape(d.shape), *matmul(z, w, eps))
    if without == "back":
        assert not back.any()
    else:
        assert_within(back.reshape(z.shape), *matmul(d, w.T, eps))
    if without == "step":
        assert np.array_equal(new_v.reshape(fans), v)
        assert np.array_equal(new_w.reshape(fans), w)
        return
    old, old_v = w.astype(np.float64), v.astype(np.float64)
    gradient, bound = matmul(0.125 * z.T.astype(np.float64), d, eps, abs(old) + abs(old_v))
    step = -0.25 * old - gradient
    velocity = old_v if without == "velocity" else 0.5 * old_v + step
    change = step if without == "velocity" else 0.5 * velocity + step
    assert_within(new_v.reshape(fans), velocity, bound)
    assert_within(new_w.reshape(fans), old + change, 2 * bound)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", elementwise.CODES)
def test_activations_on_arm64_have_the_same_bits(run, name, dtype):
    """Nothing is fused or reordered there, and libm is not called."""
    rng = np.random.default_rng(0)
    info, parameter = np.finfo(dtype), PARAMETERS.get(name, 0.0)
    some = rng.normal(size=500) * 10.0 ** rng.uniform(-8, 2, size=500)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, info.max, -info.max, info.tiny, info.smallest_subnormal]
    s = np.concatenate([some, [] if name == "sin" else edges]).astype(dtype)[None]
    z, d = np.empty_like(s), np.ones_like(s)
    elementwise.apply(elementwise.CODES[name], s, z, parameter)
    elementwise.apply_derivative(elementwise.CODES[name], s, z, d, parameter)
    found = np.frombuffer(run([name, dtype, parameter, s.size], (s,)), dtype)
    np.testing.assert_array_equal(found, np.concatenate([z, d], axis=None))


def test_subnormal_numbers_on_arm64_are_zeros_until_the_mode_is_restored(run):
    assert run(["modes", 0, 0, 0], ()) == bytes([0] * 4 + [1] * 4 + [0] * 4)
