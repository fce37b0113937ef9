"""Models as people write them: every step has the name, the kind and the shape that the model gives it."""

import pytest

import glorotlab as gl
from glorotlab.spec.layers.convolution import Convolution
from glorotlab.spec.layers.graph import Unknown
from glorotlab.torch.tracing import trace

pytestmark = pytest.mark.torch


def kinds(graph):
    return [node.layer.kind for node in graph]


def test_lenet(torch):
    nn = torch.nn
    features = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh())
    model = nn.Sequential(features, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 10))
    graph = gl.torch.read(model, torch.zeros(2, 1, 28, 28))
    middle = ["convolution", "activation", "pooling"]
    assert kinds(graph) == ["input", *middle, *middle, "pooling", "dense", "activation", "dense"]
    assert (graph["0.3"].units, graph["0.3"].positions, graph["2"].units) == (16, (10, 10), 400)


def test_a_vgg_like_net_with_functions(torch):
    nn, functional = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolutions = nn.ModuleList([nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)])
            self.head = nn.Linear(8 * 2 * 2, 3)

        def forward(self, x):
            for convolution in self.convolutions:
                x = functional.max_pool2d(functional.relu(convolution(x), inplace=True), 2)
            return self.head(functional.dropout(x.view(x.size(0), -1), 0.5, self.training))

    graph = gl.torch.read(Net(), torch.zeros(2, 3, 8, 8))
    assert [node.name for node in graph if isinstance(node.layer, Convolution)] == ["convolutions.0", "convolutions.1"]
    middle = ["convolution", "activation", "pooling"]
    assert kinds(graph) == ["input", *middle, *middle, "pooling", "dropout", "dense"]
    assert graph["view"].source.startswith("test_read_models.py:")


