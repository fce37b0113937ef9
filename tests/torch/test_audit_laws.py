"""Statistics of an audit, without PyTorch: p-values that are valid, likelihoods, and what structure shows."""

import numpy as np
import pytest
from scipy import stats

from glorotlab import initializers
from glorotlab.torch.auditing.candidates import Shape, candidates
from glorotlab.torch.auditing.findings import FAULTS, NOTICES
from glorotlab.torch.auditing.laws import LAWS, Sample, distance_p_value, log_likelihood, p_value
from glorotlab.torch.auditing.structure import copies, empty, nonzeros, orthogonality

INITIALIZERS = {
    "uniform": "uniform(bound=0.3)",
    "normal": "normal(std=0.3)",
    "truncated_normal": "truncated_normal(std=0.3)",
}
SCIPY = {
    "uniform": stats.uniform(-(3**0.5), 2 * 3**0.5),
    "normal": stats.norm(),
    "truncated_normal": stats.truncnorm(-2, 2, scale=1 / stats.truncnorm(-2, 2).std()),
}


def draw(law, size, seed):
    record = initializers.get(INITIALIZERS[law])
    return record.sample(np.random.default_rng(seed), size, 1).ravel(), record.variance(size, 1)


@pytest.mark.parametrize("law", LAWS)
def test_a_law_is_that_of_scipy(law):
    own, reference = LAWS[law], SCIPY[law]
    x = np.linspace(-1.7, 1.7, 11)
    np.testing.assert_allclose(own.cdf(x), reference.cdf(x), rtol=1e-12)
    np.testing.assert_allclose([own.tail(size) for size in x[6:]], 2 * reference.sf(x[6:]), rtol=1e-12)
    assert own.fourth == pytest.approx(reference.moment(4), rel=1e-9)
    assert own.bound == pytest.approx(reference.support()[1])
    expected = np.log(reference.pdf(x / 2) / 2).sum()  # of standard deviation 2
    assert log_likelihood(Sample(x, 1e-7), own, 4.0) == pytest.approx(expected, rel=1e-12)


@pytest.mark.statistical
@pytest.mark.parametrize("size", [8, 60, 2000])
@pytest.mark.parametrize("law", LAWS)
def test_p_values_are_valid(law, size):
    """Of 400 true laws at most 5 % have p <= .05: more than 46 (6 standard errors) have probability 2e-7.

    A rate of 22 % would be found as surely.
    """
    pairs = [draw(law, size, seed) for seed in range(400)]
    small = sum(p_value(Sample(values, 1e-16), LAWS[law], variance) <= 0.05 for values, variance in pairs)
    assert small <= 46


@pytest.mark.parametrize("law", LAWS)
def test_another_scale_mean_or_law_is_refused(law):
    """At 4,000 weights: a scale off by 6 %, which is five standard errors or more, a mean of .1, and other laws."""
    values, variance = draw(law, 4000, 0)
    assert p_value(Sample(values, 1e-16), LAWS[law], variance) > 0.01
    for factor in (0.88, 1.13):
        assert p_value(Sample(values, 1e-16), LAWS[law], factor * variance) < 1e-4
    assert p_value(Sample(values + 0.1 * variance**0.5, 1e-16), LAWS[law], variance) < 1e-4
    for other in LAWS:
        if other != law:
            assert p_value(Sample(values, 1e-16), LAWS[other], variance) < 1e-4


@pytest.mark.parametrize("law", LAWS)
def test_a_shape_is_refused_whose_mean_mean_square_and_largest_are_right(law):
    """Half of 400 weights at one standard deviation and half at minus one, but for the largest."""
    values = np.tile([1.0, -1.0], 200)
    values[0] = min(2.9, LAWS[law].bound)
    sample = Sample(values / np.sqrt(np.mean(values**2)) * (1 - 1e-9), 1e-3)
    assert p_value(sample, LAWS[law], 1.0) < 1e-10


@pytest.mark.parametrize("size", [8, 200, 201, 3000])
def test_p_values_of_a_distance_are_those_of_scipy(size):
    """Never below the exact law of the distance by more than .1 %, and within 1 % of it below .3; 10 % below 1e-3."""
    for seed, scale in ((0, 1.0), (1, 1.03), (2, 1.1), (3, 1.3)):
        values = scale * np.random.default_rng(seed).normal(size=size)
        expected = stats.kstest(values, "norm", method="exact").pvalue
        own = distance_p_value(Sample(values, 1e-16), LAWS["normal"], 1.0)
        assert 0.999 * expected <= own <= (1.1 if expected > 0.3 or expected < 1e-3 else 1.01) * expected


