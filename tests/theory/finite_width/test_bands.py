"""Bands against networks drawn at random, against exact laws, and their refusals."""

import math
from functools import cache

import numpy as np
import pytest
import random_networks
from scipy import stats

from glorotlab import initializers
from glorotlab.errors import AssumptionError, InvalidValueError, UnknownNameError
from glorotlab.measurement.compare import compare
from glorotlab.measurement.measure import measure
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.predict import predict

LAYERS, EXAMPLES, LEVEL = "20,60x3,4", 8, 0.95
HE = "variance_scaling(scale=2, mode=fan_in, distribution={})"
GLOROT = "variance_scaling(scale=1, mode=fan_avg, distribution={})"
CASES = [
    ("tanh", GLOROT, "normal"),
    ("softsign", GLOROT, "uniform"),
    ("relu", HE, "uniform"),
    ("gelu", HE, "normal"),
]
NETWORKS = 2000
WORST = (0.92, 0.98)
"""Share of the networks that a band of 95 % may truly hold."""


def spec_of(activation, initializer, distribution, layers=LAYERS):
    return NetworkSpec.parse(layers, activation=activation, initializer=initializer.format(distribution))


def data(spec, examples=EXAMPLES):
    random = np.random.default_rng(3)
    x = random.normal(size=(examples, spec.fan_in)) + 0.7 * random.normal(size=spec.fan_in)
    return x, random.integers(0, spec.classes, examples)


def variances(spec):
    return [initializers.get(spec.initializer).variance(*fans) for fans in spec.fans]


@cache
def drawn(case):
    """Statistics of networks of a case, drawn once for all tests that judge them."""
    spec = spec_of(*case)
    return random_networks.second_moments(
        spec.layer_sizes, spec.activation, variances(spec), *data(spec), NETWORKS, distribution=case[2]
    )


@pytest.mark.parametrize("case", [CASES[0], *CASES[2:]], ids=" ".join)
def test_a_band_holds_its_share_of_networks(case):
    """Share of 2,000 networks inside each band of three layers of 60 units.

    Chance: 1e-6 for all bands and cases together, if each truly holds 92 to 98 %. That detects a standard deviation
    that is 25 % too small or 50 % too large, which would hold 85.8 and 99.7 %.
    """
    spec = spec_of(*case)
    x, y = data(spec)
    predicted, found = predict(spec, inputs=x, labels=y, level=LEVEL), drawn(case)
    rate = 1e-6 / (len(CASES) * 4 * len(found) * 2)
    least, most = stats.binom.ppf(rate, NETWORKS, WORST[0]), stats.binom.isf(rate, NETWORKS, WORST[1])
    assert least / NETWORKS > 0.875
    assert most / NETWORKS < 0.996
    for name, values in found.items():
        low, high = predicted[f"{name}_low"].values, predicted[f"{name}_high"].values
        inside = ((values >= low) & (values <= high)).sum(axis=0)
        known = np.isfinite(low)
        assert known[:-1].all()
        assert known[-1] or name == "activation_second_moment"
        assert (inside[known] >= least).all(), (name, inside)
        assert (inside[known] <= most).all(), (name, inside)


@pytest.mark.parametrize(("case", "layers"), [(CASES[0], "20,40x10,4"), (CASES[3], "20,60x6,4")])
def test_the_mean_is_shifted_as_predicted(case, layers):
    """Mean over 14,000 networks on one example. Chance: 1e-6 in all; left to higher orders are shift^2 / 2 and 1 %.

    One network scatters by its own size, so that this detects errors of 10 %, and the loss of the shift where it is
    largest: in tanh's signals after ten layers, in GELU's gradients after six.
    """
    spec = spec_of(*case, layers=layers)
    x, y = data(spec, 1)
    predicted = predict(spec, inputs=x, labels=y, level=LEVEL)
    found = random_networks.second_moments_of_one_example(
        spec.layer_sizes, spec.activation, variances(spec), x[0], y[0], 14_000, seed=1
    )
    critical, largest = stats.norm.isf(1e-6 / (2 * 2 * 11 * len(found))), 0.0
    for name, values in found.items():
        value, shift = predicted[name].values, predicted[f"{name}_shift"].values
        error = critical * values.std(axis=0) / math.sqrt(len(values))
        off, allowed = np.abs(values.mean(axis=0) - value - shift), error + 0.01 * value + shift**2 / (2 * value)
        known = np.isfinite(value)
        assert (off[known] <= allowed[known]).all(), name
        assert (allowed < 0.1 * value)[known].all(), name
        largest = max(largest, np.nanmax(np.abs(shift) / allowed))
    assert largest > 1.4  # without the shift it fails


