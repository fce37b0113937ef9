"""Many training steps in one call: the same bits as one by one, whatever the threads; what ends them; bad arguments."""

import threading
import tracemalloc

import numpy as np
import pytest
from kernel_reference import workers

from glorotlab import threads
from glorotlab.data.shapeset import ShapesetSource
from glorotlab.errors import InvalidValueError
from glorotlab.kernels.network import dense
from glorotlab.kernels.network.batch_source import RowSource
from glorotlab.kernels.shapeset import ImageStream
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.training import Descent, UpdateRule
from glorotlab.streams import Purpose

EXAMPLES = 60
OPTIONS = [{}, {"l2": 0.01}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "l2": 0.01}]


def over(batches, full):
    """Return batches with options: all of them with the batch ``full``, the last with every other."""
    return [(batch, options) for batch in batches for options in (OPTIONS if batch == full else OPTIONS[-1:])]


pytestmark = pytest.mark.usefixtures("small_products_on_threads")


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    monkeypatch.setitem(threads._state, "threads", threads._state["threads"])


def network(layers="150,140x2,20,7", activation="tanh", dtype="float32", **spec):
    return Network(NetworkSpec.parse(layers, activation=activation, **spec), seed=4, dtype=dtype)


def examples(net, dtype="float32"):
    random = np.random.default_rng(5)
    x = random.normal(size=(EXAMPLES, net.spec.fan_in)).astype(dtype)
    return x, random.integers(0, net.spec.classes, EXAMPLES)


def bits(net):
    return [array.tobytes() for array in (*net.weights, *net.biases)]


@pytest.mark.parametrize(("batch", "options"), over((1, 4, 10, 30, 60), 10), ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "x/(1+x**2)"])  # with a kernel and without
def test_many_steps_are_as_many_single_ones(activation, dtype, batch, options):
    single, many, shuffled = (network(activation=activation, dtype=dtype) for _ in range(3))
    x, y = examples(single, dtype)
    order = np.random.default_rng(6).permutation(EXAMPLES)
    threads.set_num_threads(1)
    costs = [
        single.train_step(x[order[k : k + batch]], y[order[k : k + batch]], 0.05, **options)
        for k in range(0, EXAMPLES, batch)
    ]
    for count, net, arguments in ((2, many, (x[order], y[order])), (4, shuffled, (x, y))):
        threads.set_num_threads(count)
        chosen = {"order": np.repeat(order, 2).astype(np.int32)[::2]} if net is shuffled else {}
        found = net.train_steps(*arguments, 0.05, batch_size=batch, **chosen, **options)
        assert found.tolist() == costs
        assert bits(net) == bits(single)


@pytest.mark.parametrize(("batch", "options"), over((1, 10, 11, 33, 130), 11), ids=str)  # one block, panels beyond 10
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_bits_where_every_thread_has_work(dtype, batch, options):
    """The widest layer has a tile for each of four threads, the others for fewer."""
    ends = []
    for count in (1, 2, 4):
        net = network("1030,260,70,10", dtype=dtype)
        random = np.random.default_rng(7)
        x, y = random.normal(size=(3 * batch, 1030)).astype(dtype), random.integers(0, 10, 3 * batch)
        threads.set_num_threads(count)
        costs = net.train_steps(x, y, 0.05, batch_size=batch, **options)
        assert dense.workers() == workers(count, count)
        assert len(costs) == 3
        assert np.isfinite(costs).all()
        ends.append([costs.tobytes(), *(array.tobytes() for array in net.state().values())])
    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize("activation", ["relu", "x*abs(x)"])
def test_the_first_cost_that_is_not_finite_is_the_last(activation):
    net, twin = network(activation=activation), network(activation=activation)
    x, y = examples(net)
    x[23] = np.nan  # which a source may bring that says its numbers are finite
    costs = net.train_on(net.rows(x, y, looked_at=True), 6, UpdateRule(0.01), batch_size=10)
    assert len(costs) == 3
    assert np.isfinite(costs[:2]).all()
    assert np.isnan(costs[2])
    again = twin.train_on(twin.rows(x[:30], y[:30], looked_at=True), 3, UpdateRule(0.01), batch_size=10)
    assert again.tobytes() == costs.tobytes()
    assert bits(twin) == bits(net)


