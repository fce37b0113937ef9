"""Layers of which few units carry the gradient: exact laws of their means, and saturated networks drawn at random."""

import numpy as np
import pytest
from scipy import stats

from glorotlab.errors import AssumptionError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.finite_width import few_units, fluctuations
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.propagate import propagate
from glorotlab.theory.mean_field.validity import pooled_scatter
from glorotlab.theory.predict import predict

GRADIENTS = ("backprop_gradient", "batch_weight_gradient", "batch_bias_gradient")


def test_the_mean_of_few_active_units_is_binomial():
    """One unit in twenty has x = 1, of 40: P(k active) is binomial, 13 % of networks have none.

    False-failure rate below 1e-6 of five standard errors of 4,096 draws.
    """
    units = np.zeros((50, 40))
    units.ravel()[::20] = 1.0
    law = few_units.factor(units, None, np.full(50, 0.3))
    active = np.rint(law.values * 40 / 20 / (law.values * 40 / 20)[law.values > 0].min())
    for k in range(5):
        expected = stats.binom.pmf(k, 40, 0.05)
        error = (expected * (1 - expected) / few_units.DRAWS) ** 0.5
        assert abs((active == k).mean() - expected) < 5 * error
    assert law.variance == pytest.approx((20 - 1) / 40)
    assert law.error < 0.1 * law.variance


def test_what_the_outputs_have_already_does_not_count_twice():
    """Where x is what comes back to the units times 1 there is no factor; where some units are silent, they count."""
    random = np.random.default_rng(0)
    met = random.chisquare(1, size=(60, 20))
    expected = random.chisquare(3, 60)
    assert few_units.factor(met * expected[:, np.newaxis], met * expected[:, np.newaxis], expected) is None
    silent = met * (np.arange(20) % 2) * expected[:, np.newaxis]
    law = few_units.factor(silent, met * expected[:, np.newaxis], expected)
    assert law.variance == pytest.approx(3 / 20, rel=0.2)  # E (x - y)^2, x = 2 y of half of the units, E y^2 = 3


def test_a_layer_does_not_scatter_for_those_above_it():
    """Linear units: x is the square of a normal variable in every layer, so each factor's variance is 2 / 30.

    Six standard errors of 7,680 units, E (x - 1)^4 being 60. What layers above scatter made it threefold at the bottom.
    """
    spec = NetworkSpec.parse("30,30x15,10", activation="linear", initializer="lecun_normal")
    gradient = fluctuations.over_depth(propagate(spec, batch_of(spec, input_second_moment=1.0), narrow=True))[1]
    assert len(gradient.factors) == 14
    np.testing.assert_allclose([factor.variance for factor in gradient.factors], 2 / 30, rtol=6 * (14 / 7680) ** 0.5)


def test_outputs_without_a_gradient_leave_no_factor():
    assert few_units.factor(np.zeros((3, 8)), None, np.zeros(3)) is None


def drawn(spec: NetworkSpec, x: np.ndarray, y: np.ndarray, networks: int) -> dict[str, np.ndarray]:
    """Return gradients' second moments in the first layer of networks with one hidden layer of tanh, linear outputs."""
    random, targets, examples = np.random.default_rng(5), np.eye(spec.classes)[y], len(x)
    rows = []
    for _ in range(networks):
        w1, w2 = (random.normal(size=fans) / np.sqrt(fans[0]) for fans in spec.fans)
        s = x @ w1
        d = (np.tanh(s) @ w2 - targets) @ w2.T / np.cosh(np.minimum(np.abs(s), 300)) ** 2
        rows.append([(d**2).mean(), ((x.T @ d / examples) ** 2).mean(), (d.mean(axis=0) ** 2).mean()])
    return dict(zip(GRADIENTS, np.transpose(rows), strict=True))


def test_bands_of_saturated_units_hold_their_share():
    """30 units on 10 examples, inputs of scale 60: one unit in four is active at all; 2,000 networks.

    Chance: 1e-6 in all if each band truly holds 92.5 to 97.5 %; a log-normal law's hold 78 to 79 %.
    """
    spec = NetworkSpec.parse("40,30,5", initializer="lecun_normal", output="linear")
    x, y, networks = 60 * np.random.default_rng(1).normal(size=(10, 40)), np.arange(10) % 5, 2000
    predicted = predict(spec, inputs=x, labels=y, level=0.95)
    least, most = stats.binom.ppf(1e-6 / 6, networks, 0.925), stats.binom.isf(1e-6 / 6, networks, 0.975)
    for name, values in drawn(spec, x, y, networks).items():
        low, high = (predicted[f"{name}_second_moment_{end}"].values[0] for end in ("low", "high"))
        assert least <= ((values >= low) & (values <= high)).sum() <= most, name


def test_what_hardly_any_unit_carries_is_refused():
    """Inputs of scale 1e5: in most networks no unit is active. Without a level, the gradient's length is unknown."""
    spec = NetworkSpec.parse("100,200,150,5", initializer="glorot_normal")
    x, y = np.random.default_rng(1).normal(size=(30, 100)), np.arange(30) % 5
    with pytest.raises(AssumptionError, match=r"too saturated for bands: .* use smaller weights or inputs"):
        predict(spec, inputs=1e5 * x, labels=y, level=0.95)
    assert np.isfinite(predict(spec, inputs=10 * x, labels=y)["learning_speed"]).all()
    np.testing.assert_array_equal(
        np.isfinite(predict(spec, inputs=1e5 * x, labels=y)["learning_speed"]), [False, True, True]
    )


def test_scatter_of_copies_is_not_averaged():
    """Of a batch of copies the lower estimate is that of one example: 3 E f'^4 / (E f'^2)^2 - 1 over the width."""
    spec = NetworkSpec.parse("40,30,5", initializer="lecun_normal", output="linear")
    x = np.random.default_rng(0).normal(size=(1, 40))
    one, copies = (scatter_of(spec, np.repeat(x, n, axis=0)) for n in (1, 6))
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    slopes = 1 / np.cosh(np.sqrt((x**2).mean()) * nodes) ** 2
    fourth, second = (weights @ slopes**k / weights.sum() for k in (4, 2))
    assert one[0] == pytest.approx((3 * fourth / second**2 - 1) / 30, rel=1e-6)
    np.testing.assert_allclose(copies, one, rtol=1e-6)


def scatter_of(spec, x):
    found = propagate(spec, batch_of(spec, inputs=x, labels=np.zeros(len(x), dtype=int)))
    return pooled_scatter(found.signal, found.gradient)
