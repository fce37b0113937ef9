"""The variance map V(q) = sigma_w^2 E f^2 + sigma_b^2 on a grid of q, and every q with V(q) = q.

The excess g = ln(V(q) / q) is searched for changes of sign in ln q; its extrema near 0 are nodes as well, so that two
fixed points about to meet are told apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.theory.gaussian import root_finding
from glorotlab.theory.gaussian.closed_forms import ROUNDING
from glorotlab.theory.gaussian.moments import moments, susceptibility

LOWEST, HIGHEST = 1e-16, 1e16
"""Range of second moments in which fixed points are searched; its ends represent 0 and infinity."""

BLOCKS = 33
"""Number of parts of the grid that are tried one by one if moments do not exist on all of it."""

STEP = 0.125
"""Largest step of the grid in ln q."""

NEAR, FLAT = 0.05, 1e-10
"""Size of g below which an extremum is an extra node, and flatness of g in its cell that counts as rounding."""

NEWTON, DIFFERENCE = 6, 1e-3
"""Steps to an extremum, and the difference in ln q that gives the curvature."""

NEXT_TO_0 = 1e-200
"""Distance from 0 at which derivatives of f beside 0 are computed."""

POWER = 1e-3
"""Largest difference from 1 of the power of q with which E f^2 counts as growing like q."""

ZERO = 8 * ROUNDING
"""Largest |g| that counts as 0, because moments and logarithms are rounded."""


@dataclass(frozen=True)
class Grid:
    """The variance map of an activation, without sigma_w^2 and sigma_b^2.

    Parameters
    ----------
    q, square, derivative : (nodes,)
        Nodes equally spaced in ln q, and E f^2 and dE f^2/dq there.
    step : float
        Their distance in ln q.
    zero_at_zero : bool
        Whether f(0) = 0.
    slope_at_zero : float
        E f'^2 as q vanishes: the mean over both sides of 0.
    order : int
        0, 1 or 2 where E f^2 grows more slowly than q, like q, or faster at the upper end.
    """

    q: Array
    square: Array
    derivative: Array
    step: float
    zero_at_zero: bool
    slope_at_zero: float
    order: int


@lru_cache(maxsize=16)
def variance_map(record: Activation) -> Grid:
    """Evaluate a variance map on the grid."""
    with np.errstate(all="ignore"):
        at_zero = np.asarray(record.function(np.zeros(1)), dtype=np.float64)[0]
        near = np.asarray(record.derivative(np.array([-NEXT_TO_0, NEXT_TO_0])), dtype=np.float64)
    q, square, derivative = _sampled_map(record)
    power = derivative[-1] * q[-1] / square[-1]
    order = 0 if power < 1 - POWER else 1 if power <= 1 + POWER else 2
    step = math.log(q[1] / q[0])
    return Grid(q, square, derivative, step, bool(at_zero == 0), float((near**2).mean()), order)


def _sampled_map(record: Activation) -> tuple[Array, Array, Array]:
    """Return q, E f^2 and dE f^2/dq on the grid, or on the part of it around 1 where moments of f can be had."""
    q = np.geomspace(LOWEST, HIGHEST, math.ceil(math.log(HIGHEST / LOWEST) / STEP) + 1)
    try:
        return q, moments(record, q).second_moment, susceptibility(record, q)
    except AssumptionError:
        pass
    blocks = np.array_split(q, BLOCKS)
    known: dict[int, tuple[Array, Array]] = {}
    for direction in (range(BLOCKS // 2, BLOCKS), range(BLOCKS // 2 - 1, -1, -1)):
        for index in direction:
            try:
                known[index] = moments(record, blocks[index]).second_moment, susceptibility(record, blocks[index])
            except AssumptionError:
                break
    if not known:
        moments(record, q)
    rows = [(blocks[index], *known[index]) for index in sorted(known)]
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    return columns[0], columns[1], columns[2]


@dataclass(frozen=True)
class Place:
    """A fixed point q of the variance map, and the sign of V(q) - q before and after it."""

    q: float
    before: int
    after: int


def excess(record: Activation, w: Array | float, b: Array | float, q: Array) -> Array:
    """Return g = ln(V(q) / q), -inf if V underflows, as far below the threshold of max(x - 9, 0)."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log((w * moments(record, q).second_moment + b) / q))


def turning(record: Activation, w: Array | float, b: Array | float, q: Array) -> Array:
    """Return dg/d ln q = q V'(q) / V(q) - 1, NaN if V underflows."""
    after = w * moments(record, q).second_moment + b
    with np.errstate(invalid="ignore"):
        return np.asarray(w * susceptibility(record, q) * q / after - 1)


