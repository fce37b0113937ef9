"""Batches whose Gram matrix is singular: examples that are alike, in proportion or mirror images of each other."""

import math

import mpmath
import numpy as np
import pytest

from glorotlab.errors import AssumptionError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.advice.advise import advise
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.predict import predict


def within_unit(prediction, tensor: str = "activation") -> np.ndarray:
    return prediction[f"{tensor}_variance"].sel(estimator="within_unit").values


@pytest.mark.parametrize("scales", [(4.0, 5.0), (1.0, 2.0, 3.0, 4.0, 5.0), (-5.0, 4.0)])
def test_proportional_examples_of_saturated_units_are_told_apart(scales):
    """E sin(a t) sin(b t) = exp(-(a^2 + b^2) / 2) sinh(a b), though E sin^2 is 1/2 of both."""
    spec = NetworkSpec.parse("1,512x2,2", activation="sin", initializer="lecun_normal")
    x = np.array(scales)[:, np.newaxis]
    signal = forward(spec, batch_of(spec, inputs=x))
    a, b = x, x.T
    exact = (np.exp(-((a - b) ** 2) / 2) - np.exp(-((a + b) ** 2) / 2)) / 2
    np.testing.assert_allclose(signal.activation[0], exact, rtol=1e-12)
    variance = np.diagonal(exact).mean() - exact.mean()
    assert within_unit(predict(spec, inputs=x))[0] == pytest.approx(variance, rel=1e-12)


def test_learning_speed_of_proportional_examples():
    """The mean of 60 networks, which scatters by 2 %; five standard errors, and 5 % for finite width, are allowed."""
    spec = NetworkSpec.parse("1,512x2,2", activation="sin", initializer="lecun_normal")
    x, y, random = np.array([[4.0], [5.0]]), np.eye(2), np.random.default_rng(0)
    lengths = []
    for _ in range(60):
        first, second, last = (random.normal(size=fans) / math.sqrt(fans[0]) for fans in spec.fans)
        s1 = x @ first
        s2 = np.sin(s1) @ second
        p = np.exp(np.sin(s2) @ last)
        d = p / p.sum(axis=1, keepdims=True) - y
        d = (d @ last.T) * np.cos(s2) @ second.T * np.cos(s1)
        lengths.append(np.linalg.norm(d.mean(axis=0)))
    found = predict(spec, inputs=x, labels=[0, 1])["learning_speed"].values[0]
    error = np.std(lengths) / math.sqrt(len(lengths))
    assert abs(np.mean(lengths) - found) <= 5 * error + 0.05 * found
    assert error < 0.1 * found


def sigmoid_distances(layers: int, kernel: list[list[mpmath.mpf]], gain: float) -> mpmath.mpf:
    """Return the mean over pairs of E (z_a - z_b)^2 / 2 of two examples, after some layers of sigmoids, in 50 digits.

    E (f_a - f_b)^2 is that of sizes alone and of directions alone, each to second order in the distance: here f' and
    its moments are integrated by mpmath, with s = sqrt(q) t.
    """

    def mean(g):
        return mpmath.quad(lambda t: g(t) * mpmath.npdf(t), [-12, -6, -2, 0, 2, 6, 12])

    def f(s):
        return 1 / (1 + mpmath.exp(-s))

    def slope(s):
        return f(s) * (1 - f(s))

    (q1, c), (_, q2) = kernel
    d = q1 + q2 - 2 * c
    for _ in range(layers):
        root = mpmath.sqrt((q1 + q2) / 2)
        radius = (mpmath.sqrt(q1) - mpmath.sqrt(q2)) ** 2
        turn, stretch = mean(lambda t, r=root: slope(r * t) ** 2), mean(lambda t, r=root: (t * slope(r * t)) ** 2)
        d_next = gain * (radius * stretch + (d - radius) * turn)
        q1, q2 = (gain * mean(lambda t, q=q: f(mpmath.sqrt(q) * t) ** 2) for q in (q1, q2))
        d = d_next
    return d / gain / 4


