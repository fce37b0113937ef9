"""Activations: M_ab = E f_a f_b of (s_a, s_b) ~ N(0, Q) forward, D_ab E f'_a f'_b back.

Poole et al. 2016. Back from g = c z + rest comes f' g, of second moment D_rest E f' f' + c_a c_b E[(f f')_a (f f')_b]
(``gradient_independence``), mean c E f f' and curvature E d(f' g)/ds = c dE f^2/dq.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import hypot

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.graph import Node
from glorotlab.spec.layers.pooling import MaxPooling
from glorotlab.spec.layers.residual import Sum
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.gaussian.kernel_moments import kernel_moments
from glorotlab.theory.gaussian.moments import LARGEST, SMALLEST, moments_and_products
from glorotlab.theory.gaussian.point_moments import PointMoments
from glorotlab.theory.gaussian.sampling import covariance_root
from glorotlab.theory.mean_field import gradient_independence
from glorotlab.theory.mean_field.layers import batch_of_maps, normalisation, pooling, unit_program
from glorotlab.theory.mean_field.layers.base import (
    Block,
    Gradient,
    Kernels,
    Signal,
    Walk,
    ends,
    outer,
    vector_kernels,
)


@dataclass(frozen=True)
class Slopes:
    """State of an activation's forward pass for its backward pass.

    Parameters
    ----------
    record : Activation
    kernels : Kernels
        E f'_a f'_b.
    slope_mean, product_mean, susceptibility, product_second_moment : (examples, *positions)
        E f', E f f', dE f^2/dq and E f^2 f'^2.
    points : PointMoments, optional
        Moments of a map.
    """

    record: Activation
    kernels: Kernels
    slope_mean: Array
    product_mean: Array
    susceptibility: Array
    product_second_moment: Array
    points: PointMoments | None = None


def needs(node: Node, blocks: frozenset[Block]) -> frozenset[Block]:
    """Return the blocks that the input must have: the same."""
    return blocks


def forward(node: Node, walk: Walk) -> Signal:
    """Return the signal of z = f(s)."""
    s, layer = walk.input_of(node.name), node.layer
    assert isinstance(layer, Elementwise)  # noqa: S101
    if s.draws is not None:
        return _of_draws(node, walk, s, s.draws, layer.record)
    source = walk.graph[node.inputs[0]]
    batch_of_maps.check(walk, source.name, layer.record)
    if isinstance(source.layer, MaxPooling) and walk.input_of(source.name).gaussian:
        return _of_maxima(node, source, walk, layer.record)
    if not s.gaussian:
        return _of_program(node, walk, s, layer.record)
    _check_range(s)
    if s.gap is not None:
        return _of_vector(node, walk, s, layer.record)
    return _of_map(node, walk, s, layer.record)


def _check_range(s: Signal) -> None:
    """Raise if a signal leaves its range; positions of a map may be silent, examples of a vector not."""
    least, most = float(s.q.max() if s.positions else s.q.min()), float(s.q.max())
    if not SMALLEST <= least <= most <= LARGEST:
        raise AssumptionError(
            f"pre-activations of second moments {least:.3g} to {most:.3g}: allowed are {SMALLEST:g} to {LARGEST:g}"
        )


def _of_vector(node: Node, walk: Walk, s: Signal, record: Activation) -> Signal:
    single, product_mean, susceptibility = moments_and_products(record, s.q)
    pairs = kernel_moments(record, s.covariance, single)
    slopes = vector_kernels(Covariance(pairs.derivative_second_moment, pairs.gap))
    walk.memory[node.name] = Slopes(
        record, slopes, single.derivative_mean, product_mean, susceptibility, single.product_second_moment
    )
    kernels = vector_kernels(Covariance(pairs.second_moment, pairs.gap))
    error = max(s.error, pairs.error)
    return Signal(node.units, kernels, single.mean, False, s.sources, pairs.gap, error)


def _of_map(node: Node, walk: Walk, s: Signal, record: Activation) -> Signal:
    points = PointMoments(record, s.q)
    kernels, slopes = Kernels(), Kernels()
    for block in walk.blocks[node.name]:
        if block == s.here:
            kernels[block], slopes[block] = points.second_moment, points.derivative_second_moment
        else:
            kernels[block], slopes[block] = points.pairs(partial(_ends, block), s.kernels[block])
    walk.memory[node.name] = Slopes(
        record,
        slopes,
        points.derivative_mean,
        points.product_mean,
        points.susceptibility,
        points.product_second_moment,
        points,
    )
    return Signal(node.units, kernels, points.mean, False, s.sources, error=max(s.error, points.error))


def _of_draws(node: Node, walk: Walk, s: Signal, units: Array, record: Activation) -> Signal:
    """Return the signal of drawn units."""
    f, slope = (np.asarray(own(units), dtype=np.float64) for own in (record.function, record.derivative))
    count = units.shape[1]
    covariance, slopes = Covariance.of(f @ f.T / count), slope @ slope.T / count
    kernels = {Block(False, ()): np.array(np.diagonal(slopes)), Block(True, ()): slopes}
    product, q = f * slope, np.maximum(s.q, SMALLEST)
    moments = slope.mean(axis=1), product.mean(axis=1), (units * product).mean(axis=1) / q, (product**2).mean(axis=1)
    walk.memory[node.name] = Slopes(record, kernels, *moments)
    square = (f**2).mean(axis=0)
    error = max(s.error, float(square.std() / square.mean() / np.sqrt(count)))
    mean, kernels = f.mean(axis=1), vector_kernels(covariance)
    return Signal(node.units, kernels, mean, False, s.sources, covariance.gap, error)


def _of_maxima(node: Node, pool: Node, walk: Walk, record: Activation) -> Signal:
    """Return the signal of f of the largest of each window; what is aligned going back is as of piecewise linear f."""
    s = walk.signals[pool.name]
    moments = pooling.window_moments(pool, walk, walk.input_of(pool.name), record, before=False)
    slopes = {block: own.slopes.reshape(s.kernels[block].shape) for block, own in moments.items()}
    unknown = np.full_like(s.mean, np.nan)
    product = moments[s.here].slope_products.reshape(s.mean.shape)
    walk.memory[node.name] = Slopes(record, slopes, unknown, unknown, slopes[s.here], product)
    return pooling.signal_of(node, s, moments)


def _of_program(node: Node, walk: Walk, s: Signal, record: Activation) -> Signal:
    """Return the signal of f of what units make of fields without weights, such as the sum of a trunk and a branch."""
    name, below = node.name, node.inputs[0]
    walk.memory[name] = program = unit_program.program_of(walk, [below])

    def values(drawn: unit_program.Values) -> list[Array]:
        return [np.asarray(record.function(drawn[below]), dtype=np.float64)]

    (kernels,), (mean,) = unit_program.moments(walk, program, sorted(walk.blocks[name]), values, values)
    error = hypot(s.error, unit_program.ERROR)
    if s.gap is None:
        return Signal(node.units, kernels, mean, False, s.sources, error=error)
    covariance = Covariance.of(kernels[s.across])
    return Signal(node.units, vector_kernels(covariance), mean, False, s.sources, covariance.gap, error)


def _ends(block: Block, values: Array) -> tuple[Array, Array]:
    return ends(values, block)


def backward(node: Node, walk: Walk, gradient: Gradient) -> list[Gradient]:
    """Return the gradient of s."""
    if gradient.passed is not None:
        return [gradient.passed]
    s, z, own = walk.input_of(node.name), walk.signals[node.name], walk.memory[node.name]
    if gradient.arrivals or isinstance(own, unit_program.Program):
        return [_back_by_program(node, walk, gradient)]
    total = {block: d * own.kernels[block] for block, d in gradient.apart.items()}
    if gradient.aligned.any() and _counts(node, walk, gradient, total):
        for block in total:
            total[block] = total[block] + outer(gradient.aligned, block) * _products(own, s, block)
    aligned = gradient.aligned * own.susceptibility
    mean = gradient.aligned * own.product_mean + (gradient.mean - gradient.aligned * z.mean) * own.slope_mean
    found = Gradient.of_total(total, s, aligned, mean, gradient.sources)
    return [found if s.draws is None else replace(found, draws=_drawn(node, walk, gradient, s.draws))]


def _back_by_program(node: Node, walk: Walk, gradient: Gradient) -> Gradient:
    """Return the gradient of s if g depends on f'(s).

    What arrives by weights at this node, or at one above, is independent of the unit's values in between, whose slopes
    it is multiplied by; but a share of it, taken as one number for all points, is in proportion to the value there.
    """
    below, arrivals = node.inputs[0], gradient.arrivals or {node.name: gradient}
    program, s = unit_program.program_of(walk, list(arrivals)), walk.input_of(node.name)
    shares = {name: float(own.aligned.mean()) for name, own in arrivals.items()}
    gaussian = _gaussian_part(walk, below)

    def products(drawn: unit_program.Values) -> list[Array]:
        slopes = unit_program.slopes(walk, program, drawn, below)
        aligned = sum((share * slopes[name] * drawn[name] for name, share in shares.items()), start=np.zeros(1))
        return [*(slopes[name] for name in arrivals), aligned]

    def averages(drawn: unit_program.Values) -> list[Array]:
        aligned = products(drawn)[-1]
        branch = sum((factor * drawn[name] for factor, name in gaussian), start=np.zeros_like(aligned))
        return [aligned, aligned * branch, branch**2]

    (*squares, aligned), (mean, stein, q) = unit_program.moments(
        walk, program, sorted(gradient.apart), products, averages
    )
    total = {block: aligned[block] for block in gradient.apart}
    for own, square in zip(arrivals.values(), squares, strict=True):
        for block in own.apart:
            total[block] = total[block] + own.apart[block] * square[block]
    curvature = np.divide(stein, q, out=np.zeros_like(q), where=q > 0)
    found = Gradient.of_total(total, s, curvature, mean, gradient.sources)
    return replace(found, arrivals=arrivals, error=hypot(gradient.error, unit_program.ERROR))


def _gaussian_part(walk: Walk, name: str) -> list[tuple[float, str]]:
    """Return the terms of a node that are Gaussian, by which its slope follows from Stein's identity."""
    node = walk.graph[name]
    terms = [(1.0, name)]
    if isinstance(node.layer, Sum) and not walk.signals[name].gaussian:
        terms = list(zip(node.layer.factors, node.inputs, strict=True))
    return [(factor, below) for factor, below in terms if walk.signals[below].gaussian]


