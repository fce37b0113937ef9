"""Initializers: every name's samples against its formulas, with stated error rates; names and their parameters.

Statistical tests fail falsely with probability below 1e-6 each, for any seed: the statistic's exact variance over
independent weights, and a normal limit at 5 standard errors (5.7e-7 two-sided; the skewness left at these sample sizes
keeps it below 1e-6). Each asserts that its sample would show a stated error with probability above 0.99.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import truncnorm

from glorotlab import initializers, names
from glorotlab.errors import AssumptionError, InvalidValueError, UnknownNameError
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.theory.advice.advise import advise
from glorotlab.theory.predict import predict

ERRORS = 5.0  # standard errors at which a test fails
POWER = 2.4  # standard errors more at which an error shows with probability 0.99
EXAMPLES = (
    *(set(initializers.NAMES) - {"variance_scaling"}),
    "normal(std=0.3)",
    "truncated_normal(std=0.3)",
    "uniform(bound=0.3)",
    "sparse(k=7)",
    *(
        f"variance_scaling(scale=1.7, mode={mode}, distribution={distribution})"
        for mode in initializers.MODES
        for distribution in initializers.DISTRIBUTIONS
    ),
)
INDEPENDENT = sorted(text for text in EXAMPLES if initializers.get(text).independent)
DEPENDENT = sorted(set(EXAMPLES) - set(INDEPENDENT))
FANS = (500, 1000)
FORMULAS = {  # Var[W] of the vocabulary, by hand
    "standard_uniform": lambda m, n: 1 / (3 * m),
    "standard": lambda m, n: 1 / (3 * m),
    "glorot_uniform": lambda m, n: 2 / (m + n),
    "glorot_normal": lambda m, n: 2 / (m + n),
    "xavier_uniform": lambda m, n: 2 / (m + n),
    "xavier_normal": lambda m, n: 2 / (m + n),
    "he_uniform": lambda m, n: 2 / m,
    "he_normal": lambda m, n: 2 / m,
    "kaiming_uniform": lambda m, n: 2 / m,
    "kaiming_normal": lambda m, n: 2 / m,
    "lecun_uniform": lambda m, n: 1 / m,
    "lecun_normal": lambda m, n: 1 / m,
    "orthogonal": lambda m, n: 1 / max(m, n),
    "torch_default": lambda m, n: 1 / (3 * m),
    "nielsen_default": lambda m, n: 1 / m,
    "nielsen_large": lambda m, n: 1,
    "normal": lambda m, n: 0.05**2,
    "truncated_normal": lambda m, n: 0.05**2,
    "uniform": lambda m, n: 0.05**2 / 3,
    "sparse": lambda m, n: 15 / m,
    "variance_scaling": lambda m, n: 1 / m,
}


def draw(text, fan_in, fan_out, seed=0):
    return initializers.get(text).sample(generator(seed, Purpose.WEIGHTS, 1), fan_in, fan_out)


def standard_moments(distribution):
    """E[x^2], E[x^4], E[x^8] at unit variance, from the distribution itself."""
    if distribution == "uniform":
        return 1, 9 / 5, 9
    if distribution == "normal":
        return 1, 3, 105
    cut = truncnorm(-2, 2)
    return 1, cut.moment(4) / cut.var() ** 2, cut.moment(8) / cut.var() ** 4


def test_every_name_has_a_formula():
    assert set(initializers.NAMES) == set(FORMULAS)


@pytest.mark.parametrize("fans", [(3, 8), (8, 3), (784, 30)], ids=str)
@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_variance_formula(name, fans):
    expected = FORMULAS[name](*fans) if name != "sparse" else min(15, fans[0]) / fans[0]
    assert initializers.get(name).variance(*fans) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("mode", "divisor"), [("fan_in", 6), ("fan_out", 10), ("fan_avg", 8), ("fan_max", 10), ("none", 1)]
)
def test_variance_scaling_divides_by_its_mode(mode, divisor):
    record = initializers.get(f"variance_scaling(scale=2.5, mode={mode}, distribution=uniform)")
    assert record.variance(6, 10) == 2.5 / divisor


@pytest.mark.parametrize("text", INDEPENDENT)
def test_sample_variance_and_mean(text):
    """E[W^2] within 5 standard errors, sqrt((kurtosis - 1) / n) relative; the sample would show an error of 2 %."""
    record = initializers.get(text)
    weights, variance = draw(text, *FANS), record.variance(*FANS)
    _, fourth, _ = standard_moments(record.distribution)
    error = math.sqrt((fourth - 1) / weights.size)
    assert (ERRORS + POWER) * error < 0.02
    assert abs((weights**2).mean() / variance - 1) < ERRORS * error
    assert abs(weights.mean()) < ERRORS * math.sqrt(variance / weights.size)


@pytest.mark.parametrize("distribution", ["uniform", "normal", "truncated_normal"])
def test_excess_kurtosis(distribution):
    """E[W^4] within 5 standard errors from the exact eighth moment; the sample would show an error of 0.3."""
    text = f"variance_scaling(scale=1, mode=none, distribution={distribution})"
    _, fourth, eighth = standard_moments(distribution)
    assert initializers.get(text).excess_kurtosis(*FANS) == pytest.approx(fourth - 3, abs=1e-10)
    weights = draw(text, *FANS)
    error = math.sqrt((eighth - fourth**2) / weights.size)
    assert (ERRORS + POWER) * error < 0.3
    assert abs((weights**4).mean() - fourth) < ERRORS * error


def test_neighbours_are_uncorrelated():
    """Along rows and columns; 5 standard errors of a correlation of n pairs are 5 / sqrt(n), 0.7 %."""
    for text in ("glorot_uniform", "glorot_normal", "truncated_normal"):
        weights = draw(text, *FANS)
        for one, other in ((weights[1:], weights[:-1]), (weights[:, 1:], weights[:, :-1])):
            assert abs((one * other).mean() / (weights**2).mean()) < ERRORS / math.sqrt(one.size)


def test_uniform_fills_its_support():
    """Nothing beyond the bound, and its outermost thousandth is reached (missed with probability e^-500)."""
    for text, bound in (("uniform(bound=0.3)", 0.3), ("standard_uniform", 1 / math.sqrt(500))):
        weights = draw(text, *FANS)
        assert np.abs(weights).max() <= bound * (1 + 1e-15)
        assert weights.max() > 0.999 * bound
        assert weights.min() < -0.999 * bound


def test_truncation_is_at_two_standard_deviations_of_the_normal_before_it():
    """The std is that of the result; P(|x| in the last 1 %) is 0.0023, missed by all with probability e^-1000."""
    weights, cut = draw("truncated_normal(std=0.3)", *FANS), 2 * 0.3 / truncnorm(-2, 2).std()
    assert np.abs(weights).max() <= cut * (1 + 1e-12)
    assert weights.max() > 0.99 * cut
    assert weights.min() < -0.99 * cut
    assert pytest.approx(truncnorm(-2, 2).var(), rel=1e-12) == initializers.TRUNCATED_VARIANCE


@pytest.mark.parametrize("fans", [(1, 1), (1, 9), (9, 1), (20, 20), (65, 30), (30, 65)], ids=str)
@pytest.mark.parametrize("text", [text for text in DEPENDENT if "sparse" not in text])
def test_orthogonal_rows_or_columns(text, fans):
    """The shorter side is orthonormal times sqrt(variance * longer side), exactly up to rounding."""
    weights = draw(text, *fans)
    gram = weights.T @ weights if fans[0] >= fans[1] else weights @ weights.T
    square = initializers.get(text).variance(*fans) * max(fans)
    np.testing.assert_allclose(gram, square * np.eye(min(fans)), atol=1e-13 * square)
    assert weights.shape == fans


def test_orthogonal_matrices_are_haar_distributed():
    """An entry of a 3 x 2 one is uniform on [-1, 1]: mean 0 (uncorrected, some have one sign) and E[u^4] = 1/5."""
    draws, rng = 8000, generator(0, Purpose.WEIGHTS, 1)
    record = initializers.get("orthogonal")
    u = np.stack([record.sample(rng, 3, 2) for _ in range(draws)])
    fourth_error = math.sqrt((1 / 9 - 1 / 25) / draws)
    assert (ERRORS + POWER) * fourth_error < 0.15 * 1 / 5
    assert (np.abs(u.mean(axis=0)) < ERRORS * math.sqrt(1 / 3 / draws)).all()
    assert (np.abs((u**4).mean(axis=0) - 1 / 5) < ERRORS * fourth_error).all()
    assert record.excess_kurtosis(3, 2) == pytest.approx((1 / 5) / (1 / 3) ** 2 - 3)
    assert record.excess_kurtosis(2, 3) == record.excess_kurtosis(3, 2)


@pytest.mark.parametrize(("k", "fans"), [(7, (30, 40)), (1, (30, 40)), (30, (30, 4)), (31, (30, 4)), (15, (1, 5))])
def test_sparse_units_receive_exactly_k_weights(k, fans):
    weights = draw(f"sparse(k={k})", *fans)
    assert ((weights != 0).sum(axis=0) == min(k, fans[0])).all()
    assert initializers.get(f"sparse(k={k})").variance(*fans) == min(k, fans[0]) / fans[0]


def test_sparse_weights_are_standard_normal_in_any_row():
    """15 x 40,000 weights: variance within 5 sqrt(2 / n), which shows 2 %; kurtosis; every row used equally often."""
    fan_in, k, units = 30, 15, 40_000
    weights = draw("sparse(k=15)", fan_in, units)
    inside = weights[weights != 0]
    assert (ERRORS + POWER) * math.sqrt(2 / inside.size) < 0.02
    assert abs((inside**2).mean() - 1) < ERRORS * math.sqrt(2 / inside.size)
    assert abs((inside**4).mean() - 3) < ERRORS * math.sqrt(96 / inside.size)
    used = (weights != 0).mean(axis=1)
    assert (np.abs(used - k / fan_in) < 5.6 * math.sqrt(0.25 / units)).all()  # 30 rows: 30 * 2.1e-8
    record = initializers.get("sparse(k=15)")
    assert record.excess_kurtosis(fan_in, units) == pytest.approx(3 * fan_in / k - 3)
    assert record.excess_kurtosis(10, 4) == pytest.approx(0)


@pytest.mark.parametrize("text", sorted(EXAMPLES))
def test_samples_have_their_shape_and_are_a_function_of_the_stream(text):
    for fans in ((1, 1), (1, 6), (6, 1), (5, 7)):
        first, again, other = draw(text, *fans), draw(text, *fans), draw(text, *fans, seed=1)
        assert first.shape == fans
        assert first.dtype == np.float64
        np.testing.assert_array_equal(first, again)
        if min(fans) > 1:
            assert (first != other).any()


@pytest.mark.parametrize("text", sorted(EXAMPLES))
def test_canonical_name_round_trip(text):
    record = initializers.get(text)
    assert initializers.get(record.name) == record
    initializers.get_bias(record.bias)


@pytest.mark.parametrize(("alias", "name"), initializers.ALIASES.items())
def test_aliases(alias, name):
    assert initializers.get(alias) is initializers.get(name)
    assert initializers.get(alias).name == name


numbers = st.floats(1 / names.LARGEST_PARAMETER, names.LARGEST_PARAMETER)
spaces = st.sampled_from(["", " ", "\t "])


@given(
    number=numbers,
    space=spaces,
    named=st.sampled_from([("normal", "std"), ("truncated_normal", "std"), ("uniform", "bound")]),
)
def test_parameters_are_read_exactly(number, space, named):
    name, key = named
    record = initializers.get(f"{space}{name}{space}({space}{key}{space}={space}{number!r}{space}){space}")
    expected = number**2 / 3 if name == "uniform" else number**2
    assert record.variance(3, 4) == expected
    assert initializers.get(record.name) == record
    assert " " not in record.name


@given(
    number=numbers, mode=st.sampled_from(initializers.MODES), distribution=st.sampled_from(initializers.DISTRIBUTIONS)
)
def test_variance_scaling_is_read_exactly(number, mode, distribution):
    record = initializers.get(f"variance_scaling(mode={mode},distribution={distribution},scale={number!r})")
    assert (record.scale, record.mode, record.distribution) == (number, mode, distribution)
    assert initializers.get(record.name) == record


@given(k=st.integers(1, 10**15))
def test_sparse_is_read_exactly(k):
    record = initializers.get(f"sparse(k={k})")
    assert record.scale == k
    assert initializers.get(record.name) == record


def complaint(get, text):
    """The message of the error, or nothing where the text is allowed after all."""
    try:
        get(text)
    except InvalidValueError as error:
        return str(error)
    return ""


@given(text=st.text("norma(std=1e.5,kw)x \n", max_size=40))
def test_any_other_text_is_an_error_of_one_line(text):
    for get in (initializers.get, initializers.get_bias):
        assert len(complaint(get, text).splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bogus", "unknown initializer 'bogus': allowed are .*glorot_uniform"),
        ("", "unknown initializer ''"),
        ("normal(std=0.1", r"unknown initializer 'normal\(std=0.1'"),
        ("normal(std=0)", "std '0': allowed are numbers from 1e-18"),
        ("normal(std=-1)", "std '-1'"),
        ("normal(std=nan)", "std 'nan'"),
        ("normal(std=inf)", "std 'inf'"),
        ("normal(std=1e200)", "std '1e200'"),
        ("normal(std=1e-200)", "std '1e-200'"),
        ("normal(std=one)", "std 'one'"),
        ("normal(std)", "std ''"),
        ("normal(std=1, std=2)", "'std' is given twice"),
        ("normal(bound=1)", "unknown parameter 'bound'; allowed are std"),
        ("glorot_uniform(gain=2)", "unknown parameter 'gain'; allowed are none"),
        ("sparse(k=1.5)", "k 1.5: allowed are whole numbers"),
        ("sparse(k=0)", "k '0'"),
        ("variance_scaling(mode=fan_mean)", "unknown mode 'fan_mean': allowed are fan_in"),
        ("variance_scaling(distribution=cauchy)", "unknown distribution 'cauchy': allowed are uniform"),
        ("__import__('os')", "unknown initializer"),
    ],
)
def test_errors_name_the_value_and_what_is_allowed(text, message):
    with pytest.raises(InvalidValueError, match=message) as caught:
        initializers.get(text)
    assert len(str(caught.value).splitlines()) == 1


def test_nielsen_brings_standard_normal_biases_and_torch_its_own():
    for name in initializers.NAMES:
        bias = initializers.get_bias(initializers.get(name).bias)
        expected = 1 if name.startswith("nielsen") else 1 / 21 if name == "torch_default" else 0
        assert bias.variance_at(7) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "variance", "fourth"),
    [
        ("normal", 1, 3),
        ("normal(std=0.5)", 0.25, 3),
        ("uniform", 1 / 3, 9 / 5),
        ("uniform(bound=0.5)", 1 / 12, 9 / 5),
        ("uniform_fan_in", 1 / 48, 9 / 5),
        ("variance_scaling(scale=2)", 1 / 8, 9 / 5),
        ("variance_scaling(scale=2, distribution=normal)", 1 / 8, 3),
    ],
)
def test_bias_variance(text, variance, fourth):
    """Mean and E[b^2] within 5 standard errors of 400,000 biases; they would show an error of 2 %."""
    record = initializers.get_bias(text)
    biases = record.sample(generator(0, Purpose.BIASES, 1), 16, 400_000)
    error = math.sqrt((fourth - 1) / biases.size)
    assert record.variance_at(16) == pytest.approx(variance, rel=1e-15)
    assert record.excess_kurtosis == pytest.approx(fourth - 3)
    assert (ERRORS + POWER) * error < 0.02
    assert abs((biases**2).mean() / variance - 1) < ERRORS * error
    assert abs(biases.mean()) < ERRORS * math.sqrt(variance / biases.size)
    assert initializers.get_bias(record.name) == record


def test_constant_biases_have_a_mean():
    """Sutskever's 0.5 of tanh units; the theory refuses it."""
    record = initializers.get_bias("constant(value=0.5)")
    assert (record.name, record.mean, record.variance) == ("constant(value=0.5)", 0.5, 0.0)
    assert (record.sample(generator(0, Purpose.BIASES, 1), 3, 5) == np.full(5, 0.5)).all()
    spec = NetworkSpec.parse("7,6,5", initializer="sparse(k=3, std=0.25)", bias="constant(value=0.5)")
    for call in (lambda: predict(spec, input_second_moment=1.0), lambda: advise(spec, input_second_moment=1.0)):
        with pytest.raises(AssumptionError, match=r"biases constant\(value=0\.5\) have mean 0\.5: allowed is 0"):
            call()


def test_sparse_weights_scale_with_their_standard_deviation():
    """The same weights, places and all; k = 15 of N(0, 1) keeps the name that it had alone."""
    plain, scaled = draw("sparse(k=15)", 40, 30), draw("sparse(k=15, std=0.25)", 40, 30)
    np.testing.assert_array_equal(scaled, 0.25 * plain)
    assert initializers.get("sparse(k=15, std=1)").name == initializers.get("sparse").name == "sparse(k=15)"
    record = initializers.get("sparse(k=15, std=0.25)")
    assert record.name == "sparse(k=15, std=0.25)"
    assert record.variance(40, 30) == pytest.approx(0.0625 * 15 / 40, rel=1e-15)
    assert record.excess_kurtosis(40, 30) == pytest.approx(3 * 40 / 15 - 3, rel=1e-14)


def test_zero_biases_and_unknown_ones():
    assert (initializers.get_bias("zeros").sample(generator(0, Purpose.BIASES, 1), 3, 5) == np.zeros(5)).all()
    with pytest.raises(UnknownNameError, match="unknown bias 'ones': allowed are zeros, normal, uniform, constant"):
        initializers.get_bias("ones")
