"""Each layer kind's kernels, against sums over all pairs of positions and against drawn units, in NumPy."""

import importlib
import itertools
import pkgutil
from math import prod

import numpy as np
import pytest

from glorotlab.spec import layers as spec_layers
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.bias import Bias
from glorotlab.spec.layers.concatenation import Concatenation
from glorotlab.spec.layers.convolution import Convolution
from glorotlab.spec.layers.dropout import Dropout
from glorotlab.spec.layers.embedding import Embedding
from glorotlab.spec.layers.graph import Input, LayerGraph, Node
from glorotlab.spec.layers.normalisation import BatchNorm, LayerNorm, RMSNorm
from glorotlab.spec.layers.pooling import AveragePooling, MaxPooling
from glorotlab.spec.layers.residual import Sum
from glorotlab.theory.mean_field import layers as theory_layers
from glorotlab.theory.mean_field.graph_walk import KINDS
from glorotlab.theory.mean_field.layers.base import Block, Gradient, Signal, Walk, at, blocks_of

POSITIONS, EXAMPLES = (6, 5), 2

HELPERS = {"base", "batch_of_maps", "unit_program"}
"""Files of the theory that are no kind of layer."""


def names(package):
    return {module.name for module in pkgutil.iter_modules(package.__path__)}


def test_every_kind_has_its_theory():
    assert names(spec_layers) - {"graph", "base"} == names(theory_layers) - HELPERS
    assert {f"{kind}" for kind in KINDS} == names(theory_layers) - HELPERS
    for kind, module in KINDS.items():
        assert module is importlib.import_module(f"{theory_layers.__name__}.{kind}")
        assert all(callable(getattr(module, name)) for name in ("needs", "forward", "backward"))


def full_kernel(positions=POSITIONS, examples=EXAMPLES, seed=0):
    """A covariance of all points, (examples, *positions, examples, *positions)."""
    size = examples * prod(positions)
    root = np.random.default_rng(seed).normal(size=(size, size // 2))
    return (root @ root.T / root.shape[1]).reshape(examples, *positions, examples, *positions)


def block_of(full, block):
    """The kernel of a block, pair by pair; 0 where the second point is beyond the border."""
    rank = len(block.displacement)
    positions, examples = full.shape[1 : 1 + rank], full.shape[0]
    result = np.zeros((*(examples,) * (2 if block.pairs else 1), *positions))
    for p in itertools.product(*map(range, positions)):
        other = tuple(a + b for a, b in zip(p, block.displacement, strict=True))
        if all(0 <= a < size for a, size in zip(other, positions, strict=True)):
            for a, b in itertools.product(range(examples), repeat=2):
                if block.pairs:
                    result[(a, b, *p)] = full[(a, *p, b, *other)]
                elif a == b:
                    result[(a, *p)] = full[(a, *p, a, *other)]
    return result


def walk_of(layer, positions_above, blocks, full, gaussian=True, units=1):
    below, above = Node("x", Input(), (), units, full.shape[1:3]), Node("y", layer, ("x",), units, positions_above)
    kind = KINDS[layer.kind]
    carried = blocks_of(blocks)
    walk = Walk(LayerGraph((below, above), "y"), {}, {"y": carried})
    kept = blocks_of(kind.needs(above, carried))
    kernels = {block: block_of(full, block) for block in kept}
    walk.signals["x"] = Signal(units, kernels, np.zeros(full.shape[:3]), gaussian, frozenset({"x"}))
    walk.signals["y"] = kind.forward(above, walk)
    return walk, above


BLOCKS = [Block(pairs, displacement) for pairs in (False, True) for displacement in ((0, 0), (0, 1), (1, -1), (2, 1))]


def convolved(full, layer, above):
    """Sums over pairs of positions of what a convolution does to a kernel, offset by offset."""
    examples = full.shape[0]
    result = np.zeros((examples, *above, examples, *above))
    for p, q in itertools.product(itertools.product(*map(range, above)), repeat=2):
        for k in itertools.product(*map(range, layer.kernel_size)):
            one, other = (
                tuple(
                    s * a + d * b - before
                    for s, a, d, b, (before, _) in zip(
                        layer.stride, point, layer.dilation, k, layer.padding, strict=True
                    )
                )
                for point in (p, q)
            )
            if all(0 <= a < size for point in (one, other) for a, size in zip(point, POSITIONS, strict=True)):
                result[(slice(None), *p, slice(None), *q)] += full[(slice(None), *one, slice(None), *other)]
    return result * layer.weight_variance * layer.fan_in / prod(layer.kernel_size) + layer.bias_variance


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "padding", "above"),
    [
        ((3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)), (6, 5)),
        ((3, 2), (2, 1), (1, 2), ((0, 1), (1, 0)), (3, 4)),
    ],
)
def test_convolution_forward(kernel, stride, dilation, padding, above):
    layer = Convolution(4 * prod(kernel), 8 * prod(kernel), 0.03, 0.1, kernel, stride, dilation, padding)
    full = full_kernel()
    walk, _ = walk_of(layer, above, BLOCKS, full)
    expected = convolved(full, layer, above)
    for block in BLOCKS:
        np.testing.assert_allclose(at(walk.signals["y"].kernels, block), block_of(expected, block), atol=1e-12)


