"""Predictions against real networks, against exact recursions, and their refusals."""

import json
import math

import numpy as np
import pytest
import threadpoolctl
from scipy import stats

from glorotlab import activations, schema
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.measurement.measure import measure
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory import predict as predictions
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.propagate import propagate
from glorotlab.theory.predict import predict

WIDE, UNEVEN = "64,300x3,9", "40,200,300,250,5"
CASES = [
    (UNEVEN, "softsign", "standard", "sigmoid", "cross_entropy"),
    (WIDE, "sigmoid", "nielsen_default", "sigmoid", "quadratic"),
    (UNEVEN, "relu", "he_normal", "softmax", "quadratic"),
    (WIDE, "linear", "orthogonal", "linear", "quadratic"),
    (UNEVEN, "tanh", "sparse(k=60)", "softmax", "log_likelihood"),
]
"""Every kind of activation (odd or not, smooth or not, bounded or not) and initializer, and every cost."""

NETWORKS = 150
FAMILY_RATE = 1e-6
SHIFT = 4.0
"""Allowed relative shift of a second moment times the narrowest hidden width (theory: O(1/width))."""

VARIABLES = [f"{tensor}_{what}" for tensor in schema.TENSORS for what in ("mean", "second_moment", "variance")]


pytestmark = pytest.mark.usefixtures("one_thread")


def correlated_data(spec: NetworkSpec, examples: int = 24) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(7)
    common = 0.8 * generator.normal(size=spec.fan_in) + 0.2
    return generator.normal(size=(examples, spec.fan_in)) + common, generator.integers(0, spec.classes, examples)


def is_finite(found) -> bool:
    """Whether all but the output layer's statistics are, of variances the pooled ones."""
    values = [found[name].values[:-1] for name in VARIABLES]
    return all(np.isfinite(each[:, 0] if each.ndim > 1 else each).all() for each in values)


def skew_corrected_z(values: np.ndarray, mean: float) -> float:
    """Johnson's (1978) t statistic: means of skewed values scatter more to one side."""
    n, s, off = len(values), values.std(ddof=1), values.mean() - mean
    third = ((values - values.mean()) ** 3).mean()
    return (off + third / (6 * s**2 * n) + third * off**2 / (3 * s**4)) / (s / math.sqrt(n))


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_real_networks_have_the_predicted_statistics(case):
    """Mean over 150 networks of every predicted moment, in every layer.

    Chance: 1e-6 for all cases, layers and variables together (Bonferroni, Student's t corrected for skewness). A
    finite-width shift of 4/width, 1.3 % or 2 %, is allowed, of a mean 1/width of the rms. What this detects, shift
    included, is asserted at the end: 6 % in second moments of hidden activations (15 % for ReLU), and 7 % in
    per-example gradients of layers where a single network scatters by less than 10 %.
    """
    layers, activation, initializer, output, cost = case
    spec = NetworkSpec.parse(layers, activation=activation, initializer=initializer, output=output, cost=cost)
    x, y = correlated_data(spec)
    predicted, measured = predict(spec, inputs=x, labels=y), measure(spec, x, y, NETWORKS, dtype="float64")
    critical = stats.t.isf(
        FAMILY_RATE / (2 * len(CASES) * 4 * (len(VARIABLES) + 2 * len(schema.TENSORS))), NETWORKS - 1
    )
    shift = SHIFT / min(spec.layer_sizes[1:-1])
    for variable in [*VARIABLES, "learning_speed"]:
        tensor = variable.removesuffix("_mean").removesuffix("_second_moment").removesuffix("_variance")
        second = predicted.get(f"{tensor}_second_moment", predicted["learning_speed"]).values
        scale = np.sqrt(second) if variable.endswith("_mean") else second
        expected, found = predicted[variable].values.reshape(-1), measured[variable].values.reshape(NETWORKS, -1)
        estimators = len(expected) // len(scale)
        for layer, unit in enumerate(np.repeat(scale, estimators)):
            if variable.startswith("batch") and layer % estimators:
                assert np.isnan(expected[layer])
                assert np.isnan(found[:, layer]).all()
                continue
            if output == "softmax" and tensor == "activation" and layer // estimators == len(scale) - 1:
                assert np.isnan(expected[layer])
                continue
            values, error = found[:, layer], found[:, layer].std(ddof=1) / math.sqrt(NETWORKS)
            if error < 1e-12 * unit:  # orthogonal weights keep lengths; softmax gradients sum to 0
                assert abs(values.mean() - expected[layer]) < 1e-6 * unit
                continue
            # at the edge of the allowed shift on the side of the measurement
            allowed = shift * unit / 4 if variable.endswith("_mean") else shift * unit
            off = np.clip(values.mean() - expected[layer], -allowed, allowed)
            assert abs(skew_corrected_z(values, expected[layer] + off)) <= critical, (variable, layer)
            detectable = critical * error / unit + shift
            if variable == "activation_second_moment" and layer < len(scale) - 1:
                assert detectable < (0.15 if activation == "relu" else 0.06)
            scatter = error * math.sqrt(NETWORKS) / unit
            if variable == "example_weight_gradient_second_moment" and scatter < 0.1:
                assert detectable < 0.07


