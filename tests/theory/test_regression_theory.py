"""Predicted gradients of regression, of single outputs and of autoencoders, against networks drawn at random.

Each case measures N networks. Second moments of gradients and learning speeds must lie within 5 standard errors and
what the prediction says of finite width (``shift``); 1e-6 false failures a number, and 10 % would be seen as surely.
"""

import numpy as np
import pytest

import glorotlab as gl
from glorotlab.costs import get
from glorotlab.errors import InvalidValueError
from glorotlab.theory.mean_field.output_gradient import output_gradient

NETWORKS, ERRORS, LEFT = 160, 5.0, 0.03
"""Networks of a case; standard errors; relative size of what the expansion leaves out."""

VARIABLES = (
    "backprop_gradient_second_moment",
    "example_weight_gradient_second_moment",
    "batch_weight_gradient_second_moment",
    "batch_bias_gradient_second_moment",
    "learning_speed",
)

LABELS = "labels"


def examples(count, fan_in=30):
    """Correlated inputs: a common part, and one of each example's own."""
    random = np.random.default_rng(7)
    return random.normal(size=fan_in) + random.normal(size=(count, fan_in))


def targets(spec, count, centre, scale):
    random = np.random.default_rng(8)
    if spec.output == "sigmoid":
        return random.random((count, spec.classes))
    return centre + scale * random.normal(size=(count, spec.classes))


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("layers", "activation", "output", "cost", "count", "centre"),
    [
        ("30,80x2,1", "tanh", "linear", "quadratic", 6, 0.0),
        ("30,80x2,1", "relu", "linear", "quadratic", 6, 20.0),
        ("30,80x2,3", "relu", "linear", "quadratic", 90, 1.0),
        ("30,80x2,10", "tanh", "linear", "quadratic", 4, -5.0),
        ("30,80x2,3", "tanh", "sigmoid", "cross_entropy", 4, 0.0),
        ("30,80x2,1", "tanh", "sigmoid", "quadratic", 4, 0.0),
        ("30,80x2,1", "relu", "sigmoid", "cross_entropy", 4, LABELS),
        ("30,80x2,30", "tanh", "linear", "autoencoder", 4, 0.0),
    ],
)
def test_gradients_and_speeds_are_those_of_drawn_networks(layers, activation, output, cost, count, centre):
    x, initializer = examples(count), "he_normal" if activation == "relu" else "glorot_normal"
    fields = {"autoencoder": True} if cost == "autoencoder" else {"cost": cost}
    spec = gl.NetworkSpec.parse(layers, activation=activation, initializer=initializer, output=output, **fields)
    if centre is LABELS:
        y = np.random.default_rng(8).integers(0, 2, count)
    else:
        y = None if spec.autoencoder else targets(spec, count, centre, 2.0)
    prediction = gl.predict(spec, inputs=x, labels=y, level=0.95)
    measurement = gl.measure(spec, x, y, seeds=NETWORKS)
    for name in VARIABLES:
        values, expected = measurement[name].values, prediction[name].values
        error = values.std(axis=0, ddof=1) / np.sqrt(NETWORKS)
        shift = prediction[f"{name}_shift"].values if f"{name}_shift" in prediction else 0.0
        slack = ERRORS * error + LEFT * expected
        assert (np.abs(values.mean(axis=0) - expected - shift * np.ones_like(expected)) <= slack).all(), name
        inside = (values >= prediction[f"{name}_low"].values) & (values <= prediction[f"{name}_high"].values)
        assert (inside.mean(axis=0) > 0.85).all(), name
    entries = gl.compare(prediction, measurement).select("learning_speed")
    assert len(entries) == 3


@pytest.mark.statistical
@pytest.mark.parametrize("pair", [("sigmoid", "cross_entropy"), ("sigmoid", "quadratic"), ("linear", "quadratic")])
def test_output_gradient_of_any_targets(pair):
    """Kernel, means, products of means and curvature over 100,000 draws of logits, targets of different sums."""
    random, record = np.random.default_rng(3), get(*pair)
    root = random.normal(size=(3, 3))
    kernel, y = root @ root.T / 3, random.random((3, 4)) * [1, 0.2, 3, 0]
    found = output_gradient(*pair, kernel, y)
    logits = np.einsum("ab,bdk->dak", np.linalg.cholesky(kernel), random.normal(size=(3, 100_000, 4)))
    d = record.gradient(logits, np.broadcast_to(y, logits.shape))
    means = d.mean(axis=2)
    for expected, draws in (
        (found.kernel, np.einsum("dak,dbk->dab", d, d) / 4),
        (found.means, means),
        (found.mean_products, means[:, :, np.newaxis] * means[:, np.newaxis]),
        (found.curvature, (logits * d).mean(axis=2) / np.diagonal(kernel)),
    ):
        error = draws.std(axis=0) / np.sqrt(len(draws))
        assert (np.abs(draws.mean(axis=0) - expected) < ERRORS * error + 1e-12).all()
        assert (error < 0.04 * (1 + np.abs(expected))).all()


