"""Autoencoders: networks whose targets are their inputs, against the formulas in NumPy and differences of the cost."""

import math

import numpy as np
import pytest
from training_fixtures import bits, run_spec, stop_after

from glorotlab import activations
from glorotlab.costs import RECORDS, get
from glorotlab.data.dataset import Dataset
from glorotlab.data.source import ArraySource
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.measurement.compare import compare
from glorotlab.measurement.measure import measure
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.advice.advise import advise
from glorotlab.theory.predict import predict
from glorotlab.training.error_curves import held_out_error
from glorotlab.training.loop import train

PAIRS = [pair for pair in sorted(RECORDS) if pair[0] != "softmax"]
EXAMPLES = 13
"""More than the widest hidden layer has units."""


def autoencoder(output="sigmoid", cost="", layers="9,7,4,11,9", **fields):
    return NetworkSpec.parse(layers, output=output, cost=cost, autoencoder=True, **fields)


def inputs(examples=EXAMPLES, fan_in=9, dtype="float64"):
    """Numbers of [0, 1], both ends among them, no two examples alike."""
    x = np.random.default_rng(5).random((examples, fan_in)).astype(dtype)
    x[0, :2] = 0, 1
    return x


def by_numpy(network, x):
    """Batch-mean cost, and gradients of weights and biases, from the record's formulas in float64."""
    spec, record = network.spec, get(network.spec.output, network.spec.cost)
    f, z, s = activations.get(spec.activation), [x], []
    for w, b in zip(network.weights, network.biases, strict=True):
        s.append(z[-1] @ w + b)
        z.append(f.function(s[-1]))
    d = record.gradient(s[-1], x) / len(x)
    weights, biases = [], []
    for layer in range(len(s) - 1, -1, -1):
        weights.insert(0, z[layer].T @ d)
        biases.insert(0, d.sum(axis=0))
        if layer:
            d = d @ network.weights[layer].T * f.derivative(s[layer - 1])
    return float(record.value(s[-1], x).mean()), weights, biases


@pytest.mark.parametrize("activation", ["tanh", "x/(1+x**2)"], ids=["kernel", "expression"])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_cost_gradients_and_steps_are_those_of_the_formulas(pair, activation):
    network, x = Network(autoencoder(*pair, activation=activation), seed=3, dtype="float64"), inputs()
    cost, weights, biases = by_numpy(network, x)
    gradients = network.gradients(x)
    before = [array.copy() for array in (*network.weights, *network.biases)]
    assert network.train_step(x, None, 0.5) == pytest.approx(cost, rel=1e-13)
    assert gradients.cost == pytest.approx(cost, rel=1e-13)
    after, own = (*network.weights, *network.biases), (*gradients.weights, *gradients.biases)
    for start, end, expected, gradient in zip(before, after, (*weights, *biases), own, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(start - end, 0.5 * expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_gradients_are_derivatives_of_the_cost(pair):
    network, x, step = Network(autoencoder(*pair), seed=4, dtype="float64"), inputs(), 1e-5
    gradient = network.gradients(x).weights
    for layer, place in ((0, (1, 2)), (1, (6, 3)), (3, (10, 8))):
        w, values = network.weights[layer], []
        for sign in (1, -2):
            w[place] += sign * step
            values.append(network.gradients(x).cost)
        w[place] += step
        assert gradient[layer][place] == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-6, abs=1e-9)


def test_many_steps_are_single_steps_whatever_the_labels():
    """Labels count for nothing, in shuffled rows and with a batch that is wider than the buffers' padding."""
    x, order = inputs(51), np.random.default_rng(0).permutation(51)
    one, many = (Network(autoencoder("linear"), seed=1, dtype="float64") for _ in range(2))
    costs = [one.train_step(x[rows], None, 0.05, momentum=0.5) for rows in order.reshape(3, 17)]
    found = many.train_steps(x, np.arange(51), 0.05, batch_size=17, order=order, momentum=0.5)
    np.testing.assert_array_equal(found, costs)
    assert all((a == b).all() for a, b in zip(one.weights, many.weights, strict=True))


def test_the_error_is_the_mean_squared_distance():
    network, x = Network(autoencoder("linear"), seed=2, dtype="float64"), inputs(411)
    expected = ((network.forward(x).output - x) ** 2).sum(axis=1).mean()
    source = ArraySource(x, np.zeros(411, dtype=int))
    assert held_out_error(network, source) == pytest.approx(expected, rel=1e-12)
    network.weights[0][...] = np.nan
    assert math.isnan(held_out_error(network, source))


def data():
    parts = [ArraySource(inputs(count), np.arange(count) % 30, 30) for count in (47, 60, 80)]
    return Dataset("rows", *parts)


@pytest.mark.usefixtures("each_update_reported")
def test_runs_record_the_error_and_go_on_to_the_same_bits(tmp_path):
    """30 classes would not fit 9 outputs of a classifier."""
    spec = run_spec().model_copy(update={"network": autoencoder(), "dtype": "float64"})
    whole = train(spec, dataset=data())
    curves = whole.curves
    assert float(curves.test_error[-1]) == pytest.approx(held_out_error(whole.network(), data().test), rel=1e-12)
    assert curves.test_error[-1] < curves.test_error[0]
    assert curves.validation_error.attrs["long_name"].startswith("mean over validation examples of the squared")
    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path, dataset=data(), progress=stop_after(9))
    assert bits(train(spec, tmp_path, dataset=data())) == bits(whole)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_target_that_would_come_late_is_refused_before_anything_is_written(part, tmp_path):
    """The last example of any part; the first mini-batch holds five."""
    late = inputs(47)
    late[-1, -1] = 1.5
    good = data()
    parts = {name: getattr(good, name) for name in ("train", "validation", "test")}
    whole = Dataset("rows", **parts | {part: ArraySource(late, np.zeros(47, dtype=int), 30)})
    spec = run_spec().model_copy(update={"network": autoencoder(), "dtype": "float64"})
    with pytest.raises(InvalidValueError, match=r"inputs from 0 to 1\.5 as targets of cross-entropy"):
        train(spec, tmp_path / "run", dataset=whole)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("each_update_reported")