def _drawn(node: Node, walk: Walk, gradient: Gradient, units: Array) -> Array:
    """Return f'(s) g of drawn units, g being Gaussian but for what is in proportion to f(s)."""
    record = walk.memory[node.name].record
    g = covariance_root(gradient.apart[Block(True, ())]) @ normalisation.drawn_noise(node, walk, len(units))
    g += gradient.aligned[:, np.newaxis] * record.function(units)
    return np.asarray(g * record.derivative(units))


def _counts(node: Node, walk: Walk, gradient: Gradient, total: Kernels) -> bool:
    """Return whether the aligned part is not negligible; for maps and single examples it always counts."""
    s, z, own = walk.input_of(node.name), walk.signals[node.name], walk.memory[node.name]
    if s.gap is None or len(s.q) == 1:
        return True
    below = np.ones(1)
    if walk.graph[node.inputs[0]].layer.kind == "dense":
        below = walk.input_of(node.inputs[0]).kernels[s.across]
    both = own.kernels[s.across] * z.kernels[s.across]
    return gradient_independence.counts(gradient.aligned, own.product_second_moment, total[s.across], both, below)


def _products(own: Slopes, s: Signal, block: Block) -> Array:
    """Return E[(f f')_a (f f')_b]."""
    if block == s.here:
        return own.product_second_moment
    if own.points is not None:
        return own.points.products(partial(_ends, block), s.kernels[block])
    if s.positions:  # of maxima: as if f f' at different points were in proportion to f' there
        first, second = ends(np.sqrt(own.product_second_moment), block)
        return first * second
    return gradient_independence.products(own.record, s.kernels[block], own.product_second_moment)
