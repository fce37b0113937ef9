"""Fixed points, slopes, c* and depth scales against published values, independent integrals and real networks."""

import math

import gaussian_reference as reference
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import ndtr

import glorotlab as gl
from glorotlab.errors import AssumptionError, InvalidValueError


def only_finite(found):
    return [point for point in found.points if 0 < point.q < math.inf]


# Published values


def critical_std(name, sigma_b):
    (point,) = gl.critical_points(name, sigma_b**2)
    return math.sqrt(point.weight_variance)


def critical_variance(name, sigma_b_squared):
    (point,) = gl.critical_points(name, sigma_b_squared)
    return point.weight_variance


PUBLISHED = {
    "tanh, sigma_b = 0: sigma_w^2 = 1 (Poole et al. 2016)": (lambda: critical_variance("tanh", 0), 1.0, 1e-12),
    "tanh, sigma_b^2 = .05: sigma_w^2 = 1.76 (Schoenholz et al. 2017)": (
        lambda: critical_variance("tanh", 0.05),
        1.76,
        5e-3,
    ),
    "ReLU: sigma_w = sqrt 2, sigma_b = 0 (Hayou et al. 2019)": (lambda: critical_std("relu", 0), math.sqrt(2), 1e-12),
    # Both differ by more than the last digit printed. Ours agree with mpmath, see below.
    "tanh, sigma_b = .2: sigma_w = 1.302 (Hayou et al. 2019b)": (lambda: critical_std("tanh", 0.2), 1.302, 2.5e-3),
    "ELU, sigma_b = .2: sigma_w = 1.227 (Hayou et al. 2019b)": (lambda: critical_std("elu", 0.2), 1.227, 2.5e-3),
    # Half-stable criticality: chi_1 and the slope of the variance map are 1 at once.
    "GELU: C_W = 1.98305826 at C_b = .17292239 (Roberts et al. 2022)": (
        lambda: critical_variance("gelu", 0.17292239),
        1.98305826,
        1e-8,
    ),
    "SWISH: C_W = 1.98800468 at C_b = .55514317 (Roberts et al. 2022)": (
        lambda: critical_variance("silu", 0.55514317),
        1.98800468,
        1e-8,
    ),
    "SELU: slope .782648 of the variance at its fixed point 1 (Klambauer et al. 2017, eq. 6)": (
        lambda: only_finite(gl.fixed_points("selu", 1.0))[0].slope,
        0.782648,
        5e-7,
    ),
}
"""Hayou, Doucet & Rousseau (2019b) is "Mean-field behavior of neural tangent kernel for deep neural networks"."""


@pytest.mark.parametrize("what", PUBLISHED)
def test_published_values(what):
    ours, published, tolerance = PUBLISHED[what]
    assert ours() == pytest.approx(published, abs=tolerance)


def test_gelu_touches_where_its_second_moments_are_rational():
    """E gelu^2 is closed, and the variance map touches the identity at q = (3 + sqrt 17) / 2, which repels below."""
    q = (3 + math.sqrt(17)) / 2
    moments = gl.moments("gelu", q)
    w = 1 / float(moments.derivative_second_moment)
    found = only_finite(gl.fixed_points("gelu", w, q - w * float(moments.second_moment)))
    assert [point.stability for point in found] == ["stable", "half-stable"]
    assert found[1].q == pytest.approx(q, rel=1e-6)
    assert found[1].slope == pytest.approx(1, abs=1e-6)
    assert found[1].phase == "critical"


def test_the_critical_line_of_tanh_by_mpmath():
    """Where Hayou et al. print 1.302, twenty digits give 1.3041."""
    with mpmath.workdps(20):

        def mean(g, q):
            return 2 * mpmath.quad(lambda z: g(mpmath.sqrt(q) * z) * mpmath.npdf(z), mpmath.linspace(0, 10, 6))

        def bias(q):
            return q - mean(lambda s: mpmath.tanh(s) ** 2, q) / mean(lambda s: mpmath.sech(s) ** 4, q)

        q = mpmath.findroot(lambda q: bias(q) - mpmath.mpf("0.04"), (0.51, 0.515), tol=1e-30)
        w = 1 / mean(lambda s: mpmath.sech(s) ** 4, q)
    (point,) = gl.critical_points("tanh", 0.04)
    assert point.q == pytest.approx(float(q), rel=1e-13)
    assert point.weight_variance == pytest.approx(float(w), rel=1e-13)


# Independent integrals

