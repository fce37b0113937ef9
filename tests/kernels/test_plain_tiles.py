"""The tiles as a compiler sees them that is neither GCC nor clang: plain loops in standard C, against NumPy."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
from kernel_reference import assert_within, matmul
from kernel_sources import include_options

SOURCE = """
#define LEVEL BASELINE
#include "tiles.c"
#if LEVELS > 1
#error not the plain loops
#endif
void forward(const float *z, const float *w, float *s, int batch, int fan_in, int fan_out) {
    tiles_float[0]->forward(z, fan_in, w, fan_out, NULL, 0, s, fan_out, batch, fan_in, fan_out);
}
void backward(const float *d, float *panels, float *strips, float *w, float *v, float *out, const float *z, int batch,
              int fan_in, int fan_out) {
    const Descent descent = {0.125, 0.25, 0.5, 1};
    for (int thread = 0; thread < 3; thread++)
        tiles_float[0]->pack(d, fan_out, panels, strips, batch, fan_out, thread, 3);
    tiles_float[0]->backward(d, fan_out, panels, strips, w, fan_out, v, fan_out, out, fan_in, z, fan_in, batch, fan_in,
                            fan_out, &descent);
}
const void *doubles = &tiles_double_baseline; /* compile too */
"""


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The loops in a library of their own."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc stands for other compilers, with what is its own turned off")
    folder = tmp_path_factory.mktemp("plain")
    (folder / "plain.c").write_text(SOURCE)
    command = ["gcc", "-std=c99", "-pedantic-errors", "-Wall", "-Werror", "-DGLOROTLAB_PLAIN"]
    command += include_options()
    subprocess.run([*command, "-shared", "-fPIC", "plain.c", "-o", "plain.so"], cwd=folder, check=True)  # noqa: S603
    return ctypes.CDLL(str(folder / "plain.so"))


def pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


@pytest.mark.parametrize("fans", [(3, 5), (23, 19)], ids=str)
@pytest.mark.parametrize("batch", [1, 7, 10, 11, 33])
def test_plain_loops_compute_the_layer(plain, batch, fans):
    rng, eps = np.random.default_rng(0), np.finfo(np.float32).eps
    shapes = (batch, fans[0]), fans, (batch, fans[1]), fans
    z, w, d, v = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    s, out = np.full((batch, fans[1]), np.nan, np.float32), np.empty_like(z)
    panels, strips = np.empty(64 * fans[1], np.float32), np.empty_like(d)
    plain.forward(pointer(z), pointer(w), pointer(s), batch, *fans)
    assert_within(s, *matmul(z, w, eps))
    old, old_v = w.astype(np.float64), v.astype(np.float64)
    product, bound = matmul(d, w.T, eps)
    plain.backward(
        pointer(d), pointer(panels), pointer(strips), pointer(w), pointer(v), pointer(out), pointer(z), batch, *fans
    )
    assert_within(out, product, bound)
    gradient, bound = matmul(0.125 * z.T.astype(np.float64), d, eps, abs(old) + abs(old_v))
    step = -0.25 * old - gradient
    velocity = 0.5 * old_v + step
    assert_within(v, velocity, bound)
    assert_within(w, old + 0.5 * velocity + step, 2 * bound)