def test_cases_hold_every_initializer_kind_and_cost():
    from glorotlab import costs, initializers

    assert {case[1] for case in CASES} <= set(activations.RECORDS)
    assert {case[3:] for case in CASES} == set(costs.RECORDS)
    kinds = {initializers.get(case[2]).distribution for case in CASES}
    assert kinds == {"uniform", "normal", "orthogonal", "sparse"}


@pytest.mark.parametrize(("classes", "naive"), [(2, 0.12), (100, 0.0)])
def test_the_learning_speed_is_the_mean_length_not_the_root_of_the_mean_square(classes, naive):
    """400 networks. Chance: 1e-6 for all layers and cases; a finite-width shift of 1/width, .5 %, is allowed.

    ``naive``: how far the root of the mean square is off at least; of two classes more than the test lets pass (13 %).
    """
    spec = NetworkSpec.parse(f"64,200x2,{classes}", initializer="glorot_uniform")
    x, y = correlated_data(spec)
    found = measure(spec, x, y, 400)["learning_speed"].values
    prediction = predict(spec, inputs=x, labels=y)
    predicted = prediction["learning_speed"].values
    critical = stats.t.isf(1e-6 / (2 * 2 * 3), 399) * found.std(axis=0, ddof=1) / math.sqrt(400)
    assert (np.abs(found.mean(axis=0) - predicted) <= critical + predicted / 200).all()
    rough = np.sqrt(prediction["fan_out"] * prediction["batch_bias_gradient_second_moment"]).values
    assert (rough / predicted - 1 >= naive).all()
    assert prediction.attrs["learning_speed_error"] < 0.006


@pytest.mark.parametrize("bias", ["zeros", "normal(std=0.5)"])
def test_linear_networks_follow_the_exact_second_moment_recursion(bias):
    """Forward at any width; backward at the output: E(s - y)^2 = q + 1/K."""
    spec = NetworkSpec.parse("6,30,40,2", activation="linear", initializer="he_uniform", output="linear", bias=bias)
    x, y = correlated_data(spec, 5)
    found = predict(spec, inputs=x, labels=y)
    gram, bias_variance = x @ x.T / 6, 0.0 if bias == "zeros" else 0.25
    for layer in range(3):
        gram = 2 * gram + bias_variance  # he: fan_in Var[W] = 2
        q = found["preactivation_second_moment"].values[layer]
        assert abs(q / np.diagonal(gram).mean() - 1) < 1e-12
        variance = found["preactivation_variance"].values[layer, 0]
        assert abs(variance / (np.diagonal(gram).mean() - gram.mean() / spec.fans[layer][1]) - 1) < 1e-12
        assert found["activation_second_moment"].values[layer] == pytest.approx(q, rel=1e-12)
        assert found["activation_variance"].values[layer, 0] == pytest.approx(variance, rel=1e-12)
    same = y[:, np.newaxis] == y
    top = {name: found[f"{name}_second_moment"].values[-1] for name in ("backprop_gradient", "batch_bias_gradient")}
    assert top["backprop_gradient"] == pytest.approx(np.diagonal(gram).mean() + 1 / 2, rel=1e-12)
    assert top["batch_bias_gradient"] == pytest.approx((gram + same / 2).mean(), rel=1e-12)


def test_linear_deep_gradients_are_products_of_variances():
    """Equations 6 and 7 of Glorot & Bengio (2010) with f' = 1, for one example; dC/ds is s - y at the top.

    Of dC/ds = W dC/ds' the part n v H' s of the layer's own s adds to them, with H = d^2C/ds^2
    (``gradient_independence``).
    """
    spec = NetworkSpec.parse("30,20,10,4", activation="linear", initializer="normal(std=0.3)", output="linear")
    found = predict(spec, input_second_moment=0.7)
    v, sizes = 0.09, spec.layer_sizes
    q = [0.7]
    for size in sizes[:-1]:
        q.append(q[-1] * size * v)
    d, curvature = [q[-1] + 1 / 4], 1.0
    for size, square in zip(sizes[:1:-1], q[-2:0:-1], strict=True):
        curvature *= size * v
        d.insert(0, d[0] * size * v + curvature**2 * square)
    np.testing.assert_allclose(found["preactivation_second_moment"], q[1:], rtol=1e-12)
    np.testing.assert_allclose(found["backprop_gradient_second_moment"], d, rtol=1e-12)
    weights = np.array(q[:-1]) * d
    np.testing.assert_allclose(found["example_weight_gradient_second_moment"], weights, rtol=1e-12)
    np.testing.assert_allclose(found["batch_weight_gradient_second_moment"], weights, rtol=1e-12)


