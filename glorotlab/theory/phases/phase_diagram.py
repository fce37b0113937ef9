"""The plane of sigma_w^2 and sigma_b^2: order, chaos, the critical line, and where each named initializer lies.

On the critical line chi_1 = sigma_w^2 E f'^2 = 1 at a fixed point q (Poole et al. 2016; Schoenholz et al. 2017; the
"edge of chaos"). It is a curve in q that needs no root: sigma_w^2 = 1 / E f'^2 and sigma_b^2 = q - sigma_w^2 E f^2,
where that is not negative. On it the slope of the variance map is sigma_w^2 dE[f^2]/dq; where it exceeds 1 the fixed
point is unstable and signals leave it: no network stays on that part of the line (gelu and silu have one).

An initializer with Var[W] = v puts a layer at sigma_w^2 = fan_in v; gradients pass with fan_out v E f'^2 instead,
which is chi_1 where the layer is square. Only the variance enters: distributions that differ in shape alone share a
point, orthogonal weights as well (Pennington, Schoenholz & Ganguli 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import xarray as xr

from glorotlab import __version__, activations, notebook
from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.checks import real_number, whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.initializers import ALIASES, NAMES, Initializer, get, get_bias
from glorotlab.theory.gaussian import root_finding
from glorotlab.theory.gaussian.moments import LARGEST, SMALLEST, moments, susceptibility
from glorotlab.theory.phases import fixed_points, variance_map
from glorotlab.theory.phases.fixed_points import TOLERANCE, TRAINABLE
from glorotlab.theory.phases.variance_map import ZERO

KIND = "phase diagram"
"""Attribute ``kind`` of the Dataset."""

WEIGHT_VARIANCES, BIAS_VARIANCES = np.linspace(0.1, 4.0, 40), np.linspace(0.0, 1.0, 21)
"""Default grids of sigma_w^2 and sigma_b^2 of a phase diagram."""

CATALOGUE = tuple(name for name in NAMES if name not in ALIASES and name != "variance_scaling")
"""Named initializers, those with a parameter at its default."""

MAX_POINTS = 100_000
"""Largest number of points of a phase diagram."""

LINE_POINTS = 721
"""Number of points of the critical line."""

LINE = 1e-12, 1e6
"""Least and largest q of the critical line."""


@dataclass(frozen=True)
class CriticalPoint:
    """A point of the critical line.

    Parameters
    ----------
    q : float
        The fixed point; 0 is a limit.
    weight_variance, bias_variance : float
        sigma_w^2 and sigma_b^2.
    slope : float
        V'(q): above 1 the fixed point is unstable.
    """

    q: float
    weight_variance: float
    bias_variance: float
    slope: float

    def _repr_html_(self) -> str:
        return notebook.record("Critical point", self)


def critical_points(activation: str | Activation, bias_variance: float) -> tuple[CriticalPoint, ...]:
    """Return every point of the critical line at one sigma_b^2, ascending in q.

    Parameters
    ----------
    activation : str or Activation
        A name or an expression in x.
    bias_variance : float
        sigma_b^2 >= 0.

    Returns
    -------
    tuple of CriticalPoint

    Raises
    ------
    InvalidValueError, AssumptionError
        Where ``fixed_points`` raises them.

    Examples
    --------
    Without biases tanh networks are critical at sigma_w^2 = 1 alone, at the edge of chaos (Schoenholz et al. 2017):

    >>> import glorotlab as gl
    >>> [(point.weight_variance, point.q) for point in gl.critical_points("tanh", bias_variance=0.0)]
    [(1.0, 0.0)]
    """
    record = activations.get(activation)
    b = real_number("bias_variance =", bias_variance, 0, variance_map.HIGHEST)
    grid = variance_map.variance_map(record)
    points = []
    if b == 0 and grid.zero_at_zero and grid.slope_at_zero > 0:
        points.append(CriticalPoint(0.0, 1 / grid.slope_at_zero, 0.0, 1.0))
    q = grid.q
    off = _bias(record, q) - b
    above = np.where(np.isnan(off) | (np.abs(off) <= ZERO * q), 0, np.sign(off))
    some = np.flatnonzero(above)
    for i, j in pairwise(some.tolist()):
        if above[i] != above[j]:
            ends = np.log(q[[i]]), np.log(q[[j]])
            at = np.exp(root_finding.bisect(_difference(record, b, above[j]), *ends))
            weight = 1 / moments(record, at).derivative_second_moment
            slope = weight * susceptibility(record, at)
            points.append(CriticalPoint(float(at[0]), float(weight[0]), b, float(slope[0])))
    return tuple(points)


def _bias(record: Activation, q: Array) -> Array:
    """Return sigma_b^2 of the point of the critical line with this q.

    It may be negative: there is no such point; -inf where f' is 0, and not a number where both moments underflow.
    """
    exact = moments(record, q)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.asarray(q - exact.second_moment / exact.derivative_second_moment)


def _difference(record: Activation, b: float, sign: float) -> Callable[[Array], Array]:
    return lambda x: np.asarray(sign * (_bias(record, np.exp(x)) - b))


def phase_diagram(
    activation: str | Activation,
    weight_variance: npt.ArrayLike = WEIGHT_VARIANCES,
    bias_variance: npt.ArrayLike = BIAS_VARIANCES,
    *,
    initializers: Sequence[str] = CATALOGUE,
    fan_in: int = 1000,
    fan_out: int | None = None,
    input_second_moment: float = 1.0,
) -> xr.Dataset:
    """Compute the phase diagram of an activation, with initializers as points of it.

    Parameters
    ----------
    activation : str or Activation
        A name or an expression in x.
    weight_variance, bias_variance : array_like
        One-dimensional grids of sigma_w^2 > 0 and sigma_b^2 >= 0.
    initializers : sequence of str
        Names with their parameters; by default all of the catalogue. Biases are those that go with the initializer.
    fan_in, fan_out : int
        Of the layer that initializers are placed for; square by default.
    input_second_moment : float
        Second moment of the pre-activations the network starts from. It decides which fixed point is reached where
        there are several, and is q itself where every q is fixed.

    Returns
    -------
    xarray.Dataset
        On (weight_variance, bias_variance): ``q``, ``slope``, ``chi_1``, ``correlation`` (c*),
        ``correlation_slope``, ``phase``, and the depths ``variance_depth``, ``correlation_depth``,
        ``gradient_depth``, ``trainable_depth``, of ``FixedPoint``. On ``critical``: ``critical_weight_variance``,
        ``critical_bias_variance``, ``critical_q``, ``critical_slope``; not a number where the line leaves
        sigma_b^2 >= 0. On ``initializer``: the same quantities as on the grid, with ``initializer_`` in front,
        ``initializer_weight_variance``, ``initializer_bias_variance`` and ``initializer_gradient_factor``, which is
        fan_out Var[W] E f'^2. ``numerical_error`` is the largest error of a q (relative) or a c*.

    Raises
    ------
    InvalidValueError
        Where an argument is not a number of its range, a grid is empty or has too many points, or a fan is not a
        whole number from 1.
    AssumptionError
        Where the moments of the activation cannot be given.

    Examples
    --------
    >>> import glorotlab as gl
    >>> diagram = gl.phase_diagram("tanh", [0.5, 1.0, 2.0], [0.0], initializers=["lecun_normal"])
    >>> diagram["phase"].sel(bias_variance=0.0).values.tolist()
    ['ordered', 'critical', 'chaotic']
    >>> float(diagram["initializer_weight_variance"].sel(initializer="lecun_normal"))  # fan_in Var[W]
    1.0
    """
    record = activations.get(activation)
    w = _axis(weight_variance, "weight_variance", positive=True)
    b = _axis(bias_variance, "bias_variance")
    if w.size * b.size > MAX_POINTS:
        raise InvalidValueError(f"phase diagram of {w.size} x {b.size} points: allowed are {MAX_POINTS}")
    start = real_number("input_second_moment", input_second_moment, SMALLEST, LARGEST)
    layer = whole_number("fan_in", fan_in, 1), whole_number("fan_out", fan_in if fan_out is None else fan_out, 1)
    at = np.meshgrid(w, b, indexing="ij")
    grid, error = _reached(record, at[0].ravel(), at[1].ravel(), start)
    chosen = [get(name) for name in initializers]
    names = [initializer.name for initializer in chosen]
    placed, placed_error = _placed(record, chosen, *layer, start)
    plane = ("weight_variance", "bias_variance")
    return xr.Dataset(
        {name: (plane, values.reshape(at[0].shape), _ABOUT[name]) for name, values in grid.items()}
        | {name: ("critical", values, about) for name, (values, about) in _line(record).items()}
        | {f"initializer_{name}": ("initializer", values, _ABOUT[name]) for name, values in placed.items()},
        coords={
            "weight_variance": ("weight_variance", w, _ABOUT["weight_variance"]),
            "bias_variance": ("bias_variance", b, _ABOUT["bias_variance"]),
            "initializer": ("initializer", np.array(names, dtype=str), _ABOUT["initializer"]),
        },
        attrs={
            "kind": KIND,
            "activation": record.name,
            "fan_in": layer[0],
            "fan_out": layer[1],
            "input_second_moment": start,
            "tolerance": TOLERANCE,
            "numerical_error": max(error, placed_error),
            "version": __version__,
        },
    )


def _axis(values: npt.ArrayLike, name: str, *, positive: bool = False) -> Array:
    axis = np.atleast_1d(fixed_points.variances(values, name, positive=positive))
    if axis.ndim != 1 or axis.size == 0:
        raise InvalidValueError(f"{name} of shape {axis.shape}: allowed are grids of one dimension")
    return axis


def _reached(record: Activation, w: Array, b: Array, start: float) -> tuple[dict[str, Array], float]:
    """Return the fields of the ``FixedPoint`` to which a signal of second moment ``start`` moves."""
    q, neutral = np.full(w.shape, math.nan), np.zeros(w.shape, dtype=bool)
    excess = variance_map.excess(record, w, b, np.full(w.shape, start))
    for row, places in enumerate(variance_map.find(record, w, b)):
        if any(place.before == place.after == 0 for place in places):
            q[row], neutral[row] = start, True
            continue
        index = variance_map.destination(places, start, float(excess[row]))
        if index is not None:
            q[row] = places[index].q
    known = ~np.isnan(q)
    columns = fixed_points.describe(record, w[known], b[known], q[known], neutral[known], TOLERANCE)
    error = float(columns.pop("error").max(initial=0.0))
    values = {"q": q} | {name: _fill(known, column) for name, column in columns.items()}
    chi_1 = values["chi_1"]
    values["phase"] = fixed_points.phases(chi_1)
    values["variance_depth"] = fixed_points.depth(values["slope"])
    values["correlation_depth"] = fixed_points.depth(values["correlation_slope"])
    values["gradient_depth"] = np.where(values["phase"] == "critical", math.inf, fixed_points.depth(chi_1))
    values["trainable_depth"] = TRAINABLE * values["correlation_depth"]
    return values, error


def _fill(where: npt.NDArray[np.bool_], values: Array) -> Array:
    """Return values with NaN where they are missing."""
    filled = np.full(where.shape, math.nan)
    filled[where] = values
    return filled


def _line(record: Activation) -> dict[str, tuple[Array, dict[str, str]]]:
    """Return the critical line as a curve in q."""
    top = min(LINE[1], float(variance_map.variance_map(record).q[-1]))
    q = np.geomspace(LINE[0], top, LINE_POINTS)
    exact = moments(record, q)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # no weights are large enough where f' is 0
        weight = 1 / exact.derivative_second_moment
        bias = q - weight * exact.second_moment
        slope = weight * susceptibility(record, q)
    bias = np.where(np.abs(bias) <= ZERO * q, 0.0, bias)
    inside = bias >= 0
    values = {"weight_variance": weight, "bias_variance": bias, "q": q, "slope": slope}
    return {f"critical_{name}": (np.where(inside, column, math.nan), _ABOUT[name]) for name, column in values.items()}


def _placed(
    record: Activation, chosen: Sequence[Initializer], fan_in: int, fan_out: int, start: float
) -> tuple[dict[str, Array], float]:
    """Return the initializers as points of the plane, with the limits of signals there."""
    w = np.array([fan_in * initializer.variance(fan_in, fan_out) for initializer in chosen], dtype=np.float64)
    b = np.array([get_bias(initializer.bias).variance_at(fan_in) for initializer in chosen], dtype=np.float64)
    columns, error = _reached(record, w, b, start)
    factor = columns["chi_1"] * (fan_out / fan_in)
    return {"weight_variance": w, "bias_variance": b, "gradient_factor": factor} | columns, error


_ABOUT = {
    name: {"long_name": long_name, "units": units}
    for name, long_name, units in (
        ("weight_variance", "sigma_w^2 = fan_in Var[W]", "1"),
        ("bias_variance", "sigma_b^2, variance of the biases", "1"),
        ("q", "second moment of the pre-activations at the fixed point", "1"),
        ("slope", "slope of the variance map at q", "1"),
        ("chi_1", "chi_1 = sigma_w^2 E f'^2, factor of the squared gradient per layer", "1"),
        ("correlation", "c*, correlation that two examples settle at", "1"),
        ("correlation_slope", "slope of the correlation map at c*", "1"),
        ("phase", "ordered, critical or chaotic", "1"),
        ("initializer", "name of the initializer", "1"),
        ("variance_depth", "xi_q, depth scale of the variance", "layers"),
        ("correlation_depth", "xi_c, depth scale of correlations", "layers"),
        ("gradient_depth", "-1 / ln chi_1, depth scale of squared gradients", "layers"),
        ("trainable_depth", "6 xi_c (Schoenholz et al. 2017, an empirical rule)", "layers"),
        ("gradient_factor", "fan_out Var[W] E f'^2, factor of the squared gradient per layer", "1"),
    )
}
