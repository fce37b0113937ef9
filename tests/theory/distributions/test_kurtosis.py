"""Laws of pre-activations that are not Gaussian: moments, quantiles of one-hot inputs, and those of sparse weights."""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr, ndtri
from scipy.stats import truncnorm

from glorotlab.schema import QUANTILES
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.distributions import kurtosis
from glorotlab.theory.distributions.predict_distributions import predict_distributions
from glorotlab.theory.predict import predict

EXCESSES = [-1.2, -1.1, -0.6, -0.01, -1e-6, 0.0, 1e-6, 0.2, 1.0, 2.5]
P = np.array(QUANTILES)


@pytest.mark.parametrize("excess", EXCESSES)
def test_moments_are_those_asked_for(excess):
    """Variance 1 and E t^4 = 3 + excess, by quadrature of the density, which is the slope of the rest."""
    edges = [0.0, 1.0, 1.7320508, 1.7320509, 3.0, 15.0]
    for power, moment in ((2, 1), (4, 3 + excess)):

        def weighted(t, power=power):
            return 2 * t**power * float(kurtosis.density(t, excess))

        found = sum(quad(weighted, *ends)[0] for ends in itertools.pairwise(edges))
        assert found == pytest.approx(moment, abs=1e-6)
    t = np.linspace(-2.4, 2.5, 42)
    slope = (kurtosis.cdf(t + 1e-5, excess) - kurtosis.cdf(t - 1e-5, excess)) / 2e-5
    np.testing.assert_allclose(kurtosis.density(t, excess), slope, atol=1e-6)
    np.testing.assert_allclose(kurtosis.cdf(kurtosis.quantile(P, excess), excess), P, atol=1e-13)


def test_of_excess_0_and_of_a_uniform_variable_it_is_exact():
    t = np.linspace(-5, 5, 31)
    np.testing.assert_array_equal(kurtosis.cdf(t, 0.0), ndtr(t))
    np.testing.assert_array_equal(kurtosis.quantile(P, 0.0), ndtri(P))
    np.testing.assert_allclose(kurtosis.quantile(P, -1.2), np.sqrt(3) * (2 * P - 1), atol=1e-7)


@pytest.mark.parametrize("activation", ["linear", "tanh", "relu", "sin"])
@pytest.mark.parametrize("examples", [1, 6])
def test_quantiles_of_one_hot_inputs_are_those_of_one_uniform_weight(activation, examples):
    """3 W with W uniform on [-b, b], b = sqrt(6 / 130), within a half turn of the sine: f rises."""
    spec = NetworkSpec.parse("30,100,5", activation=activation, initializer="glorot_uniform")
    found = predict(spec, inputs=3 * np.eye(30)[:examples])["activation_quantile"].values[0]
    f = {"linear": lambda s: s, "relu": lambda s: np.maximum(s, 0)}.get(activation) or getattr(np, activation)
    np.testing.assert_allclose(found, f(3 * np.sqrt(6 / 130) * (2 * P - 1)), atol=1e-6)


def test_quantiles_of_a_truncated_normal_weight():
    """The law has its kurtosis, not its shape: 5 % of the rms are left of the 9 % that a Gaussian one is off."""
    spec = NetworkSpec.parse("30,100,5", activation="linear", initializer="truncated_normal(std=1)")
    found = predict(spec, inputs=np.eye(30)[:1])
    rms = np.sqrt(found["activation_second_moment"].values[0])
    exact = truncnorm(-2, 2).ppf(P) * rms / truncnorm(-2, 2).std()
    assert np.abs(found["activation_quantile"].values[0] - exact).max() < 0.06 * rms
    assert np.abs(rms * ndtri(P) - exact).max() > 0.08 * rms


def test_distribution_of_sparse_weights_by_all_choices_of_inputs():
    """Given which k inputs a unit receives, its pre-activation is Gaussian; a Gaussian law is off by .05."""
    x = np.array([0.5, -1.0, 2.0, 0.3, 0.0, -0.7, 1.2, 0.4])
    variances = [sum(x[i] ** 2 for i in chosen) for chosen in itertools.combinations(range(8), 4)]
    s = np.linspace(-6, 6, 101)
    exact = ndtr(s[:, np.newaxis] / np.sqrt(variances)).mean(axis=1)
    spec = NetworkSpec.parse("8,100,3", activation="linear", initializer="sparse(k=4)")
    law = predict_distributions(spec, x[np.newaxis]).activation(1)
    assert np.abs(law.cdf(s) - exact).max() < 0.01
    assert np.abs(ndtr(s / np.sqrt(np.mean(variances))) - exact).max() > 0.02