def test_convolution_backward_is_the_adjoint():
    """Sums over pairs of D_below M equal those of D times what the convolution makes of M, whatever D and M are."""
    layer = Convolution(36, 72, 0.03, 0.0, (3, 3), (2, 1), (1, 1), ((1, 1), (1, 1)))
    full, above = full_kernel(), (3, 5)
    walk, node = walk_of(layer, above, BLOCKS, full, units=8)
    d = {block: block_of(full_kernel(above, seed=1), block) for block in blocks_of(BLOCKS)}
    nothing = np.zeros((EXAMPLES, *above))
    (below,) = KINDS["convolution"].backward(node, walk, Gradient(d, nothing, nothing, frozenset("y")))
    gain = layer.weight_variance * layer.fan_in / prod(layer.kernel_size)
    for block, own in d.items():
        m = walk.signals["y"].kernels[block]
        under = Block(block.pairs, (2 * block.displacement[0], block.displacement[1]))
        left = (below.apart[under] * walk.signals["x"].kernels[under]).sum() / (8 * layer.weight_variance)
        np.testing.assert_allclose(left, (own * m).sum() / gain, rtol=1e-12)


def test_average_pooling():
    layer = AveragePooling((2, 2), (2, 1), ((0, 0), (0, 0)))
    full, above = full_kernel(), (3, 4)
    walk, node = walk_of(layer, above, BLOCKS, full)
    matrix = np.zeros((*above, *POSITIONS))
    for p in itertools.product(*map(range, above)):
        matrix[(*p, slice(2 * p[0], 2 * p[0] + 2), slice(p[1], p[1] + 2))] = 1 / 4
    expected = np.einsum("pqrs,arsbtu,vwtu->apqbvw", matrix, full, matrix)
    for block in BLOCKS:
        np.testing.assert_allclose(at(walk.signals["y"].kernels, block), block_of(expected, block), atol=1e-12)
    every = blocks_of([Block(pairs, (i, j)) for pairs in (False, True) for i in range(-2, 3) for j in range(-3, 4)])
    own = full_kernel(above, seed=1)
    d = {block: block_of(own, block) for block in every}
    walk.signals["y"] = Signal(1, {}, np.zeros((EXAMPLES, *above)), True, frozenset())
    nothing = np.zeros((EXAMPLES, *above))
    (below,) = KINDS["pooling"].backward(node, walk, Gradient(d, nothing, nothing, frozenset("y")))
    spread = np.einsum("pqrs,apqbvw,vwtu->arsbtu", matrix, own, matrix)
    for block, found in below.apart.items():
        np.testing.assert_allclose(found, block_of(spread, block), atol=1e-12)


def draws_of(full, count=2**17):
    size = prod(full.shape[:3])
    root = np.linalg.cholesky(full.reshape(size, size) + 1e-12 * np.eye(size))
    return (np.random.default_rng(3).normal(size=(count, size)) @ root.T).reshape(count, *full.shape[:3])