def test_one_layer_scatters_as_chi_square():
    """E s^2 of one example over n Gaussian units is q chi^2_n / n exactly, of few outputs too."""
    spec = NetworkSpec.parse("7,900,3", activation="linear", initializer="lecun_normal")
    x = np.random.default_rng(1).normal(size=(1, 7))
    found = predict(spec, inputs=x, labels=[0], level=0.9)
    q = (x**2).mean()
    low, high = (found[f"preactivation_second_moment_{end}"].values for end in ("low", "high"))
    np.testing.assert_allclose([low[0], high[0]], q * stats.chi2.ppf([0.05, 0.95], 900) / 900, rtol=0.004)
    # of the outputs: chi^2_3 / 3 times chi^2_900 / 900, whose scatter is a few per cent of it
    random = np.random.default_rng(2)
    exact = q * random.chisquare(3, 400_000) / 3 * random.chisquare(900, 400_000) / 900
    np.testing.assert_allclose([low[1], high[1]], np.quantile(exact, [0.05, 0.95]), rtol=0.09)
    np.testing.assert_allclose(found["preactivation_second_moment_std"].values[1], exact.std(), rtol=0.06)


def test_relu_gains_five_over_n_a_layer():
    """Relative variance of E z^2 of one example: the product of 1 + 5/n, less 1 (He initialization, exact)."""
    spec = spec_of("relu", HE, "normal", "10,500x4,3")
    found = predict(spec, inputs=np.ones((1, 10)), labels=[1], level=0.5)
    relative = (found["activation_second_moment_std"] / found["activation_second_moment"]).values[:4]
    np.testing.assert_allclose(relative**2, 1.01 ** np.arange(1, 5) - 1, rtol=0.05)
    assert np.abs(found["activation_second_moment_shift"] / found["activation_second_moment"]).values[:4].max() < 1e-6


def test_the_mean_of_several_networks_scatters_less():
    """Bands of the mean of 10 networks: shares of 200 such means; chance 1e-6 in all if each truly holds 92 to 98 %."""
    spec = spec_of(*CASES[2])
    x, y = data(spec)
    one, many = (predict(spec, inputs=x, labels=y, level=LEVEL, networks=n) for n in (1, 10))
    found = drawn(CASES[2])
    for name, values in found.items():
        known = np.isfinite(one[name].values)
        width = [(p[f"{name}_high"] - p[f"{name}_low"]).values[known] for p in (one, many)]
        np.testing.assert_allclose(width[0] / width[1], math.sqrt(10), rtol=0.25)
        np.testing.assert_array_equal(one[f"{name}_std"], many[f"{name}_std"])
        means = values[:, known].reshape(200, 10, -1).mean(axis=1)
        low, high = (many[f"{name}_{end}"].values[known] for end in ("low", "high"))
        centre = means.mean(axis=0) - (low + high) / 2  # the shift has its own test, and its error counts more here
        inside = ((means - centre >= low) & (means - centre <= high)).sum(axis=0)
        assert (inside >= stats.binom.ppf(1e-6 / 48, 200, WORST[0])).all(), (name, inside)