CASES = [
    ("tanh", 1.2, 0.0),
    ("tanh", 4.0, 0.05),
    ("gelu", 2.5, 0.0),
    ("silu", 2.8208, 0.04),
    ("sigmoid", 30.0, 0.1),
    ("relu", 1.3, 0.4),
    ("softsign", 6.0, 0.1),
]


@pytest.mark.parametrize(("name", "w", "b"), CASES)
def test_all_fixed_points_and_their_slopes(name, w, b):
    """Roots of V(q) - q on a fine grid of another integration rule, with slopes by differences."""
    f, slope = reference.FUNCTIONS[name]

    def excess(x):
        q = math.exp(x)
        return math.log((w * reference.single(lambda s: f(s) ** 2, q) + b) / q)

    grid = np.linspace(math.log(1e-6), math.log(1e6), 200)
    values = [excess(x) for x in grid]
    expected = [
        math.exp(brentq(excess, low, high, xtol=1e-14))
        for low, high, before, after in zip(grid[:-1], grid[1:], values[:-1], values[1:], strict=True)
        if before * after < 0
    ]
    found = only_finite(gl.fixed_points(name, w, b))
    np.testing.assert_allclose([point.q for point in found], expected, rtol=1e-10)
    for point in found:
        chi_1 = w * reference.single(lambda s: slope(s) ** 2, point.q)
        h = 1e-4
        change = [w * reference.single(lambda s: f(s) ** 2, point.q * math.exp(step)) for step in (-h, h)]
        assert point.chi_1 == pytest.approx(chi_1, rel=1e-10)
        assert point.slope == pytest.approx((change[1] - change[0]) / (2 * h * point.q), rel=1e-6)
        assert point.stability == ("stable" if point.slope < 1 else "unstable")
        assert point.phase == ("ordered" if chi_1 < 1 else "chaotic")
        assert point.gradient_depth == pytest.approx(-1 / math.log(chi_1), rel=1e-4)
        assert point.error < 1e-6


@pytest.mark.parametrize(("name", "w", "b"), CASES)
def test_correlations_settle_where_iteration_takes_them(name, w, b):
    """The map c -> C(c), iterated with another integration rule, and its slope there by differences."""
    f, _ = reference.FUNCTIONS[name]
    for point in only_finite(gl.fixed_points(name, w, b)):

        def step(c, q=point.q):
            return (w * reference.pair((f, f), (q, q), c) + b) / q

        if point.chi_1 < 1 - 1e-3:
            assert point.correlation == 1.0
            assert point.correlation_slope == pytest.approx(point.chi_1)
            assert step(0.9) > 0.9
        elif point.chi_1 > 1 + 1e-3:
            c = point.correlation
            assert step(c) == pytest.approx(c, abs=1e-9)
            assert step((1 + c) / 2) < (1 + c) / 2  # 1 repels, c* attracts from both sides
            assert c == 0 or step(c / 2) > c / 2
            h = 1e-4 * (1 - c)
            assert point.correlation_slope == pytest.approx((step(c + h) - step(c - h)) / (2 * h), rel=1e-5)
            assert point.correlation_depth == pytest.approx(-1 / math.log(point.correlation_slope))
            assert point.trainable_depth == pytest.approx(6 * point.correlation_depth)


@pytest.mark.parametrize("start", [1e-3, 0.5, 0.7, 1.0, 50.0])
@pytest.mark.parametrize(("name", "w", "b"), [("gelu", 2.5, 0.0), ("silu", 2.8208, 0.04), ("tanh", 3.0, 0.2)])
def test_reached_is_where_the_signal_goes(name, w, b, start):
    """Iterating the variance map itself, with another integration rule."""
    f, _ = reference.FUNCTIONS[name]
    reached, q = gl.fixed_points(name, w, b).reached(start).q, start
    for _ in range(150):
        q = w * reference.single(lambda s: f(s) ** 2, q) + b
        if not 1e-12 < q < 1e6:
            break
    if 0 < reached < math.inf:
        assert q == pytest.approx(reached, rel=1e-6)
    else:
        assert q < 1e-8 if reached == 0 else q > 1e4


