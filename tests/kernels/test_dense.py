"""Dense kernels against NumPy in float64, within the error bound of a floating-point sum; equal bits on any threads."""

import numpy as np
import pytest
from kernel_reference import FUNCTIONS, PARAMETERS, assert_within, forward_tiles, guarded, matmul, tiles, workers

from glorotlab.kernels.network import dense, elementwise

EDGES = (
    (0, (65, 64)),
    (1, (1, 1)),
    (1, (257, 1000)),
    (3, (1, 7)),
    (9, (7, 1)),
    (10, (64, 65)),
    (10, (1000, 257)),
    (11, (65, 64)),
    (31, (257, 70)),
    (32, (64, 65)),
    (33, (65, 64)),
    (33, (257, 1000)),
    (130, (130, 70)),
    (300, (64, 65)),
    (300, (257, 70)),
)
"""Batches, and the (fan_in, fan_out) they meet: both sides of a block of 10 examples, of panels, of example tiles of
128, of tiles of 64 columns and of the 128 rows from which W is summed in halves."""
EVERY_ACTIVATION = (33, (65, 64))
"""Where every activation is tried: it meets the product element by element, so it knows nothing of the shape."""
THREADS = (1, 2, 4)
DTYPES = ("float32", "float64")

pytestmark = pytest.mark.usefixtures("small_products_on_threads")

grid = [
    pytest.mark.parametrize("dtype", DTYPES),
    pytest.mark.parametrize(("batch", "fans"), EDGES, ids=str),
]


def over_grid(test):
    for mark in grid:
        test = mark(test)
    return test


def activations_at(batch, fans):
    """Return names and codes of the activations that a batch and a shape are tried with."""
    return [pair for pair in elementwise.CODES.items() if (batch, fans) == EVERY_ACTIVATION or pair[0] == "tanh"]