def test_a_run_looks_at_its_targets_once_however_many_updates_it_takes(monkeypatch):
    """A look at all of 50,000 digits takes longer than a mini-batch of 50 of them."""
    looks, look = [], NetworkSpec.check_targets
    monkeypatch.setattr(NetworkSpec, "check_targets", lambda spec, x: (looks.append(len(x)), look(spec, x))[1])
    counts = []
    for updates in (1, 12):
        looks.clear()
        spec = run_spec(updates=updates).model_copy(update={"network": autoencoder(), "dtype": "float64"})
        train(spec, dataset=data())
        counts.append(looks.count(47))  # the training examples
    assert counts == [1, 1]


def test_gradients_are_predicted_from_inputs_alone():
    """Labels count for nothing, and a second moment has no targets; the numbers are in test_regression_theory.py."""
    spec, x = autoencoder(layers="9,60,60,9"), inputs()
    predicted, with_labels = predict(spec, inputs=x), predict(spec, inputs=x, labels=[3] * 13)
    assert predicted.identical(with_labels)
    assert compare(predicted, measure(spec, x, seeds=3)).select("backprop_gradient_second_moment")
    assert "backprop_gradient_second_moment" not in predict(spec, input_second_moment=1.0)
    assert advise(spec, inputs=x).verdict.trains
    with pytest.raises(AssumptionError, match="an autoencoder without inputs has no targets: give inputs"):
        advise(spec, input_second_moment=1.0)


@pytest.mark.parametrize(
    ("layers", "output", "message"),
    [
        ("9,4,9", "softmax", "autoencoder with 9 inputs and 9 softmax outputs: allowed are as many outputs as inputs,"),
        ("9,4,8", "linear", "autoencoder with 9 inputs and 8 linear outputs: allowed are as many outputs as inputs, s"),
    ],
)
def test_outputs_that_cannot_be_inputs_are_refused(layers, output, message):
    with pytest.raises(InvalidValueError) as caught:
        NetworkSpec.parse(layers, output=output, autoencoder=True)
    assert str(caught.value).startswith(message)


def test_targets_beyond_a_sigmoid_are_refused():
    x = inputs()
    x[2, 3] = 1.5
    message = "inputs from 0 to 1.5 as targets of cross-entropy: allowed are 0 to 1"
    network = Network(autoencoder(), dtype="float64")
    before = network.state()
    for call in (lambda: network.train_step(x, None, 0.1), lambda: network.gradients(x)):
        with pytest.raises(InvalidValueError, match=message):
            call()
    assert all((network.state()[name] == array).all() for name, array in before.items())
    for pair in (("sigmoid", "quadratic"), ("linear", "quadratic")):
        assert np.isfinite(Network(autoencoder(*pair), dtype="float64").gradients(x).cost)
    with pytest.raises(InvalidValueError, match=r"inputs from -0\.9\d+ to 0\.9\d+ as targets of cross-entropy"):
        train(
            run_spec(updates=1).model_copy(
                update={"network": NetworkSpec.parse("1024,5,1024", output="sigmoid", autoencoder=True)}
            )
        )
