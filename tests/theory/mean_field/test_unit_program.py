"""Activations of sums of activations, forward and back, against units drawn plainly in NumPy."""

from dataclasses import replace

import numpy as np
import pytest

from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.graph import Input, LayerGraph, Node
from glorotlab.spec.layers.residual import Sum
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.mean_field.graph_walk import KINDS, together
from glorotlab.theory.mean_field.layers.base import Block, Gradient, Signal, Walk, blocks_of, vector_kernels
from glorotlab.theory.mean_field.layers.unit_program import program_of

DRAWS, POINTS, HERE, ACROSS = 2**19, 3, Block(False, ()), Block(True, ())

NODES = (
    *(Node(name, Input(), (), 64) for name in "abc"),
    Node("t", Elementwise("relu"), ("a",), 64),
    Node("s", Sum((1.0, 2.0)), ("t", "b"), 64),
    Node("y", Elementwise("relu"), ("s",), 64),
    Node("r", Sum((1.0, 1.0)), ("y", "c"), 64),
    Node("z", Elementwise("gelu"), ("r",), 64),
)


def kernel_of(seed):
    root = np.random.default_rng(seed).normal(size=(POINTS, 4))
    return root @ root.T / 4


def walk_of(nodes=NODES):
    """Fields a, b and c of three points, and all that is computed of them."""
    blocks = blocks_of([ACROSS])
    walk = Walk(LayerGraph(nodes, nodes[-1].name), {}, {node.name: blocks for node in nodes})
    for place, node in enumerate(nodes):
        if node.layer.kind == "input":
            s = Covariance.of(kernel_of(place))
            nothing = np.zeros(POINTS)
            walk.signals[node.name] = Signal(64, vector_kernels(s), nothing, True, frozenset({node.name}), s.gap)
        else:
            walk.signals[node.name] = KINDS[node.layer.kind].forward(node, walk)
    return walk


def drawn(shift=0.0):
    """The same of plain draws; b is shifted."""
    random = np.random.default_rng(7)
    a, b, c = (np.linalg.cholesky(kernel_of(seed)) @ random.normal(size=(POINTS, DRAWS)) for seed in range(3))
    s = np.maximum(a, 0) + 2 * (b + shift)
    y = np.maximum(s, 0)
    return a, s, y, y + c


def gelu(x):
    from scipy.special import ndtr

    return x * ndtr(x)


def gelu_slope(x):
    from scipy.special import ndtr

    return ndtr(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


@pytest.mark.statistical
def test_second_moments_of_a_trunk():
    """Standard errors of 2^19 draws are below .3 % of a moment, and 1.5 % is allowed: five of them, false in 1e-6."""
    walk, (_, _, y, r) = walk_of(), drawn()
    for name, values in (("y", y), ("z", gelu(r))):
        exact = values @ values.T / DRAWS
        found = walk.signals[name].kernels[ACROSS]
        assert np.abs(found - exact).max() < 0.015 * exact.max()
        np.testing.assert_allclose(np.diagonal(found), walk.signals[name].kernels[HERE], rtol=1e-12)
        np.testing.assert_array_equal(found, found.T)  # draws of (a, b) are not those of (b, a)
        assert np.abs(walk.signals[name].mean - values.mean(axis=1)).max() < 0.015 * exact.max() ** 0.5


@pytest.mark.statistical
def test_gradients_of_a_trunk():
    """What arrives at z and at y goes down through slopes that depend on each other; 2 % of the largest is allowed.

    The curvature is that of b moved by .2 either way, of which 3 % is allowed. Slopes taken as independent would leave
    two thirds of what passes through three of them.
    """
    walk, (a, s, y, r) = walk_of(), drawn()
    up, down = drawn(0.2), drawn(-0.2)
    alpha, beta, first, second = 0.7, -0.4, kernel_of(11), kernel_of(12)
    random = np.random.default_rng(8)
    h = [np.linalg.cholesky(kernel) @ random.normal(size=(POINTS, DRAWS)) for kernel in (first, second)]

    def gradient_of_s(s, y, r):
        return (s > 0) * (gelu_slope(r) * (h[0] + alpha * gelu(r)) + h[1] + beta * y)

    g_s = gradient_of_s(s, y, r)
    g_a = (a > 0) * g_s

    def arrival(kernel, share, name):
        kernels = {HERE: np.diagonal(kernel), ACROSS: kernel}
        mean = share * walk.signals[name].mean
        return Gradient(kernels, np.full(POINTS, share), mean, frozenset({name + " above"}))

    def back(name, gradient):
        node = walk.graph[name]
        return KINDS[node.layer.kind].backward(node, walk, gradient)

    (of_r,) = back("z", arrival(first, alpha, "z"))
    of_y, _ = back("r", of_r)
    (of_s,) = back("y", together("y", [of_y, arrival(second, beta, "y")]))
    of_t, of_b = back("s", of_s)
    (of_a,) = back("t", of_t)
    for name, gradient, g in (("s", of_s, g_s), ("b", of_b, 2 * g_s), ("a", of_a, g_a)):
        exact = g @ g.T / DRAWS
        assert np.abs(gradient.total(walk.signals[name])[ACROSS] - exact).max() < 0.02 * exact.max(), name
        assert np.abs(gradient.mean - g.mean(axis=1)).max() < 0.02 * exact.max() ** 0.5
    curvature = 2 * (gradient_of_s(*up[1:]) - gradient_of_s(*down[1:])).mean(axis=1) / 0.4
    np.testing.assert_allclose(of_b.aligned, curvature, atol=0.03 * np.abs(curvature).max())


def test_what_is_no_function_of_independent_fields_is_refused_by_name():
    nodes = (*NODES[:4], Node("u", Sum((1.0, 1.0)), ("t", "a"), 64), Node("v", Elementwise("relu"), ("u",), 64))
    walk = walk_of(nodes[:-1])
    assert program_of(walk, ["u"]).fields == ("a",)  # once, whatever reads it
    walk.signals["b"] = replace(walk.signals["b"], sources=frozenset({"a"}))
    with pytest.raises(AssumptionError, match="'a', whose units depend on weights of other terms"):
        program_of(walk, ["t", "b"])
    walk.signals["a"] = replace(walk.signals["a"], gaussian=False)
    with pytest.raises(AssumptionError, match="rest on 'a', whose units are not Gaussian"):
        program_of(walk, ["u"])
