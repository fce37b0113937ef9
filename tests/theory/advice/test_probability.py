"""The probability that a network trains, what it rests on, and the learning rate to begin with."""

import itertools
import math

import numpy as np
import pytest
from optional import optional

import glorotlab as gl
from glorotlab.theory.advice import calibration
from glorotlab.theory.advice.advice import percent
from glorotlab.theory.advice.numbers import EXAMPLES, numbers, rate_along, separation
from glorotlab.theory.mean_field.inputs import labelled_batch


def spec(layers="20,50x3,4", **fields):
    return gl.NetworkSpec.parse(layers, **fields)


@pytest.fixture(scope="module")
def shapes():
    return gl.shapeset(100, seed=3)


# The numbers


def blocks(size, own=5.0, same=3.0, other=2.0):
    """A kernel of two classes of ``size`` examples each, and their labels as targets."""
    y = np.repeat([0, 1], size)
    kernel = np.where(y[:, np.newaxis] == y, same, other)
    np.fill_diagonal(kernel, own)
    return kernel, np.eye(2)[y]


def test_the_rate_of_two_classes():
    """At 100 examples it is the eigenvalue of (1, .., 1, -1, .., -1): own + 49 same - 50 other, over 100."""
    assert rate_along(*blocks(EXAMPLES // 2))[0] == pytest.approx((5 + 49 * 3 - 50 * 2) / 100)


@pytest.mark.parametrize("size", [10, 500])
def test_the_rate_does_not_depend_on_the_number_of_examples(size):
    """Classes differ little beside what an example has for itself: the bare eigenvalue is off by a third or more."""
    kernel, targets = blocks(size, same=2.1)
    at_hundred, _ = rate_along(*blocks(EXAMPLES // 2, same=2.1))
    assert rate_along(kernel, targets)[0] == pytest.approx(at_hundred, rel=0.04)
    along = (targets - 0.5)[:, 0]
    assert abs(along @ kernel @ along / (along @ along) / (2 * size) / at_hundred - 1) > 0.3


def test_separation_of_inputs():
    """Two points, one a class: all that varies tells them apart. Labels that have nothing to do with inputs: 1 / 99."""
    x = np.repeat([1.0, -1.0], EXAMPLES // 2)
    targets = np.eye(2)[(x > 0).astype(int)]
    assert separation(np.outer(x, x), targets) == pytest.approx(99 / 100)
    assert separation(np.eye(EXAMPLES), targets) == pytest.approx(1 / 100)
    assert separation(np.ones((EXAMPLES, EXAMPLES)), targets) == 0


@pytest.mark.parametrize(
    ("output", "cost", "curvature"),
    [
        ("linear", "quadratic", 1.0),
        ("sigmoid", "cross_entropy", 1 / 4),
        ("sigmoid", "quadratic", 1 / 16),
        ("softmax", "log_likelihood", 1 / 4),  # of diag(p) - pp' at p = 1/4: eigenvalues 1/4 and 0
        ("softmax", "quadratic", 1 / 16),
    ],
)
def test_the_largest_curvature(output, cost, curvature):
    """Small weights make small outputs, where the cost's curvature is known, and a kernel of the last biases alone.

    Then Theta_ab = lambda_1 = 1, whatever the mini-batch.
    """
    network = spec(initializer="normal(std=0.0001)", output=output, cost=cost)
    known = numbers(network, labelled_batch(network, None, None, 1e-8))
    assert known.curvature == pytest.approx(curvature, rel=1e-4)


def test_the_largest_curvature_of_drawn_networks():
    """The largest eigenvalue of J J' / B over the outputs of all classes, linear outputs, six networks of 200 units.

    Networks scatter by some 10 % at this width, so that the mean of six is within 20 % (5 standard errors); without the
    part of a layer, or with the sum over classes, it would be off by more.
    """
    torch = optional("torch", "TORCH")
    network = spec("12,200x2,3", initializer="he_normal", output="linear")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 12)), rng.integers(0, 3, 20)
    known = numbers(network, labelled_batch(network, x, y, None))
    measured = []
    for seed in range(6):
        drawn = gl.Network(network, seed=seed, dtype="float64")
        parameters = [torch.tensor(np.array(p)) for p in (*drawn.weights, *drawn.biases)]

        def outputs(*own):
            z = torch.tensor(x)
            for layer in range(3):
                z = z @ own[layer] + own[3 + layer]
                z = torch.tanh(z) if layer < 2 else z
            return z

        jacobian = torch.autograd.functional.jacobian(outputs, tuple(parameters))
        rows = np.concatenate([j.reshape(60, -1).numpy() for j in jacobian], axis=1)
        measured.append(np.linalg.eigvalsh(rows @ rows.T / 20)[-1])
    assert known.curvature == pytest.approx(np.mean(measured), rel=0.2)


# The probability


def test_clear_cases(shapes):
    """Networks that everybody trains are likely to; what has vanished, exploded or gone into chaos is not."""

    def probability(layers, **fields):
        return gl.trainability(spec(layers, **fields), inputs=shapes[0], labels=shapes[1]).probability

    assert probability("1024,200x2,9", activation="relu", initializer="he_normal") > 0.8
    assert probability("1024,200x3,9", initializer="glorot_normal") > 0.8
    assert probability("1024,100x20,9", initializer="standard") < 0.1
    assert probability("1024,100x10,9", activation="sigmoid") < 0.1
    assert probability("1024,50x30,9", initializer="normal(std=1)") < 0.1
    assert probability("1024,50x30,9", activation="relu", initializer="normal(std=3)") == calibration.REFUSED


def test_depth_width_and_scale_move_it_as_they_should(shapes):
    """More layers and fewer units make it smaller, and so do weights that are too small, the more the smaller."""

    def probabilities(*networks):
        return [
            gl.trainability(
                spec(layers, initializer=f"normal(std={std})"), inputs=shapes[0], labels=shapes[1]
            ).probability
            for layers, std in networks
        ]

    def falls(values):
        return all(a > b for a, b in itertools.pairwise(values))

    assert falls(probabilities(*((f"1024,100x{depth},9", 0.1) for depth in (2, 5, 12, 30))))
    assert falls(probabilities(*((f"1024,{width}x12,9", 1 / width**0.5) for width in (300, 100, 30))))
    assert falls(probabilities(*(("1024,100x6,9", std) for std in (0.1, 0.05, 0.02, 0.01))))


def test_terms_make_the_probability(shapes):
    verdict = gl.trainability(spec("1024,100x6,9"), inputs=shapes[0], labels=shapes[1])
    log_odds = calibration.INTERCEPT + sum(term.log_odds for term in verdict.terms)
    assert verdict.probability == pytest.approx(1 / (1 + math.exp(-log_odds)))
    assert {term.name for term in verdict.terms} == set(calibration.COEFFICIENTS)
    sizes = [abs(term.log_odds) for term in verdict.terms]
    assert sizes == sorted(sizes, reverse=True)
    assert verdict.trains == (verdict.probability >= 0.5)


def test_refused_networks_have_the_share_of_the_calibration():
    verdict = gl.trainability(
        spec("20,50x9,4", activation="relu", initializer="normal(std=1000)"), input_second_moment=1.0
    )
    assert (verdict.trains, verdict.probability, verdict.terms) == (False, calibration.REFUSED, ())
    assert verdict.recommended_rate is None


def test_outputs_beyond_the_calibration_are_as_good_as_refused():
    """Four ReLU layers of 50 units and N(0, 50^2) weights: q grows by 62,500 a layer, and stays in float64's range."""
    network = spec("20,50x4,4", activation="relu", initializer="normal(std=50)")
    verdict = gl.trainability(network, input_second_moment=1.0)
    assert verdict.logit_second_moment > calibration.MAX_OUTPUTS
    assert verdict.probability == calibration.REFUSED
    assert verdict.reason.startswith("gradient explodes")


def test_networks_beyond_the_calibration_count_as_its_edge(shapes):
    verdict = gl.trainability(spec("1024,30x60,9", initializer="standard"), inputs=shapes[0], labels=shapes[1])
    for term in verdict.terms:
        assert abs(term.log_odds) <= calibration.FARTHEST * abs(calibration.COEFFICIENTS[term.name].log_odds) + 1e-12


def test_the_recommended_rate_trains(shapes):
    """Plain descent at it for 200 updates lowers the cost of three sound networks by a tenth, and of none to more."""
    x, y = shapes
    order = np.concatenate([np.random.default_rng(0).permutation(100) for _ in range(40)])
    for fields in ({"activation": "relu", "initializer": "he_normal"}, {}, {"output": "sigmoid"}):
        network = spec("1024,100x3,9", **fields)
        rate = gl.trainability(network, inputs=x, labels=y).recommended_rate
        costs = gl.Network(network, seed=1).train_steps(x, y, rate, batch_size=20, order=order)
        assert costs[-20:].mean() < 0.9 * costs[:5].mean()


def test_the_rate_follows_the_cost(shapes):
    """Sigmoid outputs have 1/4 of linear ones' curvature, and a rate that is larger by the calibrated power of 4."""
    rates = [
        gl.trainability(
            spec("1024,50,9", initializer="normal(std=0.001)", output=output), inputs=shapes[0], labels=shapes[1]
        )
        for output in ("linear", "sigmoid")
    ]
    assert rates[1].recommended_rate / rates[0].recommended_rate == pytest.approx(
        4**-calibration.RATE.curvature, rel=0.01
    )


# What is printed


def test_advice_says_the_probability(shapes):
    advice = gl.advise(spec("1024,100x6,9"), inputs=shapes[0], labels=shapes[1])
    text, verdict = advice.text(), advice.verdict
    assert f"Probability that it trains: {percent(verdict.probability)};" in text
    joined = " ".join(text.split())
    for term in verdict.terms:
        assert f"{term.name} {term.value:.2g} ({term.log_odds:+.1f})" in joined
    assert f"Learning rate to begin with: {verdict.recommended_rate:.1g}" in text
    fields = advice.to_dict()["verdict"]
    assert fields["probability"] == verdict.probability
    assert fields["terms"][0]["name"] == verdict.terms[0].name
    assert f"log odds of {verdict.terms[0].name}" in advice._repr_html_()


def test_per_cents_are_never_certain():
    assert [percent(p) for p in (0.0, 0.004, 0.006, 0.5, 0.994, 0.996, 1.0)] == [
        *("<1 %", "<1 %", "1 %", "50 %", "99 %", ">99 %", ">99 %")
    ]
