"""gl.torch.predict, compare and advise: gl.predict of the same perceptron, and draws of models that are none."""

import numpy as np
import pytest

import glorotlab as gl
from glorotlab.errors import InvalidValueError
from glorotlab.measurement.compare import SECOND_MOMENTS

pytestmark = pytest.mark.torch

X, Y = np.random.default_rng(2).normal(size=(24, 30)), np.arange(24) % 4


def perceptron(torch, activation, width=40, outputs=4):
    return torch.nn.Sequential(
        *(torch.nn.Linear(30, width), activation(), torch.nn.Linear(width, 2 * width), activation()),
        torch.nn.Linear(2 * width, outputs),
    )


def test_a_perceptron_is_predicted_as_our_network(torch):
    spec = gl.NetworkSpec.parse("30,40,80,4", activation="gelu", initializer="he_normal", bias="normal(std=0.1)")
    expected = gl.predict(spec, inputs=X.astype("float32"), labels=Y)
    model = perceptron(torch, torch.nn.GELU)
    predicted = gl.torch.predict(model, X, Y, initializer="he_normal", bias="normal(std=0.1)")
    dense = predicted.isel(layer=[0, 2, 4])
    for tensor in ("preactivation", "backprop_gradient", "example_weight_gradient"):
        name = f"{tensor}_second_moment"
        np.testing.assert_allclose(dense[name].values, expected[name].values, rtol=1e-6, err_msg=name)
    gelu = predicted.isel(layer=[1, 3])
    np.testing.assert_allclose(
        gelu["activation_second_moment"].values, expected["activation_second_moment"].values[:2], rtol=1e-6
    )


def test_the_variances_are_the_tensors_own_unless_a_law_is_named(torch):
    model = perceptron(torch, torch.nn.Tanh)
    gl.torch.initialize_(model, "glorot_uniform", seed=0)
    with torch.no_grad():
        model[2].weight.mul_(3)
    own, law = gl.torch.predict(model, X), gl.torch.predict(model, X, initializer="glorot_uniform")
    ratio = (own["preactivation_second_moment"] / law["preactivation_second_moment"]).values
    assert ratio[0] == pytest.approx(1, abs=0.15)  # 1,200 weights: four standard errors
    assert ratio[2] == pytest.approx(9, rel=0.2)


def test_a_loss_of_your_own_is_predicted_forward_alone(torch):
    model = perceptron(torch, torch.nn.Tanh)
    prediction = gl.torch.predict(model, X, Y, loss=lambda outputs, y: outputs.mean())
    assert np.isfinite(prediction["preactivation_second_moment"].values[-1])
    assert (
        "backprop_gradient_second_moment" not in prediction
        or np.isnan(prediction["backprop_gradient_second_moment"].values).all()
    )


def test_he_is_advised_for_relu(torch):
    """Over ten layers of ReLU he_normal keeps both, and glorot halves them at each."""
    layers = [torch.nn.Linear(30, 100)]
    for _ in range(9):
        layers += [torch.nn.ReLU(), torch.nn.Linear(100, 100)]
    model = torch.nn.Sequential(*layers, torch.nn.ReLU(), torch.nn.Linear(100, 4))
    advice = gl.torch.advise(model, X, Y)
    by_name = {one.name: one for one in advice.initializers}
    assert advice.recommended == "he_normal"
    assert by_name["he_normal"].factor == pytest.approx(1, abs=0.2)
    assert by_name["glorot_uniform"].signal_ratio == pytest.approx(2.0**-9, rel=0.1)
    assert advice.code == 'gl.torch.initialize_(model, "he_normal", seed=0)'
    assert "| he_normal |" in advice.to_markdown()


def test_bad_input_is_one_clear_line(torch):
    model = perceptron(torch, torch.nn.Tanh)
    cases = [
        (lambda: gl.torch.predict(model, X[:, :29], Y), "does not fit module '0'"),
        (lambda: gl.torch.predict(model, X, Y, initializer="glorot"), "initializer 'glorot'"),
        (lambda: gl.torch.predict(model, X, Y, bias="zeros"), "bias 'zeros' without an initializer"),
        (lambda: gl.torch.predict(model, X, Y, loss="hinge"), "loss 'hinge'"),
        (lambda: gl.torch.predict(model, X, Y + 4), "classes"),
        (lambda: gl.torch.advise(model, X, None), "y None"),
        (lambda: gl.torch.advise(model, X, Y, loss=lambda o, y: o.mean()), "loss of your own"),
        (lambda: gl.torch.advise(model, X, Y, candidates=("nothing",)), "initializer 'nothing'"),
    ]
    for call, message in cases:
        with pytest.raises(gl.GlorotlabError) as error:
            call()
        assert message in str(error.value)
        assert "\n" not in str(error.value)
        assert isinstance(error.value, InvalidValueError), message


def test_comparing_names_the_module_that_leaves_its_band(torch):
    """The second layer's weights are one column repeated: its units are no independent draws."""
    torch.manual_seed(0)
    model = perceptron(torch, torch.nn.Tanh, width=200)
    gl.torch.initialize_(model, "glorot_uniform", seed=0)
    with torch.no_grad():
        model[2].weight[:] = model[2].weight[:1]
    verdicts = gl.torch.compare(model, X, Y, level=0.999)
    differing = {entry.module for entry in verdicts.entries if entry.inside_band is False}
    first = {e.module: e.inside_band for e in verdicts.select("preactivation_second_moment")}
    assert first["0"] is True
    assert {"2", "3", "4"} & differing


def test_a_step_without_a_band_has_no_verdict_of_one_network(torch):
    """What a layer normalization leaves has no scatter and so no band; all other verdicts are those of bands."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(30, 64), torch.nn.LayerNorm(64), torch.nn.ReLU(), torch.nn.Linear(64, 4)
    )
    verdicts = {e.module: e.verdict for name in SECOND_MOMENTS[:2] for e in gl.torch.compare(model, X, Y).select(name)}
    assert verdicts.pop("1") is None
    assert set(verdicts.values()) <= {"agrees", "differs"}


def test_what_is_not_followed_is_measured_and_named(torch):
    class Attends(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = torch.nn.Linear(6, 8), torch.nn.Linear(8, 3)
            self.attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            h = self.embed(x)
            h = h + self.attention(h, h, h)[0]
            return self.head(h.mean(dim=1))

    torch.manual_seed(0)
    x, y = torch.randn(5, 7, 6), torch.tensor([0, 1, 2, 0, 1])
    prediction, measurement = gl.torch.predict(Attends(), x, y), gl.torch.measure(Attends(), x, y)
    assert "attention" in prediction.attrs["refused"]
    place = measurement["module"].values.tolist()
    assert prediction["module"].values.tolist() == place
    assert np.isfinite(prediction["preactivation_second_moment"].values[place.index("embed")])
    assert np.isfinite(measurement["activation_second_moment"].values[0, place.index("attention")])
    assert "head" not in {entry.module for entry in gl.compare(prediction, measurement).entries}