def test_an_empty_order_is_no_steps():
    net = network()
    x, y = examples(net)
    before = bits(net)
    assert net.train_steps(x, y, 0.1, batch_size=10, order=np.empty(0, np.int64)).shape == (0,)
    assert bits(net) == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"batch_size": 0}, "batch_size 0"),
        ({"batch_size": 2.0}, "batch_size 2.0"),
        ({"batch_size": 7}, "batch_size 7: allowed are divisors of the 60 examples"),
        ({"order": np.array([0, 60])}, "order from 0 to 60: allowed are 0 to 59"),
        ({"order": np.array([-1, 0])}, "order from -1 to 0: allowed are 0 to 59"),
        ({"order": np.array([0.0, 1.0])}, "order of dtype float64"),
        ({"order": [[0, 1]]}, "shape \\(1, 2\\)"),
        ({"momentum": 1.0}, "momentum 1.0"),
        ({"nesterov": True}, "nesterov True with momentum 0.0"),
        ({"momentum": 0.5, "nesterov": "no"}, "nesterov 'no'"),
    ],
)
def test_bad_arguments_change_nothing(changed, said):
    net = network()
    x, y = examples(net)
    before = bits(net)
    with pytest.raises(InvalidValueError, match=said):
        net.train_steps(x, y, 0.1, **({"batch_size": 2} | changed))
    assert bits(net) == before


# Shapeset, drawn into the buffer


@pytest.mark.parametrize(("batch", "options"), [(1, OPTIONS[0]), (10, OPTIONS[-1]), (40, OPTIONS[0])], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["tanh", "x/(1+x**2)"])  # with a kernel and without
def test_images_drawn_in_a_step_are_those_of_their_stream(activation, dtype, batch, options):
    layers, seed, first, updates = "1024,140,20,9", 2**64 - 1, 2**40 + 3, 120 // batch
    x, y = ShapesetSource(seed, Purpose.SHAPESET_TEST).batch(first, 120)
    stream, rule = ImageStream(seed, Purpose.SHAPESET_TEST, first), UpdateRule(0.05, **options)
    threads.set_num_threads(1)
    net = network(layers, activation, dtype)
    costs = net.train_steps(x, y, 0.05, batch_size=batch, **options)
    for count in (1, 2, 4):
        threads.set_num_threads(count)
        drawn, given = (network(layers, activation, dtype) for _ in range(2))
        assert drawn.train_on(stream, updates, rule, batch_size=batch).tolist() == costs.tolist()
        assert given.train_steps(x, y, 0.05, batch_size=batch, **options).tolist() == costs.tolist()
        assert bits(drawn) == bits(given) == bits(net)


def test_steps_on_a_stream_allocate_next_to_nothing():
    """One image takes 4 kB, those of the call 8 MB; the peak beside the buffers is below 16 kB of costs and 16 kB."""
    net, stream = network("1024,20,9"), ImageStream(0, Purpose.SHAPESET_TRAIN, 0)
    net.train_on(stream, 1, UpdateRule(0.05), batch_size=1)
    tracemalloc.start()
    try:
        net.train_on(stream, 2000, UpdateRule(0.05), batch_size=1)
        assert tracemalloc.get_traced_memory()[1] < 32_000
    finally:
        tracemalloc.stop()


def test_a_stream_ends_with_the_first_cost_that_is_not_finite():
    net, twin = (network("1024,12,9", "linear", output="linear") for _ in range(2))
    x, y = ShapesetSource(3).batch(0, 400)
    stream = ImageStream(3, Purpose.SHAPESET_TRAIN, 0)
    costs = net.train_on(stream, 40, UpdateRule(1e6), batch_size=10)
    assert 0 < len(costs) < 40
    assert not np.isfinite(costs[-1])
    assert twin.train_steps(x, y, 1e6, batch_size=10).tobytes() == costs.tobytes()
    assert bits(twin) == bits(net)