@pytest.mark.statistical
def test_max_pooling_against_drawn_maps():
    """Errors of both are below 1 % of a variance, four standard errors of each pair; 3 % would be seen."""
    layer = MaxPooling((2, 2), (2, 2), ((0, 0), (0, 0)))
    root = np.random.default_rng(0).normal(size=(EXAMPLES * 16, 12))
    full = (root @ root.T / 12 + np.eye(len(root)) / 4).reshape(EXAMPLES, 4, 4, EXAMPLES, 4, 4)
    blocks = [Block(False, (0, 0)), Block(True, (0, 0)), Block(False, (0, 1)), Block(False, (1, 0))]
    walk, node = walk_of(layer, (2, 2), blocks, full)
    s = draws_of(full)
    windows = s.reshape(-1, EXAMPLES, 2, 2, 2, 2).swapaxes(3, 4)  # (draws, examples, *windows, *elements)
    windows = windows.reshape(*windows.shape[:4], 4)
    largest = windows.max(axis=-1)
    expected = np.einsum("napq,nbrs->apqbrs", largest, largest) / len(s)
    for block in blocks:
        found, exact = walk.signals["y"].kernels[block], block_of(expected, block)
        assert np.abs(found - exact).max() < 0.04 * exact.max()
        assert abs(found.mean() - exact.mean()) < 0.01 * exact.max()
    d = {Block(False, (0, 0)): np.ones((EXAMPLES, 2, 2))}
    nothing = np.zeros((EXAMPLES, 2, 2))
    (below,) = KINDS["pooling"].backward(node, walk, Gradient(d, nothing, nothing, frozenset("y")))
    chosen = (windows == largest[..., np.newaxis]).mean(axis=0)
    exact = chosen.reshape(EXAMPLES, 2, 2, 2, 2).swapaxes(2, 3).reshape(EXAMPLES, 4, 4)
    assert np.abs(below.apart[Block(False, (0, 0))] - exact).max() < 0.03


def vector_walk(layer, inputs, kernels, gaussian=True, means=None, units=64):
    """A walk whose nodes are given vectors with a gap, and one layer above them."""
    from glorotlab.theory.gaussian.covariance import Covariance
    from glorotlab.theory.mean_field.layers.base import vector_kernels

    nodes = [Node(name, Input(), (), units) for name in inputs]
    node = Node("y", layer, tuple(inputs), units)
    blocks = {"y": blocks_of([Block(True, ())])}
    walk = Walk(LayerGraph((*nodes, node), "y"), {}, blocks)
    for name, kernel in zip(inputs, kernels, strict=True):
        covariance = Covariance.of(kernel)
        mean = np.zeros(len(kernel)) if means is None else means
        walk.signals[name] = Signal(
            units, vector_kernels(covariance), mean, gaussian, frozenset({name}), covariance.gap
        )
    return walk, node


def kernel_of(seed, examples=5):
    root = np.random.default_rng(seed).normal(size=(examples, 8))
    return root @ root.T / 8


@pytest.mark.parametrize(("layer", "centred"), [(LayerNorm(1e-6), True), (RMSNorm(1e-6), False)])
def test_normalisation_of_wide_vectors(layer, centred):
    h = np.random.default_rng(1).normal(size=(5, 4)) @ np.random.default_rng(2).normal(size=(4, 400)) + 0.5
    walk, node = vector_walk(layer, ["h"], [h @ h.T / 400], gaussian=False, means=h.mean(axis=1))
    y = h - h.mean(axis=1, keepdims=True) * centred
    y = y / np.sqrt((y**2).mean(axis=1, keepdims=True) + layer.epsilon)
    found = KINDS["normalisation"].forward(node, walk)
    np.testing.assert_allclose(found.kernels[Block(True, ())], y @ y.T / 400, rtol=1e-9, atol=1e-9)


@pytest.mark.statistical
@pytest.mark.parametrize("layer", [LayerNorm(1e-8), RMSNorm(1e-8)])
def test_normalisation_backward_to_first_order_in_width(layer):
    """Units are 32, where the correction is 3 %; the error of 4,000 draws is .2 %, of which five are allowed."""
    units, kernel, count = 32, kernel_of(4, 3), 4000
    walk, node = vector_walk(layer, ["h"], [kernel], units=units)
    walk.signals["y"] = KINDS["normalisation"].forward(node, walk)
    random = np.random.default_rng(5)
    h = np.linalg.cholesky(kernel) @ random.normal(size=(count, 3, units))
    g = np.linalg.cholesky(kernel_of(6, 3)) @ random.normal(size=(count, 3, units))
    centred = h - h.mean(axis=2, keepdims=True) * isinstance(layer, LayerNorm)
    scale = 1 / np.sqrt((centred**2).mean(axis=2, keepdims=True))
    y = centred * scale
    back = g - g.mean(axis=2, keepdims=True) * isinstance(layer, LayerNorm) - y * (g * y).mean(axis=2, keepdims=True)
    back = back * scale
    exact = np.einsum("nau,nbu->ab", back, back) / (count * units)
    across, nothing = Block(True, ()), np.zeros(3)
    d = {across: kernel_of(6, 3), Block(False, ()): np.diagonal(kernel_of(6, 3))}
    (below,) = KINDS["normalisation"].backward(node, walk, Gradient(d, nothing, nothing, frozenset("y")))
    size = np.sqrt(np.outer(np.diagonal(exact), np.diagonal(exact)))
    assert np.abs((below.apart[across] - exact) / size).max() < 0.011


