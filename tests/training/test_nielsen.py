"""glorotlab trains as Nielsen's network2 does: the same weights in, the same mini-batches, the same weights out."""

import numpy as np
import pytest
from nielsen_network import NielsenNetwork, columns

from glorotlab.data.dataset import Dataset
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.run import RunSpec
from glorotlab.spec.training import TrainingSpec
from glorotlab.training.batches import Batches
from glorotlab.training.loop import train

UPDATES = 200

CASES = {  # layers, mini-batch, eta, lambda
    "his, small": ("784,30,10", 10, 0.5, 5.0),
    "rectangular": ("20,7,11,5", 10, 3.0, 0.1),
    "no decay": ("20,7,11,5", 10, 0.1, 0.0),
    "batch larger than any width": ("6,5,4,3", 32, 3.0, 1.0),
    "one example a batch": ("20,7,11,5", 1, 0.5, 2.0),
    "deep": ("12,9,8,7,6,5,4", 10, 3.0, 0.5),
    "no hidden layer": ("20,5", 10, 1.0, 20.0),
}


def spec_of(layers, cost):
    return NetworkSpec.parse(layers, activation="sigmoid", initializer="nielsen_default", output="sigmoid", cost=cost)


def examples(spec, count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(size=(count, spec.fan_in)), rng.integers(spec.classes, size=count)


def assert_equal(ours, his):
    for mine, theirs in zip(ours.weights, his.weights, strict=True):
        np.testing.assert_allclose(mine, theirs.T, rtol=0, atol=1e-10)
    for mine, theirs in zip(ours.biases, his.biases, strict=True):
        np.testing.assert_allclose(mine, theirs[:, 0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("cost", ["cross_entropy", "quadratic"])
@pytest.mark.parametrize("case", CASES)
def test_two_hundred_updates_are_his(case, cost):
    layers, size, eta, lmbda = CASES[case]
    spec = spec_of(layers, cost)
    n = 20 * size
    x, y = examples(spec, n)
    ours = Network(spec, seed=3, dtype="float64")
    his, pairs = NielsenNetwork(ours), columns(x, y, spec.classes)
    before = [weight.copy() for weight in ours.weights]
    order = np.concatenate([np.random.default_rng(epoch).permutation(n) for epoch in range(UPDATES // 20)])
    ours.train_steps(x, y, eta, batch_size=size, order=order, l2=lmbda / n)
    for mini_batch in order.reshape(UPDATES, size):
        his.update([pairs[row] for row in mini_batch], eta, lmbda, n)
    assert_equal(ours, his)
    assert all(np.abs(after - old).max() > 1e-3 for after, old in zip(ours.weights, before, strict=True))


@pytest.mark.parametrize("cost", ["cross_entropy", "quadratic"])
def test_a_run_is_his_training_on_its_own_shuffled_batches(cost):
    """The network starts as the RunSpec draws it; l2 is lambda / n, n the training examples."""
    network, eta, lmbda, size = spec_of("20,7,11,5", cost), 3.0, 0.5, 10
    x, y = examples(network, 150)
    data = Dataset.from_arrays(x, y, validation=(x[:9], y[:9]), test=(x[:9], y[:9]), classes=network.classes)
    n = data.train.length
    training = TrainingSpec(updates=UPDATES, batch_size=size, learning_rate=eta, l2=lmbda / n, batch_order="shuffled")
    spec = RunSpec(network=network, training=training, seed=5, dtype="float64")
    his = NielsenNetwork(Network(network, seed=spec.seed, dtype=spec.dtype))
    batches = Batches(data.train, training, spec.seed, spec.dtype)
    for update in range(UPDATES):
        his.update(columns(*batches.batch(update), network.classes), eta, lmbda, n)
    assert_equal(train(spec, dataset=data).network(), his)
