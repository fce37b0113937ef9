"""Learning speeds relative to the next layer: the numbers that are said, and a NumPy network of Nielsen's."""

import itertools
import re

import gaussian_reference as reference
import numpy as np
import pytest
import sympy as sp
from scipy.optimize import brentq

import glorotlab as gl
from glorotlab.derivations.beyond.example_pairs import DerivativeProduct, SquaredSpeed
from glorotlab.derivations.engine import notation as q

RATIO = gl.derive("learning_speed_ratio")


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def slope(s):
    return sigmoid(s) * (1 - sigmoid(s))


def settled():
    """The variance that sigmoid layers between biases N(0, 1) settle at."""
    return brentq(lambda v: reference.single(lambda s: sigmoid(s) ** 2, v) + 1 - v, 1, 2)


def test_the_numbers_that_are_said_are_those_of_another_rule():
    v = settled()
    square, mean = reference.single(lambda s: slope(s) ** 2, v), reference.single(slope, v)
    said = [float(number) for number in re.findall(r"\d*\.\d+|\d{2,}", RATIO.difference)]
    assert said[:3] == [0.003, 0.285, 95]
    assert said[3:] == [round(v, 3), round(square, 4), round(mean**2, 4), round(square**-1.5), round(mean**-3)]
    assert said[2] == round(said[1] / said[0])


def test_three_layers_slow_by_64_at_least():
    """The bound is what a derivative of a quarter in every layer gives."""
    bound = RATIO.step("bound").equation.rhs.subs({q.i: 0, q.d: 4})
    assert sp.sqrt(bound / SquaredSpeed(3)) == sp.Rational(1, 64)
    one_layer = RATIO.result.rhs.replace(DerivativeProduct, lambda _: sp.Rational(1, 16))
    assert one_layer**3 == sp.Rational(1, 64**2)


def speeds(rng, width, networks, unlike):
    """|dC/db|^2 of each hidden layer of networks 784,n,n,n,n,10 by NumPy: cross-entropy, its mean over 20 examples."""
    sizes, found = (784, *(width,) * 4, 10), []
    for _ in range(networks):
        common, own = rng.standard_normal((1, 784)), rng.standard_normal((20, 784))
        z = np.sqrt(0.302) * (np.sqrt(1 - unlike) * common + np.sqrt(unlike) * own)  # Var[s^0] is settled then
        passed, weights = [], []
        for fan_in, fan_out in itertools.pairwise(sizes):
            weights.append(rng.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in))
            passed.append(z @ weights[-1] + rng.standard_normal(fan_out))
            z = sigmoid(passed[-1])
        gradient, lengths = z - np.eye(10)[rng.integers(10, size=20)], []
        for s, weight in zip(passed[-2::-1], weights[:0:-1], strict=True):
            gradient = slope(s) * (gradient @ weight.T)
            lengths.append((gradient.mean(axis=0) ** 2).sum())
        found.append(lengths[::-1])
    return np.array(found)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_network_of_nielsens_on_examples_that_are_alike():
    """Over three layers of 100 units: 2 % of standard error, and a few of finite width.

    With the square of E f' in the place of E f'^2 the ratio would be 23 % larger, and one layer is a factor of 24.
    """
    square = reference.single(lambda s: slope(s) ** 2, settled())
    predicted = RATIO.result.rhs.replace(DerivativeProduct, lambda _: sp.Float(square)) ** 3
    found = speeds(np.random.default_rng(3), width=100, networks=300, unlike=0.05)
    ratio = found[:, 0] / found[:, 3]
    assert ratio.std() / np.sqrt(len(ratio)) < 0.02 * predicted
    assert ratio.mean() == pytest.approx(float(predicted), rel=0.1)
