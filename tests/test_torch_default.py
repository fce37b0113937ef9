"""``torch_default`` against ``torch.nn.Linear`` itself: laws of weights and biases, and what they make of a signal."""

import numpy as np
import pytest
from optional import optional
from scipy import stats

import glorotlab as gl
from glorotlab import initializers
from glorotlab.errors import InvalidValueError, UnknownNameError
from glorotlab.streams import Purpose, generator

FAN_IN, FAN_OUT = 37, 4000
SAME = 1e-6  # probability at which a correct program fails


@pytest.mark.torch
def test_weights_and_biases_have_the_law_of_linear():
    """Kolmogorov-Smirnov over 4,000 values each: 1e-6 false failures; a scale that is off by 20 % is seen."""
    torch = optional("torch", "TORCH")
    torch.manual_seed(0)
    layer, record = torch.nn.Linear(FAN_IN, FAN_OUT), initializers.get("torch_default")
    ours = record.sample(generator(0, Purpose.WEIGHTS, 1), FAN_IN, FAN_OUT)[0]
    bias = initializers.get_bias(record.bias)
    biases = bias.sample(generator(0, Purpose.BIASES, 1), FAN_IN, FAN_OUT)
    for own, theirs, variance in (
        (ours, layer.weight[:, 0], record.variance(FAN_IN, FAN_OUT)),
        (biases, layer.bias, bias.variance_at(FAN_IN)),
    ):
        theirs = theirs.detach().numpy()
        assert stats.ks_2samp(own, theirs).pvalue > SAME
        assert stats.ks_2samp(1.2 * own, theirs).pvalue < SAME
        assert max(np.abs(own).max(), np.abs(theirs).max()) <= FAN_IN**-0.5 * (1 + 1e-6)
        assert variance == pytest.approx(1 / (3 * FAN_IN), rel=1e-15)


@pytest.mark.torch
@pytest.mark.statistical
def test_prediction_is_that_of_networks_of_linear_layers():
    """Second moments of 300 networks: 5 standard errors, of 1 % each; without the biases layer 3 is 30 % lower."""
    torch = optional("torch", "TORCH")
    torch.manual_seed(1)
    x = np.random.default_rng(0).normal(size=(4, 30))
    spec = gl.NetworkSpec.parse("30,60x3,2", initializer="torch_default", output="linear")
    squares = []
    for _ in range(300):
        z, row = torch.tensor(x, dtype=torch.float32), []
        for fan_in, fan_out in spec.fans:
            s = torch.nn.Linear(fan_in, fan_out)(z).detach()
            row.append(float((s**2).mean()))
            z = torch.tanh(s)
        squares.append(row)
    mean, error = np.mean(squares, axis=0), np.std(squares, axis=0) / np.sqrt(300)
    expected = gl.predict(spec, inputs=x).preactivation_second_moment.values
    shift = gl.predict(spec, inputs=x, level=0.95).preactivation_second_moment_shift.values
    assert (np.abs(mean - expected - shift) < 5 * error + 0.01 * expected).all()
    without = gl.NetworkSpec.parse("30,60x3,2", initializer="torch_default", output="linear", bias="zeros")
    assert gl.predict(without, inputs=x).preactivation_second_moment.values[2] < 0.8 * expected[2]


def test_biases_of_the_users_choice_come_first():
    assert gl.NetworkSpec.parse("4,5,3", initializer="torch_default").bias == "uniform_fan_in"
    assert gl.NetworkSpec.parse("4,5,3", initializer="torch_default", bias="zeros").bias == "zeros"


def test_biases_of_a_network_follow_its_fan_in():
    network = gl.Network(gl.NetworkSpec.parse("400,900,900", initializer="torch_default"), dtype="float64")
    for bias, bound in zip(network.biases, (1 / 20, 1 / 30), strict=True):
        assert 0.99 * bound < np.abs(bias).max() <= bound


def test_theory_takes_each_layers_own_variance():
    """E s^2 = n Var[W] E z^2 + 1/(3 n) of linear layers, by hand."""
    spec = gl.NetworkSpec.parse("6,50,200,3", activation="linear", initializer="torch_default", output="linear")
    prediction = gl.predict(spec, input_second_moment=2.0)
    q, expected = 2.0, []
    for fan_in in (6, 50, 200):
        q = q / 3 + 1 / (3 * fan_in)
        expected.append(q)
    np.testing.assert_allclose(prediction.preactivation_second_moment, expected, rtol=1e-12)
    pairs = gl.predict(spec, inputs=np.full((2, 6), 2**0.5) * [[1], [-1]])
    np.testing.assert_allclose(pairs.preactivation_second_moment, expected, rtol=1e-12)


def test_advice_answers_whether_it_trains_as_it_stands():
    """The gradient's factor over seven layers, 1/3 E tanh'^2 each, by Gauss-Hermite quadrature."""
    advice = gl.advise(gl.NetworkSpec.parse("64,100x8,10", initializer="torch_default"), input_second_moment=1.0)
    assert "torch_default" in [row.name for row in advice.initializers]
    x, weights = np.polynomial.hermite_e.hermegauss(80)
    q, ratio = 1 / 3 + 1 / (3 * 64), 1.0
    for layer in range(8):
        f = np.tanh(np.sqrt(q) * x)
        ratio *= weights @ (1 - f**2) ** 2 / np.sqrt(2 * np.pi) / 3 if layer < 7 else 1
        q = weights @ f**2 / np.sqrt(2 * np.pi) / 3 + 1 / 300
    assert advice.verdict.gradient_ratio == pytest.approx(ratio, rel=1e-6)
    diagram = gl.phase_diagram("tanh", initializers=("torch_default",), fan_in=100)
    assert float(diagram.initializer_bias_variance[0]) == pytest.approx(1 / 300)


def test_a_variance_that_depends_on_fan_in_is_no_single_number():
    with pytest.raises(InvalidValueError, match="biases uniform_fan_in: their variance depends on fan_in"):
        _ = initializers.get_bias("uniform_fan_in").variance
    with pytest.raises(UnknownNameError, match="unknown distribution 'cauchy': allowed are uniform, normal"):
        initializers.get_bias("variance_scaling(distribution=cauchy)")