@settings(max_examples=10)
@given(
    name=st.sampled_from(["tanh", "relu", "gelu", "silu", "softsign", "elu", "sin", "x*exp(-x**2)", "sqrt(1+x**2)-1"]),
    w=st.floats(0.01, 100),
    b=st.one_of(st.just(0.0), st.floats(1e-6, 10)),
)
def test_signs_alternate_along_the_axis(name, w, b):
    """Whatever the map: between neighbors V(q) - q keeps one sign, which both of them agree on."""
    found = gl.fixed_points(name, w, b)
    ends = [point.q for point in found.points]
    assert ends == sorted(ends)
    assert any(point.stability in ("stable", "neutral") for point in found.points)
    for low, high in zip(found.points[:-1], found.points[1:], strict=True):
        middle = math.sqrt(max(low.q, 1e-15) * min(high.q, 1e15))
        rises = w * float(gl.moments(name, middle).second_moment) + b > middle
        if "neutral" not in (low.stability, high.stability):
            assert rises == (low.stability == "unstable" or high.stability == "stable")


# Where there is none, and limits


def test_relu_is_scale_invariant():
    critical = gl.fixed_points("relu", 2.0)
    assert critical.scale_invariant
    assert [(point.q, point.stability) for point in critical.points] == [(0.0, "neutral"), (math.inf, "neutral")]
    assert critical.reached(3.7).q == 3.7
    assert critical.reached(3.7).phase == "critical"
    above, below = gl.fixed_points("relu", 2.5), gl.fixed_points("relu", 1.5)
    assert [point.stability for point in above.points] == ["unstable", "stable"]
    assert [point.stability for point in below.points] == ["stable", "unstable"]
    assert above.reached().q == math.inf
    assert below.reached().q == 0
    assert above.reached().chi_1 == 1.25
    assert above.reached().gradient_depth == pytest.approx(-1 / math.log(1.25))
    assert above.reached().correlation == 1.0  # correlations still settle at 1, more slowly than exponentially
    assert above.reached().correlation_depth == math.inf
    with_bias = gl.fixed_points("relu", 1.5, 0.2)
    assert [point.q for point in with_bias.points] == [with_bias.reached().q, math.inf]
    assert with_bias.reached().q == pytest.approx(0.2 / (1 - 0.75), rel=1e-13)
    assert gl.fixed_points("relu", 2.0, 0.2).reached().q == math.inf


def test_linear_keeps_every_correlation():
    found = gl.fixed_points("linear", 1.0)
    assert found.scale_invariant
    assert math.isnan(found.reached().correlation)
    assert gl.fixed_points("linear", 1.0, 0.1).reached().q == math.inf


def test_tanh_without_biases():
    """At sigma_w^2 = 1, V(q) = q - 2 q^2 + ...: 0 attracts although the slope is 1."""
    (zero,) = gl.fixed_points("tanh", 1.0).points
    assert (zero.q, zero.stability, zero.phase, zero.variance_depth) == (0.0, "stable", "critical", math.inf)
    assert math.isnan(zero.correlation)
    zero, settled = gl.fixed_points("tanh", 1 + 1e-5).points
    assert zero.stability == "unstable"
    assert settled.q == pytest.approx(5e-6, rel=1e-4)
    assert gl.fixed_points("tanh", 1.1).reached().correlation == 0


def test_a_power_has_an_unstable_point_between_two_limits():
    """E (s^2)^2 = 3 q^2: V(q) = q at q = 1 / (3 w), with slope 2; C(c) = (1 + 2 c^2) / 3 has c* = 1/2, slope 2/3."""
    zero, middle, infinity = gl.fixed_points("x**2", 0.1).points
    assert (zero.q, zero.slope, zero.stability) == (0.0, 0.0, "stable")
    assert (infinity.q, infinity.slope, infinity.stability) == (math.inf, math.inf, "stable")
    assert middle.q == pytest.approx(10 / 3)
    assert middle.slope == pytest.approx(2)
    assert middle.stability == "unstable"
    assert middle.correlation == pytest.approx(0.5)
    assert middle.correlation_slope == pytest.approx(2 / 3)


def test_moments_that_underflow_below_a_threshold():
    """E max(s - 1, 0)^2 is 0 in float64 up to q = 1e-4, where V, its logarithm and C are 0 / 0."""
    zero, middle, _ = gl.fixed_points("max(x-1,0)", 100.0).points
    assert (zero.q, zero.slope, zero.stability, zero.phase) == (0.0, 0.0, "stable", "ordered")
    assert math.isnan(zero.correlation)
    assert 100 * reference.single(lambda s: np.maximum(s - 1, 0) ** 2, middle.q) == pytest.approx(middle.q)
    assert gl.fixed_points("max(x-1,0)", 100.0).reached(1e-12).q == 0
    assert gl.fixed_points("max(x-9,0)", 0.5).points[0].q == 0
    assert gl.fixed_points("max(x-9,0)", 0.5, 2.0).points[0].q == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize(("name", "threshold", "count"), [("max(x-1,0)", 1, 1), ("1+max(x-9,0)", 9, 1)])