def test_inputs_and_their_second_moment_give_the_same_shift():
    """Inputs with E x^4 = 3 (E x^2)^2, which enters with uniform weights."""
    spec = spec_of("tanh", GLOROT, "uniform", "21,60x3,4")
    x = np.zeros((1, 21))
    x[0, ::3] = math.sqrt(3) * 0.6
    left = predict(spec, inputs=x, labels=[0], level=0.9)
    right = predict(spec, input_second_moment=0.36, level=0.9)
    for name in random_networks.STATISTICS[:2]:
        np.testing.assert_allclose(left[f"{name}_shift"], right[f"{name}_shift"], rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(left[f"{name}_std"][1:], right[f"{name}_std"][1:], rtol=0.1)


def test_few_inputs_with_uniform_weights_scatter_less():
    """Var s^2 = (2 + kappa / 9) q^2 for equal inputs, kappa = -6/5."""
    spec = spec_of("linear", HE, "uniform", "9,400,3")
    x = np.full((1, 9), 0.5)
    found = predict(spec, inputs=x, labels=[0], level=0.9)
    relative = (found["preactivation_second_moment_std"] / found["preactivation_second_moment"]).values[0]
    np.testing.assert_allclose(relative, math.sqrt((2 - 1.2 / 9) / 400), rtol=0.02)


def test_a_level_changes_nothing_else_and_is_reproducible():
    spec = spec_of(*CASES[1])
    x, y = data(spec)
    plain, first, second = (predict(spec, inputs=x, labels=y, level=level) for level in (None, 0.9, 0.9))
    assert first.identical(second)
    for name in plain:
        np.testing.assert_array_equal(plain[name].values, first[name].values)
    assert first.attrs["level"] == 0.9
    assert first["learning_speed_low"].attrs["long_name"].endswith("lower end of the band for one network drawn once")
    assert not any(name.endswith("_low") for name in map(str, plain))


def test_bands_of_some_variables_are_those_of_all():
    spec = spec_of(*CASES[1])
    x, y = data(spec)
    every = predict(spec, inputs=x, labels=y, level=0.9)
    for banded in (["learning_speed"], ["activation_second_moment", "batch_bias_gradient_second_moment"]):
        some = predict(spec, inputs=x, labels=y, level=0.9, banded=banded)
        assert {str(name) for name in some if str(name).endswith("_low")} == {f"{name}_low" for name in banded}
        for name in some:
            np.testing.assert_array_equal(some[name].values, every[name].values)


def test_a_variable_without_bands_is_refused():
    spec = spec_of(*CASES[0])
    with pytest.raises(
        UnknownNameError, match="unknown variable with bands 'fan_in': allowed are preactivation_second"
    ):
        predict(spec, inputs=data(spec)[0], level=0.9, banded=["fan_in"])


def test_without_labels_there_are_bands_of_signals_alone():
    spec = spec_of(*CASES[0])
    found = predict(spec, inputs=data(spec)[0], level=0.9)
    assert {str(name) for name in found if str(name).endswith("_low")} == {
        "preactivation_second_moment_low",
        "activation_second_moment_low",
    }


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "linear"])
def test_no_hidden_layer_and_every_output(output):
    spec = NetworkSpec.parse("6,4", output=output)
    x, y = data(spec)
    found = predict(spec, inputs=x, labels=y, level=0.9)
    for name in ("preactivation_second_moment", "batch_weight_gradient_second_moment", "learning_speed"):
        low, value, high = (found[f"{name}{end}"].values for end in ("_low", "", "_high"))
        assert (low < value).all()
        assert (value < high).all()


def test_compare_tells_who_is_inside():
    spec = spec_of(*CASES[0])
    x, y = data(spec)
    table = compare(predict(spec, inputs=x, labels=y, level=0.999_999), measure(spec, x, y, 3))
    known = [entry for entry in table.entries if entry.low is not None]
    assert {entry.variable for entry in known} > set(random_networks.STATISTICS)
    assert all(entry.inside_band for entry in known)


@pytest.mark.parametrize("level", [0, 1, -0.1, math.nan])
def test_a_level_is_a_probability(level):
    with pytest.raises(InvalidValueError, match="level"):
        predict(spec_of(*CASES[0]), input_second_moment=1.0, level=level)


@pytest.mark.parametrize("networks", [0, 1.5, True])
def test_networks_are_counted(networks):
    with pytest.raises(InvalidValueError, match="networks"):
        predict(spec_of(*CASES[0]), input_second_moment=1.0, level=0.9, networks=networks)


def test_networks_need_a_level():
    with pytest.raises(InvalidValueError, match="without a level"):
        predict(spec_of(*CASES[0]), input_second_moment=1.0, networks=3)


