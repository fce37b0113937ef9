"""Spectra of products of Jacobians against closed forms, exact moments and decompositions of drawn matrices."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaln

from glorotlab import initializers
from glorotlab.theory.spectra.free_product import FreeProduct
from glorotlab.theory.spectra.slope_distribution import Population

ONE = Population(np.ones(1), np.ones(1))
MANY = Population(np.linspace(0.3, 1, 10) ** 2, np.full(10, 0.1))
HALF = Population(np.linspace(0.5, 1, 5) ** 2, np.full(5, 0.1))


def product(sizes, populations, *, orthogonal=False):
    """Layers of n_l-1 Var[W_l] = 1, or of orthogonal weights that keep lengths where they can."""
    fans = list(pairwise(sizes))
    variances = [1 / max(fan) if orthogonal else 1 / fan[0] for fan in fans]
    return FreeProduct(tuple(sizes), tuple(populations), tuple(variances), orthogonal)


def fuss_catalan(layers, power):
    """E x^power of a product of square Gaussian matrices: the Fuss-Catalan numbers, real powers included."""
    lower, upper = layers * power + 1, (layers + 1) * power + 1
    return math.exp(gammaln(upper) - gammaln(lower) - gammaln(power + 1)) / lower


@pytest.mark.parametrize("layers", [1, 2, 5, 20])
def test_moments_of_gaussian_linear_networks_are_fuss_catalan(layers):
    found = product((50,) * (layers + 1), [ONE] * layers)
    for power in (0.5, 0.1, 0.25):
        assert found.total(power) / 50 == pytest.approx(fuss_catalan(layers, power), rel=1e-9)
    assert found.total(0) / 50 == pytest.approx(-layers, rel=1e-9)
    assert found.sum / 50 == pytest.approx(1)


@pytest.mark.parametrize(("fan_in", "fan_out"), [(400, 400), (400, 100), (100, 400), (300, 299)])
def test_distribution_of_one_linear_layer_is_marchenko_pastur(fan_in, fan_out):
    ratio, small = fan_out / fan_in, min(fan_in, fan_out)
    low, high = (1 - math.sqrt(ratio)) ** 2, (1 + math.sqrt(ratio)) ** 2

    def density(x):
        return fan_in / small * math.sqrt((high - x) * (x - low)) / (2 * math.pi * x)

    x = low + (high - low) * np.array([0.03, 0.2, 0.5, 0.8, 0.97])
    above, ln_density = product((fan_in, fan_out), [ONE]).distribution(np.log(x))
    exact = [quad(density, at, high, epsabs=1e-12)[0] for at in x]
    assert np.abs(above / small - exact).max() < 1e-3
    assert np.abs(ln_density / small - x * [density(at) for at in x]).max() < 2e-3


def test_distribution_of_two_gaussian_layers():
    """The Fuss-Catalan law of two layers in its parametrized form (Penson & Zyczkowski 2011).

    x = sin(3 t)^3 / (sin(t) sin(2 t)^2), t in (0, pi / 3), with density sin(t)^2 sin(2 t) / (pi sin(3 t)^2) dx.
    """
    t = np.linspace(0.02, math.pi / 3 - 0.02, 12)

    def x_of(t):
        return np.sin(3 * t) ** 3 / (np.sin(t) * np.sin(2 * t) ** 2)

    def density(t):
        return np.sin(t) ** 2 * np.sin(2 * t) / (np.pi * np.sin(3 * t) ** 2)

    _, found = product((9, 9, 9), [ONE, ONE]).distribution(np.log(x_of(t)))
    assert np.abs(found / 9 - x_of(t) * density(t)).max() < 1e-3


@pytest.mark.parametrize("layers", [1, 4])
def test_orthogonal_linear_networks_keep_all_lengths(layers):
    found = product((30,) * (layers + 1), [ONE] * layers, orthogonal=True)
    assert found.total(0.5) == pytest.approx(30)
    assert found.total(0) == pytest.approx(0, abs=1e-9)
    above, _ = found.distribution(2 * np.log([0.998, 1.002]))
    assert np.allclose(above / 30, [1, 0], atol=1e-3)


def test_partial_isometries_cut_to_the_narrowest():
    """Of two random subspaces of dimensions a and b of n the squared cosines have this mean: a b / n."""
    found = product((40, 100, 30), [ONE, ONE], orthogonal=True)
    assert found.rank == 30
    assert found.sum == pytest.approx(40 * 30 / 100)
    above, density = found.distribution(np.log(np.linspace(1e-4, 1.2, 4001)))
    x = np.linspace(1e-4, 1.2, 4001)
    assert np.trapezoid(above, x) == pytest.approx(40 * 30 / 100, rel=2e-3)
    assert above[0] == pytest.approx(30, rel=1e-3)
    assert above[-1] < 0.05
    assert density.min() >= 0


CASES = {
    "square": ((40,) * 4, [MANY] * 3),
    "wider": ((40, 60, 90), [MANY, ONE]),
    "narrower": ((90, 30, 50), [MANY, MANY]),
    "rank lost": ((60, 60, 60), [HALF, MANY]),
}


@pytest.mark.parametrize("orthogonal", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_distribution_has_the_moments(name, orthogonal):
    """Integrals of the distribution function, each power by parts, against the integrals on the negative axis."""
    found = product(*CASES[name], orthogonal=orthogonal)
    ln_x = np.arange(-3000, 200) / 50 + 0.01
    above, density = found.distribution(ln_x)
    count = np.where(ln_x < 0, found.rank - above, -above)  # of ln x > 0 what is above, of ln x < 0 what is below
    assert -np.trapezoid(count, ln_x) == pytest.approx(found.total(0), abs=1e-3 * found.rank)
    assert np.trapezoid(0.5 * np.exp(ln_x / 2) * above, ln_x) == pytest.approx(found.total(0.5), rel=3e-3)
    assert np.trapezoid(np.exp(ln_x) * above, ln_x) == pytest.approx(found.sum, rel=5e-3)
    assert (np.diff(above) <= 1e-9 * found.rank).all()
    assert np.trapezoid(density, ln_x) == pytest.approx(found.rank, rel=5e-3)


@pytest.mark.parametrize("orthogonal", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_against_decompositions(name, orthogonal):
    """One draw of matrices four times as large: both distance and mean deviate like 1 / size.

    Singular values repel each other: over 60 draws of each case the largest difference of counts was 1.7 to 1.9 on
    average with a standard deviation of .24 to .35, and the mean deviated by a standard deviation of .22 / rank to
    1.4 / rank of it, by less than a tenth of that on average. Bounds of 5 and 7.5 / rank fail at a rate below 1e-6 if
    tails are Gaussian; they detect 5 % of the singular values out of place, and 5 to 8 % of the mean.
    """
    sizes, populations = CASES[name]
    sizes = tuple(4 * size for size in sizes)
    found = product(sizes, populations, orthogonal=orthogonal)
    sigma = draw(np.random.default_rng(5), sizes, populations, orthogonal)
    rank = round(found.rank)
    assert (sigma > 1e-9).sum() == rank
    above, _ = found.distribution(2 * np.log(sigma[:rank]))
    assert np.abs(above - np.arange(rank) - 0.5).max() < 5
    assert abs(sigma.sum() / found.total(0.5) - 1) < 7.5 / rank


def draw(generator, sizes, populations, orthogonal):
    """Singular values, descending, of a product whose slopes have exactly the populations' shares."""
    initializer = initializers.get("orthogonal" if orthogonal else "lecun_uniform")
    jacobian = np.eye(sizes[0])
    for fan_in, fan_out, each in zip(sizes[:-1], sizes[1:], populations, strict=True):
        counts = np.round(each.weights * fan_out).astype(int)
        slopes = np.zeros(fan_out)
        slopes[: counts.sum()] = np.repeat(np.sqrt(each.tau), counts)
        jacobian = (initializer.sample(generator, fan_in, fan_out) * generator.permutation(slopes)).T @ jacobian
    return np.linalg.svd(jacobian, compute_uv=False)
