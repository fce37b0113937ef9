"""Predicted distributions against their second moments, against real networks, and their refusals."""

import math

import numpy as np
import pytest
from scipy import stats

from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.initializers import TRUNCATED_VARIANCE
from glorotlab.measurement.estimators import HISTOGRAM_TENSORS
from glorotlab.measurement.measure import measure
from glorotlab.network.mlp import Network
from glorotlab.schema import QUANTILES
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.distributions.location_scale import BASES, LocationScale
from glorotlab.theory.distributions.predict_distributions import predict_distributions
from glorotlab.theory.predict import predict

NETWORKS, WIDTH = 60, 400


def data(spec: NetworkSpec, examples: int = 20) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(7)
    common = 0.8 * generator.normal(size=spec.fan_in)
    return generator.normal(size=(examples, spec.fan_in)) + common, generator.integers(0, spec.classes, examples)


@pytest.mark.parametrize("base", BASES)
def test_base_laws(base):
    law, density = BASES[base]
    reference = {
        "normal": stats.norm(),
        "uniform": stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
        "truncated_normal": stats.truncnorm(-2, 2, scale=1 / math.sqrt(TRUNCATED_VARIANCE)),
    }[base]
    t = np.linspace(-2.5, 2.5, 37)
    np.testing.assert_allclose(law(t), reference.cdf(t), atol=1e-12)
    np.testing.assert_allclose(density(t), reference.pdf(t), atol=1e-12)


@pytest.mark.parametrize("base", BASES)
def test_a_mixture_with_a_mass(base):
    """Three draws, one of them a mass at 0.5."""
    law, found = BASES[base][0], LocationScale(base, np.array([0.0, 0.3, 0.5]), np.array([1.0, 0.2, 0.0]))
    x = np.array([-0.2, 0.1, 0.5, 0.6])
    exact = (law(x) + law((x - 0.3) / 0.2) + (x >= 0.5)) / 3
    np.testing.assert_allclose(found.cdf(x), exact, atol=1e-14)
    np.testing.assert_allclose(found.cdf(found.quantile(exact[:2])), exact[:2], atol=1e-12)
    assert found.quantile(exact[2] - 0.1) == pytest.approx(0.5)
    mass, _ = found.mass_and_error([-1.0, 0.0, 0.5, 1.0])
    before = (law(np.array([0.0, 0.5])) + law((np.array([0.0, 0.5]) - 0.3) / 0.2)) / 3  # the mass lies in the last bin
    np.testing.assert_allclose(mass, [before[0], before[1] - before[0], 1 - before[1]], atol=1e-14)
    slope = (found.cdf(x[:2] + 1e-6) - found.cdf(x[:2] - 1e-6)) / 2e-6
    np.testing.assert_allclose(found.density(x[:2]), slope, rtol=1e-6)
    with pytest.raises(InvalidValueError, match=r"probability = 0\.0: allowed are numbers between 0 and 1"):
        found.quantile(0)


def test_draws_that_belong_together_count_as_one():
    """Every draw twice over says nothing new: the same masses, moments and standard errors."""
    centres, scales, edges = np.array([0.0, 0.3, -0.5]), np.array([1.0, 0.2, 0.4]), [-1.0, 0.0, 0.5, 1.0]
    once = LocationScale("uniform", centres, scales)
    twice = LocationScale("uniform", np.repeat(centres, 2), np.repeat(scales, 2), together=2)
    np.testing.assert_allclose(twice.mass_and_error(edges), once.mass_and_error(edges))
    np.testing.assert_allclose(twice.second_moment(), once.second_moment())


