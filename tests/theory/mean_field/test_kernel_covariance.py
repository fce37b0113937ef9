"""What the scatter of kernels adds to a batch's gradient: exact laws, derivatives by differences, drawn networks."""

import numpy as np
import pytest

from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.mean_field import kernel_covariance
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.propagate import propagate
from glorotlab.theory.predict import predict

BATCH_GRADIENT = "batch_weight_gradient_second_moment"
KERNEL = np.array([[1.3, 0.7, -0.2], [0.7, 0.8, 0.1], [-0.2, 0.1, 1.1]])


def test_the_batch_gradient_of_orthogonal_examples_is_exact_but_for_single_ones():
    """Linear units: E M_ab^2 = 1 / 100 for different examples; of one with itself 1.2, not 1.22, is predicted."""
    spec = NetworkSpec.parse("300,100,5", activation="linear", initializer="lecun_normal", output="linear")
    found = predict(spec, inputs=np.sqrt(300) * np.eye(300), labels=np.arange(300) % 5)
    assert found[BATCH_GRADIENT].values[1] == pytest.approx((1.2 + 299 / 100) / 300, rel=1e-12)
    assert found.attrs["finite_width_error"] < 0.1


def inputs_of(kernel: np.ndarray) -> np.ndarray:
    """Return seven inputs of each example with this kernel."""
    return np.sqrt(7) * np.linalg.cholesky(kernel) @ np.eye(len(kernel), 7)


def of_kernel(layers: str, kernel: np.ndarray, **choices):
    """Return signal and gradient of a network whose first layer has pre-activations of this kernel."""
    spec = NetworkSpec.parse(layers, initializer="lecun_normal", **choices)
    propagation = propagate(
        spec, batch_of(spec, inputs=inputs_of(kernel), labels=np.arange(len(kernel)) % 2), narrow=True
    )
    return propagation.signal, propagation.gradient


@pytest.mark.parametrize("output", ["linear", "sigmoid", "softmax"])
@pytest.mark.parametrize(("activation", "tolerance"), [("tanh", 1e-3), ("relu", 2e-2), ("log(1+exp(x))-1", 1e-3)])
def test_answers_are_the_differences_of_the_gradient_kernel(activation, output, tolerance):
    """D of a layer in its own Q, with layers so wide that own curvatures do not count."""
    signal, gradient = of_kernel("7,7,900000x2,4", KERNEL, activation=activation, output=output)
    series = [kernel_covariance._series(signal, index) for index in range(signal.layers - 1)]
    pair, own = kernel_covariance._answers(signal, gradient, series)[1]

    def difference(a, b):
        found = []
        for step in (1e-3, -1e-3):
            kernel = signal.preactivation[1].copy()
            kernel[a, b] = kernel[b, a] = kernel[a, b] + step
            found.append(of_kernel("7,900000x2,4", kernel, activation=activation, output=output)[1].backprop[0])
        return (found[0] - found[1]) / 2e-3

    allowed = tolerance * np.abs(pair).max()
    for a, b in ((0, 1), (0, 2), (2, 1)):
        assert abs(pair[a, b] - difference(a, b)[a, b]) <= allowed
        if output == "linear":  # other outputs have an answer to q of their own, which is left out
            assert abs(own[a, b] - difference(a, a)[a, b]) <= allowed


@pytest.mark.parametrize("activation", ["tanh", "relu", "cos"])
def test_covariances_of_kernels_are_those_of_drawn_units(activation):
    """Three layers of 60 units, 40,000 networks of three examples, drawn kernel by kernel.

    Chance: below 1e-5 at six standard errors of 1 %; 5 % are left to the next order in 1 / width. Without what comes
    from the layers below, values are off by a tenth and more; without the cross terms those of cosines are.
    """
    functions = {"tanh": (np.tanh, 1.0), "relu": (lambda s: np.maximum(s, 0), 2.0), "cos": (np.cos, 2.0)}
    (f, gain), n = functions[activation], 60
    random, networks = np.random.default_rng(0), 40_000
    kernel = np.broadcast_to(KERNEL, (networks, 3, 3))
    for _ in range(3):
        z = f(np.linalg.cholesky(kernel + 1e-9 * np.eye(3)) @ random.normal(size=(networks, 3, n)))
        kernel = gain * z @ np.swapaxes(z, 1, 2) / n
    m = kernel / gain
    initializer = f"variance_scaling(scale={gain}, mode=fan_in)"
    spec = NetworkSpec.parse(f"7,{n}x3,4", activation=activation.replace("cos", "cos(x)"), initializer=initializer)
    signal = forward(spec, batch_of(spec, inputs=inputs_of(KERNEL / gain)))
    scatter = kernel_covariance._Scatter(signal)
    for index in range(3):
        scatter.pass_on(index, kernel_covariance._series(signal, index))
    centred = m - m.mean(axis=0)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        own, other, pair = centred[:, a, a], centred[:, b, b], centred[:, a, b]
        for products, found in (
            (pair**2, scatter.pair[a, b]),
            (pair * own, scatter.mixed[a, b]),
            (own * other, scatter.others[a, b]),
            (own**2, scatter.single[a]),
        ):
            size = np.sqrt((pair**2).mean() * (own**2).mean())
            assert abs(products.mean() - found) <= 6 * products.std() / networks**0.5 + 0.05 * size


