"""What enters from above, against integrals in one to three dimensions and brute-force sampling."""

import math

import gaussian_reference as reference
import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from glorotlab import activations, costs
from glorotlab.theory.mean_field import output_gradient as theory
from glorotlab.theory.mean_field.output_gradient import ELEMENTWISE, OutputGradient, softmax_moments

SIGMA_LEVEL = 4.9
"""Standard errors that a normal variable exceeds with probability 1e-6."""


def sigmoid(s):
    return (1 + np.tanh(s / 2)) / 2


def output_gradient(output, cost, covariance, labels, classes):
    """Return the theory's statistics for one-hot targets."""
    return theory.output_gradient(output, cost, covariance, np.eye(classes)[labels])


def kernel(q_a: float, q_b: float, rho: float) -> np.ndarray:
    c = rho * math.sqrt(q_a * q_b)
    return np.array([[q_a, c], [c, q_b]])


@pytest.mark.parametrize("q", [1e-6, 0.999, 1.001, 7.0, 1e4])
def test_two_classes_reduce_to_one_sigmoid(q):
    """p = sigmoid(s_1 - s_2), whose argument has variance 2 q; p^2 + (1 - p)^2 = 1 - 2 p (1 - p), of cubes 1 - 3 ..."""
    with mp.workdps(20):
        root = mp.sqrt(2 * mp.mpf(q))
        edges = sorted({k * root for k in range(0, 14, 2)} | {mp.mpf(k) for k in (1, 4, 16, 64) if k < 12 * root})

        def both(s):
            return mp.npdf(s, 0, root) / (2 + 2 * mp.cosh(s))

        product = mp.quad(both, edges)  # over the half line
        square, cube = float(mp.mpf(1) / 2 - 2 * product), float(mp.mpf(1) / 2 - 3 * product)
    found_square, found_cube, error = softmax_moments(2, np.array([q]))
    assert abs(found_square[0] / square - 1) <= error == 1e-12
    assert abs(found_cube[0] / cube - 1) <= error


@pytest.mark.parametrize("q", [0.2, 1.0, 1.5, 10.0])
def test_three_classes_against_a_plane_integral(q):
    """The differences to the first logit have variance 2 q and correlation 1/2."""
    u, weight = reference.panels(np.linspace(-9, 9, 49))
    measure = np.outer(weight * reference.normal_density(u), weight * reference.normal_density(u))
    first = np.sqrt(2 * q) * u[:, np.newaxis]
    second = np.sqrt(2 * q) * (u[:, np.newaxis] / 2 + np.sqrt(0.75) * u)
    p = 1 / (1 + np.exp(first) + np.exp(second))
    square, cube, _ = softmax_moments(3, np.array([q]))
    assert abs(square[0] - (measure * p**2).sum()) < 1e-12
    assert abs(cube[0] - (measure * p**3).sum()) < 1e-12


@pytest.mark.parametrize("classes", [2, 9, 1000])
def test_small_logits(classes):
    """E p^2 = 1/K^2 + (K - 1) q / K^3 + O(q^2)."""
    q = np.array([1e-5, 1e-4])
    square, _, _ = softmax_moments(classes, q)
    excess = (square - 1 / classes**2) * classes**3 / (classes - 1) / q
    assert (np.abs(excess - 1) < 3 * q).all()


@pytest.mark.parametrize("classes", [2, 9, 1000])
def test_large_logits_choose_one_class(classes):
    """1/K - E p^2 = E p(1 - p) tends to the density of a tie for the largest logit."""
    q = 1e4

    def tie(t):
        return (classes - 1) * reference.normal_density(t) ** 2 * ndtr(t) ** (classes - 2)

    density = quad(tie, -9, 9, epsabs=0, epsrel=1e-10, limit=200)[0] / math.sqrt(q)
    square, cube, error = softmax_moments(classes, np.array([q]))
    assert abs((1 / classes - square[0]) / density - 1) < 2e-3
    assert cube[0] < square[0] < 1 / classes
    assert error < 1e-11


