"""One stack of kernels: a batch of one example is followed by another path, and is the same."""

import numpy as np
import pytest

from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.mean_field import kernels
from glorotlab.theory.mean_field.backward import backward
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import Batch
from glorotlab.theory.mean_field.output_gradient import OutputGradient

SINGLE = (
    "z_mean",
    "z_fourth_moment",
    "derivative_fourth_moment",
    "product_second_moment",
    "product_mean",
    "susceptibility",
)
PAIRS = ("preactivation", "z", "derivative")


def examples(count):
    """Return examples of second moment .7 and mean 0, all with correlation .5."""
    ones = np.ones(count)
    correlation = np.where(np.eye(count) > 0, 1.0, 0.5)
    return Batch(0.7 * ones, 0 * ones, 1.47 * ones, None, correlation=correlation)


def output(count):
    """Return output gradients of mean square .3 that know much of the logits."""
    ones, nothing = np.ones(count), np.zeros((count, count))
    return OutputGradient(np.full((count, count), 0.3), 0 * ones, nothing, 2.0 * ones, nothing, 0.0)


@pytest.mark.parametrize("activation", ["tanh", "relu", "silu", "erf"])
@pytest.mark.parametrize("layers", ["30,50,20,7,4", "30,4"])
@pytest.mark.parametrize("last", ["softmax", "sigmoid"])
def test_one_example_alone_and_among_others(activation, layers, last):
    spec = NetworkSpec.parse(layers, activation=activation, output=last, bias="normal(std=0.3)")
    alone, among = (forward(spec, examples(count)) for count in (1, 3))
    assert (alone.layers, alone.examples, among.examples) == (len(spec.fans), 1, 3)
    for name in SINGLE:
        np.testing.assert_allclose(getattr(alone, name), getattr(among, name)[:, :1], rtol=1e-11, atol=1e-13)
    for name in PAIRS:
        np.testing.assert_allclose(getattr(alone, name), getattr(among, name)[:, :1, :1], rtol=1e-11)
    back, back_among = backward(alone, output(1)), backward(among, output(3))
    np.testing.assert_allclose(back.backprop, back_among.backprop[:, :1, :1], rtol=1e-6)
    np.testing.assert_allclose(back.backprop_mean, back_among.backprop_mean[:, :1], rtol=1e-10, atol=1e-13)


def test_a_stack_is_read_only():
    signal = forward(NetworkSpec.parse("5,6,4"), examples(2))
    gradient = backward(signal, output(2))
    for array in (*(getattr(signal, name) for name in SINGLE + PAIRS), gradient.backprop, gradient.backprop_mean):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize(
    ("count", "block", "sizes"), [(1, 100, [4]), (3, 18, [2, 2]), (3, 27, [3, 1]), (3, 1, [1] * 4)]
)
def test_blocks_cover_all_layers(monkeypatch, count, block, sizes):
    monkeypatch.setattr(kernels, "BLOCK", block)
    signal = forward(NetworkSpec.parse("5,6,7,8,4"), examples(count))
    parts = list(signal.blocks())
    assert [part.stop - part.start for part in parts] == sizes
    assert [layer for part in parts for layer in range(part.start, part.stop)] == list(range(4))