def batch_gradients(spec: NetworkSpec, x: np.ndarray, y: np.ndarray, networks: int) -> np.ndarray:
    """Return second moments of the batch's weight and bias gradients of drawn networks, (networks, layers, 2)."""
    random, targets, found = np.random.default_rng(0), np.eye(spec.classes)[y], []
    f, slope = {
        "tanh": (np.tanh, lambda s: 1 / np.cosh(s) ** 2),
        "linear": (lambda s: s, np.ones_like),
        "relu": (lambda s: np.maximum(s, 0), lambda s: (s > 0) * 1.0),
    }[spec.activation]
    for _ in range(networks):
        z, s, weights, row = [x], [], [], []
        for fan_in, fan_out in spec.fans:
            variance = spec.weight_initializer.variance(fan_in, fan_out)
            weights.append(np.sqrt(variance) * random.normal(size=(fan_in, fan_out)))
            s.append(z[-1] @ weights[-1])
            z.append(f(s[-1]))
        output = {
            "linear": lambda s: s,
            "sigmoid": lambda s: 1 / (1 + np.exp(-s)),
            "softmax": lambda s: np.exp(s) / np.exp(s).sum(axis=1, keepdims=True),
        }[spec.output](s[-1])
        d = output - targets
        for layer in range(len(weights) - 1, -1, -1):
            row.insert(0, [((z[layer].T @ d / len(x)) ** 2).mean(), (d.mean(axis=0) ** 2).mean()])
            if layer:
                d = d @ weights[layer].T * slope(s[layer - 1])
        found.append(row)
    return np.array(found)


@pytest.mark.parametrize(
    ("layers", "choices", "examples", "networks"),
    [
        ("100,100,10", {"initializer": "lecun_normal", "output": "linear"}, 10, 400),
        ("100,100,10", {"initializer": "lecun_normal", "output": "linear"}, 400, 40),
        ("100,100,100,10", {"output": "linear"}, 150, 60),
        ("100,100x4,10", {"initializer": "lecun_normal", "output": "linear", "activation": "linear"}, 100, 80),
        ("100,100,100,10", {}, 150, 60),
        ("100,100,100,10", {"output": "sigmoid"}, 150, 60),
    ],
)
def test_the_batch_gradient_is_that_of_drawn_networks(layers, choices, examples, networks):
    """In every layer. Without the covariance, layers above the first were 7 to 66 % too small.

    False-failure rate below 1e-6 of five standard errors, and 4 % for shifts of relative order 1 / width; each mean is
    known to 3.5 %.
    """
    spec = NetworkSpec.parse(layers, **{"initializer": "glorot_normal", **choices})
    x = np.random.default_rng(1).normal(size=(examples, 100))
    y = np.arange(examples) % spec.classes
    measured = batch_gradients(spec, x, y, networks)[:, :, 0]
    mean, error = measured.mean(axis=0), measured.std(axis=0) / networks**0.5
    expected = predict(spec, inputs=x, labels=y)[BATCH_GRADIENT].values
    assert (np.abs(mean - expected) <= 5 * error + 0.04 * expected).all(), mean / expected
    assert (error <= 0.035 * mean).all()
    covariance = propagate(spec, batch_of(spec, inputs=x, labels=y)).pairs.weight
    assert covariance[0] == 0
    assert (covariance[1:] > 0.04 * expected[1:]).all()


def test_the_bias_gradient_of_balanced_classes_is_that_of_drawn_networks():
    """Softmax of logits of second moment 1.6; without the scatter of kernels a third is missing of the outputs'.

    False-failure rate below 1e-6 of five standard errors of 3 %, and 4 % for shifts of relative order 1 / width.
    """
    spec = NetworkSpec.parse("60,40,10", initializer="he_normal")
    x, y = 3 * np.random.default_rng(1).normal(size=(100, 60)), np.arange(100) % 10
    measured = batch_gradients(spec, x, y, 600)[:, -1, 1]
    found = predict(spec, inputs=x, labels=y)["batch_bias_gradient_second_moment"].values[-1]
    error = measured.std() / len(measured) ** 0.5
    assert abs(measured.mean() - found) <= 5 * error + 0.04 * found
    assert propagate(spec, batch_of(spec, inputs=x, labels=y)).pairs.bias[-1] > 0.28 * found > 8 * error


def test_one_example_and_few_correlated_ones_have_none_to_speak_of():
    spec = NetworkSpec.parse("100,300x3,10")
    assert (propagate(spec, batch_of(spec, input_second_moment=1.0)).pairs.weight == 0).all()
    x = np.random.default_rng(0).normal(size=(10, 100))
    found = propagate(spec, batch_of(spec, inputs=x, labels=np.arange(10)))
    assert (found.pairs.weight < 0.01 * (found.signal.below * found.gradient.backprop).mean(axis=(1, 2))).all()


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_value_and_shift_of_copies_are_those_of_one_example(activation):
    """What the covariance adds to the value of pairs is missing from the shift: it is counted once, to first order.

    The batch gradient of copies is that of the example, network by network. Bands of both draw other units and outputs,
    which all layers share: layers are compared with the first. One output, so that own curvatures do not count.
    """
    spec = NetworkSpec.parse("30,100x3,1", activation=activation, initializer="he_normal", output="linear")
    x = np.random.default_rng(0).normal(size=(1, 30))
    found = [predict(spec, inputs=np.repeat(x, n, axis=0), labels=n * [[0.7]], level=0.9) for n in (1, 8)]
    values = [each[BATCH_GRADIENT].values for each in found]
    totals = [v + each[f"{BATCH_GRADIENT}_shift"].values for v, each in zip(values, found, strict=True)]
    ratios = totals[1] / totals[0]
    np.testing.assert_allclose(ratios / ratios[0], 1, atol=0.01)
    assert (values[1] / values[0] - 1)[-1] > 0.1