@pytest.mark.parametrize("q", [(0.5, 0.5), (0.2, 6.0)], ids=str)
@pytest.mark.parametrize("rho", [-0.6, 0.3, 0.9])
def test_log_likelihood_pairs_of_two_classes_within_the_stated_bound(q, rho):
    """E[p_a . p_b] = 2 E[sigmoid(t_a) sigmoid(t_b)]."""
    p = 2 * reference.pair((sigmoid, sigmoid), (2 * q[0], 2 * q[1]), rho)
    for labels in ([0, 0], [0, 1]):
        found = output_gradient("softmax", "log_likelihood", kernel(*q, rho), np.array(labels), 2)
        exact = (p - 1 + (labels[0] == labels[1])) / 2
        scale = math.sqrt(found.kernel[0, 0] * found.kernel[1, 1])
        assert abs(found.kernel[0, 1] - exact) <= (found.error + 1e-12) * scale
        assert found.error < 0.03


@pytest.mark.parametrize("q", [0.3, 2.0])
def test_log_likelihood_has_orders_one_and_two_exactly(q):
    """The coefficients are sum_k (E p_k He_j)^2, here by Gauss-Hermite in the three logits of K = 3."""
    t, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    g = np.stack(np.meshgrid(t, t, t, indexing="ij"))
    e = np.exp(np.sqrt(q) * g)
    p = np.einsum("i,j,k,ijk->ijk", weight, weight, weight, e[0] / e.sum(axis=0))
    first = 3 * sum((p * g[i]).sum() ** 2 for i in range(3))
    second = 3 / 2 * sum((p * (g[i] * g[j] - (i == j))).sum() ** 2 for i in range(3) for j in range(3))
    rho, labels = 1e-2, np.array([0, 1])
    up, none, down = (
        3 * output_gradient("softmax", "log_likelihood", kernel(q, q, r), labels, 3).kernel[0, 1]
        for r in (rho, 0.0, -rho)
    )
    assert abs((up + down - 2 * none) / (2 * rho**2) / second - 1) < 1e-8
    assert abs((up - down) / (2 * rho) - first) < rho**2 * none**2 + rho**2


@pytest.mark.parametrize("rho", [0.3, 0.9])
@pytest.mark.parametrize(("q", "share"), [(0.1, 1e-4), (1.0, 5e-4), (10.0, 0.012)])
def test_log_likelihood_pairs_against_sampling(q, share, rho):
    """False-failure rate 1e-6 a case; ``share`` of the diagonal is what the docstring claims of K = 9.

    Detects an error of share + 4.9 standard errors, which is asserted to be below 1.5 % of the diagonal.
    """
    classes, generator = 9, np.random.default_rng(5)
    found = output_gradient("softmax", "log_likelihood", kernel(q, q, rho), np.array([0, 1]), classes)
    a, b = generator.normal(size=(2, 150_000, classes))
    p_a, p_b = (np.exp(np.sqrt(q) * t) for t in (a, rho * a + np.sqrt(1 - rho**2) * b))
    products = (p_a * p_b).sum(axis=1) / p_a.sum(axis=1) / p_b.sum(axis=1)
    products -= (p_a / p_a.sum(axis=1, keepdims=True)).sum(axis=1) / classes  # exactly 1/K
    scale = classes * found.kernel[0, 0]
    off = (classes * found.kernel[0, 1] + 1 / classes - products.mean()) / scale
    noise = SIGMA_LEVEL * products.std() / math.sqrt(len(products)) / scale
    assert abs(off) <= min(share, found.error) + noise
    assert noise < 0.005