@pytest.mark.parametrize(
    ("activation", "initializer", "classes", "output", "cost", "met"),
    [
        ("relu", "he_normal", 2, "softmax", "quadratic", 0.01),
        ("sigmoid", "nielsen_default", 4, "sigmoid", "cross_entropy", 0.01),
        ("gelu", "truncated_normal(std=0.1)", 3, "linear", "quadratic", 0.06),
    ],
)
def test_second_moments_are_the_kernels(activation, initializer, classes, output, cost, met):
    """What is drawn has the second moments that the kernels give: within 5.6 standard errors of the draws.

    False-failure rate 2e-8 each, 1e-6 in all. Detects an error of 10 % (asserted), in most cells of 3 %. ``met`` is
    what gradients that meet their own weights may add, which distributions leave out: 1 / 200 an output and layer.
    """
    spec = NetworkSpec.parse(
        f"40,200x3,{classes}", activation=activation, initializer=initializer, output=output, cost=cost
    )
    x, y = data(spec)
    predicted, found = predict(spec, inputs=x, labels=y), predict_distributions(spec, x, y)
    for tensor in ("backprop_gradient", "batch_weight_gradient"):
        for layer in (1, 2, 3):
            expected = float(predicted[f"{tensor}_second_moment"][layer - 1])
            second, error = getattr(found, tensor)(layer).second_moment()
            assert abs(second - expected) <= 5.6 * error + (predicted.attrs["numerical_error"] + met) * expected
            assert error < 0.1 * expected


@pytest.mark.parametrize(("initializer", "classes"), [("standard", 9), ("normal(std=0.2)", 2)])
def test_histograms_of_real_networks(initializer, classes):
    """Masses of ten bins of activations, back-propagated and weight gradients of 60 networks, in every hidden layer.

    The error between networks is used: units and examples of one network hang together. Chance: 1e-6 for all cells
    (Student's t, Bonferroni); a finite-width shift of 2/width, .5 % of all elements, is allowed. Detects 3 % of all
    elements in another bin, of the weight gradients below the outputs 5 % (asserted).
    """
    spec = NetworkSpec.parse(f"64,{WIDTH}x3,{classes}", activation="tanh", initializer=initializer)
    x, y = data(spec)
    predicted, measured = predict_distributions(spec, x, y), measure(spec, x, y, NETWORKS, bins=40)
    critical = stats.t.isf(1e-6 / (2 * 2 * 3 * 3 * 10), NETWORKS - 1)
    for tensor in ("activation", "backprop_gradient", "batch_weight_gradient"):
        for layer in (1, 2, 3):
            counts = measured[f"{tensor}_count"].values[:, layer - 1]
            shares = (counts / counts.sum(axis=1, keepdims=True)).reshape(NETWORKS, 10, 4).sum(axis=2)
            edges = measured[f"{tensor}_edge"].values[0, layer - 1][::4]
            found = getattr(predicted, tensor)(layer)
            mass, drawn = found.mass_and_error(edges) if tensor != "activation" else (found.mass(edges), 0.0)
            error = np.sqrt(shares.var(axis=0, ddof=1) / NETWORKS + drawn**2)
            allowed = critical * error + 2 / WIDTH
            assert (np.abs(shares.mean(axis=0) - mass) <= allowed).all(), (tensor, layer)
            assert allowed.max() < (0.05 if tensor == "batch_weight_gradient" and layer == 3 else 0.03)


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_units_of_one_example_are_binomial(activation):
    """Counts below the predicted quantiles and in ten bins, first layer, of one example in each of 100 networks.

    Normal weights make these 40,000 pre-activations exactly normal and independent: exact binomial tests, chance 1e-6
    for all (Bonferroni). Detects 2 % of the units in another place with probability .99 (asserted).
    """
    spec = NetworkSpec.parse(f"64,{WIDTH},9", activation=activation, initializer="he_normal")
    x, _ = data(spec)
    edges, networks = np.linspace(-1, 2, 11), 5 * len(x)
    quantiles = [predict(spec, inputs=example[np.newaxis])["activation_quantile"].values[0] for example in x]
    masses = [predict_distributions(spec, example[np.newaxis]).activation(1).mass(edges) for example in x]
    counts = np.zeros(len(QUANTILES) + 10)
    for seed in range(networks):
        example = seed % len(x)
        z = Network(spec, seed=seed).forward(x[[example]]).activations[0]
        below = (z <= quantiles[example][:, np.newaxis]).sum(axis=1)
        counts += [*below, *np.histogram(np.clip(z, edges[0], edges[-1]), edges)[0]]
    p, units = np.append(QUANTILES, np.mean(masses, axis=0)), WIDTH * networks
    binomial, level = stats.binom(units, p), 1e-6 / (2 * 2 * len(p))
    assert (np.minimum(binomial.cdf(counts), binomial.sf(counts - 1)) > level).all()
    assert ((stats.norm.isf(level) + stats.norm.isf(0.01)) * np.sqrt(p * (1 - p) / units) < 0.02).all()