@pytest.mark.statistical
def test_batch_normalised_maps_have_mean_square_one_spread_over_positions():
    """Channels over rectified noise, whose points are many: at edges, 1.2 % off, 3 % leave 3.5 standard errors.

    In proportion to the second moments below, as if a channel had no mean, edges would be 14 % lower.
    """
    random, size = np.random.default_rng(16), 12
    z = np.maximum(random.normal(size=(64, EXAMPLES, 32, size, size)), 0)  # 64 networks of 32 channels
    layer = Convolution(288, 9, 1 / 288, 0.0, (3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)))
    nodes = (
        Node("z", Input(), (), 32, (size, size)),
        Node("s", layer, ("z",), 64, (size, size)),
        Node("y", BatchNorm(1e-5), ("s",), 64, (size, size)),
    )
    here = Block(False, (0, 0))
    walk = Walk(LayerGraph(nodes, "y"), {}, dict.fromkeys("zsy", blocks_of([here])))
    q, mean = np.full((EXAMPLES, size, size), 0.5), np.full((EXAMPLES, size, size), (2 * np.pi) ** -0.5)
    walk.signals["z"] = Signal(32, {here: q}, mean, False, frozenset("z"))
    walk.signals["s"] = KINDS["convolution"].forward(nodes[1], walk)
    found = KINDS["normalisation"].forward(nodes[2], walk).q
    assert found.mean() == pytest.approx(1, abs=1e-4)
    assert KINDS["normalisation"].needs(nodes[2], blocks_of([Block(True, (1, 0))])) == frozenset()
    drawn = np.zeros((size, size))
    for own in z:
        padded = np.pad(own, ((0, 0), (0, 0), (1, 1), (1, 1)))
        patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        s = np.einsum("acpqij,kcij->kapq", patches, random.normal(size=(256, 32, 3, 3)), optimize=True)
        s -= s.mean(axis=(1, 2, 3), keepdims=True)
        drawn += (s**2 / (s**2).mean(axis=(1, 2, 3), keepdims=True)).mean(axis=(0, 1)) / len(z)
    inner, edge = drawn[1:-1, 1:-1].mean(), drawn[0, 1:-1].mean()
    assert abs(found[0, 3, 3] / inner - 1) < 0.03
    assert abs(found[:, 0, 1:-1].mean() / edge - 1) < 0.03


def test_dropout_leaves_pairs():
    kernel = kernel_of(7)
    walk, node = vector_walk(Dropout(0.8), ["h"], [kernel], gaussian=False)
    found = KINDS["dropout"].forward(node, walk).kernels
    expected = kernel + np.diag(np.diagonal(kernel)) * 0.25
    np.testing.assert_allclose(found[Block(True, ())], expected, rtol=1e-12)
    np.testing.assert_allclose(found[Block(False, ())], np.diagonal(expected), rtol=1e-12)


def test_sum_of_independent_and_of_dependent_nodes():
    """h + 2 f(h) has the cross term 2 E[h_a f_b] + 2 E[f_a h_b], by Stein's identity; other inputs add means alone."""
    kernel = kernel_of(8)
    nodes = (
        Node("h", Input(), (), 64),
        Node("f", Elementwise("relu"), ("h",), 64),
        Node("y", Sum((1.0, 2.0)), ("h", "f"), 64),
    )
    blocks = blocks_of([Block(True, ())])
    walk = Walk(LayerGraph(nodes, "y"), {}, dict.fromkeys(("h", "f", "y"), blocks))
    h = vector_walk(LayerNorm(0.0), ["h"], [kernel])[0].signals["h"]
    walk.signals["h"] = h
    walk.signals["f"] = KINDS["activation"].forward(nodes[1], walk)
    found = KINDS["residual"].forward(nodes[2], walk).kernels[Block(True, ())]
    s = np.random.default_rng(9).normal(size=(2**19, 5)) @ np.linalg.cholesky(kernel + 1e-12 * np.eye(5)).T
    y = s + 2 * np.maximum(s, 0)
    np.testing.assert_allclose(found, y.T @ y / len(s), atol=0.03 * found.max())