def test_variances_within_a_unit_of_alike_examples_keep_their_digits():
    """Two inputs 1e-9 apart: their distance falls by 18 a layer of sigmoids, down to 1e-23 of the second moment."""
    spec = NetworkSpec.parse("40,400x3,5", activation="sigmoid", initializer="lecun_normal")
    random = np.random.default_rng(0)
    x = random.normal(size=40)
    x = np.stack([x, x + 1e-9 * random.normal(size=40)])
    found = within_unit(predict(spec, inputs=x))
    with mpmath.workdps(40):
        rows = [[mpmath.mpf(float(value)) for value in row] for row in x]
        kernel = [[mpmath.fdot(a, b) / 40 for b in rows] for a in rows]
        exact = [float(sigmoid_distances(layers, kernel, 1.0)) for layers in (1, 3)]
    np.testing.assert_allclose(found[[0, 2]], exact, rtol=1e-5)
    assert exact[-1] < 1e-22


def test_variances_within_a_unit_shrink_at_one_rate():
    """Six unlike inputs in twelve layers of sigmoids: in the end each layer multiplies the variance by one factor."""
    spec = NetworkSpec.parse("40,400x12,5", activation="sigmoid")
    prediction = predict(spec, inputs=np.random.default_rng(0).normal(size=(6, 40)))
    for tensor, rows in (("activation", slice(6, 12)), ("preactivation", slice(7, 12))):
        found = within_unit(prediction, tensor)[rows]
        np.testing.assert_allclose(found[1:] / found[:-1], found[-1] / found[-2], rtol=2e-4)
    assert within_unit(prediction)[11] == pytest.approx(1.47e-16, rel=0.01)


def test_gradients_of_alike_examples_of_one_class_differ_by_more_than_rounding_explains():
    """Their variance within a unit falls with that of the signal: 1e-12 of the second moment is left to be told."""
    spec = NetworkSpec.parse("40,400x6,5", activation="sigmoid")
    x = np.random.default_rng(0).normal(size=(4, 40))
    prediction = predict(spec, inputs=x, labels=[0, 0, 0, 0])
    share = (within_unit(prediction, "backprop_gradient") / prediction["backprop_gradient_second_moment"].values)[3:]
    assert (share > 0).all()
    assert share[-1] < 1e-7
    spread = within_unit(prediction, "preactivation")[3:] / prediction["preactivation_second_moment"].values[3:]
    assert (share < 10 * spread).all()


MIRRORED = np.array([[-1000.0], [-500.0], [500.0], [1000.0]])


@pytest.mark.parametrize("activation", ["hard_tanh", "tanh", "softsign"])
@pytest.mark.parametrize("initializer", ["glorot_uniform", "lecun_normal"])
def test_means_over_mirrored_inputs_are_0_and_no_second_moment_is_negative(activation, initializer):
    spec = NetworkSpec.parse("1,512x2,2", activation=activation, initializer=initializer)
    found = predict(spec, inputs=MIRRORED, labels=[0, 1, 0, 1])
    for tensor in ("activation", "preactivation"):  # the variance within a unit is the second moment: means are 0
        rows = slice(0, 2)
        expected = found[f"{tensor}_second_moment"].values[rows]
        np.testing.assert_allclose(within_unit(found, tensor)[rows], expected, rtol=1e-14)
    for name, values in found.data_vars.items():
        if name.endswith("_second_moment"):
            assert not (values.values < 0).any(), name
    assert (np.abs(found["batch_bias_gradient_second_moment"].values) < 1e-10).all()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "linear", "sin", "gelu"])
@pytest.mark.parametrize("output", ["linear", "sigmoid"])
def test_variances_over_one_unit_are_0(activation, output):
    """Of one output within an example, and of its bias gradient: no rounding is left, and nothing is negative."""
    x = np.random.default_rng(0).normal(size=20)
    for batch in (np.tile(x, (4, 1)), np.stack([x, -x]), 3 * np.eye(20)[:5], np.ones((3, 20))):
        y = np.arange(len(batch)) / len(batch)
        spec = NetworkSpec.parse("20,30,1", activation=activation, output=output, initializer="glorot_normal")
        found = predict(spec, inputs=batch, labels=y)
        gradient = found["backprop_gradient_variance"].sel(estimator="within_example").values
        assert gradient[-1] == 0 < gradient[0]
        assert found["batch_bias_gradient_variance"].sel(estimator="pooled").values[-1] == 0
        for name in found.data_vars:
            if name.endswith("_variance"):
                assert not (found[name].values < 0).any(), name


