"""Tiles on every SIMD level of the machine, against NumPy in float64.

At the edges of batches (one example; a full small batch; the first in panels; a panel more) every remainder of a vector
of up to 64 bytes (16 float32, 8 float64) and every block of 1 to 10 rows of W is there; between them a few shapes are
enough, because a batch chooses blocks, panels and packing and nothing else.
"""

import tracemalloc

import numpy as np
import pytest
from kernel_reference import FUNCTIONS, assert_within, forward_tiles, guarded, matmul, tiles, workers

from glorotlab import threads
from glorotlab.kernels import simd
from glorotlab.kernels.network import dense, elementwise
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec

ONE_BLOCK = 10
EDGES = (1, 10, 11, 33)
BETWEEN = (2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 31, 32, 65)
CHUNKS = (129, 257)
"""Examples beyond those that are summed at once: one more, and one more than twice as many."""
BATCHES = (*EDGES, *BETWEEN, *CHUNKS)
DTYPES = ("float32", "float64")
LANES, THREADS = 16, 2
FANS = [(17, LANES + remainder) for remainder in range(LANES)]
FANS += [(1, 1), (1, LANES - 1), (3, 128 + 5), (19, 64 + 5)]  # nothing but remainders; more than one thread's share
FANS += [(rows, 37) for rows in range(2, 11)]  # every block of rows
FANS += [(33, 21), (65, 21)]  # one row after those that are summed between two loads
FANS += [(25, 300), (300, 37)]  # more columns, and more rows, than stay in the first cache
FEW_FANS = [(19, 64 + 5), (25, 300), (300, 37)]
CHUNK_FANS = [(19, 64 + 5), (25, 600)]  # fewer columns than z is packed for, and more than have sums at once
RULES = [(0.0, None, False), (0.25, None, False), (0.0, 0.5, False), (0.25, 0.5, False), (0.25, 0.5, True)]
"""Decay, momentum and whether it is Nesterov's. Each is 1/4 or 1/2: applied twice, or not at all, it is far outside the
bound."""
LINEAR, TANH = elementwise.CODES["linear"], elementwise.CODES["tanh"]


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    monkeypatch.setitem(threads._state, "threads", threads._state["threads"])


@pytest.fixture(autouse=True, params=simd.LEVELS)
def level(request):
    """Run on this SIMD level."""
    before = simd.get_level()
    simd.set_level(request.param)
    yield request.param
    simd.set_level(before)


pytestmark = pytest.mark.usefixtures("small_products_on_threads")


def fans_of(batch):
    """Return the shapes of W that a batch is tried with."""
    return FANS if batch in EDGES else CHUNK_FANS if batch in CHUNKS else FEW_FANS