def find(record: Activation, w: Array, b: Array) -> list[list[Place]]:
    """Return the fixed points of the map of every (sigma_w^2, sigma_b^2), the limits included, ascending.

    Parameters
    ----------
    record : Activation
    w, b : (points,)
    """
    grid = variance_map(record)
    places: list[list[Place]] = []
    brackets: list[tuple[int, int, float, float, int]] = []
    for row, (weight, bias) in enumerate(zip(w.tolist(), b.tolist(), strict=True)):
        q, g = _nodes(record, grid, weight, bias)
        sign = np.where(np.abs(g) <= ZERO, 0, np.sign(g)).astype(int)
        some = np.flatnonzero(sign)
        first, last = (int(sign[some[0]]), int(sign[some[-1]])) if some.size else (0, 0)
        places.append([Place(0.0, 0, first)] if bias == 0 and grid.zero_at_zero else [])
        for i, j in pairwise(some.tolist()):
            before, after = int(sign[i]), int(sign[j])
            if before != after:
                brackets.append((row, len(places[row]), float(q[i]), float(q[j]), before))
            if before != after or j > i + 1:
                places[row].append(Place(float(q[(i + j) // 2]), before, after))
        if last > 0 or grid.order >= 1:
            places[row].append(Place(math.inf, last, 0))
    if brackets:
        rows, at, low, high, before_all = (np.array(column) for column in zip(*brackets, strict=True))
        refined = _refine(record, w[rows], b[rows], low, high, before_all)
        for row, index, value in zip(rows.tolist(), at.tolist(), refined.tolist(), strict=True):
            place = places[row][index]
            places[row][index] = Place(value, place.before, place.after)
    return places


def _nodes(record: Activation, grid: Grid, w: float, b: float) -> tuple[Array, Array]:
    """Return q and g on the grid and at the extrema of g near 0: between them g is monotone where it changes sign."""
    after = w * grid.square + b
    with np.errstate(divide="ignore", invalid="ignore"):
        g = np.log(after / grid.q)
        slope = (w * grid.derivative * grid.q / after - 1) * grid.step
    # the cubic through values and slopes at both ends of a cell: c_0 + c_1 t + c_2 t^2 + c_3 t^3
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.diff(g)
        c1, c2, c3 = slope[:-1], 3 * change - 2 * slope[:-1] - slope[1:], slope[:-1] + slope[1:] - 2 * change
        root = np.sqrt(c2**2 - 3 * c1 * c3)
        t = np.stack([c1 / (-c2 - root), c1 / (-c2 + root)])
        value = g[:-1] + t * (c1 + t * (c2 + t * c3))
        extreme = (t > 0) & (t < 1) & (np.abs(value) < NEAR) & (np.maximum(np.abs(c1), np.abs(slope[1:])) > FLAT)
    if not extreme.any():
        return grid.q, g
    _, cell = np.nonzero(extreme)
    x = _extremum(record, w, b, np.log(grid.q[cell]) + t[extreme] * grid.step, grid.step)
    q = np.concatenate([grid.q, np.exp(x)])
    order = np.argsort(q, kind="stable")
    return q[order], np.concatenate([g, excess(record, w, b, np.exp(x))])[order]


def _extremum(record: Activation, w: float, b: float, x: Array, step: float) -> Array:
    """Move estimates of extrema of g to where its slope vanishes, by Newton's steps of at most a quarter of a cell."""
    for _ in range(NEWTON):
        at = turning(record, w, b, np.exp(np.stack([x - DIFFERENCE, x, x + DIFFERENCE])))
        with np.errstate(divide="ignore", invalid="ignore"):
            move = at[1] * 2 * DIFFERENCE / (at[2] - at[0])
        x = x - np.clip(np.nan_to_num(move), -step / 4, step / 4)
    return x


def _refine(record: Activation, w: Array, b: Array, low: Array, high: Array, before: Array) -> Array:
    """Return the q of [low, high] at which g, of sign ``before`` at ``low``, changes its sign; one for each row."""
    x = root_finding.newton(
        lambda x: -before * excess(record, w, b, np.exp(x)),
        lambda x: -before * turning(record, w, b, np.exp(x)),
        np.log(low),
        np.log(high),
        (np.log(low) + np.log(high)) / 2,
        tolerance=ROUNDING,
    )
    return np.exp(x)


def destination(places: list[Place], q: float, g: float) -> int | None:
    """Return the index of the fixed point that a signal at q with excess g moves to, or None."""
    if abs(g) <= ZERO:
        return min(range(len(places)), key=lambda index: abs(places[index].q - q), default=None)
    if g > 0:
        return next((index for index, place in enumerate(places) if place.q >= q), None)
    return next((index for index in reversed(range(len(places))) if places[index].q <= q), None)