def test_a_bound_is_known_to_one_part_in_the_number_of_weights():
    values, variance = draw("uniform", 10_000, 1)
    sample = Sample(values, 1e-16)
    assert p_value(sample, LAWS["uniform"], variance) > 0.01
    assert p_value(sample, LAWS["uniform"], variance * 1.004) < 1e-3  # a bound of 300 terms instead of 299.4
    assert p_value(sample, LAWS["uniform"], variance * 0.999) == 0


@pytest.mark.parametrize("law", LAWS)
def test_the_error_of_a_variance_is_that_of_drawn_ones(law):
    """sqrt((kurtosis - 1) / N) of one sample of 20,000, and 2,000 samples of 100: 10 % is 6 standard errors."""
    seconds = [np.mean(draw(law, 100, seed)[0] ** 2) for seed in range(2000)]
    values, variance = draw(law, 20_000, 2000)
    expected = Sample(values, 0.0).relative_error * 200**0.5
    assert np.std(seconds) / variance == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / (180 + 360)),
        ("he_normal", 2 / 180),
        ("lecun_truncated_normal", 1 / 180),
        ("torch_default", 1 / (3 * 180)),
        ("he over fan_out, normal", 2 / 360),
        ("lecun of transposed fans, normal", 1 / 360),
        ("sqrt(3 / (fan_in + fan_out)), uniform", 1 / (180 + 360)),
        ("he, its bound as std, normal", 6 / 180),
        ("he, truncated, truncated normal", 0.7737413 * 2 / 180),
    ],
)
def test_variances_of_a_convolution_of_20_to_40_channels_and_9_places(name, variance):
    (own,) = [one for one in candidates(Shape("convolution", 180, 360, 9)) if one.name == name]
    assert own.variance == pytest.approx(variance, rel=1e-6)


def test_every_candidate_names_findings_that_exist():
    for kind in ("linear", "bilinear", "convolution", "transposed convolution", "embedding", "attention", "recurrent"):
        for own in candidates(Shape(kind, 36, 72, 9, 4, 3, 50)):
            assert own.fault in ("", *FAULTS)
            assert own.notice in ("", *NOTICES)
            assert own.variance > 0


def test_structure_is_seen():
    random = np.random.default_rng(0)
    plain = random.normal(size=(1, 30, 50))
    assert (copies(plain, 1), copies(plain, 2), empty(plain), nonzeros(plain)) == (0, 0, 0, 30)
    plain[0, :, 7] = plain[0, :, 3]
    assert (copies(plain, 1), copies(plain, 2)) == (0, 1)
    plain[0, :, 9] = 0
    assert empty(plain) == 1
    plain[0, 4] = plain[0, 5]
    assert copies(plain, 1) == 1


def test_orthogonality_is_told_from_independence():
    random = np.random.default_rng(0)
    q = np.linalg.qr(random.normal(size=(80, 30)))[0][np.newaxis]
    assert orthogonality(q).is_orthonormal(1e-15)
    assert orthogonality(q.swapaxes(1, 2)).is_orthonormal(1e-15)
    assert orthogonality(2 * q).gain == pytest.approx(2)
    noisy = orthogonality(q + 0.01 * random.normal(size=q.shape))
    assert noisy.suspicious
    assert not noisy.is_orthogonal(1e-7)
    scaled = orthogonality(q * np.linspace(1, 2, 30))
    assert scaled.is_orthogonal(1e-7)
    assert not scaled.is_orthonormal(1e-7)
    assert orthogonality(random.normal(size=(1, 80, 3))) is None


@pytest.mark.statistical
@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 20, 30), (5, 9, 8), (1, 200, 12)])
def test_independent_weights_are_never_suspected(shape):
    """Six standard deviations of their mean square cosine: 1e-9 for each of 100 draws."""
    random = np.random.default_rng(0)
    seen = [orthogonality(random.uniform(-1, 1, shape)) for _ in range(100)]
    assert not any(one.suspicious for one in seen)
    cosines = np.mean([one.cosine**2 for one in seen]) / seen[0].independent_cosine ** 2
    assert cosines == pytest.approx(1, abs=0.25)
