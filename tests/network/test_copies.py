"""Copies of networks go on to the same bits; compiled sources load the same examples wherever they travel."""

import copy
import pickle

import numpy as np
import pytest

import glorotlab as gl
from glorotlab.kernels.network.buffers import CACHE_LINE
from glorotlab.network.mlp import Network

RANDOM = np.random.default_rng(3)
X, Y = RANDOM.normal(size=(24, 7)), np.arange(24) % 3
TRAVEL = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),  # noqa: S301
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


def trained(activation="tanh"):
    """A network with velocities and rates, in the middle of its training."""
    network = Network(gl.NetworkSpec.parse("7,6x2,3", activation=activation), seed=5)
    network.set_rates([np.full_like(w, 0.5) for w in network.weights], [np.ones_like(b) for b in network.biases])
    network.train_step(X, Y, 0.1, momentum=0.9)
    network.notes = ["of the user"]
    return network


def bits(network):
    return {name: array.tobytes() for name, array in network.state().items()}


@pytest.mark.parametrize("activation", ["tanh", "x*tanh(x)"])
@pytest.mark.parametrize("travel", TRAVEL.values(), ids=TRAVEL)
def test_a_copy_goes_on_as_the_network_does_and_alone(travel, activation):
    network = trained(activation)
    again = travel(network)
    assert bits(again) == bits(network)
    assert (again.spec, again.seed, again.dtype, again.notes) == (network.spec, 5, network.dtype, ["of the user"])
    before = bits(again)
    costs = network.train_steps(X, Y, 0.1, batch_size=4, momentum=0.9)
    assert bits(again) == before, "the two share no memory"
    assert again.train_steps(X, Y, 0.1, batch_size=4, momentum=0.9).tolist() == costs.tolist()
    assert bits(again) == bits(network)


@pytest.mark.parametrize("travel", TRAVEL.values(), ids=TRAVEL)
def test_rows_of_a_copy_lie_as_the_kernels_rely_on(travel):
    again = travel(trained())
    for matrix in (*again.weights, *again._parameters.weight_velocities):
        assert matrix.ctypes.data % CACHE_LINE == 0
        assert matrix.strides[0] % CACHE_LINE == 0


@pytest.mark.parametrize("travel", TRAVEL.values(), ids=TRAVEL)
def test_compiled_sources_load_the_same_examples(travel):
    rows = trained().rows(X, Y, np.arange(24)[::-1])
    for source, fan_in in ((rows, 7), (gl.load_dataset("shapeset", seed=4).train.batch_source(2**40), 1024)):
        loaded = []
        for one in (source, travel(source)):
            x, labels = np.empty((5, fan_in), np.float32), np.empty(5, np.int64)
            one.load(3, x, labels)
            loaded.append((x.tobytes(), labels.tobytes(), one.fan_in, one.classes, one.length))
        assert loaded[0] == loaded[1]