def test_the_jacobian_is_predicted_where_a_spectrum_is_known():
    def values(initializer, layers="50,50x2,20,9"):
        spec = NetworkSpec.parse(layers, activation="linear", initializer=initializer, output="softmax")
        return predict(spec, input_second_moment=1.0)["jacobian_singular_value_mean"].values

    glorot = values("glorot_normal")
    np.testing.assert_allclose(glorot[:2], 8 / (3 * math.pi), rtol=1e-10)
    assert np.isnan(glorot[-1])
    np.testing.assert_allclose(values("orthogonal")[:3], 1, rtol=1e-10)
    np.testing.assert_allclose(values("orthogonal", "20,50,9")[:1], 1, rtol=1e-10)
    assert np.isnan(values("sparse(k=15)")).all()


def test_one_input_moment_equals_one_example_of_that_length():
    spec = NetworkSpec.parse("20,30,5", activation="sigmoid", initializer="nielsen_default")
    x = np.tile([0.3, -0.3], 10)[np.newaxis]
    one, other = predict(spec, input_second_moment=0.09), predict(spec, inputs=x, labels=[3])
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-12, atol=1e-15, err_msg=name)


def test_assumptions_and_provenance_are_attributes():
    spec = NetworkSpec.parse("20,30,5")
    found = predict(spec, inputs=np.ones((3, 20)), labels=[0, 1, 2])
    assumptions = json.loads(found.attrs["assumptions"])
    assert any("independen" in text for text in assumptions)
    assert any("wide" in text for text in assumptions)
    assert json.loads(found.attrs["spec"]) == spec.model_dump(mode="json")
    assert found.attrs["kind"] == "prediction"
    assert found.attrs["examples"] == 3
    assert 0 < found.attrs["numerical_error"] < 1e-2
    scalar = json.loads(predict(spec, input_second_moment=1.0).attrs["assumptions"])
    assert any("mean zero" in text for text in scalar)
    assert any("Gaussian" in text for text in assumptions)


def test_without_labels_there_are_no_gradients():
    spec = NetworkSpec.parse("20,30,5")
    x = np.ones((3, 20))
    without, with_labels = predict(spec, inputs=x), predict(spec, inputs=x, labels=[0, 1, 1])
    assert not [name for name in without if "gradient" in name]
    assert set(VARIABLES) < set(with_labels)
    for name in without:
        np.testing.assert_array_equal(without[name], with_labels[name])


def bad(**change):
    x = np.ones((2, 20))
    return {"inputs": x, "labels": [0, 1]} | change


NAN_INPUT = np.ones((2, 20))
NAN_INPUT[1, 3] = np.nan


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "neither inputs nor input_second_moment: allowed is one of the two"),
        (bad(input_second_moment=1.0), "both inputs and input_second_moment: allowed is one of the two"),
        ({"input_second_moment": 0.0}, r"input second moment 0.0: allowed are numbers from 1e-100"),
        ({"input_second_moment": math.nan}, r"input second moment nan: allowed are numbers"),
        ({"input_second_moment": 1e300}, r"input second moment 1e\+300: allowed .* to 1e\+30"),
        ({"input_second_moment": "x"}, r"input second moment 'x': allowed are numbers"),
        (bad(inputs=NAN_INPUT), r"inputs\[1, 3\] is nan: allowed are finite"),
        (bad(inputs=np.ones((2, 19))), r"shape \(2, 19\): allowed is \(examples, 20\)"),
        (bad(inputs=np.ones((0, 20))), r"shape \(0, 20\)"),
        (bad(inputs=np.ones((4097, 20))), r"4097 examples: allowed are 1 to 4096"),
        (bad(labels=[0, 5]), r"label 5: allowed are 0 to 4"),
        (bad(labels=[0]), r"labels of shape \(1,\)"),
        (bad(labels=[0.5, 1.0]), r"whole number"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(arguments, message):
    with pytest.raises(InvalidValueError, match=message) as caught:
        predict(NetworkSpec.parse("20,30,5"), **arguments)
    assert "\n" not in str(caught.value)


def test_an_example_of_zeros_needs_biases():
    x = np.ones((2, 20))
    x[1] = 0
    with pytest.raises(AssumptionError, match="all 0"):
        predict(NetworkSpec.parse("20,30,5"), inputs=x)
    found = predict(NetworkSpec.parse("20,30,5", bias="normal(std=1)"), inputs=x, labels=[0, 1])
    assert is_finite(found)


def test_saturated_networks_are_predicted_without_a_warning():
    """Logits of variance 300 overflowed once."""
    spec = NetworkSpec.parse("300,300x2,10", initializer="nielsen_large")
    x, y = correlated_data(spec, 3)
    found = predict(spec, inputs=x, labels=y)
    assert 250 < found["preactivation_second_moment"].values[-1] < 301
    assert is_finite(found)


def test_the_number_of_blas_threads_changes_no_bit(monkeypatch):
    """The products, the eigenvectors of the sampled cost and the quadrature sums, large enough to be split."""
    monkeypatch.setattr("glorotlab.theory.mean_field.output_gradient.SAMPLES", 2**18)
    spec = NetworkSpec.parse("512,100,5", cost="quadratic")
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=(100, 512)), generator.integers(0, 5, 100)
    found = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads, user_api="blas"):
            found.append(predict(spec, inputs=x, labels=y))
    assert found[0].identical(found[1])


