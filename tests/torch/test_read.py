"""Models are read as graphs of layers under their modules' names, and left as they were."""

import pytest

import glorotlab as gl
from glorotlab.errors import InvalidValueError
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.dense import Dense
from glorotlab.spec.layers.dropout import Dropout
from glorotlab.spec.layers.graph import Input, Unknown
from glorotlab.spec.layers.normalisation import LayerNorm
from glorotlab.spec.layers.pooling import Flatten
from glorotlab.spec.layers.residual import Sum
from glorotlab.torch.tracing import trace

pytestmark = pytest.mark.torch


def block(torch, width=8):
    """A pre-LayerNorm residual block that asks for shapes."""

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.LayerNorm(width)
            self.up, self.down = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)
            self.drop = torch.nn.Dropout(0.1)

        def forward(self, x):
            examples, _ = x.shape
            if x.dim() == 2:
                x = x.view(examples, -1)
            return x + self.drop(self.down(torch.nn.functional.gelu(self.up(self.norm(x))))) * 0.5

    return Block()


def residual_mlp(torch):
    nn = torch.nn
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(inplace=True), block(torch), nn.Linear(8, 3))


def test_a_residual_mlp(torch):
    model = residual_mlp(torch)
    graph = gl.torch.read(model, torch.randn(5, 3, 4))
    layers = {node.name: type(node.layer) for node in graph}
    assert layers == {
        "input": Input,
        "0": Flatten,
        "1": Dense,
        "2": Elementwise,
        "3.norm": LayerNorm,
        "3.up": Dense,
        "gelu": Elementwise,
        "3.down": Dense,
        "3.drop": Dropout,
        "mul": Sum,
        "add": Sum,
        "4": Dense,
    }
    assert graph["add"].inputs == ("2", "mul")  # the trunk is what relu left in place of its input
    assert (graph["mul"].layer.factors, graph["add"].layer.factors) == ((0.5,), (1.0, 1.0))
    assert graph["3.up"].parameters == ("3.up.weight", "3.up.bias")
    assert graph["3.up"].source.startswith("test_read.py:")
    assert (graph["input"].units, graph["input"].positions, graph.output) == (4, (3,), "4")
    up = graph["3.up"].layer
    assert (up.fan_in, up.fan_out) == (8, 32)
    assert up.weight_variance == pytest.approx(float(model[3].up.weight.detach().double().square().mean()), rel=1e-14)


def test_reading_changes_nothing(torch):
    model, x = residual_mlp(torch), torch.randn(5, 3, 4)
    names = {name: set(vars(module)) for name, module in model.named_modules()}
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    gl.torch.read(model, x)
    assert torch.equal(torch.rand(1), expected)
    assert {name: set(vars(module)) for name, module in model.named_modules()} == names


def test_the_trace_computes_what_the_model_computes(torch):
    model, x = residual_mlp(torch).eval(), torch.randn(5, 3, 4)
    traced = trace(model, x)
    assert torch.equal(traced.module(x), model(x))
    assert set(traced.calls) == {node.name for node in traced.graph}


def test_dropout_that_does_nothing_is_left_out(torch):
    nn = torch.nn
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.0), nn.Linear(2, 2))
    assert [node.name for node in gl.torch.read(model, torch.randn(3, 2))] == ["input", "0", "2"]
    graph = gl.torch.read(residual_mlp(torch).eval(), torch.randn(5, 3, 4))
    assert [node.name for node in graph][8:10] == ["mul", "add"]


def test_a_decision_by_the_data_makes_a_leaf_of_its_module(torch):
    class Gate(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 4)

        def forward(self, x):
            return self.linear(x) if x.sum() > 0 else x

    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Sequential(Gate()), torch.nn.Tanh())
    graph = gl.torch.read(model, torch.randn(3, 4))
    assert [node.name for node in graph] == ["input", "0", "1.0", "2"]
    reason = graph["1.0"].layer.reason
    assert reason.startswith("Gate cannot be traced: a decision depends on values of the data at test_read.py:")
    assert isinstance(graph["1.0"].layer, Unknown)
    assert graph["1.0"].parameters == ("1.0.linear.weight", "1.0.linear.bias")


def test_bad_input_gets_one_line(torch):
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    with pytest.raises(InvalidValueError, match=r"does not fit module '2'"):
        gl.torch.read(model, torch.randn(3, 4))
    with pytest.raises(InvalidValueError, match=r"model of type str"):
        gl.torch.read("model", torch.randn(3, 4))
    bilinear = torch.nn.Bilinear(2, 2, 2)
    with pytest.raises(InvalidValueError, match=r"1 input: Bilinear.forward takes 2 \(input1, input2\)"):
        gl.torch.read(bilinear, torch.randn(3, 2))
    with pytest.raises(InvalidValueError, match=r"allowed are batches"):
        gl.torch.read(model, torch.randn(0, 4))
    with torch.no_grad():
        model[0].bias[1] = float("nan")
    with pytest.raises(InvalidValueError, match=r"'0\.bias' of the model is NaN"):
        gl.torch.read(model, torch.randn(3, 4))