def brute_elementwise(record: costs.Cost, q, rho, labels, classes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """kernel, means and mean_products unit by unit."""

    def h(y):
        return lambda s: record.gradient(s, np.full_like(s, y))

    y = np.eye(classes)[labels]
    means = np.array([[reference.single(h(y[a, k]), q[a]) for k in range(classes)] for a in range(2)])
    products = np.zeros((2, 2))
    for a in range(2):
        for b in range(2):
            for k in range(classes):
                if a == b:
                    products[a, b] += reference.single(lambda s, a=a, k=k: h(y[a, k])(s) ** 2, q[a])
                else:
                    products[a, b] += reference.pair((h(y[a, k]), h(y[b, k])), (q[a], q[b]), rho)
    across = means.sum(axis=1)[:, np.newaxis] * means.sum(axis=1) - means @ means.T
    return products / classes, means.mean(axis=1), (products + across) / classes**2


@pytest.mark.parametrize(
    ("output", "cost"), [("sigmoid", "cross_entropy"), ("sigmoid", "quadratic"), ("linear", "quadratic")]
)
@pytest.mark.parametrize(("labels", "classes"), [((0, 0), 1), ((0, 1), 2), ((2, 1), 4), ((3, 3), 4)])
def test_elementwise_costs_against_plane_integrals(output, cost, labels, classes):
    q, rho = (0.8, 2.5), 0.6
    found = output_gradient(output, cost, kernel(*q, rho), np.array(labels), classes)
    products, means, mean_products = brute_elementwise(costs.get(output, cost), q, rho, np.array(labels), classes)
    scale = np.sqrt(products[0, 0] * products[1, 1])
    np.testing.assert_allclose(found.kernel, products, rtol=0, atol=1e-10 * scale)
    np.testing.assert_allclose(found.means, means, rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.mean_products, mean_products, rtol=0, atol=1e-10 * scale)
    assert found.error < 1e-8


def wide_rule(q: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes, weights and density of s ~ N(0, q) for functions of scale 1 over any q."""
    root = math.sqrt(q)
    edges = np.concatenate([np.linspace(-9, 9, 37) * root, np.arange(-40.0, 41.0, 2.0)])
    s, weight = reference.panels(np.unique(edges[np.abs(edges) <= 9 * root]))
    return s, weight, reference.normal_density(s / root) / root


def wide_pair(f, g, q, rho: float) -> float:
    """E[f(s_a) g(s_b)] for functions of scale 1 over any q: one rule in each s, over the joint density."""
    (a, weight_a, density), (b, weight_b, _) = (wide_rule(each) for each in q)
    spread = math.sqrt(q[1] * (1 - rho**2))
    given = reference.normal_density((b - rho * math.sqrt(q[1] / q[0]) * a[:, np.newaxis]) / spread) / spread
    return float((weight_a * f(a) * density) @ (given @ (weight_b * g(b))))


@pytest.mark.parametrize(
    ("q", "rho"),
    [((1e-3, 1e4), 0.3), ((1e-3, 2e-3), 0.95), ((50.0, 200.0), -0.8), ((1e4, 1e4), 0.95), ((1e4, 1e4), -0.8)],
    ids=str,
)
@pytest.mark.parametrize(("output", "cost"), ELEMENTWISE)
def test_elementwise_costs_of_small_and_large_logits(output, cost, q, rho):
    labels = np.array([0, 1])
    found = output_gradient(output, cost, kernel(*q, rho), labels, 2)
    zero, one = (lambda s, y=y: costs.get(output, cost).gradient(s, np.full_like(s, y)) for y in (0.0, 1.0))
    pair = (wide_pair(one, zero, q, rho) + wide_pair(zero, one, q, rho)) / 2
    scale = math.sqrt(found.kernel[0, 0] * found.kernel[1, 1])
    assert abs(found.kernel[0, 1] - pair) < 1e-8 * scale
    rules = [wide_rule(each) for each in q]
    diagonal = [(weight * density) @ (one(s) ** 2 + zero(s) ** 2) / 2 for s, weight, density in rules]
    np.testing.assert_allclose(np.diagonal(found.kernel), diagonal, rtol=1e-8)
    assert found.error < 1e-8


@pytest.mark.parametrize(("output", "cost"), ELEMENTWISE)
def test_alike_examples_of_large_logits(output, cost):
    """Sixty examples of logits between 1e-3 and 1e4, some 1e-6 apart, for which no series in the correlation serves."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 50)) * np.geomspace(0.03, 100, 60)[:, np.newaxis]
    x[30:] += np.geomspace(1e-6, 0.3, 30)[:, np.newaxis] * x[30:] + x[:30]
    found = output_gradient(output, cost, x @ x.T / 50, np.arange(60) % 3, 3)
    assert found.error < 2e-6
    assert np.linalg.eigvalsh(found.kernel).min() > -1e-6 * found.kernel.max()


@pytest.mark.parametrize(("output", "cost"), ELEMENTWISE)
def test_the_parts_of_an_elementwise_gradient(output, cost):
    """dC/ds = o(s) + (c - y) e(s), o odd and e even."""
    odd, even, centre = ELEMENTWISE[output, cost]
    s = np.linspace(-8, 8, 65)
    o = activations.get(odd)
    e = np.ones_like(s) if even == "1" else activations.get(even).function(s)
    assert o.odd
    np.testing.assert_array_equal(e, e[::-1])
    for y in (0.0, 1.0):
        np.testing.assert_allclose(
            o.function(s) + (centre - y) * e, costs.get(output, cost).gradient(s, np.full_like(s, y)), atol=1e-15
        )


def test_softmax_with_quadratic_cost_within_its_stated_error():
    """K = 2 by exact integrals: dC/ds_1 = p (1 - p) (2 p - 2 y). False-failure rate 1e-6; detects 2 %, asserted."""
    q, rho, labels = (0.8, 2.5), 0.6, np.array([0, 1])

    def h(y):
        return lambda s: 2 * sigmoid(s) * sigmoid(-s) * (sigmoid(s) - y)

    found = output_gradient("softmax", "quadratic", kernel(*q, rho), labels, 2)
    diagonal = [reference.single(lambda s, y=y: h(y)(s) ** 2, 2 * each) for y, each in zip((1, 0), q, strict=True)]
    pair = reference.pair((h(1), h(0)), (2 * q[0], 2 * q[1]), rho)
    for got, exact in ((np.diagonal(found.kernel).mean(), np.mean(diagonal)), (found.kernel[0, 1], pair)):
        assert abs(got - exact) <= SIGMA_LEVEL * found.error * np.mean(diagonal)
    assert 0 < SIGMA_LEVEL * found.error < 0.02


@pytest.mark.parametrize("cost", ["log_likelihood", "quadratic"])
def test_softmax_gradients_of_an_example_sum_to_0(cost):
    found = output_gradient("softmax", cost, kernel(1.0, 2.0, 0.5), np.array([1, 1]), 5)
    assert isinstance(found, OutputGradient)
    assert not found.means.any()
    assert not found.mean_products.any()


def test_sampling_is_the_same_every_time(monkeypatch):
    monkeypatch.setattr("glorotlab.theory.mean_field.output_gradient.SAMPLES", 2**19)
    arguments = ("softmax", "quadratic", kernel(1.0, 2.0, 0.5), np.array([1, 1]), 5)
    np.testing.assert_array_equal(output_gradient(*arguments).kernel, output_gradient(*arguments).kernel)


def test_curvature_is_the_mean_second_derivative_of_the_cost():
    """E d(dC/ds_k)/ds_k: p (1 - p) of softmax; sigma' of cross-entropy; 1 of a linear output; sampled for the rest."""
    q = np.array([0.8, 2.5])
    slopes = [reference.single(lambda s: sigmoid(s) * sigmoid(-s), 2 * each) for each in q]
    matrix, labels = kernel(*q, 0.6), np.array([0, 1])
    found = output_gradient("softmax", "log_likelihood", matrix, labels, 2)
    np.testing.assert_allclose(found.curvature, slopes, rtol=1e-10)
    slopes = [reference.single(lambda s: sigmoid(s) * sigmoid(-s), each) for each in q]
    found = output_gradient("sigmoid", "cross_entropy", matrix, labels, 3)
    np.testing.assert_allclose(found.curvature, slopes, rtol=1e-10)
    found = output_gradient("linear", "quadratic", matrix, labels, 3)
    np.testing.assert_allclose(found.curvature, [1, 1], rtol=1e-10)
    found = output_gradient("softmax", "quadratic", matrix, labels, 2)

    def second(y):  # derivative of 2 p (1 - p) (p - y) in the difference of the logits
        def slope(s):
            p = sigmoid(s)
            return 2 * p * (1 - p) * ((1 - 2 * p) * (p - y) + p * (1 - p))

        return slope

    exact = [reference.single(second(y), 2 * each) for y, each in zip((1, 0), q, strict=True)]
    np.testing.assert_allclose(found.curvature, exact, atol=5 * 0.2 / math.sqrt(2**22))  # sampled: 5 standard errors


def test_large_logits_of_two_classes_choose_one_by_its_sign():
    """p becomes a step: both examples of one label err together with probability 1/4 + asin(rho) / 2 pi (Sheppard).

    False-failure rate 1e-6; q = 1e8 leaves 1e-4 of difference from the step.
    """
    rho = 0.95
    found = output_gradient("softmax", "log_likelihood", kernel(1e8, 1e8, rho), np.array([1, 1]), 2)
    both = 1 / 4 + np.arcsin(rho) / (2 * np.pi)
    np.testing.assert_allclose(np.diagonal(found.kernel), 1 / 2, rtol=1e-3)
    assert 0 < found.error < 0.01
    assert abs(found.kernel[0, 1] - both) <= SIGMA_LEVEL * found.error * 0.5 + 1e-4
