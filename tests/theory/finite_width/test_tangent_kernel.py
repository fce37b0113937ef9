"""The tangent kernel of networks of a finite width: exact laws, published numbers, networks drawn at random."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

import glorotlab as gl
from glorotlab.errors import AssumptionError, InvalidValueError

FUNCTIONS = {
    "tanh": (np.tanh, lambda s: 1 / np.cosh(s) ** 2),
    "relu": (lambda s: np.maximum(s, 0), lambda s: (s > 0) * 1.0),
    "gelu": (lambda s: s * ndtr(s), lambda s: ndtr(s) + s * np.exp(-(s**2) / 2) / math.sqrt(2 * math.pi)),
}
X = np.random.default_rng(1).normal(size=(3, 12)) @ np.diag(np.full(12, 1.2))
X[1] = 0.8 * X[0] + 0.6 * X[1]


def drawn(spec: gl.NetworkSpec, x: np.ndarray, networks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what each layer gives Theta_aa, (networks, layers, examples), and Theta_aa between two outputs."""
    random, (f, slope) = np.random.default_rng(0), FUNCTIONS[spec.activation]
    z, entering, slopes, weights = np.broadcast_to(x, (networks, *x.shape)), [], [], []
    for fans in spec.fans:
        std = math.sqrt(spec.weight_initializer.variance(*fans))
        weights.append(
            std * random.normal(size=(networks, *fans))
            if "normal" in spec.initializer
            else std * math.sqrt(3) * random.uniform(-1, 1, size=(networks, *fans))
        )
        entering.append((z**2).sum(axis=2) + 1)
        s = z @ weights[-1]
        z = f(s)
        slopes.append(slope(s))
    gradients = []
    for output in (0, 1):
        d = np.zeros((networks, len(x), spec.layer_sizes[-1]))
        d[:, :, output] = 1
        rows = [d]
        for w, own in zip(weights[:0:-1], slopes[-2::-1], strict=True):
            d = d @ np.swapaxes(w, 1, 2) * own
            rows.insert(0, d)
        gradients.append(rows)
    parts = [(d**2).sum(axis=2) * square for d, square in zip(gradients[0], entering, strict=True)]
    between = sum((d * e).sum(axis=2) * square for d, e, square in zip(*gradients, entering, strict=True))
    return np.stack(parts, axis=1), between


@pytest.mark.parametrize(
    ("activation", "initializer"), [("tanh", "lecun_normal"), ("relu", "he_normal"), ("gelu", "he_uniform")]
)
def test_shift_and_scatter_are_those_of_drawn_networks(activation, initializer):
    """Two hidden layers of 60 units, 1,500 networks of three examples, layer by layer.

    Chance: below 1e-6 of six standard errors of means, and of variances and covariances by their own; a tenth of the
    variance and half of the square of the relative deviation are left to the next order. Without the signal's part, or
    the gradient's, variances are off by a third and more.
    """
    spec = gl.NetworkSpec.parse("12,60,60,2", activation=activation, initializer=initializer, output="linear")
    found, networks = gl.tangent_kernel(spec, inputs=X), 1500
    parts, between = drawn(spec, X, networks)
    theta = parts.sum(axis=1)
    for own, measured in ((found.layers, parts), (found.diagonal, theta), (found.batch_mean, theta.mean(axis=1))):
        error = 6 * measured.std(axis=0) / networks**0.5
        assert (np.abs(measured.mean(axis=0) - own.value - own.shift) <= error + 0.01 * own.value).all()
        squares = (measured - measured.mean(axis=0)) ** 2
        allowed = 6 * squares.std(axis=0) / networks**0.5 + own.std**2 * (0.1 + 0.5 * (own.std / own.value) ** 2)
        assert (np.abs(squares.mean(axis=0) - own.std**2) <= allowed).all()
        low, high = own.band(0.95)
        inside = ((measured >= low) & (measured <= high)).mean(axis=0)
        assert (inside >= 0.90).all()
        assert (inside <= 0.99).all()
    centred = theta - theta.mean(axis=0)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        products = centred[:, a] * centred[:, b]
        size = 0.1 * math.sqrt(found.covariance[a, a] * found.covariance[b, b])
        assert abs(products.mean() - found.covariance[a, b]) <= 6 * products.std() / networks**0.5 + size
    squares = between**2
    allowed = 6 * squares.std(axis=0) / networks**0.5 + 0.1 * found.between_outputs_std**2
    assert (np.abs(squares.mean(axis=0) - found.between_outputs_std**2) <= allowed).all()


