"""Distributions of activations against closed forms and drawn samples."""

import math
from functools import cache

import numpy as np
import pytest
from scipy.special import erfc, ndtri

from glorotlab import activations
from glorotlab.activations import Activation
from glorotlab.errors import InvalidValueError
from glorotlab.schema import QUANTILES
from glorotlab.theory.distributions.pushforward import GaussianMixture, Pushforward, quantiles_and_saturation

Q = np.exp(np.random.default_rng(0).normal(0, 0.7, 300))
EDGES = np.array([-1.0, -0.3, -0.1, 0.0, 0.2, 0.5, 1.0])
USER = Activation("user", "x*exp(-x**2)", lambda s: s * np.exp(-s * s), lambda s: (1 - 2 * s * s) * np.exp(-s * s))


def test_a_mixture_is_the_mean_over_examples():
    s = np.linspace(-6, 6, 41)
    exact = np.mean([erfc(-s / math.sqrt(2 * q)) / 2 for q in Q], axis=0)
    mixture = GaussianMixture.of(Q)
    assert len(mixture.weights) < 60
    np.testing.assert_allclose(mixture.cdf(s), exact, atol=1e-9)
    np.testing.assert_allclose(mixture.cdf(mixture.quantile(exact)), exact, atol=1e-14)


@cache
def drawn() -> np.ndarray:
    return np.asarray((np.sqrt(Q) * np.random.default_rng(1).normal(size=(5_000, 300))).ravel())


@pytest.mark.parametrize("record", [*activations.RECORDS.values(), USER], ids=lambda record: record.name)
def test_every_activation_against_a_sample(record):
    """1.5 million draws: all masses, quantiles' probabilities and the saturation within 5.5 binomial deviations.

    False-failure rate 4e-8 each, 1e-5 in all with a fixed seed; detects .3 % of probability.
    """
    z = np.asarray(record.function(drawn()))
    found = Pushforward.of(record, Q)

    def close(p, share):
        p = np.asarray(p)
        assert (np.abs(share - p) <= 5.5 * np.sqrt(np.clip(p * (1 - p), 1e-12, None) / z.size) + 1e-9).all()

    masses = found.mass(EDGES)
    close(masses, np.histogram(np.clip(z, EDGES[0], np.nextafter(1, 0)), EDGES)[0] / z.size)
    assert masses.sum() == pytest.approx(1)
    for p, quantile in zip(QUANTILES, found.quantile(QUANTILES), strict=True):
        below, upto = (z < quantile).mean(), (z <= quantile).mean()
        close(p, np.clip(p, below, upto))  # between them where the value has a mass
        close(found.cdf(quantile), upto)
    saturation = found.saturation(0.99)
    if record.bound is None:
        assert math.isnan(saturation)
    else:
        close(saturation, (np.abs(z) > 0.99 * record.bound).mean())


@pytest.mark.parametrize("record", [*activations.RECORDS.values(), USER], ids=lambda record: record.name)
def test_the_density_is_the_slope_of_the_distribution_function(record):
    found = Pushforward.of(record, np.array([0.3, 1.1]))
    z = np.array([-0.9, -0.12, -0.03, 0.01, 0.33, 0.61])
    slope = (found.cdf(z + 1e-5) - found.cdf(z - 1e-5)) / 2e-5
    np.testing.assert_allclose(found.density(z), slope, rtol=2e-5, atol=2e-6)


def test_closed_forms_of_one_variance():
    q = np.array([[0.5], [2.0]])
    quantiles, saturation = quantiles_and_saturation(activations.get("tanh"), q)
    np.testing.assert_allclose(quantiles, np.tanh(np.sqrt(q) * ndtri(QUANTILES)), atol=1e-14)
    np.testing.assert_allclose(saturation, erfc(np.arctanh(0.99) / np.sqrt(2 * q[:, 0])), rtol=1e-9)


def test_saturation_of_a_bounded_expression():
    """|x / (1 + x^2)|, at most 1/2, is above .495 between the roots of .495 (1 + x^2) = x and their mirror images."""
    q, ends = np.array([0.5, 2.0]), np.sort(np.roots([0.495, -1, 0.495]))
    _, saturation = quantiles_and_saturation(activations.get("x/(1+x**2)"), q[:, np.newaxis])
    low, high = (erfc(end / np.sqrt(2 * q)) for end in ends)
    np.testing.assert_allclose(saturation, low - high, rtol=1e-9)
    mixed = Pushforward.of(activations.get("x/(1+x**2)"), q).saturation(0.99)
    assert mixed == pytest.approx((low - high).mean(), rel=1e-8)


@pytest.mark.parametrize("name", ["tanh", "gelu", "sin", "hard_tanh", "relu"])
def test_a_stack_of_layers_is_each_alone(name):
    record, q = activations.get(name), np.array([[0.2], [3.0], [0.2]])
    quantiles, saturation = quantiles_and_saturation(record, q)
    for row, each in enumerate(q):
        alone = Pushforward.of(record, each)
        np.testing.assert_allclose(quantiles[row], alone.quantile(QUANTILES), atol=1e-9)
        np.testing.assert_allclose(saturation[row], alone.saturation(0.99), atol=1e-12)


def test_bad_probabilities_are_refused():
    with pytest.raises(InvalidValueError, match=r"probability = 1\.5: allowed are numbers between 0 and 1"):
        Pushforward.of(activations.get("tanh"), Q).quantile(1.5)
