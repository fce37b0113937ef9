"""Gradients that meet their own weights: many outputs over few units."""

import numpy as np
import pytest
from scipy import stats

from glorotlab.measurement.measure import measure
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.propagate import propagate
from glorotlab.theory.predict import predict

SECOND_MOMENTS = ("backprop_gradient_second_moment", "batch_weight_gradient_second_moment")


def linear_outputs(layers: str, **options: str) -> NetworkSpec:
    return NetworkSpec.parse(layers, output="linear", cost="quadratic", **options)


def data(spec: NetworkSpec, examples: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Correlated inputs; the first two are one."""
    random = np.random.default_rng(0)
    x = random.normal(size=(examples, spec.fan_in)) + random.normal(size=spec.fan_in)
    x[1] = x[0]
    return x, random.integers(0, spec.classes, examples)


def test_linear_network_exactly():
    """C = |x W V - y|^2 / 2 with Gaussian W (n, m) and V (m, K): dC/ds^1 = V V' W' x - V y.

    E (V V')^2 = K v ((m + K + 1) v) on the diagonal of Wishart matrices (Gupta & Nagar 2000, theorem 3.3.15), so that
    per unit E (dC/ds^1)^2 = K v (K + m + 1) v q + v |y|^2 with q = E s^2, of which K + m counts in wide layers.
    """
    n, m, outputs = 40, 150, 600
    spec = linear_outputs(f"{n},{m},{outputs}", activation="linear", initializer="lecun_normal")
    x, y = data(spec)
    v, q = 1 / m, (x**2).mean()
    wide = outputs * v * (outputs + m) * v * q + v
    found = predict(spec, inputs=x, labels=y)["backprop_gradient_second_moment"].values[0]
    assert found == pytest.approx(wide, rel=1e-6)
    assert found > 4 * outputs * v * q  # what independence says is m, not m + K


@pytest.mark.parametrize(
    ("spec", "width"),
    [
        (linear_outputs("80,200x3,100", activation="linear", initializer="lecun_normal"), 200),
        (linear_outputs("64,200x3,200", activation="relu", initializer="he_normal"), 200),
        (NetworkSpec.parse("64,150x2,700", activation="relu", initializer="he_normal", output="sigmoid"), 150),
        (
            NetworkSpec.parse(
                "5,150,150,1000",
                activation="x*exp(-x**2)",
                initializer="truncated_normal(std=0.1)",
                output="sigmoid",
                cost="quadratic",
            ),
            150,
        ),
    ],
    ids=["linear", "relu", "sigmoid outputs", "batch"],
)
def test_many_outputs(spec, width):
    """Second moments of gradients on 60 networks are within 5.5 standard errors and a shift of 8 / width a layer.

    ReLU networks shift by up to 5 / width a layer (Hanin & Nica 2020). Each of at most 8 numbers fails falsely with
    probability 9e-7 (Student's t, 59 degrees of freedom). Independence alone is off by a factor of 1.3 to 7.
    """
    x, y = data(spec)
    predicted, measured = predict(spec, inputs=x, labels=y), measure(spec, x, y, seeds=60)
    critical = stats.t.isf(9e-7 / 2, 59)
    for name in SECOND_MOMENTS:
        rows = measured[name].values
        allowed = 8 / width * len(spec.fans) * predicted[name].values
        error = rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
        distance = np.abs(rows.mean(axis=0) - predicted[name].values)
        assert (distance <= allowed + critical * error).all(), (name, distance / predicted[name].values)


def test_one_example_is_the_diagonal_of_two():
    spec = linear_outputs("64,200x3,200", activation="tanh", initializer="lecun_normal")
    x, y = data(spec, 2)
    y[1] = y[0]
    pair = predict(spec, inputs=x, labels=y)
    chain = predict(spec, inputs=x[:1], labels=y[:1])
    covariance = propagate(spec, batch_of(spec, inputs=x, labels=y)).pairs.weight  # of one with the other
    for name in SECOND_MOMENTS:
        own = pair[name] - (covariance if name.startswith("batch_weight") else 0)
        np.testing.assert_allclose(own, chain[name], rtol=1e-6)