def test_one_hidden_linear_layer_is_exact():
    """Theta = |w|^2 (|x|^2 + 1) + |z|^2 + 1, chi-square variables of n degrees: variance 2 / n each, independent."""
    spec = gl.NetworkSpec.parse("8,50,3", activation="linear", initializer="lecun_normal", output="linear")
    x = np.full((1, 8), 1.5)
    found = gl.tangent_kernel(spec, inputs=x)
    parts = np.array([8 * 2.25 + 1, 50 * 2.25 + 1])
    np.testing.assert_allclose(found.layers.value[:, 0], parts)
    scatter = math.sqrt(2 / 50) * np.array([parts[0], 50 * 2.25])
    np.testing.assert_allclose(found.layers.std[:, 0], scatter)
    np.testing.assert_allclose(found.diagonal.std, np.hypot(*scatter))
    np.testing.assert_allclose(found.between_outputs_std, parts[0] / math.sqrt(50))  # of w . w'
    assert abs(found.diagonal.shift[0]) < 1e-9


def test_shifts_of_squares_are_exact():
    """Two layers of s^2, q = 1, by Isserlis: with Q = mean s_1^4, E Q = 3 and E Q^2 = 9 + 96 / n.

    Layer 3 gives n 3 Q^2 + 1, layer 2 gives 4 Q (n Q + 1), and layer 1, whose weights meet those that made s_2,
    16 (|x|^2 + 1) sum_ik s_i^2 (s_k^4 + 2 s_i^4 1[i = k]) / n^2, of mean 48 (1 + 14 / n).
    """
    n = 5000
    spec = gl.NetworkSpec.parse(f"8,{n},{n},2", activation="x**2", initializer="lecun_normal", output="linear")
    found = gl.tangent_kernel(spec, inputs=np.ones((1, 8))).layers
    np.testing.assert_allclose(found.value[:, 0], [9 * 48, 4 * (9 * n + 3), 27 * n + 1])
    np.testing.assert_allclose(found.shift[:, 0], [9 * 48 * 14 / n, 4 * 96, 3 * 96], rtol=1e-6)


def test_uniform_weights_of_the_output_have_their_kurtosis():
    """|w|^2 of n uniform weights has relative variance (9/5 - 1) / n."""
    spec = gl.NetworkSpec.parse("8,50,3", activation="linear", initializer="lecun_uniform", output="linear")
    found = gl.tangent_kernel(spec, inputs=np.ones((1, 8)))
    np.testing.assert_allclose(found.layers.std[0] / found.layers.value[0], math.sqrt(0.8 / 50))


def test_relu_of_any_depth_has_no_shift_and_the_published_slope():
    """Guillen, Misof & Gerken (2026): no shift on the diagonal of ReLU's kernel at C_W = 2.

    All of L layers give the same, and each hidden one adds 5 (c^2 + (1 - c)^2) + 2 c (1 - c) over n with c = k / L to
    the relative variance, and 2 c^2 to that between outputs, whose slope over 1 to 30 layers of 200 is .669 by theory
    and .679 +- .012 drawn, times the depth over the width.
    """
    depths, between = np.arange(1, 31), []
    for hidden in depths:
        found = gl.tangent_kernel(
            gl.NetworkSpec.parse(f"200,200x{hidden},2", activation="relu", initializer="he_normal", output="linear"),
            input_second_moment=1.0,
        )
        value, layers = found.diagonal.value[0], hidden + 1
        c = np.arange(1, layers) / layers
        expected = (5 * (c**2 + (1 - c) ** 2) + 2 * c * (1 - c)).sum() / 200
        assert abs(found.diagonal.shift[0]) < 1e-9 * value
        assert (found.diagonal.std[0] / value) ** 2 == pytest.approx(expected, rel=0.02)  # the biases' part
        between.append((found.between_outputs_std[0] / value) ** 2 * 200)
    assert np.polyfit(depths, between, 1)[0] == pytest.approx(0.669, abs=0.012)


def test_copies_have_the_covariance_of_one_example():
    spec = gl.NetworkSpec.parse("12,60,60,2", activation="relu", initializer="he_normal", output="linear")
    one, copies = (gl.tangent_kernel(spec, inputs=np.repeat(X[:1], n, axis=0)) for n in (1, 4))
    np.testing.assert_allclose(copies.covariance, np.full((4, 4), one.covariance[0, 0]), rtol=1e-3)  # of a step
    np.testing.assert_allclose(copies.batch_mean.std, one.diagonal.std[0], rtol=1e-3)
    np.testing.assert_allclose(np.diagonal(copies.kernel), copies.diagonal.value)


def test_what_has_no_band_is_refused():
    with pytest.raises(AssumptionError, match="depend on each other"):
        gl.tangent_kernel(gl.NetworkSpec.parse("12,60,2", initializer="orthogonal"), inputs=X)
    with pytest.raises(AssumptionError, match="too narrow for the tangent kernel"):
        gl.tangent_kernel(
            gl.NetworkSpec.parse("12,8x20,2", activation="relu", initializer="he_normal"), input_second_moment=1.0
        )
    with pytest.raises(InvalidValueError, match="level"):
        gl.tangent_kernel("12,60,2", inputs=X).diagonal.band(1.0)
