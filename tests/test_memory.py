"""What needs more memory than there is is refused as a sum, before any of it is taken."""

import tracemalloc

import numpy as np
import pytest
from training_fixtures import finite

import glorotlab as gl
from glorotlab import resources
from glorotlab.data.source import ArraySource
from glorotlab.errors import NotEnoughMemoryError
from glorotlab.network.memory import parameter_bytes, pass_bytes, step_bytes
from glorotlab.spec.training import UpdateRule
from glorotlab.training import memory
from glorotlab.training.sweeps.workers import Workers

MEGABYTE = 10**6


@pytest.fixture
def available(monkeypatch):
    """Return a function that sets the memory there is; small requests are looked at too."""
    monkeypatch.setattr(resources, "SMALL", 0)

    def there_are(size):
        monkeypatch.setattr(resources, "available_memory", lambda: size)
        monkeypatch.setattr(memory, "available_memory", lambda: size)

    return there_are


def taken(function):
    """The most bytes that NumPy and Python held at one time during a call."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("layers", ["300,200x2,7", "20,1x3,2", "64,64,64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_are_what_is_taken(layers, dtype):
    """Of weights, of velocities and buffers, and of a pass; within 15 % and 40 KB for objects and alignment."""
    spec = gl.NetworkSpec.parse(layers)
    x, y = np.zeros((50, spec.fan_in), dtype), np.zeros(50, int)
    network = gl.Network(spec, dtype=dtype)
    rows = network.rows(x, y)
    sums = {
        "weights": (parameter_bytes(spec, dtype), lambda: gl.Network(spec, dtype=dtype)),
        "a pass": (pass_bytes(spec, dtype, 50, gradients=True), lambda: network.backpropagate(x, y)),
        "a step": (
            parameter_bytes(spec, dtype) + step_bytes(spec, dtype, 50),
            lambda: network.train_on(rows, 1, UpdateRule(0.1, 0.9), batch_size=50),
        ),
    }
    for what, (expected, act) in sums.items():
        held = taken(act)
        if what != "weights":  # which are drawn in float64 before they are stored
            assert held <= 1.15 * expected + 40_000, what
        assert held >= 0.8 * expected - 40_000, what


SPEC = gl.NetworkSpec.parse("300,400x5,3")
RUN = gl.RunSpec(network=SPEC, training=gl.TrainingSpec(updates=1, momentum=0.9, learning_rates="hessian"))
X, Y = np.zeros((30, 300), np.float32), np.arange(30) % 3

REQUESTS = {
    "Network": (2.9, "weights", lambda: gl.Network(SPEC)),
    "velocities": (3.5, "velocities", lambda: gl.Network(SPEC).train_step(X, Y, 0.1, momentum=0.9)),
    "buffers": (9, "buffers of a step", lambda: train_in_batches_of(1200)),
    "a pass": (9, "its tensors", lambda: gl.Network(SPEC).forward(np.zeros((3000, 300), "f"))),
    "train": (15, "a copy for the checkpoint", lambda: gl.train(RUN, dataset=wide())),
    "measure": (3, "histograms of all", lambda: gl.measure("300,5,3", X, Y, 10, bins=9000)),
    "predict": (1, "moments of pairs", lambda: gl.predict("300,400x50,3", np.ones((30, 300)), Y)),
    "moments": (1, "their values", lambda: gl.moments("relu", np.ones(10_000))),
    "pair_moments": (1, "their moments", lambda: gl.pair_moments("relu", 1.0, np.ones((200, 1)), np.zeros(200))),
    "predict_distributions": (9, "draws", lambda: law_of_gradients()),
    "shapeset": (4, "pixels", lambda: gl.shapeset(10**18)),
    "ArraySource": (1, "a copy", lambda: ArraySource(np.ones((900, 300)), np.zeros(900, int))),
}
"""Megabytes that are there, the part that asks for more, and who asks."""


def train_in_batches_of(size):
    gl.Network(SPEC).train_step(np.zeros((size, 300), "f"), np.zeros(size, int), 0.1)


def wide():
    return gl.Dataset.from_arrays(X, Y)


def law_of_gradients():
    return gl.predict_distributions("300,400,90", X + 1, Y).backprop_gradient(1)


@pytest.mark.parametrize("who", REQUESTS)
def test_too_large_a_request_is_one_line(who, available):
    there, part, act = REQUESTS[who]
    available(there * MEGABYTE)
    with pytest.raises(
        NotEnoughMemoryError, match=f"of memory needed .*{part}.*allowed are .* GB, which are"
    ) as caught:
        act()
    assert "\n" not in str(caught.value)


def test_a_run_that_does_not_fit_writes_nothing(available, tmp_path):
    available(15 * MEGABYTE)
    with pytest.raises(NotEnoughMemoryError, match="training layers 300,400x5,3"):
        gl.train(RUN, tmp_path / "run", dataset=wide())
    assert not (tmp_path / "run").exists()


def test_workers_have_room_for_their_runs(available):
    """Three runs of about a quarter of a gigabyte each, process included: two fit, and no more are begun."""
    spec = gl.RunSpec(network=gl.NetworkSpec.parse("6,5,3"), training=gl.TrainingSpec(updates=1))
    size = memory.PROCESS + sum(memory.run_bytes(spec).values())
    available(2.5 * size)
    with Workers() as by_default, Workers(workers=3) as asked_for, Workers(workers=2) as fewer:
        by_default._size, asked_for._size, fewer._size = 3, 3, 2
        assert by_default._fitting([spec] * 3) == 2
        assert fewer._fitting([spec] * 3) == 2
        assert asked_for._fitting([spec] * 2) == 3  # of which one has nothing to do
        with pytest.raises(NotEnoughMemoryError, match=r"workers 3: 3 of these runs .* allowed are 1 to 2"):
            asked_for._fitting([spec] * 3)


def test_a_small_run_is_trained(available):
    available(200 * MEGABYTE)
    spec = gl.RunSpec(network=gl.NetworkSpec.parse("6,5,3"), training=gl.TrainingSpec(updates=1))
    assert gl.train(spec, dataset=finite()).updates == 1
