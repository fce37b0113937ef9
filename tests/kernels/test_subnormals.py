"""Subnormal numbers are 0 in a step, on every thread and in every kernel; outside of steps nothing changes."""

import ctypes
import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from glorotlab import threads
from glorotlab.errors import InvalidValueError
from glorotlab.kernels import build_info
from glorotlab.kernels.network import dense
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.training import UpdateRule

KERNELS = Path(dense.__file__).parents[1]
LAYERS, BATCH = "70,133x2,9", 17
TINY = {"float32": 1e-38, "float64": 1e-308}
OPTIONS = [{}, {"l2": 0.01}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "l2": 0.01}]

pytestmark = [
    pytest.mark.usefixtures("small_products_on_threads"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64", "arm64"), reason="no mode is set there"),
]


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    monkeypatch.setitem(threads._state, "threads", threads._state["threads"])


def subnormal(values):
    return (values != 0) & (abs(values) < np.finfo(values.dtype).tiny)


def vanishing(dtype="float32", activation="tanh"):
    """Return a network whose hidden gradients are subnormal, and a batch: its outputs are near 0 where 1 is wanted."""
    network = Network(NetworkSpec.parse(LAYERS, activation=activation, output="sigmoid", cost="quadratic"), dtype=dtype)
    network.weights[-1][...] *= 1e-10
    network.biases[-1][...] = np.log(1e11 * TINY[dtype])
    rng = np.random.default_rng(0)
    return network, rng.normal(size=(2 * BATCH, 70)).astype(dtype), rng.integers(0, 9, 2 * BATCH)


def keeps_subnormals(dtype="float32"):
    """Return whether to this thread subnormal numbers are what they are, as operands and as results."""
    operand, normal = (np.full(100, value, dtype) for value in (TINY[dtype], np.finfo(dtype).tiny))
    return bool((operand * 2**30).all() and (normal / 2).all())


@pytest.mark.parametrize("dtype", TINY)
@pytest.mark.parametrize("activation", ["tanh", "x/(1+x**2)"])  # with a kernel and without
def test_a_step_flushes_subnormal_gradients_on_any_number_of_threads(activation, dtype):
    ends = []
    for count in (1, 2, 4):
        threads.set_num_threads(count)
        (network, x, y), (single, _, _) = (vanishing(dtype, activation) for _ in range(2))
        hidden = network.backpropagate(x, y).layers[:-1]
        assert all(subnormal(layer.backprop).any(axis=1).all() for layer in hidden)
        assert all(subnormal(layer.weight_gradient()).any() for layer in hidden)
        before = network.state()
        costs = network.train_steps(x, y, 1.0, batch_size=BATCH, momentum=0.9)
        after = network.state()
        for layer in (1, 2):
            for name in ("weight", "bias"):
                assert np.array_equal(after[f"{name}_{layer}"], before[f"{name}_{layer}"])
                assert not after[f"{name}_velocity_{layer}"].any()
        assert after["bias_velocity_3"].all()  # the output layer's gradients are small, but ordinary
        one_by_one = [single.train_step(x[k : k + BATCH], y[k : k + BATCH], 1.0, momentum=0.9) for k in (0, BATCH)]
        assert costs.tolist() == one_by_one
        for state in (after, single.state()):
            ends.append([array.tobytes() for array in state.values()])
    assert all(end == ends[0] for end in ends)


@pytest.mark.parametrize("dtype", TINY)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("batch", [10, 33])
@pytest.mark.parametrize("factors", [False, True])
def test_subnormal_operands_are_zeros(factors, batch, options, dtype):
    """Inputs, weights, biases and velocities: a step on them is one on zeros in their place, and leaves none."""
    rng, ends = np.random.default_rng(1), []
    x, y = rng.normal(size=(batch, 70)).astype(dtype), rng.integers(0, 9, batch)
    places = {name: rng.random(own.shape) < 0.3 for name, own in network_with(options, dtype).state().items()}
    unknown = rng.random(x.shape) < 0.3
    places["weight_1"][0], unknown[:, 0] = False, True
    for value in (TINY[dtype], 0.0):
        network = network_with(options, dtype)
        network.load_state({n: np.where(places[n], own.dtype.type(value), own) for n, own in network.state().items()})
        network.weights[0][0] = 1 / TINY[dtype]  # from where a subnormal input would be seen
        if factors:
            network.set_rates(*([np.full_like(own, 0.5) for own in owns] for owns in (network.weights, network.biases)))
        inputs = np.where(unknown, x.dtype.type(value), x)
        seen = network.backpropagate(inputs, y).cost.mean()
        cost = network.train_step(inputs, y, 0.1, **options)
        assert (abs(cost - seen) > 1e-3) == bool(value)
        ends.append((cost, network.state()))
    (cost, state), (expected, zeros) = ends
    assert cost == expected
    for name, own in state.items():
        assert not subnormal(own).any()
        assert np.array_equal(own, zeros[name])


@pytest.mark.parametrize("dtype", TINY)
@pytest.mark.parametrize("activation", ["tanh", "x/(1+x**2)"])
def test_results_that_would_be_subnormal_are_zeros(activation, dtype):
    """Velocities of 1.05 times the smallest normal number, of which 0.9 are kept."""
    network = Network(NetworkSpec.parse(LAYERS, activation=activation), dtype=dtype)
    x, y = np.ones((BATCH, 70)), np.zeros(BATCH, np.int64)
    network.train_step(x, y, 0.1, momentum=0.9)
    value = np.dtype(dtype).type(1.05) * np.finfo(dtype).tiny
    network.load_state({n: np.full_like(own, value) if "velocity" in n else own for n, own in network.state().items()})
    network.train_step(x, y, 0.0, momentum=0.9)
    assert not any(own.any() for name, own in network.state().items() if "velocity" in name)


def network_with(options, dtype):
    """Return a network that has velocities where its steps have."""
    network = Network(NetworkSpec.parse(LAYERS), dtype=dtype)
    network.train_step(np.ones((2, 70)), np.array([0, 1]), 0.1, **options)
    return network


@pytest.mark.parametrize("dtype", TINY)
@pytest.mark.parametrize("activation", ["tanh", "x/(1+x**2)"])
def test_passes_keep_subnormal_gradients_after_steps(activation, dtype):
    """On the threads that have taken the steps."""
    threads.set_num_threads(1)
    network, x, y = vanishing(dtype, activation)
    before = network.backpropagate(x, y)
    for count in (1, 2, 4):
        threads.set_num_threads(count)
        vanishing(dtype, activation)[0].train_steps(x, y, 1.0, batch_size=BATCH)
        workers = dense.workers()
        after = network.backpropagate(x, y)
        assert workers == dense.workers() == (count if build_info.openmp else 1)
        for layer, other in zip(before.layers, after.layers, strict=True):
            assert np.array_equal(layer.gradient, other.gradient)
            assert np.array_equal(layer.weight_gradient(), other.weight_gradient())
        assert subnormal(after.backprop[0]).any(axis=0).all()


@pytest.mark.parametrize("activation", ["tanh", "x/(1+x**2)"])
def test_each_calling_thread_has_its_mode_back(activation):
    """Whether the steps end as they should or with a cost that is not finite, or are refused."""

    def train(place):
        network, x, y = vanishing(activation=activation)
        if place % 2:
            x[BATCH + 3] = np.nan
        costs = network.train_on(network.rows(x, y, looked_at=True), 2, UpdateRule(0.1), batch_size=BATCH)
        seen = [np.isfinite(costs).all() == (place % 2 == 0), keeps_subnormals()]
        with pytest.raises(InvalidValueError, match="batch_size 0"):
            network.train_steps(np.zeros((10, 70)), y[:10], 0.1, batch_size=0)
        return [*seen, keeps_subnormals()]

    threads.set_num_threads(2)
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(train, range(6)))
    assert all(all(answer) for answer in [*answers, train(0), train(1)])


def test_a_mode_of_the_users_own_stays(tmp_path):
    """As ``torch.set_flush_denormal(True)`` sets it."""
    if shutil.which("gcc") is None:
        pytest.skip("the header is compiled with gcc")
    (tmp_path / "mode.c").write_text(
        '#include "subnormals.h"\n'
        "FloatingPointMode flush(void) { return flush_subnormals(); }\n"
        "void restore(FloatingPointMode before) { restore_subnormals(before); }\n"
    )
    command = ["gcc", "-std=c99", "-O2", f"-I{KERNELS / 'include'}", "-shared", "-fPIC", "mode.c", "-o", "mode.so"]
    subprocess.run(command, cwd=tmp_path, check=True)  # noqa: S603
    library = ctypes.CDLL(str(tmp_path / "mode.so"))
    library.flush.restype, library.restore.argtypes = ctypes.c_ulonglong, [ctypes.c_ulonglong]
    network, x, y = vanishing()
    before = library.flush()
    try:
        network.train_steps(x, y, 0.1, batch_size=BATCH)
        seen = keeps_subnormals()
    finally:
        library.restore(before)
    assert (seen, keeps_subnormals()) == (False, True)