def test_a_class_is_its_one_hot_target_and_a_single_output_its_label():
    x = examples(6)
    for layers, output, labels, y in (
        ("30,40,3", "sigmoid", [0, 1, 2, 2, 1, 0], np.eye(3)[[0, 1, 2, 2, 1, 0]]),
        ("30,40,1", "linear", [0, 1, 1, 0, 0, 0], np.array([0.0, 1, 1, 0, 0, 0])),
    ):
        spec = gl.NetworkSpec.parse(layers, output=output)
        by_class, by_target = (gl.predict(spec, inputs=x, labels=answers, level=0.9) for answers in (labels, y))
        by_target.attrs["labels_digest"] = by_class.attrs["labels_digest"]
        assert by_class.identical(by_target)


def test_linear_regression_by_hand():
    """Without hidden layers E d_a d_b = Q_ab + y_a.y_b / K, of one example whose target is far away too."""
    spec = gl.NetworkSpec.parse("4,2", output="linear", initializer="lecun_normal")
    x, y = np.array([[2.0, 0, 0, 0], [0, 1, 1, 0]]), np.array([[3.0, 4], [-1, 0]])
    prediction = gl.predict(spec, inputs=x, labels=y)
    np.testing.assert_allclose(prediction.backprop_gradient_second_moment, (1 + 0.5 + 25 / 2 + 1 / 2) / 2, rtol=1e-12)
    np.testing.assert_allclose(
        prediction.batch_bias_gradient_second_moment, (1.5 + (25 + 1 - 2 * 3) / 2) / 4, rtol=1e-12
    )
    far = gl.predict(spec, inputs=x[:1], labels=np.array([[1e4, -1e4]]))
    np.testing.assert_allclose(far.learning_speed, np.sqrt(2e8), rtol=1e-6)


@pytest.mark.statistical
def test_distributions_of_gradients_hold_those_of_networks():
    """Shares of 20 networks' gradients below the quartiles of their law, far targets in a batch of two outputs."""
    x = examples(10)
    spec = gl.NetworkSpec.parse("30,100x3,2", output="linear", initializer="glorot_normal")
    y = targets(spec, 10, 8.0, 3.0)
    law = gl.predict_distributions(spec, x, y)
    networks = [gl.Network(spec, seed=seed).backpropagate(x, y) for seed in range(20)]
    for layer in (1, 2):
        backprop = np.concatenate([passed.backprop[layer - 1].ravel() for passed in networks])
        weight = np.concatenate([passed.weight_gradient(layer - 1).ravel() for passed in networks])
        for values, own in ((backprop, law.backprop_gradient(layer)), (weight, law.batch_weight_gradient(layer))):
            for share in (0.1, 0.25, 0.75, 0.9):
                assert abs((values < float(own.quantile(share))).mean() - share) < 0.04


def test_advice_follows_targets():
    """Two outputs that copy the label's column have the condition of the classes themselves."""
    x, labels = examples(20), np.arange(20) % 2
    one = gl.NetworkSpec.parse("30,50x3,1", output="linear", initializer="lecun_normal")
    verdict = gl.trainability(one, inputs=x, labels=labels)
    assert gl.trainability(one, inputs=x, labels=10.0 * labels - 3).condition == pytest.approx(verdict.condition)
    classes = gl.trainability(
        gl.NetworkSpec(**one.model_dump() | {"layer_sizes": (30, 50, 50, 50, 2)}), inputs=x, labels=labels
    )
    assert classes.condition == pytest.approx(verdict.condition, rel=1e-9)
    with pytest.raises(
        InvalidValueError, match="20 examples, all of one target: allowed are two or more classes or targets"
    ):
        gl.advise(one, inputs=x, labels=np.ones(20))
