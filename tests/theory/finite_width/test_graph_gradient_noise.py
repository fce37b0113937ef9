"""Correlations of gradients over few units, against the variance of a sample's correlation."""

from dataclasses import replace

import numpy as np

from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.dense import Dense
from glorotlab.spec.layers.graph import Input, LayerGraph, Node
from glorotlab.theory.finite_width.graph_correlations import Correlations
from glorotlab.theory.finite_width.graph_gradient_noise import DrawnOutputs, GradientNoise
from glorotlab.theory.mean_field.graph_scatter import unit_gradients
from glorotlab.theory.mean_field.graph_tangents import Tangents
from glorotlab.theory.mean_field.graph_walk import follow

GRAPH = LayerGraph(
    (
        Node("x", Input(), (), 20),
        Node("fc1", Dense(20, 50, 1 / 20, 0.0), ("x",), 50),
        Node("act1", Elementwise("linear"), ("fc1",), 50),
        Node("fc2", Dense(50, 40, 1 / 50, 0.0), ("act1",), 40),
        Node("act2", Elementwise("linear"), ("fc2",), 40),
        Node("fc3", Dense(40, 5, 1 / 40, 0.0), ("act2",), 5),
    ),
    "fc3",
)


def test_the_correlation_of_gradients_scatters_as_that_of_a_sample_of_the_units_above():
    """Of n pairs of Gaussian numbers of correlation r it has variance (1 - r^2)^2 / n to first order (Fisher 1915).

    Gradients of the outputs are fixed, of correlation .6, and a layer of 40 units lies between them and the first.
    """
    r, ones, nothing = 0.6, np.ones((2, 2)), np.zeros((2, 2))
    found = follow(GRAPH, {"x": np.random.default_rng(0).normal(size=(2, 20))})
    gradients = unit_gradients(found)
    tangents = Tangents(replace(found, gradients=gradients), nothing, nothing[0])
    outputs = DrawnOutputs(np.array([[1, r**2], [r**2, 1]]), ones)
    noise = GradientNoise(tangents, gradients, outputs, Correlations({}, {}, {}))
    expected = np.array([[0, 1], [1, 0]]) * (1 - r**2) ** 2 / 40
    np.testing.assert_allclose(noise.variances["fc1"], expected, rtol=1e-12)
    np.testing.assert_array_equal(noise.variances["fc2"], nothing)