def draw(dtype, *shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
def test_forward(batch, dtype):
    eps = np.finfo(dtype).eps
    for fan_in, fan_out in fans_of(batch):
        z, weight, bias = draw(dtype, (batch, fan_in), (fan_in, fan_out), fan_out)
        s, untouched = guarded(np.full((batch, fan_out), np.nan), dtype)
        dense.forward(z, weight, bias, LINEAR, s, s, THREADS)
        assert dense.workers() == workers(THREADS, forward_tiles(batch, fan_in, fan_out, THREADS, halves=False))
        product, bound = matmul(z, weight, eps, bias)
        assert_within(s, product + bias, bound)
        assert untouched(), (fan_in, fan_out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
def test_backward(batch, dtype):
    eps = np.finfo(dtype).eps
    for fan_in, fan_out in fans_of(batch):
        d, weight, s = draw(dtype, (batch, fan_out), (fan_in, fan_out), (batch, fan_in))
        found, untouched = guarded(np.full((batch, fan_in), np.nan), dtype)
        dense.backward(d, weight, s, np.tanh(s), TANH, found, THREADS)
        assert dense.workers() == workers(THREADS, tiles(fan_in, 12))
        product, bound = matmul(d, weight.T, eps)
        slope = FUNCTIONS["tanh"][1](s.astype(np.float64))
        assert_within(found, product * slope, bound * (slope + 4 * eps) + 4 * eps * abs(product))
        assert untouched(), (fan_in, fan_out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("batch", "rule"),
    [(batch, rule) for batch in BATCHES for rule in (RULES if batch in EDGES else RULES[-1:])],
    ids=str,
)
def test_update(batch, rule, dtype):
    decay, momentum, nesterov = rule
    eps, rate = np.finfo(dtype).eps, 0.125
    for fan_in, fan_out in fans_of(batch):
        d, z, old, old_v = draw(dtype, (batch, fan_out), (batch, fan_in), (fan_in, fan_out), (fan_in, fan_out))
        weight, untouched = guarded(old, dtype)
        velocity, v_untouched = guarded(old_v, dtype)
        bias = np.zeros(fan_out, dtype)
        v, bv = (None, None) if momentum is None else (velocity, np.zeros(fan_out, dtype))
        numbers = rate, decay, momentum or 0.0, nesterov
        dense.backward_update(d, weight, bias, None, z, TANH, None, v, bv, *numbers, THREADS)
        assert dense.workers() == workers(THREADS, tiles(fan_in, 12))
        extra = abs(old) + (0 if momentum is None else 2 * abs(old_v))
        step, bound = matmul(rate * z.T.astype(np.float64), d, eps, extra)
        old = old.astype(np.float64)
        change, total, total_bound = -decay * old - step, *matmul(np.full((1, batch), -rate), d, eps)
        if momentum is not None:
            new_v = momentum * old_v.astype(np.float64) + change
            assert_within(velocity, new_v, bound)
            change = momentum * new_v + change if nesterov else new_v
        assert_within(weight, old + change, bound + 2 * eps * abs(old + change))
        lead = 1 + momentum if nesterov else 1  # the bias has no velocity before
        assert_within(bias, lead * total[0], lead * (total_bound[0] + eps * abs(total[0])))
        assert untouched(), (fan_in, fan_out)
        assert v_untouched(), (fan_in, fan_out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
def test_propagation_and_update_in_one_call(batch, dtype):
    """What goes back goes through the weights before their update, in every order of the passes over W."""
    eps, rate, decay = np.finfo(dtype).eps, 0.125, 0.25
    for fan_in, fan_out in fans_of(batch):
        d, z, old = draw(dtype, (batch, fan_out), (batch, fan_in), (fan_in, fan_out))
        weight, untouched = guarded(old, dtype)
        d_below, d_untouched = guarded(np.full((batch, fan_in), np.nan), dtype)
        bias = np.zeros(fan_out, dtype)
        dense.backward_update(d, weight, bias, z, z, LINEAR, d_below, None, None, rate, decay, 0.0, False, THREADS)
        product, bound = matmul(d, old.T, eps)
        assert_within(d_below, product, bound)
        step, bound = matmul(rate * z.T.astype(np.float64), d, eps, abs(old))
        expected = (1 - decay) * old.astype(np.float64) - step
        assert_within(weight, expected, bound + eps * abs(expected))
        assert untouched(), (fan_in, fan_out)
        assert d_untouched(), (fan_in, fan_out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fans", [(70, 45), (257, 300)], ids=str)
def test_one_block_and_panels_agree_on_the_same_examples(fans, dtype):
    """10 examples share one pass back, 11 go through panels; the first 10 are the same."""
    fan_in, fan_out = fans
    eps, many = np.finfo(dtype).eps, ONE_BLOCK + 1
    z, weight, bias, d, s = draw(dtype, (many, fan_in), fans, fan_out, (many, fan_out), (many, fan_in))
    d[-1] = 0  # the example that only panels have changes no weight
    found = []
    for batch in (ONE_BLOCK, many):
        out, d_below = np.empty((batch, fan_out), dtype), np.empty((batch, fan_in), dtype)
        new, new_bias = weight.copy(), bias.copy()
        dense.forward(z[:batch], weight, bias, LINEAR, out, out, 2)
        dense.backward_update(
            d[:batch], new, new_bias, s[:batch], z[:batch], LINEAR, d_below, None, None, 0.1, 0.01, 0.0, False, 2
        )
        found.append((out[:ONE_BLOCK], d_below[:ONE_BLOCK], new, new_bias))
    bounds = (
        matmul(z[:ONE_BLOCK], weight, eps, bias)[1],
        matmul(d[:ONE_BLOCK], weight.T, eps)[1],
        matmul(0.1 * z.T, d, eps, weight)[1],
        matmul(np.full((1, many), 0.1), d, eps, bias)[1][0],
    )
    for block, panels, bound in zip(*found, bounds, strict=True):
        assert_within(block, panels.astype(np.float64), 2 * bound)


@pytest.mark.parametrize("batch", [10, 33])
@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "l2": 0.01}], ids=str)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_step_allocates_next_to_nothing(batch, options, activation):
    """A weight gradient of these layers would take 4 MB, one row of activations of the batch 40 kB; the peak of a step
    beside its buffers, which the first step makes, is below 16 kB.
    """
    net = Network(NetworkSpec.parse("1000x3,10", activation=activation))
    x, labels = np.zeros((batch, 1000), np.float32), np.arange(batch) % 10
    net.train_step(x, labels, 0.1, **options)
    tracemalloc.start()
    try:
        np.empty(4000, np.float32)
        assert tracemalloc.get_traced_memory()[1] >= 16_000, "NumPy's arrays are not traced"
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        net.train_step(x, labels, 0.1, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - before < 16_000


def test_an_unfused_step_allocates_activations_only(monkeypatch):
    """An activation without a kernel goes through NumPy, row by row of the batch: never a matrix of weights."""
    with monkeypatch.context() as patch:
        patch.delitem(elementwise.CODES, "tanh")
        net = Network(NetworkSpec.parse("1000x3,10", activation="tanh"))
    x, labels = np.zeros((10, 1000), np.float32), np.arange(10)
    net.train_step(x, labels, 0.1)
    tracemalloc.start()
    try:
        net.train_step(x, labels, 0.1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 4 * x.size
