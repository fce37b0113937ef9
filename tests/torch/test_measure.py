"""gl.torch.measure: our networks' statistics for the same perceptron, autograd's gradients for other models."""

import itertools
import re

import numpy as np
import pytest

import glorotlab as gl
from glorotlab.errors import InvalidValueError

pytestmark = pytest.mark.torch


def perceptron(torch, sizes, dtype):
    layers = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(fan_in, fan_out, dtype=dtype), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def test_a_perceptron_measures_as_our_network(torch):
    """More examples than units, weights of the same bits: float64 statistics agree to rounding."""
    x, y = np.random.default_rng(0).normal(size=(30, 12)), np.arange(30) % 4
    model = perceptron(torch, (12, 7, 9, 4), torch.float64)
    gl.torch.initialize_(model, "glorot_uniform", seed=3, bias="normal(std=0.2)")
    spec = gl.NetworkSpec.parse("12,7,9,4", activation="tanh", initializer="glorot_uniform", bias="normal(std=0.2)")
    expected = gl.measure(spec, x, y, seeds=[3], dtype="float64").isel(seed=0)
    measured = gl.torch.measure(model, x, y).isel(seed=0)
    assert measured["module"].values.tolist() == ["0", "1", "2", "3", "4"]
    dense, tanh = measured.isel(layer=[0, 2, 4]), measured.isel(layer=[1, 3])
    for tensor in ("preactivation", "backprop_gradient", "example_weight_gradient", "batch_weight_gradient"):
        name = f"{tensor}_second_moment"
        np.testing.assert_allclose(dense[name].values, expected[name].values, rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(dense["learning_speed"].values, expected["learning_speed"].values, rtol=1e-9)
    np.testing.assert_allclose(
        tanh["activation_quantile"].values, expected["activation_quantile"].values[:2], rtol=1e-9
    )


def residual_model(torch):
    class Model(torch.nn.Module):
        """Operations in place, a trunk that two paths read, a module that is called twice."""

        def __init__(self):
            super().__init__()
            self.inp, self.branch, self.head = torch.nn.Linear(6, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 3)
            self.act = torch.nn.ReLU(inplace=True)

        def forward(self, x):
            h = self.act(self.inp(x))
            h = h + self.act(self.branch(h)) * 0.5
            return self.head(h)

    return Model()


def test_gradients_of_a_residual_model_are_those_of_autograd(torch):
    torch.manual_seed(0)
    model, x, y = residual_model(torch), torch.randn(11, 6), torch.arange(11) % 3
    measured = gl.torch.measure(model, x, y).isel(seed=0)
    torch.nn.functional.cross_entropy(model(x), y).backward()
    for module in ("inp", "branch", "head"):
        own = measured.isel(layer=measured["module"].values.tolist().index(module))
        linear = getattr(model, module)
        assert float(own["batch_weight_gradient_second_moment"]) == pytest.approx(float((linear.weight.grad**2).mean()))
        assert float(own["learning_speed"]) == pytest.approx(float(linear.bias.grad.norm()), rel=1e-5)
    s = model.inp(x).detach()
    values = measured["preactivation_second_moment"].values[measured["module"].values.tolist().index("inp")]
    assert float(values) == pytest.approx(float((s**2).mean()), rel=1e-6)  # before it is overwritten in place


def test_new_draws_are_those_of_reset_parameters_and_leave_the_model_alone(torch):
    torch.manual_seed(5)
    model, x, y = residual_model(torch), torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    before, state = [p.detach().clone() for p in model.parameters()], torch.get_rng_state()
    measured = gl.torch.measure(model, x, y, seeds=[4, 9])
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
    assert torch.equal(state, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters())
    torch.manual_seed(9)
    for module in (model.inp, model.branch, model.head):
        module.reset_parameters()
    alone = gl.torch.measure(model, x, y)
    np.testing.assert_array_equal(
        measured["backprop_gradient_second_moment"].values[1], alone["backprop_gradient_second_moment"].values[0]
    )


def test_init_fn_draws_instead(torch):
    def zeros(model):
        for parameter in model.parameters():
            parameter.zero_()

    measured = gl.torch.measure(residual_model(torch), torch.randn(4, 6), seeds=2, init_fn=zeros)
    assert np.nanmax(measured["preactivation_second_moment"].values) == 0
    assert "backprop_gradient_second_moment" not in measured


def frozen(model):
    return model.requires_grad_(False)


def summed(outputs, y):
    return ((outputs - y[:, None]) ** 2).sum()


def test_bad_input_is_one_clear_line(torch):
    model, x, y = residual_model(torch), torch.randn(4, 6), torch.tensor([0, 1, 2, 0])

    class Counts(torch.nn.Linear):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return super().forward(x) * self.calls

    class Bare(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(6, 3))

        def forward(self, x):
            return x @ self.w

    cases = [
        (lambda: gl.torch.measure(frozen(residual_model(torch)), x, y), "all parameters are frozen"),
        (lambda: gl.torch.measure(model, x, y, loss="hinge"), "loss 'hinge': allowed are cross_entropy, mse"),
        (lambda: gl.torch.measure(model, x, y, loss=summed), "not a mean over the batch.*2 times"),
        (lambda: gl.torch.measure(model, x, y[:3]), r"loss cross_entropy of outputs \(4, 3\) and y \(3,\)"),
        (lambda: gl.torch.measure(model, x[:, :5], y), "does not fit module 'inp'"),
        (lambda: gl.torch.measure(model, (x, x), y), "2 inputs"),
        (lambda: gl.torch.measure(torch.nn.Sequential(Counts(6, 3)), x, y), "called again"),
        (lambda: gl.torch.measure(Bare(), x, y, seeds=2), r"module 'the model itself' \(Bare\) has parameters"),
        (lambda: gl.torch.measure(model, x, y, init_fn=frozen), "init_fn without seeds"),
        (lambda: gl.torch.measure(model, x * 3e38, y), "finite"),
        (lambda: gl.torch.measure(model, x, y, loss=lambda o, y: o), r"returns \(4, 3\)"),
        (lambda: gl.torch.measure(3, x, y), "torch.nn.Module"),
    ]
    for call, message in cases:
        with pytest.raises(InvalidValueError) as error:
            call()
        assert re.search(message, str(error.value)), message
        assert "\n" not in str(error.value), message


def test_frozen_parts_are_measured_as_if_they_were_not(torch):
    """A frozen first layer still has a gradient that says what training it would meet."""
    torch.manual_seed(1)
    model, x, y = residual_model(torch), torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    whole = gl.torch.measure(model, x, y)
    model.inp.requires_grad_(False)
    part = gl.torch.measure(model, x, y)
    np.testing.assert_array_equal(
        whole["batch_weight_gradient_second_moment"].values, part["batch_weight_gradient_second_moment"].values
    )
    assert not model.inp.weight.requires_grad


def test_dropout_is_the_same_in_both_looks_and_in_every_run(torch):
    model = torch.nn.Sequential(torch.nn.Linear(6, 50), torch.nn.Dropout(0.5), torch.nn.Linear(50, 3))
    x, y = torch.randn(4, 6), torch.tensor([0, 1, 2, 0])
    one, other = (gl.torch.measure(model, x, y, seeds=[7]) for _ in range(2))
    np.testing.assert_array_equal(one["activation_second_moment"].values, other["activation_second_moment"].values)


def test_a_single_layer_is_a_model(torch):
    layer = torch.nn.Linear(3, 2)
    result = gl.torch.measure(layer, torch.randn(4, 3), torch.tensor([0, 1, 0, 1]))
    assert result["module"].values.tolist() == ["Linear"]
    assert float(result["weight_variance"][0, 0]) > 0