def test_a_singular_gram_matrix_of_many_proportional_inputs():
    """E z^2 of 100 networks, .9202 and .5224; all examples are in proportion, but for biases."""
    spec = NetworkSpec.parse(
        "1,512x2,2", activation="tanh", initializer="variance_scaling(scale=2.25)", bias="normal(std=0.05)"
    )
    found = predict(spec, inputs=np.linspace(-10 * np.pi, 10 * np.pi, 100)[:, np.newaxis])
    np.testing.assert_allclose(found["activation_second_moment"].values[:2], [0.9202, 0.5224], rtol=2e-3)
    assert found.attrs["numerical_error"] < 1e-3


@pytest.mark.parametrize("examples", [5, 12])
def test_proportional_examples_over_decades(examples):
    """One Gaussian is integrated over: E f(a t) f(b t), by the trapezoid rule in ln t; softsign is odd."""
    spec = NetworkSpec.parse("1,512x2,2", activation="softsign", initializer="lecun_normal")
    x = np.geomspace(0.01, 100, examples)
    signal = forward(spec, batch_of(spec, inputs=x[:, np.newaxis]))
    t = np.exp(np.linspace(-40, math.log(9), 8001))
    f = x[:, np.newaxis] * t / (1 + x[:, np.newaxis] * t)
    weights = 2 * np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi) * t * (math.log(9) + 40) / 8000
    weights[[0, -1]] /= 2
    np.testing.assert_allclose(signal.activation[0], (f * weights) @ f.T, rtol=1e-9)
    assert signal.error < 1e-6


def test_copies_and_mirror_images_stay_so_in_a_chaotic_network():
    """Thirty layers would blow rounding errors up to order 1."""
    spec = NetworkSpec.parse("5,100x30,2", activation="tanh", initializer="normal(std=0.4)")
    x = np.random.default_rng(0).normal(size=(3, 5))
    signal = forward(spec, batch_of(spec, inputs=np.concatenate([x, x, -x])))
    for kernel in signal.preactivation:
        np.testing.assert_allclose(kernel[:3, 3:6], kernel[:3, :3], rtol=1e-9)
        np.testing.assert_allclose(kernel[:3, 6:], -kernel[:3, :3], rtol=1e-9)


@pytest.mark.parametrize(("silent", "named"), [([2], r"inputs\[2\]: "), ([1, 3], r"inputs\[1\] and 1 more: ")])
def test_an_example_of_zeros_is_named(silent, named):
    x = np.ones((5, 4))
    x[silent] = 0
    spec = NetworkSpec.parse("4,6,3")
    for call in (predict, advise):
        with pytest.raises(AssumptionError, match=named + "an example whose inputs are all 0"):
            call(spec, inputs=x, labels=[0, 1, 2, 0, 1])


@pytest.mark.parametrize("layers", ["30,1,3", "30,20,1,3"])
def test_bands_of_a_layer_of_one_unit_are_refused_in_words(layers):
    """A variance over one unit is no number."""
    spec = NetworkSpec.parse(layers, initializer="lecun_normal")
    with pytest.raises(AssumptionError, match=f"layers {layers} are too narrow for bands: .*one unit"):
        predict(spec, input_second_moment=1.0, level=0.9)
    reasons = {row.no_band for row in advise(spec, input_second_moment=1.0, bands=True).initializers}
    assert f"layers {layers} are too narrow for bands" in reasons


@pytest.mark.parametrize(
    "choices",
    [
        {"initializer": "normal(std=1e6)"},
        {"initializer": "normal(std=1e5)", "activation": "hard_tanh"},
    ],
)
def test_bands_of_saturated_outputs_are_refused_in_words(choices):
    x = np.tile(np.random.default_rng(0).normal(size=(3, 30)), (2, 1))
    with pytest.raises(AssumptionError, match="outputs are so large that gradients are 0"):
        predict(NetworkSpec.parse("30,20,20,3", **choices), inputs=x, labels=np.zeros(6, dtype=int), level=0.9)