def test_shares_below_predicted_quantiles():
    """Of all activations and gradients of 60 networks, in every hidden layer.

    Chance: 1e-6 for all (Student's t between networks, Bonferroni); a finite-width shift of 2/width is allowed, and
    the error of a law that is drawn is counted. Detects 3 % of the elements on the other side, of weight gradients 5 %.
    """
    spec = NetworkSpec.parse(f"64,{WIDTH}x2,9", activation="tanh", initializer="glorot_uniform")
    x, y = data(spec)
    predicted, found = (
        predict_distributions(spec, x, y),
        predict(spec, inputs=x, labels=y)["activation_quantile"].values,
    )
    laws = {name: [getattr(predicted, name)(layer) for layer in (1, 2)] for name in HISTOGRAM_TENSORS}
    shares = {(name, layer): [] for name in laws for layer in (0, 1)}
    points = {(name, layer): laws[name][layer].quantile(QUANTILES) for name, layer in shares}
    for layer in (0, 1):
        np.testing.assert_allclose(points["activation", layer], found[layer], rtol=1e-9)
    for seed in range(NETWORKS):
        passed = Network(spec, seed=seed).backpropagate(x, y)
        for name, layer in shares:
            values = {
                "activation": passed.activations[layer],
                "backprop_gradient": passed.backprop[layer],
                "batch_weight_gradient": passed.weight_gradient(layer),
            }[name]
            shares[name, layer].append([np.mean(values <= point) for point in points[name, layer]])
    critical = stats.t.isf(1e-6 / (2 * len(shares) * len(QUANTILES)), NETWORKS - 1)
    for (name, layer), each in shares.items():
        drawn = np.zeros(len(QUANTILES))
        if name != "activation":
            edges = [[-np.inf, point, np.inf] for point in points[name, layer]]
            drawn = np.array([laws[name][layer].mass_and_error(edge)[1][0] for edge in edges])
        error = np.hypot(np.std(each, axis=0, ddof=1) / math.sqrt(NETWORKS), drawn)
        allowed = critical * error + 2 / WIDTH
        assert (np.abs(np.mean(each, axis=0) - QUANTILES) <= allowed).all(), (name, layer)
        assert allowed.max() < (0.05 if name == "batch_weight_gradient" else 0.03), (name, layer, allowed.max())


def test_what_has_no_law_is_refused():
    spec = NetworkSpec.parse("40,200x2,5", initializer="sparse(k=20)")
    x, y = data(spec)
    found = predict_distributions(spec, x, y)
    with pytest.raises(AssumptionError, match=r"softmax output mixes units.* measure instead"):
        found.activation(3)
    with pytest.raises(AssumptionError, match=r"layer 3: gradients of few outputs .* measure instead"):
        found.backprop_gradient(3)
    with pytest.raises(AssumptionError, match=r"outputs of sparse weights .* measure instead"):
        found.batch_weight_gradient(2)
    found.backprop_gradient(1)
    for layer in (0, 4, "x"):
        with pytest.raises(InvalidValueError, match=f"layer {layer!r}: allowed are whole numbers from 1 to 3"):
            found.activation(layer)
    with pytest.raises(InvalidValueError, match="gradients without labels"):
        predict_distributions(spec, x).backprop_gradient(1)
    with pytest.raises(AssumptionError, match="too narrow"):
        predict_distributions(NetworkSpec.parse("40,9x2,5", activation="relu"), x)


def test_one_example_is_a_batch():
    spec = NetworkSpec.parse("40,200x2,5")
    x, y = data(spec, 1)
    found, predicted = predict_distributions(spec, x, y), predict(spec, inputs=x, labels=y)
    second, error = found.batch_weight_gradient(1).second_moment()
    assert abs(second / float(predicted["batch_weight_gradient_second_moment"][0]) - 1) < 5.6 * error / second
