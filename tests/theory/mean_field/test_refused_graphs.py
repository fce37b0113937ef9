"""Graphs whose prediction would be wrong are refused, each in words that name what is the matter."""

import re

import numpy as np
import pytest

from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.bias import Bias
from glorotlab.spec.layers.concatenation import Concatenation
from glorotlab.spec.layers.convolution import Convolution
from glorotlab.spec.layers.dense import Dense
from glorotlab.spec.layers.dropout import Dropout
from glorotlab.spec.layers.graph import Input, LayerGraph, Node
from glorotlab.spec.layers.normalisation import BatchNorm
from glorotlab.spec.layers.pooling import Flatten
from glorotlab.spec.layers.residual import Sum
from glorotlab.theory.mean_field.graph_walk import follow

UNITS = 6


def refused(nodes, x):
    return follow(LayerGraph(tuple(nodes), nodes[-1].name), {"x": x}).refused


def vector_nodes(steps, examples=6):
    """Nodes of vectors above a dense layer ``s``, each (name, layer, inputs)."""
    nodes = [Node("x", Input(), (), UNITS), Node("s", Dense(UNITS, UNITS, 0.3, 0.0), ("x",), UNITS)]
    for name, layer, inputs, *parameters in steps:
        units = 2 * UNITS if isinstance(layer, Concatenation) or inputs[0] in ("u", "v") else UNITS
        nodes.append(Node(name, layer, inputs, units, parameters=tuple(parameters)))
    return nodes, np.random.default_rng(0).normal(size=(examples, UNITS))


def dense(name, below="x"):
    return name, Dense(UNITS, UNITS, 0.3, 0.0), (below,)


@pytest.mark.parametrize("between", [False, True])
def test_a_parameter_that_is_added_twice_is_no_pair_of_independent_ones(between):
    """Of s + 2 b the variance is 4 v, not 2 v, and a sum of h + b and g + b has a cross term."""
    steps = [("one", Bias(1.0), ("s",), "b"), dense("t", "one"), ("two", Bias(1.0), ("t" if between else "one",), "b")]
    reasons = refused(*vector_nodes(steps))
    assert reasons == {"two": "its weights are those of 'one', so that both depend on each other"}


@pytest.mark.parametrize("between", [Bias(1.0), Dropout(0.5)])
def test_what_stands_behind_normalization_over_the_batch_is_not_forgotten(between):
    """Drawn units of the normalization are those without a parameter that is added, or a mask."""
    steps = [("y", BatchNorm(1e-5), ("s",)), ("b", between, ("y",)), ("z", Elementwise("relu"), ("b",))]
    reasons = refused(*vector_nodes(steps))
    assert list(reasons) == ["z"]
    assert "rest on 'b', whose units are not Gaussian" in reasons["z"]


def test_sums_of_concatenations_have_means_that_depend_on_each_other():
    """With means m in the same half and 0 in the other, the mean product is m^2 / 2, not that of means, m^2 / 4."""
    steps = [dense(name) for name in "abcd"]
    steps += [(f"z{name}", Elementwise("relu"), (name,)) for name in "ac"]
    steps += [
        ("u", Concatenation(), ("za", "b")),
        ("v", Concatenation(), ("zc", "d")),
        ("h", Sum((1.0, 1.0)), ("u", "v")),
    ]
    reasons = refused(*vector_nodes(steps))
    assert reasons == {"h": "a sum of 'u' and 'v', whose units have means of their own, side by side"}


def normalised_maps(examples=8, size=2, sizes=1.0, scale=1.0, then=()):
    """Maps that are normalized over the batch, and what follows."""
    x = scale * np.random.default_rng(1).normal(size=(examples, UNITS, size, size))
    x *= np.linspace(1, sizes, examples)[:, None, None, None]
    maps, fan = (size, size), 1.0 / UNITS
    kernel = Convolution(UNITS, UNITS, fan, 0.0, (1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)))
    nodes = [
        Node("x", Input(), (), UNITS, maps),
        Node("s", kernel, ("x",), UNITS, maps),
        Node("y", BatchNorm(1e-5), ("s",), UNITS, maps),
    ]
    for name, layer in then:
        vector = isinstance(layer, Flatten) or not nodes[-1].positions
        layer = kernel if layer is Convolution else layer
        units = UNITS * size**2 if vector else UNITS
        nodes.append(Node(name, layer, (nodes[-1].name,), units, () if vector else maps))
    return nodes, x


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"examples": 2, "size": 1}, "over 2 points: allowed are 8 or more"),
        ({"scale": 1e-2}, r"variance \S+ with epsilon 1e-05: allowed is 0.1 times the variance"),
        (
            {"then": [("b", Bias(1.0, (False, False))), ("z", Elementwise("tanh"))]},
            "tanh of maps that are normalized over the batch",
        ),
        ({"size": 1, "then": [("f", Flatten()), ("z", Elementwise("tanh"))]}, "tanh of maps that are normalized"),
        (
            {"sizes": 5.0, "then": [("z", Elementwise("relu")), ("t", Convolution), ("v", Elementwise("tanh"))]},
            r"examples of unlike sizes, whose second moments are known to \d+%: allowed is 10%",
        ),
    ],
)
def test_few_silent_or_unlike_points_of_a_batch_are_refused(choices, words):
    (reason,) = refused(*normalised_maps(**choices)).values()
    assert re.search(words, reason)


@pytest.mark.parametrize("bend", ["relu", "tanh"])
def test_alike_points_of_a_batch_are_followed(bend):
    then = [("z", Elementwise("relu")), ("t", Convolution), ("v", Elementwise(bend))]
    assert not refused(*normalised_maps(examples=32, sizes=1.2, then=then))