@pytest.mark.parametrize("initializer", ["orthogonal", "sparse(k=15)"])
def test_dependent_weights_are_refused(initializer):
    with pytest.raises(AssumptionError, match="depend on each other"):
        predict(NetworkSpec.parse(LAYERS, initializer=initializer), input_second_moment=1.0, level=0.9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("layers", ["20,300x3,4", "20,300,60,4"])
def test_outputs_that_are_saturated_and_right_are_left_out(layers):
    """Of such networks dC/ds is exactly 0 in some; the others have their band."""
    spec = NetworkSpec.parse(layers, activation="tanh", initializer="normal(std=3)")
    found = predict(spec, input_second_moment=1.0, level=LEVEL)
    for name in ("backprop_gradient_second_moment", "batch_weight_gradient_second_moment"):
        low, high = found[f"{name}_low"], found[f"{name}_high"]
        assert np.isfinite([low, high]).all()
        assert (low < high).all()


def test_too_narrow_layers_are_refused():
    spec = spec_of("gelu", HE, "normal", "20,35x7,4")
    with pytest.raises(AssumptionError, match="too narrow: relative corrections"):
        predict(spec, input_second_moment=1.0)
    with pytest.raises(AssumptionError, match="too narrow for bands"):
        predict(spec, input_second_moment=1.0, level=0.9)


@pytest.mark.parametrize(("layers", "examples"), [("60,30,10", 200), ("60,30x6,10", 100)])
def test_a_band_of_a_batch_that_is_not_small_holds_its_share(layers, examples):
    """Examples that are not few beside tanh units with linear outputs, 2,000 networks.

    Chance: 1e-6 in all if each band truly holds 93.5 to 97.8 %. Where gradients passed back forget the weights that
    made the logits, the first layer's hold 88 %, and 89 % of the deep networks where those of hidden layers alone are
    forgotten; with the product of mean kernels those of the batch above the first layer hold none.
    """
    spec = NetworkSpec.parse(layers, initializer="lecun_normal", output="linear")
    random, networks, together = np.random.default_rng(1), 2000, 50
    x, y = random.normal(size=(examples, 60)).astype(np.float32), np.arange(examples) % 10
    predicted = predict(spec, inputs=x, labels=y, level=LEVEL)
    targets = np.eye(10, dtype=np.float32)[y]
    found: dict[str, list[list[np.ndarray]]] = {
        name: [] for name in ("batch_weight_gradient", "example_weight_gradient")
    }
    for _ in range(networks // together):
        weights = [
            random.standard_normal((together, *fans), dtype=np.float32) / np.sqrt(fans[0], dtype="f4")
            for fans in spec.fans
        ]
        signals = [x[np.newaxis]]
        for weight in weights[:-1]:
            signals.append(np.tanh(signals[-1] @ weight))
        gradients = [signals[-1] @ weights[-1] - targets]
        for weight, z in zip(weights[:0:-1], signals[:0:-1], strict=True):
            gradients.insert(0, gradients[0] @ weight.swapaxes(1, 2) * (1 - z**2))
        pairs = list(zip(signals, gradients, strict=True))
        batch = [a.swapaxes(1, 2) @ d / examples for a, d in pairs]
        found["batch_weight_gradient"].append([(gradient**2).mean((1, 2)) for gradient in batch])
        found["example_weight_gradient"].append([((a**2).mean(2) * (d**2).mean(2)).mean(1) for a, d in pairs])
    rate = 1e-6 / (4 * len(spec.fans))
    least, most = stats.binom.ppf(rate, networks, 0.935), stats.binom.isf(rate, networks, 0.978)
    for name, blocks in found.items():
        low, high = (predicted[f"{name}_second_moment_{end}"].values for end in ("low", "high"))
        values = np.concatenate(blocks, axis=1).T
        inside = ((values >= low) & (values <= high)).sum(axis=0)
        assert (inside >= least).all(), (name, inside)
        assert (inside <= most).all(), (name, inside)


@pytest.mark.parametrize("initializer", ["standard_uniform", "lecun_normal", "truncated_normal(std=.3)"])
@pytest.mark.parametrize("layers", ["20,12,9", "20,5,9", "20,9,9"])
def test_outputs_that_are_as_many_as_units_or_more_have_bands(layers, initializer):
    """Weights that are drawn with the logits have scalar products of full rank or not, and any kurtosis."""
    spec = NetworkSpec.parse(layers, initializer=initializer)
    for examples in (1, 30):
        x, y = data(spec, examples)
        found = predict(spec, inputs=x, labels=y, level=LEVEL)
        for name in ("backprop_gradient_second_moment", "batch_weight_gradient_second_moment"):
            low, value, high = (found[f"{name}{end}"].values for end in ("_low", "", "_high"))
            assert (low < value).all()
            assert (value < high).all()


def test_what_cancels_over_the_batch_cancels_in_every_network():
    """Linear units, inputs and targets of mean 0: the outputs' bias gradient is that of the mean logit, exactly 0.

    With targets of mean 1 it is 1 in every network.
    """
    spec = NetworkSpec.parse("20,30,30,3", activation="linear", initializer="lecun_normal", output="linear")
    x = np.random.default_rng(0).normal(size=(25, 20))
    found = predict(spec, inputs=x - x.mean(axis=0), labels=np.ones((25, 3)), level=LEVEL)
    np.testing.assert_allclose(found["learning_speed"].values[-1], math.sqrt(3), rtol=1e-6)
    assert found["learning_speed_std"].values[-1] < 1e-4
    assert found["batch_bias_gradient_second_moment_std"].values[-1] < 1e-4