@pytest.mark.parametrize(
    ("layers", "choices", "message"),
    [
        ("10,10x800,10", {"initializer": "standard"}, r"the signal vanishes in layer \d+: second moment .*e-101"),
        ("10,1000x130,10", {"activation": "relu", "initializer": "nielsen_large"}, r"the signal explodes in layer \d+"),
        ("10,1000x40,10", {"initializer": "nielsen_large"}, r"the gradient explodes in layer \d+"),
        ("10,1000x100,10", {"activation": "sigmoid", "initializer": "standard"}, r"the gradient vanishes in layer \d+"),
    ],
)
def test_what_leaves_the_range_of_numbers_is_refused_by_name_of_its_layer(layers, choices, message):
    spec = NetworkSpec.parse(layers, **choices)
    with pytest.raises(AssumptionError, match=message) as caught:
        predict(spec, input_second_moment=1.0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("moment", [1e-100, 5e29])
@pytest.mark.parametrize("activation", sorted({*activations.RECORDS} - {"sin"}))  # which no rule follows to s = 1e15
def test_the_ends_of_the_range_are_finite(activation, moment):
    spec = NetworkSpec.parse("20,30,5", activation=activation, bias="zeros", initializer="normal(std=0.223)")
    if moment < 1:
        spec = spec.model_copy(update={"initializer": "normal(std=0.3)"})
    found = predict(spec, input_second_moment=moment)
    assert is_finite(found)
    assert np.isfinite(found["jacobian_singular_value_mean"].values[0])


def test_narrow_layers_are_refused():
    found = predict(NetworkSpec.parse("784,30x4,10", activation="relu"), input_second_moment=0.1)
    assert found.attrs["finite_width_error"] == pytest.approx(4 * 5 / 30)
    assert predict(NetworkSpec.parse("20,2"), input_second_moment=0.1).attrs["finite_width_error"] == 0
    with pytest.raises(AssumptionError, match=r"layers 20,9x2,2 are too narrow: .* of order 1\.1, allowed is 1"):
        predict(NetworkSpec.parse("20,9x2,2", activation="relu"), input_second_moment=0.1)


@pytest.mark.parametrize("activation", ["sin", "tanh"])
def test_mirror_images_stay_so_through_chaotic_layers(activation):
    """f(-s) = -f(s): z of -x is -z, however large the weights."""
    spec = NetworkSpec.parse("80,3000x8,5", activation=activation, initializer="normal(std=10)")
    x = np.random.default_rng(0).normal(size=(3, 80))
    signal = propagate(spec, batch_of(spec, inputs=np.concatenate([x, -x]))).signal
    for z, derivative in zip(signal.activation[:-1], signal.derivative, strict=True):
        np.testing.assert_allclose(z[:3, 3:], -z[:3, :3], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(np.diagonal(z[:3, 3:]), -np.diagonal(z[:3, :3]))
        np.testing.assert_allclose(np.diagonal(derivative[:3, 3:]), np.diagonal(derivative[:3, :3]))


def test_balanced_labels_of_vanishing_signals_are_predicted():
    """The batch's bias gradients cancel: their length has no digits left then."""
    spec = NetworkSpec.parse("40,100x8,2", initializer="normal(std=0.001)", output="sigmoid")
    x = np.random.default_rng(0).normal(size=(30, 40))
    found = predict(spec, inputs=x, labels=np.arange(30) % 2)
    assert np.isnan(found["learning_speed"].values[1:]).all()  # slopes that differ leave some in the first
    assert predict(spec, inputs=x, labels=np.arange(30) % 3 % 2)["learning_speed"].values.all()


def test_zeros_that_only_biases_move_are_predicted():
    spec = NetworkSpec.parse("6,50,50,3", initializer="nielsen_default")
    found = predict(spec, inputs=np.zeros((2, 6)), labels=[0, 1])
    assert is_finite(found)
    assert found["batch_weight_gradient_second_moment"].values[0] == 0


@pytest.mark.parametrize("std", [1e3, 1e6])
def test_softmax_with_quadratic_cost_of_large_logits_is_refused(std):
    """The gradient is 0 but near ties, which too few draws meet: none at all of the largest."""
    spec = NetworkSpec.parse("60,9", initializer=f"normal(std={std})", cost="quadratic")
    x = np.random.default_rng(0).normal(size=(2, 60))
    with pytest.raises(
        AssumptionError, match=r"softmax outputs with quadratic cost .* measure instead, or use smaller"
    ):
        predict(spec, inputs=x, labels=[0, 1])


def test_pair_moments_that_cannot_be_trusted_are_refused():
    """Many nearly equal examples and fast waves: neither copies nor far enough apart for the series."""
    spec = NetworkSpec.parse("300,300,9", activation="sin(40*x)", initializer="he_normal")
    generator = np.random.default_rng(0)
    x = generator.normal(size=(1, 300)) / 2 + 1e-4 * generator.normal(size=(8, 300))
    with pytest.raises(AssumptionError, match=r"pair moments of the examples cannot be trusted: relative error up to"):
        predict(spec, inputs=x, labels=np.arange(8))
    predict(spec, inputs=x[[0, 0]], labels=[0, 1])


def test_step_like_units_on_nearly_equal_examples_are_predicted():
    """Neither copies nor far enough apart for the series: the pair is integrated."""
    spec = NetworkSpec.parse("300,300,9", initializer="normal(std=100)")
    x = np.random.default_rng(0).normal(size=(1, 300)) + 1e-3 * np.random.default_rng(1).normal(size=(2, 300))
    assert predict(spec, inputs=x).attrs["numerical_error"] < 1e-8


def test_large_weights_on_alike_images_are_predicted():
    """Correlations of .98 and sigmoids that are steps, as of images with Nielsen's large initializer."""
    spec = NetworkSpec.parse("300,300x2,9", activation="sigmoid", initializer="nielsen_large")
    generator = np.random.default_rng(0)
    x = generator.normal(size=300) + 0.15 * generator.normal(size=(20, 300))
    found = predict(spec, inputs=x, labels=generator.integers(0, 9, 20))
    assert found.attrs["numerical_error"] < 0.01


def test_means_over_few_units_scatter_and_means_of_inputs_do_not():
    """Means over four Gaussian units, drawn 200,000 times; chance 1e-6, detects 8 % of the scatter."""
    expected, covariance = np.array([0.3, -0.2]), np.array([[2.0, 0.5], [0.5, 1.0]])
    draws = np.random.default_rng(2).multivariate_normal(expected, covariance, (200_000, 4)).mean(axis=1)
    products = draws[:, :, np.newaxis] * draws[:, np.newaxis]
    kernel = covariance + np.outer(expected, expected)
    found = predictions._mean_products(kernel[np.newaxis], expected[np.newaxis], np.array([4.0]))[0]
    off = np.abs(found - products.mean(axis=0)) / products.std(axis=0) * math.sqrt(len(draws))
    assert (off < stats.norm.isf(1e-6 / 8)).all()
    spec = NetworkSpec.parse("30,50,4")
    signal = propagate(spec, batch_of(spec, input_second_moment=1.0)).signal
    np.testing.assert_array_equal(predictions._units_below(signal), [np.inf, 50])


def test_a_signal_that_explodes_is_refused_before_its_pairs(monkeypatch):
    """SiLU: second moments of single examples take milliseconds, moments of pairs that grow ten seconds."""
    monkeypatch.setattr("glorotlab.theory.mean_field.forward.kernel_moments", lambda *_: pytest.fail("pairs"))
    spec = NetworkSpec.parse("6,100x34,3", activation="silu", initializer="normal(std=.45)")
    with pytest.raises(AssumptionError, match="the signal explodes in layer 3"):
        predict(spec, inputs=np.random.default_rng(0).normal(size=(4, 6)), labels=[0, 1, 2, 0])
