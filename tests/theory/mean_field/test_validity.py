"""Distances from the limit of wide layers of Gaussian pre-activations, by exact laws and by drawn networks."""

import itertools

import numpy as np
import pytest

from glorotlab.errors import AssumptionError
from glorotlab.measurement.measure import measure
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.mean_field import validity
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.propagate import propagate
from glorotlab.theory.predict import predict


def variances(layers: str, **choices):
    spec = NetworkSpec.parse(layers, initializer="lecun_normal", **choices)
    return validity.relative_variances(propagate(spec, batch_of(spec, input_second_moment=1.0)).signal)


@pytest.mark.parametrize(("activation", "kurtosis"), [("linear", 3), ("relu", 6), ("abs(x)", 3)])
def test_relative_variances_of_homogeneous_units_add_up(activation, kurtosis):
    """E f^4 / (E f^2)^2 is 3 of a Gaussian and 6 where half of it is 0; so is 3 E f'^4 / (E f'^2)^2."""
    forward, backward = variances("20,50,200,3", activation=activation)
    own = (kurtosis - 1) / np.array([50, 200])
    np.testing.assert_allclose(forward[:, 0], [0, own[0], own.sum()], rtol=1e-12)
    np.testing.assert_allclose(backward[:, 0], [own.sum(), own[1], 0], rtol=1e-12)


def test_a_power_carries_relative_variances_on_by_its_square():
    """Of s^3: E s^12 / (E s^6)^2 = 10395 / 225, and E f^2 goes with q^3."""
    forward, _ = variances("20,5000,5000,3", activation="x**3")
    own = (10395 / 225 - 1) / 5000
    np.testing.assert_allclose(forward[:, 0], [0, own, own * (9 + 1)], rtol=1e-10)


def test_relative_variances_are_those_of_drawn_networks():
    """Two layers of 100 tanh units with biases, 4,000 networks of one example.

    False-failure rate below 1e-6; detects 25 %: 4.9 standard errors of 2.5 % and the 8 % that fluctuations going
    forward, which move f' too, add to those of the gradient above them.
    """
    spec = NetworkSpec.parse("30,100x2,3", initializer="lecun_normal", bias="normal(std=0.5)")
    forward, backward = validity.relative_variances(propagate(spec, batch_of(spec, input_second_moment=4.0)).signal)
    random = np.random.default_rng(0)
    found = []
    for _ in range(4000):
        s1 = np.sqrt(4.25) * random.normal(size=100)
        w = random.normal(size=(100, 100)) / 10
        s2 = np.tanh(s1) @ w + 0.5 * random.normal(size=100)
        d2 = random.normal(size=100) / np.cosh(s2) ** 2
        d1 = (w @ d2) / np.cosh(s1) ** 2
        found.append([np.mean(each**2) for each in (np.tanh(s1), np.tanh(s2), d1, d2)])
    relative = np.var(found, axis=0) / np.mean(found, axis=0) ** 2
    np.testing.assert_allclose(relative, [*forward[1:, 0], *backward[:-1, 0]], rtol=0.25)


X = np.array([0.5, -1.0, 2.0, 0.3, 0.0, -0.7])


@pytest.mark.parametrize(
    ("initializer", "bias"), [("uniform(bound=1)", "uniform(bound=2)"), ("normal(std=1)", "uniform(bound=2)")]
)
def test_gaussianity_of_weights_and_biases_by_their_cumulants(initializer, bias):
    """Cumulants add up: of a uniform variable on [-b, b] they are b^2 / 3 and -2 b^4 / 15."""
    spec = NetworkSpec.parse("6,3", initializer=initializer, bias=bias)
    weight = (1 / 3, -2 / 15) if "uniform" in initializer else (1, 0)
    second = weight[0] * (X**2).sum() + 4 / 3
    fourth = weight[1] * (X**4).sum() - 2 * 16 / 15
    found = predict(spec, inputs=X[np.newaxis]).attrs["gaussianity_error"]
    assert found == pytest.approx(abs(fourth) / second**2 / validity.KURTOSIS, rel=1e-12)