def test_a_bias_is_shared_by_examples_and_by_positions_without_their_own():
    full, at_once = full_kernel(), np.zeros((EXAMPLES, *POSITIONS, EXAMPLES, *POSITIONS))
    for p, q in itertools.product(itertools.product(*map(range, POSITIONS)), repeat=2):
        at_once[(slice(None), *p, slice(None), *q)] = 0.7 * (p[1] == q[1])  # one value along the first axis
    walk, _ = walk_of(Bias(0.7, (False, True)), POSITIONS, BLOCKS, full)
    for block in BLOCKS:
        np.testing.assert_allclose(walk.signals["y"].kernels[block], block_of(full + at_once, block), atol=1e-12)


def test_a_bias_of_vectors():
    kernel = kernel_of(12)
    walk, node = vector_walk(Bias(0.7), ["h"], [kernel])
    found = KINDS["bias"].forward(node, walk).covariance
    np.testing.assert_allclose(found.kernel, kernel + 0.7, rtol=1e-12)
    expected = np.add.outer(np.diagonal(kernel), np.diagonal(kernel)) - 2 * kernel
    np.testing.assert_allclose(found.distance(), expected, atol=1e-12)


def test_a_concatenation_is_the_mean_over_all_units():
    """Kernels, means and gaps are those of the units side by side; gradients are in proportion to each part's own."""
    random = np.random.default_rng(13)
    parts = [random.normal(size=(5, 24)), np.abs(random.normal(size=(5, 8)))]
    both = np.concatenate(parts, axis=1)
    walk, _ = vector_walk(Sum((1.0, 1.0)), ["h", "g"], [h @ h.T / h.shape[1] for h in parts])
    node = Node("y", Concatenation(), ("h", "g"), 32)
    for name, h in zip("hg", parts, strict=True):
        own = walk.signals[name]
        walk.signals[name] = Signal(h.shape[1], own.kernels, h.mean(axis=1), False, own.sources, own.gap)
    found = walk.signals["y"] = KINDS["concatenation"].forward(node, walk)
    np.testing.assert_allclose(found.kernels[Block(True, ())], both @ both.T / 32, rtol=1e-12)
    np.testing.assert_allclose(found.mean, both.mean(axis=1), rtol=1e-12)
    distance = ((both[:, None] - both[None]) ** 2).mean(axis=2)
    np.testing.assert_allclose(found.covariance.distance(), distance, atol=1e-12)
    slope, rest = random.normal(size=5), kernel_of(14)
    back = Gradient({Block(True, ()): rest}, slope, slope * found.mean, frozenset("y"))
    for gradient, h in zip(KINDS["concatenation"].backward(node, walk, back), parts, strict=True):
        own = Signal(h.shape[1], {Block(True, ()): h @ h.T / h.shape[1]}, h.mean(axis=1), False, frozenset())
        expected = rest + np.outer(slope, slope) * (h @ h.T) / h.shape[1]
        np.testing.assert_allclose(gradient.total(own)[Block(True, ())], expected, rtol=1e-12)
        np.testing.assert_allclose(gradient.mean, slope * h.mean(axis=1), atol=1e-12)


def test_embedding_knows_one_token_from_another():
    tokens = np.array([[3, 1, 3], [3, 0, 2]])
    nodes = (Node("x", Input(), (), 1), Node("e", Embedding(5, 8, 2.0, 0.0, 0), ("x",), 8, (3,), True))
    blocks = blocks_of([Block(True, (0,)), Block(False, (2,))])
    walk = Walk(LayerGraph(nodes, "e"), {"x": tokens}, {"e": blocks})
    found = KINDS["embedding"].forward(nodes[1], walk).kernels
    np.testing.assert_array_equal(found[Block(False, (0,))], [[2, 2, 2], [2, 0, 2]])
    np.testing.assert_array_equal(found[Block(False, (2,))], [[2, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(found[Block(True, (0,))][0, 1], [2, 0, 0])