@pytest.mark.parametrize(
    ("layers", "changed", "said"),
    [
        ("1023,12,9", {}, "layers 1023,12,9: these examples need 1024 inputs and 9 outputs"),
        ("1024,12,8", {}, "layers 1024,12,8: these examples need"),
        ("1024,12,9", {"batch_size": 0}, "batch_size 0"),
        ("1024,12,9", {"updates": -1}, "updates -1: allowed are whole numbers from 0"),
        ("1024,12,9", {"updates": 1.5}, "updates 1.5"),
    ],
)
def test_a_source_that_does_not_fit_changes_nothing(layers, changed, said):
    net = network(layers)
    before = bits(net)
    arguments = {"source": ImageStream(0, 4), "updates": 2, "rule": UpdateRule(0.1), "batch_size": 2} | changed
    with pytest.raises(InvalidValueError, match=said):
        net.train_on(**arguments)
    assert bits(net) == before
    if layers == "1024,12,9":
        assert net.train_on(ImageStream(0, 4), 0, UpdateRule(0.1), batch_size=2).shape == (0,)


@pytest.mark.parametrize("activation", ["tanh", "x/(1+x**2)"])
def test_a_source_gives_no_more_than_it_has_and_only_its_dtype(activation):
    net = network(activation=activation)
    x, y = examples(net)
    before, wide = bits(net), RowSource(x.astype(np.float64), y, None, 7)
    with pytest.raises(InvalidValueError, match="70 examples: the source has 60"):
        net.train_on(net.rows(x, y), 7, UpdateRule(0.1), batch_size=10)
    with pytest.raises(InvalidValueError, match="no examples of"):
        net.train_on(wide, 1, UpdateRule(0.1), batch_size=10)
    assert bits(net) == before


@pytest.mark.parametrize(
    ("seed", "first", "said"), [(-1, 0, "seed -1"), (0, -1, "first image -1"), (0, 2**64, "first")]
)
def test_a_stream_begins_within_64_bits(seed, first, said):
    with pytest.raises(InvalidValueError, match=said):
        ImageStream(seed, Purpose.SHAPESET_TRAIN, first)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_source_loads_the_rows_it_is_asked_for(dtype):
    x, y, order = np.arange(12, dtype=dtype).reshape(6, 2), np.arange(6) % 3, np.array([5, 0, 2, 2])
    rows, labels = np.full((2, 5), -1, dtype), np.empty(2, np.int64)
    RowSource(x, y, order, 3).load(1, rows[:, :2], labels)
    np.testing.assert_array_equal(rows[:, :2], x[[0, 2]])
    np.testing.assert_array_equal(rows[:, 2:], -1)
    np.testing.assert_array_equal(labels, y[[0, 2]])
    RowSource(x, y, None, 3).load(4, rows[:, :2], labels)
    np.testing.assert_array_equal(rows[:, :2], x[4:])
    np.testing.assert_array_equal(labels, y[4:])


def test_two_networks_train_in_two_threads_of_python():
    """Two teams do not meet."""
    threads.set_num_threads(2)
    nets, twins = ([network("300,300x3,7") for _ in range(2)] for _ in range(2))
    x, y = examples(nets[0])

    def train(net):
        for _ in range(20):
            net.train_steps(x, y, 0.01, batch_size=10)

    running = [threading.Thread(target=train, args=(net,)) for net in nets]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for net in twins:
        train(net)
    assert bits(nets[0]) == bits(nets[1]) == bits(twins[0]) == bits(twins[1])


def test_the_interpreter_is_free_between_the_steps_of_a_call():
    """This thread sees costs of the first steps before the last one is taken."""
    net = network("300,300x3,7")
    x, y = examples(net)
    order, costs = np.tile(np.arange(EXAMPLES), 200), np.full(200 * EXAMPLES // 10, -1.0)
    steps, source = net._engine._workspace(10).steps, RowSource(x, y, order, 7)
    thread = threading.Thread(target=steps.run, args=(source, Descent(1e-3, 0.0, 0.0, False), 1, costs))
    thread.start()
    partly = False
    while thread.is_alive():
        partly |= costs[0] >= 0 > costs[-1]
    assert (costs >= 0).all()
    assert partly