def test_gaussianity_of_sparse_weights_by_all_choices_of_inputs():
    """Given which k inputs a unit receives, its pre-activation is Gaussian."""
    sums = [sum(X[i] ** 2 for i in chosen) for chosen in itertools.combinations(range(6), 4)]
    excess = 3 * np.mean(np.square(sums)) / np.mean(sums) ** 2 - 3
    spec = NetworkSpec.parse("6,3", initializer="sparse(k=4)")
    assert predict(spec, inputs=X[np.newaxis]).attrs["gaussianity_error"] == pytest.approx(excess / validity.KURTOSIS)


def test_gaussianity_of_orthogonal_weights_is_that_of_a_random_direction():
    """A coordinate of a random unit vector in n dimensions has E u^4 / (E u^2)^2 = 3 n / (n + 2)."""
    found = predict(NetworkSpec.parse("6,3", initializer="orthogonal"), inputs=X[np.newaxis])
    assert found.attrs["gaussianity_error"] == pytest.approx((3 - 3 * 6 / 8) / validity.KURTOSIS)


def test_gaussianity_counts_every_layer():
    """Uniform weights of hidden layers: -6/5 E z^4 / n each, of linear units with E z^4 = 3 (E z^2)^2."""
    spec = NetworkSpec.parse("30,20,40,3", activation="linear", initializer="lecun_uniform")
    found = predict(spec, input_second_moment=1.0).attrs["gaussianity_error"]
    assert found == pytest.approx(6 / 5 * 3 * (1 / 30 + 1 / 20 + 1 / 40) / validity.KURTOSIS)


def test_an_example_of_zeros_leaves_the_biases():
    spec = NetworkSpec.parse("6,50,3", initializer="uniform(bound=1)", bias="normal(std=1)")
    assert predict(spec, inputs=np.stack([X, 0 * X])).attrs["gaussianity_error"] < 0.1


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"initializer": "sparse(k=2)"},
            r"sparse\(k=2\) weights .* far from Gaussian: .* more weights a unit .* measure",
        ),
        (
            {"initializer": "normal(std=.01)", "bias": "uniform(bound=2)"},
            r"uniform\(bound=2\) biases are far from Gauss",
        ),
        ({"activation": "x**3"}, r"layers 50,300x2,3 are too narrow: .* use wider or fewer hidden layers, or measure"),
    ],
)
def test_what_is_far_from_the_limit_is_refused(choices, message):
    """Measured / predicted second moments are .83 and 2.4 (k = 2), 1.17 and .6 (uniform biases) and 8 (x^3)."""
    x = np.random.default_rng(0).normal(size=(4, 50))
    with pytest.raises(AssumptionError, match=message):
        predict(NetworkSpec.parse("50,300x2,3", **choices), inputs=x)


def test_units_that_are_seldom_active_are_an_error_of_gradients_alone():
    """Of tanh units with biases of 30, one in 30 has a slope: expected values hold, networks differ by far."""
    spec = NetworkSpec.parse("50,100x3,3", initializer="he_normal", bias="normal(std=30)")
    x = np.random.default_rng(0).normal(size=(4, 50))
    assert predict(spec, inputs=x).attrs["finite_width_error"] < 0.02
    assert predict(spec, inputs=x, labels=[0, 1, 2, 0]).attrs["finite_width_error"] > 1


@pytest.mark.statistical
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_default_sparse_weights_are_served_with_their_error(activation):
    """Second moments of single examples of 16 drawn networks are within 4 %; all statistics within what is said.

    Six and a half standard errors of 16 networks are allowed beside, a false failure in 1e-5 of each number; those of
    the first layer's activations are 1 % in size, so that 10 % would be seen there.
    """
    x, y = np.random.default_rng(0).normal(size=(8, 100)), np.arange(8) % 5
    spec = NetworkSpec.parse("100,300,200,5", activation=activation, initializer="sparse(k=15)")
    prediction, measurement = predict(spec, inputs=x, labels=y), measure(spec, x, y, seeds=16)
    said = prediction.attrs["gaussianity_error"]
    assert 0.7 < said < 1
    for name, allowed in {
        "activation_second_moment": 0.04,
        "backprop_gradient_second_moment": 0.04,
        "example_weight_gradient_second_moment": 0.04,
        "batch_weight_gradient_second_moment": said,
        "batch_bias_gradient_second_moment": said,
        "learning_speed": said,
    }.items():
        values = measurement[name].values[:, :2]
        error = values.std(axis=0, ddof=1) / 4
        expected = prediction[name].values[:2]
        assert (np.abs(values.mean(axis=0) - expected) <= 6.5 * error + allowed * expected).all(), name
