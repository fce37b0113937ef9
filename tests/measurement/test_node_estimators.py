"""Statistics of a user's own model: those of our networks where they are the same, and autograd of single examples."""

import numpy as np
import pytest
from optional import optional

import glorotlab as gl
from glorotlab.measurement.example_gradients import weight_gradients
from glorotlab.measurement.node_estimators import NodeTensors, node_values
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.convolution import Convolution
from glorotlab.spec.layers.dense import Dense
from glorotlab.spec.layers.embedding import Embedding
from glorotlab.spec.layers.graph import Node

COMMON = [
    *("preactivation", "backprop_gradient", "example_weight_gradient", "batch_weight_gradient", "batch_bias_gradient"),
]


def test_a_dense_network_measures_as_ours():
    """More examples than units, rectangular layers: every statistic is that of gl.measure."""
    spec = gl.NetworkSpec.parse("9,4,6,3", activation="tanh", bias="normal(std=0.3)")
    x, y = np.random.default_rng(0).normal(size=(20, 9)), np.arange(20) % 3
    expected = gl.measure(spec, x, y, seeds=1, dtype="float64").isel(seed=0)
    layers = gl.Network(spec, seed=0, dtype="float64").backpropagate(x, y).layers
    tensors = []
    for own in layers:
        dense = Dense(*own.weight.shape, 0.0, 0.0)
        node = Node("fc", dense, ("x",), own.weight.shape[1], parameters=("fc.weight", "fc.bias"))
        tensors.append(NodeTensors(node, own.below, own.preactivation, own.backprop, own.weight))
        tensors.append(
            NodeTensors(Node("f", Elementwise("tanh"), ("fc",), node.units), own.preactivation, own.activation, None)
        )
    values = node_values(tensors)
    for tensor in COMMON:
        for statistic in ("mean", "second_moment", "variance"):
            name = f"{tensor}_{statistic}"
            reference = expected[name].values
            reference = reference[:, 0] if reference.ndim > 1 else reference
            np.testing.assert_allclose(values[name][::2], reference, rtol=1e-10, atol=1e-15, err_msg=name)
            assert np.isnan(values[name][1::2]).all()
    for name in ("learning_speed", "weight_variance", "fan_in", "fan_out"):
        np.testing.assert_allclose(values[name][::2], expected[name].values, rtol=1e-12)
    np.testing.assert_allclose(values["activation_quantile"][1:4:2], expected["activation_quantile"].values[:2])


CONVOLUTIONS = [
    # kernel, stride, padding, dilation, groups
    ((3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 2), (2, 1), (1, 0), (1, 2), 1),
    ((1, 1), (2, 2), (0, 0), (1, 1), 2),
    ((5,), (3,), (4,), (2,), 1),
    ((2,), (1,), (1,), (1,), 4),
]


@pytest.mark.torch
@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation", "groups"), CONVOLUTIONS)
def test_gradients_of_single_examples_of_convolutions(kernel, stride, padding, dilation, groups):
    torch = optional("torch", "TORCH")
    kind = torch.nn.Conv2d if len(kernel) == 2 else torch.nn.Conv1d
    conv = kind(4, 8, kernel, stride, padding, dilation, groups, dtype=torch.float64)
    x = torch.randn(3, 4, *([11] * len(kernel)), dtype=torch.float64)
    layer = Convolution(
        *(4 // groups * int(np.prod(kernel)), 8 // groups * int(np.prod(kernel)), 0.0, 0.0, kernel, stride, dilation),
        tuple((size, size) for size in padding),
        groups,
    )
    s = conv(x)
    gradient = torch.randn_like(s)
    node = Node("conv", layer, ("x",), 8, tuple(s.shape[2:]))
    own = list(weight_gradients(node, x.numpy(), gradient.numpy()))
    for a in range(3):
        (expected,) = torch.autograd.grad((conv(x[a : a + 1]) * gradient[a : a + 1]).sum(), conv.weight)
        by_group = expected.reshape(groups, 8 // groups, -1).transpose(1, 2)
        np.testing.assert_allclose(own[a], by_group.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["dense", "embedding"])
def test_gradients_of_single_examples_over_tokens(kind):
    """Weights meet every position; a token that is there twice gathers both gradients, padding none."""
    torch = optional("torch", "TORCH")
    if kind == "dense":
        module, x = torch.nn.Linear(5, 4, dtype=torch.float64), torch.randn(3, 7, 5, dtype=torch.float64)
        layer, weight = Dense(5, 4, 0.0, 0.0), module.weight
    else:
        module, x = (
            torch.nn.Embedding(6, 4, padding_idx=2, dtype=torch.float64),
            torch.tensor([[1, 2, 1], [0, 5, 2], [4, 4, 4]]),
        )
        layer, weight = Embedding(6, 4, 0.0, 0.0, padding_token=2), module.weight
    s = module(x)
    gradient = torch.randn_like(s)
    node = Node("own", layer, ("x",), 4, tuple(s.shape[1:-1]), channels_last=True)
    for a, own in enumerate(weight_gradients(node, x.numpy(), gradient.detach().numpy())):
        (expected,) = torch.autograd.grad((module(x[a]) * gradient[a]).sum(), weight)
        np.testing.assert_allclose(
            own[0], (expected.T if kind == "dense" else expected).numpy(), rtol=1e-12, atol=1e-14
        )