def test_a_resnet_like_net(torch):
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, inside, outside, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside)
            self.conv2, self.bn2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False), nn.BatchNorm2d(outside)
            self.shortcut = nn.Conv2d(inside, outside, 1, stride, bias=False) if stride > 1 else None

        def forward(self, x):
            h = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
            h += x if self.shortcut is None else self.shortcut(x)
            return functional.relu(h)

    blocks = nn.Sequential(Block(4, 4, 1), Block(4, 8, 2))
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    means = [module.running_mean.clone() for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    traced = trace(model, torch.randn(3, 3, 8, 8))
    graph = traced.graph
    assert not any(isinstance(node.layer, Unknown) for node in graph)
    sums = [node for node in graph if node.layer.kind == "residual"]
    assert [node.inputs for node in sums] == [("1.0.bn2", "0"), ("1.1.bn2", "1.1.shortcut")]
    assert [reader.name for reader in graph.readers["add"]] == ["relu_1"]
    assert (graph["1.1.conv2"].units, graph["1.1.conv2"].positions) == (8, (4, 4))
    after = [module.running_mean for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(map(torch.equal, means, after))  # the example has left no trace in them


def test_a_transformer(torch):
    """Its attention and its embedding of positions are named; every other layer is known."""
    nn = torch.nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.places = nn.Embedding(11, 8), nn.Embedding(16, 8)
            layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, activation="gelu", batch_first=True)
            self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(8, 3)

        def forward(self, tokens):
            _, length = tokens.shape
            x = self.tokens(tokens) * 8**0.5 + self.places(torch.arange(length))
            return self.head(self.encoder(x).mean(dim=1))

    traced = trace(model := Model().eval(), torch.randint(11, (2, 5)))
    graph = traced.graph
    assert [node.name for node in graph][:2] == ["tokens#2", "tokens"]  # the argument gives way to the module
    refused = {node.name: node.layer.reason for node in graph if isinstance(node.layer, Unknown)}
    assert set(refused) == {"places", "add", "encoder.layers.0.self_attn", "encoder.layers.1.self_attn"}
    assert "softmax attention" in refused["encoder.layers.1.self_attn"]
    assert graph["encoder.layers.0.linear1"].positions == (5,)
    assert (graph["mean"].layer.kind, graph["mean"].positions) == ("pooling", ())
    assert graph["encoder.layers.0.self_attn"].inputs == ("add",) * 3
    x = torch.randint(11, (2, 5))
    torch.testing.assert_close(traced.module(x), model(x))


def test_wrapped_models_are_read_inside(torch):
    class Compiled(torch.nn.Module):
        """As ``torch.compile`` wraps a model, which takes ten seconds to be imported."""

        def __init__(self, model):
            super().__init__()
            self._orig_mod = model

    model = torch.nn.Sequential(torch.nn.Linear(3, 2))
    for wrapped in (Compiled(model), torch.nn.DataParallel(model)):
        assert [node.name for node in gl.torch.read(wrapped, torch.zeros(1, 3))] == ["input", "0"]


def test_a_model_that_cannot_be_traced_is_one_step(torch):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(3, 2)

        def forward(self, x, scale=2.0):
            return self.linear(x) if float(x.mean()) > 0 else scale * x[:, :2]

    graph = gl.torch.read(Model(), torch.zeros(1, 3))
    assert [node.name for node in graph] == ["x", "Model"]
    assert "cannot be traced: a number is read from the data at test_read_models.py:" in graph["Model"].layer.reason
    assert graph["Model"].parameters == ("linear.weight", "linear.bias")


def test_weights_that_are_used_twice_are_refused(torch):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.activation = torch.nn.Linear(3, 3), torch.nn.ReLU()

        def forward(self, x):
            return self.activation(self.linear(self.activation(self.linear(x))))

    graph = gl.torch.read(Model(), torch.zeros(1, 3))
    assert [node.name for node in graph] == ["x", "linear", "activation", "linear#2", "activation#2"]
    assert "weights used twice" in graph["linear#2"].layer.reason
    assert graph["activation#2"].layer == graph["activation"].layer


def test_a_subclass_with_another_forward_is_no_linear_layer(torch):
    class Gated(torch.nn.Linear):
        def forward(self, x):
            h = super().forward(x)
            return h * torch.sigmoid(h)

    graph = gl.torch.read(torch.nn.Sequential(Gated(3, 3)), torch.zeros(1, 3))
    assert [node.layer.kind for node in graph] == ["input", "dense", "activation", "unknown"]


def test_a_mixer_exchanges_axes(torch):
    """Where units are is followed through views and exchanges of axes, which the theory refuses."""
    nn = torch.nn

    class Mixer(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.norm = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8)
            self.tokens, self.channels = nn.Linear(6, 6), nn.Linear(8, 8)
            self.scale = nn.Parameter(torch.tensor([0.1]))

        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = x + self.scale * self.tokens(self.norm(x).transpose(1, 2)).transpose(1, 2)
            return self.channels(x).mean(1)

    graph = gl.torch.read(Mixer(), torch.zeros(2, 3, 8, 12))
    where = {node.name: (node.units, node.positions) for node in graph}
    assert where["flatten"] == where["transpose"] == where["norm"] == where["add"] == (8, (6,))
    assert where["tokens"] == (6, (8,))
    assert not isinstance(graph["norm"].layer, Unknown)
    assert graph["mul"].layer.factors == pytest.approx((0.1,))
    assert graph["mul"].parameters == ("scale",)
    assert graph["mean"].layer.kernel_size == (6,)


def test_constants_of_the_model_are_not_left_on_it(torch):
    class Model(torch.nn.Module):
        def forward(self, x):
            return x + torch.arange(x.shape[1])

    model = Model()
    graph = gl.torch.read(model, torch.zeros(2, 3))
    assert isinstance(graph["add"].layer, Unknown)
    assert not any(name.startswith("_tensor_constant") for name in vars(model))


def test_what_changes_its_input_in_place_is_read_by_all_that_come_after(torch):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)

        def forward(self, x):
            h = self.first(x)
            torch.nn.functional.relu_(h)  # its result is named nowhere
            return self.last(h)

    graph = gl.torch.read(Model(), torch.zeros(1, 3))
    assert graph["last"].inputs == ("relu_",)


def test_calls_without_effect_are_left_out(torch):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(3, 3)

        def forward(self, x):
            assert isinstance(self.linear(x), torch.Tensor)
            return self.linear(x)

    graph = gl.torch.read(Model(), torch.zeros(1, 3))
    assert [(node.name, node.layer.kind) for node in graph] == [("x", "input"), ("linear", "dense")]


def test_what_was_recorded_before_a_trace_failed_is_taken_back(torch):
    class Gate(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(3)

        def forward(self, x):
            h = self.norm(x)
            return h if h.sum() > 0 else x

    model = torch.nn.Sequential(Gate())
    assert [node.target for node in trace(model, torch.randn(4, 3)).module.graph.nodes] == ["input", "0", "output"]