def test_the_critical_line_leaves_out_where_the_derivative_underflows(name, threshold, count):
    points = gl.critical_points(name, 0.05)
    assert len(points) == count
    for point in points:
        assert point.weight_variance * ndtr(-threshold / math.sqrt(point.q)) == pytest.approx(1)


def test_a_phase_diagram_where_the_derivative_underflows():
    diagram = gl.phase_diagram("1+max(x-9,0)", [0.5, 4.0], [0.0, 0.5])
    inside = np.isfinite(diagram["critical_bias_variance"])
    assert 0 < inside.sum() < inside.size
    assert np.isfinite(diagram["critical_slope"].values[inside]).all()
    assert set(np.unique(diagram["phase"])) == {"ordered"}


def test_a_falling_map_still_attracts():
    """V falls at its upper fixed point, with slope above -1/2 as always; iteration goes there in turns."""
    name, w, b = "x*exp(-x**2)", 1e5, 0.0
    zero, point = gl.fixed_points(name, w, b).points
    assert -0.5 < point.slope < -0.4
    assert (zero.stability, point.stability) == ("unstable", "stable")
    q = 1.0
    for _ in range(60):
        q = w * q / (1 + 4 * q) ** 1.5  # E s^2 exp(-2 s^2)
    assert q == pytest.approx(point.q, rel=1e-9)


def test_moments_that_do_not_exist_end_the_search():
    found = gl.fixed_points("exp(x)", 0.1)
    assert found.searched[1] < 1e3
    assert [point.stability for point in found.points] == ["stable", "unstable", "stable"]
    assert found.points[0].q == pytest.approx(0.1 * math.exp(2 * found.points[0].q))


@pytest.mark.parametrize("w", [0.0, -1.0, math.nan, math.inf, "a lot"])
def test_a_wrong_weight_variance_is_refused(w):
    with pytest.raises(InvalidValueError, match=r"weight_variance = .*: allowed are numbers"):
        gl.fixed_points("tanh", w)


@pytest.mark.parametrize("b", [-1e-9, math.nan])
def test_a_wrong_bias_variance_is_refused(b):
    with pytest.raises(InvalidValueError, match=r"bias_variance = .*: allowed are numbers from 0"):
        gl.fixed_points("tanh", 1.0, b)


def test_a_point_below_the_search_is_refused():
    with pytest.raises(AssumptionError, match="no fixed point in 1e-16"):
        gl.fixed_points("tanh", 0.1, 1e-30).reached(1.0)


# Real networks


def test_wide_networks_settle_there():
    """Second moment, correlation and growth of a squared gradient in 40 tanh networks, 12 layers of 400, (4, 0.05).

    The growth is a mean over 8 layers. Means over networks lie within 5.5 standard errors and 4 / n (finite width) of
    the prediction: false failure about 1e-7 each. Twice the bound is asserted to be below 20 %, so an error of 20 % is
    seen as surely.
    """
    n, nets, depth, w, b = 400, 40, 12, 4.0, 0.05
    point = gl.fixed_points("tanh", w, b).reached()
    rng = np.random.default_rng(0)
    rows = np.empty((nets, 3))
    for row in rows:
        s, jacobian = rng.normal(size=(2, n)) * math.sqrt(point.q), rng.normal(size=n)
        growth: list[float] = []
        for _ in range(depth):
            weights = rng.normal(size=(n, n)) * math.sqrt(w / n)
            derivative = 1 - np.tanh(s[0]) ** 2
            # forward mode: a direction of perturbation grows as gradients do
            before = float(jacobian @ jacobian)
            jacobian = (jacobian * derivative) @ weights
            growth.append(float(jacobian @ jacobian) / before)
            s = np.tanh(s) @ weights + math.sqrt(b) * rng.normal(size=n)
        square = (s**2).mean(axis=1)
        row[:] = square[0], (s[0] @ s[1]) / n / math.sqrt(square[0] * square[1]), np.mean(growth[-8:])
    error = rows.std(axis=0, ddof=1) / math.sqrt(nets)
    expected = np.array([point.q, point.correlation, point.chi_1])
    bound = 5.5 * error + 4 / n * np.maximum(expected, 1)
    assert (np.abs(rows.mean(axis=0) - expected) < bound).all(), (rows.mean(axis=0), expected, error)
    assert (2 * bound < 0.2 * np.maximum(expected, 1)).all(), bound