def draw(dtype, *shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def row_tiles(batch, fan_in):
    """Tiles that the backward kernels cut W into."""
    return tiles(fan_in, 12) if batch else 0


def on_every_thread_count(run, count, *initial):
    """Run with copies of ``initial`` as outputs on 1, 2 and 4 threads; equal bits, nothing written outside, and each
    of the threads had one of the tiles: ``count``, or a function from the number of threads to it.
    """
    results = []
    for threads in THREADS:
        outputs, untouched = zip(*(guarded(value, value.dtype) for value in initial), strict=True)
        run(*outputs, threads)
        assert dense.workers() == workers(threads, count(threads) if callable(count) else count)
        assert all(check() for check in untouched), "written outside the array"
        results.append([output.tobytes() for output in outputs])
    assert results[0] == results[1] == results[2]
    return outputs


@over_grid
def test_forward(batch, fans, dtype):
    fan_in, fan_out = fans
    z, weight, bias = draw(dtype, (batch, fan_in), fans, fan_out)
    weight /= np.sqrt(np.asarray(fan_in, dtype))
    eps, nan = np.finfo(dtype).eps, np.full((batch, fan_out), np.nan, dtype)
    expected, bound = matmul(z, weight, eps, bias)
    for name, code in activations_at(batch, fans):
        last = (PARAMETERS.get(name, 0.0),)
        s, out = on_every_thread_count(
            lambda s, out, threads, code=code, last=last: dense.forward(z, weight, bias, code, s, out, threads, *last),
            lambda threads: forward_tiles(batch, fan_in, fan_out, threads),
            nan,
            nan,
        )
        assert_within(s, expected + bias, bound)
        f = FUNCTIONS[name][0](s.astype(np.float64))
        tail = 1 + s.astype(np.float64) ** 2  # SciPy's Gaussian tails lose eps s^2 / 2 to the rounding of the square
        assert_within(out, f, 4 * eps * (abs(f) * tail + np.finfo(dtype).tiny))


@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_may_write_s_and_out_to_one_array(dtype):
    z, weight, bias = draw(dtype, (33, 65), (65, 257), 257)
    s, out, both = (np.empty((33, 257), dtype) for _ in range(3))
    code = elementwise.CODES["tanh"]
    dense.forward(z, weight, bias, code, s, out, 2)
    dense.forward(z, weight, bias, code, both, both, 2)
    np.testing.assert_array_equal(both, out)


def below(name, batch, fan_in, dtype):
    """Pre-activation of the layer below and its activation as a kernel would leave it."""
    (s,) = draw(dtype, (batch, fan_in))
    return s, FUNCTIONS[name][0](s.astype(np.float64)).astype(dtype)


def propagated(d, weight, s_below, name, eps):
    """(d W') f'(s) and its bound; f' from z = f(s) cancels near saturation, which costs a few eps absolutely."""
    product, bound = matmul(d, weight.T, eps)
    derivative = FUNCTIONS[name][1](s_below.astype(np.float64))
    return product * derivative, bound * (abs(derivative) + 4 * eps) + 4 * eps * abs(product)


@over_grid
def test_backward(batch, fans, dtype):
    d, weight = draw(dtype, (batch, fans[1]), fans)
    eps = np.finfo(dtype).eps
    for name, code in activations_at(batch, fans):
        s_below, z_below = below(name, batch, fans[0], dtype)
        given = d, weight, s_below, z_below, code
        last = (PARAMETERS.get(name, 0.0),)
        (d_below,) = on_every_thread_count(
            lambda out, threads, given=given, last=last: dense.backward(*given, out, threads, *last),
            row_tiles(batch, fans[0]),
            np.full((batch, fans[0]), np.nan, dtype),
        )
        assert_within(d_below, *propagated(d, weight, s_below, name, eps))


@pytest.mark.parametrize(("first_layer", "decay"), [(False, 0.0), (True, 0.01)], ids=["inner-plain", "first-decay"])
@over_grid
def test_backward_update_without_momentum(batch, fans, dtype, first_layer, decay):
    s_below, z_below = below("tanh", batch, fans[0], dtype)
    d, weight, bias = draw(dtype, (batch, fans[1]), fans, fans[1])
    eps, rate = np.finfo(dtype).eps, 0.1

    def run(new_weight, new_bias, d_below, threads):
        dense.backward_update(
            d,
            new_weight,
            new_bias,
            None if first_layer else s_below,
            z_below,
            elementwise.CODES["tanh"],
            None if first_layer else d_below,
            None,
            None,
            rate,
            decay,
            0.0,
            False,
            threads,
        )

    nan = np.full((batch, fans[0]), np.nan, dtype)
    new_weight, new_bias, d_below = on_every_thread_count(run, row_tiles(batch, fans[0]), weight, bias, nan)
    if not batch:
        np.testing.assert_array_equal(new_weight, weight)
        np.testing.assert_array_equal(new_bias, bias)
        return
    step, bound = matmul(rate * z_below.T.astype(np.float64), d, eps, weight)
    assert_within(new_weight, (1 - decay) * weight.astype(np.float64) - step, bound)
    assert_within(new_bias, *bias_step(bias, rate, d, eps))
    if first_layer:
        assert np.isnan(d_below).all()
    else:  # d goes through the weights from before the update
        assert_within(d_below, *propagated(d, weight, s_below, "tanh", eps))


def bias_step(bias, rate, d, eps):
    """B - rate sum(d) and its bound."""
    d = d.astype(np.float64)
    return bias - rate * d.sum(axis=0), (len(d) + 2) * eps * (rate * abs(d).sum(axis=0) + abs(bias))


@pytest.mark.parametrize("nesterov", [False, True], ids=["classical", "nesterov"])
@over_grid
def test_backward_update_with_momentum_and_decay(batch, fans, dtype, nesterov):
    s_below, z_below = below("softsign", batch, fans[0], dtype)
    d, weight, bias, velocity, bias_velocity = draw(dtype, (batch, fans[1]), fans, fans[1], fans, fans[1])
    eps, rate, decay, momentum = np.finfo(dtype).eps, 0.1, 0.01, 0.9

    def run(weight, bias, velocity, bias_velocity, d_below, threads):
        code = elementwise.CODES["softsign"]
        dense.backward_update(
            d,
            weight,
            bias,
            s_below,
            z_below,
            code,
            d_below,
            velocity,
            bias_velocity,
            rate,
            decay,
            momentum,
            nesterov,
            threads,
        )

    nan = np.full((batch, fans[0]), np.nan, dtype)
    found = on_every_thread_count(run, row_tiles(batch, fans[0]), weight, bias, velocity, bias_velocity, nan)
    if not batch:
        for new, old in zip(found, (weight, bias, velocity, bias_velocity), strict=False):
            np.testing.assert_array_equal(new, old)
        return
    step, bound = matmul(rate * z_below.T.astype(np.float64), d, eps, abs(velocity) + decay * abs(weight))
    v = momentum * velocity.astype(np.float64) - decay * weight.astype(np.float64) - step
    assert_within(found[2], v, bound)
    change = momentum * v - decay * weight.astype(np.float64) - step if nesterov else v
    assert_within(found[0], weight + change, 2 * bound + 2 * eps * (abs(weight) + abs(v) + abs(change)))
    step, bound = bias_step(0 * bias, rate, d, eps)
    v = momentum * bias_velocity.astype(np.float64) + step
    bound = bound + 3 * eps * abs(bias_velocity)
    assert_within(found[3], v, bound)
    change = momentum * v + step if nesterov else v
    assert_within(found[1], bias + change, 2 * bound + 2 * eps * (abs(bias) + abs(v) + abs(change)))
    assert_within(found[4], *propagated(d, weight, s_below, "softsign", eps))


@over_grid
def test_weight_gradient(batch, fans, dtype):
    z, d = draw(dtype, (batch, fans[0]), (batch, fans[1]))
    eps, scale = np.finfo(dtype).eps, 1 / max(batch, 1)
    (out,) = on_every_thread_count(
        lambda out, threads: dense.weight_gradient(d, z, out, scale, threads),
        row_tiles(batch, fans[0]),
        np.full(fans, np.nan, dtype),
    )
    assert_within(out, *matmul(scale * z.T.astype(np.float64), d, eps))


def test_kernels_refuse_what_is_not_contiguous_or_of_another_dtype():
    z, weight, bias = draw("float32", (4, 6), (6, 3), 3)
    out = np.empty((4, 3), "float32")
    for wrong in (np.asfortranarray(z), z.astype("float64"), np.repeat(z, 2, axis=1)[:, ::2]):
        with pytest.raises((ValueError, TypeError)):
            dense.forward(wrong, weight, bias, 0, out, out, 1)
