"""Fixed points of signal propagation in wide networks, their stability, and the depth scales around them.

A layer whose weights have n Var[W] = sigma_w^2 and whose biases have variance sigma_b^2 turns the second moment q of a
pre-activation into V(q) = sigma_w^2 E f(sqrt(q) z)^2 + sigma_b^2 (Poole et al. 2016). Signals settle where V(q) = q;
chi_1 = sigma_w^2 E f'^2 says whether gradients vanish or explode there, and c* at which correlation two examples
settle. docs/theory/phases.md has the depth scales and how all fixed points are found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glorotlab import activations, notebook
from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.checks import real_array, real_number
from glorotlab.errors import AssumptionError
from glorotlab.theory.gaussian.moments import moments, second_moments, susceptibility
from glorotlab.theory.phases import correlation_map
from glorotlab.theory.phases.variance_map import HIGHEST, ZERO, Place, destination, excess, find, variance_map

TOLERANCE = 1e-6
"""Largest |chi_1 - 1| that counts as critical."""

TRAINABLE = 6.0
"""Trainable depth over xi_c (Schoenholz et al. 2017)."""


@dataclass(frozen=True)
class FixedPoint:
    """A fixed point q of the variance map; depths are in layers, and negative where what they measure grows.

    Parameters
    ----------
    q : float
        Second moment of a pre-activation; 0 and inf are limits.
    slope : float
        Derivative V'(q) of the variance map.
    stability : str
        ``stable``, ``unstable``, ``half-stable`` (attracts from one side), ``neutral`` (every q is fixed).
    chi_1 : float
        sigma_w^2 E f'^2, by which one layer multiplies squared gradients on their way back.
    correlation : float
        c*, where the correlation of two examples settles; nan where every correlation is kept.
    correlation_slope : float
        Slope of the correlation map at c*. At c = 1 it is chi_1 (at the limits 0 and infinity: q chi_1 / V(q)).
    tolerance : float
        ``|chi_1 - 1|`` up to which the point is critical.
    error : float
        Estimate of the larger of the relative error of q and the absolute one of c*.

    Examples
    --------
    For linear units V(q) = q / 2 + 1 has the fixed point 2, and what is left of a deviation halves in each layer:

    >>> import glorotlab as gl
    >>> point = gl.fixed_points("linear", weight_variance=0.5, bias_variance=1.0).reached(1.0)
    >>> point.phase, round(point.q, 6)
    ('ordered', 2.0)
    >>> round(0.5**point.variance_depth, 4)  # 1 / e after so many layers
    0.3679
    """

    q: float
    slope: float
    stability: str
    chi_1: float
    correlation: float
    correlation_slope: float
    tolerance: float
    error: float

    def _repr_html_(self) -> str:
        derived = ("phase", "variance_depth", "correlation_depth", "gradient_depth", "trainable_depth")
        values = {name.replace("_", " "): getattr(self, name) for name in (*self.__dataclass_fields__, *derived)}
        return notebook.form("Fixed point", notebook.fields(values))

    @property
    def phase(self) -> str:
        """``ordered``, ``critical`` or ``chaotic``."""
        return str(phases(np.array(self.chi_1), self.tolerance))

    @property
    def variance_depth(self) -> float:
        """xi_q = -1 / ln abs(V'(q)): a deviation of q from the fixed point falls by e in so many layers."""
        return float(depth(self.slope))

    @property
    def correlation_depth(self) -> float:
        """xi_c = -1 / ln C'(c*): a deviation of the correlation from c* falls by e in so many layers."""
        return float(depth(self.correlation_slope))

    @property
    def gradient_depth(self) -> float:
        """-1 / ln chi_1: squared gradients vanish (positive) or explode (negative) by e in so many layers."""
        return math.inf if self.phase == "critical" else float(depth(self.chi_1))

    @property
    def trainable_depth(self) -> float:
        """6 xi_c, the depth up to which networks train by an empirical rule (Schoenholz et al. 2017, figure 5)."""
        return TRAINABLE * self.correlation_depth


@dataclass(frozen=True)
class FixedPoints:
    """All fixed points of a variance map.

    Parameters
    ----------
    activation : str
        Name of the activation.
    weight_variance, bias_variance : float
        sigma_w^2 and sigma_b^2.
    points : tuple of FixedPoint
        Ascending in q.
    scale_invariant : bool
        Whether every q is fixed; ``points`` then holds 0 and infinity alone.
    searched : tuple of float
        The least and largest q looked at.
    tolerance : float
        Distance of chi_1 from 1 up to which a point counts as critical.

    Examples
    --------
    Networks of tanh without biases are chaotic where sigma_w^2 exceeds 1 (Poole et al. 2016):

    >>> import glorotlab as gl
    >>> found = gl.fixed_points("tanh", weight_variance=2.0, bias_variance=0.0)
    >>> [(point.stability, point.phase) for point in found.points]
    [('unstable', 'chaotic'), ('stable', 'chaotic')]
    """

    activation: str
    weight_variance: float
    bias_variance: float
    points: tuple[FixedPoint, ...]
    scale_invariant: bool
    searched: tuple[float, float]
    tolerance: float = TOLERANCE

    def _repr_html_(self) -> str:
        title = f"Fixed points of {self.activation}, σ_w² = {self.weight_variance:g}, σ_b² = {self.bias_variance:g}" + (
            ": every q is one" if self.scale_invariant else ""
        )
        head = ("q", "V'(q)", "stability", "χ₁", "phase", "c*", "ξ_q", "ξ_c", "depth of gradients", "trainable depth")
        rows = (
            (
                p.q,
                p.slope,
                p.stability,
                p.chi_1,
                p.phase,
                p.correlation,
                p.variance_depth,
                p.correlation_depth,
                p.gradient_depth,
                p.trainable_depth,
            )
            for p in self.points
        )
        return notebook.form(title, notebook.table(head, rows, "Depths are in layers, negative where things grow"))

    def reached(self, second_moment: float = 1.0) -> FixedPoint:
        """Return the fixed point that a signal moves to.

        It is the next one in the direction of V(q) - q; a decreasing V may overshoot it. Where every q is fixed it is
        the signal's own.

        Parameters
        ----------
        second_moment : float
            q of the signal's pre-activations.

        Returns
        -------
        FixedPoint

        Raises
        ------
        AssumptionError
            Where there is none before the end of ``searched``.

        Examples
        --------
        >>> import glorotlab as gl
        >>> found = gl.fixed_points("tanh", weight_variance=2.0, bias_variance=0.0)
        >>> found.reached(second_moment=0.01) is found.points[1]  # away from the unstable point q = 0
        True
        """
        q = float(second_moments(second_moment, "second_moment"))
        record = activations.get(self.activation)
        if self.scale_invariant:
            return _points(record, self.weight_variance, self.bias_variance, [Place(q, 0, 0)], self.tolerance)[0]
        g = float(excess(record, self.weight_variance, self.bias_variance, np.array([q]))[0])
        index = destination([Place(point.q, 0, 0) for point in self.points], q, g)
        if index is None:
            raise AssumptionError(
                f"{self.activation:.60}: no fixed point in {self.searched[0]:g} ... {self.searched[1]:g}"
            )
        return self.points[index]


def fixed_points(
    activation: str | Activation,
    weight_variance: float,
    bias_variance: float = 0.0,
    *,
    tolerance: float = TOLERANCE,
) -> FixedPoints:
    """Find every fixed point of the variance map of a wide network.

    Parameters
    ----------
    activation : str or Activation
        A name or an expression in x.
    weight_variance : float
        sigma_w^2 = fan_in Var[W] > 0.
    bias_variance : float
        sigma_b^2 >= 0.
    tolerance : float
        ``|chi_1 - 1|`` up to this counts as critical.

    Returns
    -------
    FixedPoints

    Raises
    ------
    InvalidValueError
        Where a variance is not a number of its range.
    AssumptionError
        Where the moments of the activation cannot be given.

    Examples
    --------
    Weights of variance 1 / fan_in put tanh networks at the edge of chaos; q = 0 is their only fixed point:

    >>> import glorotlab as gl
    >>> (point,) = gl.fixed_points("tanh", weight_variance=1.0, bias_variance=0.0).points
    >>> point.q, point.phase
    (0.0, 'critical')

    ReLU units with 2 / fan_in keep any signal as it is (He et al. 2015):

    >>> gl.fixed_points("relu", weight_variance=2.0, bias_variance=0.0).scale_invariant
    True
    """
    record = activations.get(activation)
    w = real_number("weight_variance =", weight_variance, 0, HIGHEST, open_low=True)
    b = real_number("bias_variance =", bias_variance, 0, HIGHEST)
    tolerance = real_number("tolerance", tolerance, 0)
    places = find(record, np.array([w]), np.array([b]))[0]
    points = tuple(_points(record, w, b, places, tolerance))
    neutral = any(point.stability == "neutral" for point in points)
    grid = variance_map(record)
    return FixedPoints(record.name, w, b, points, neutral, (float(grid.q[0]), float(grid.q[-1])), tolerance)


def variances(values: npt.ArrayLike, name: str, *, positive: bool = False) -> Array:
    """Return variances as an array; InvalidValueError where one is not finite, negative or, if ``positive``, 0."""
    return real_array(name, values, 0, HIGHEST, open_low=positive)


def phases(chi_1: Array, tolerance: float = TOLERANCE) -> npt.NDArray[np.str_]:
    """Return ``ordered``, ``critical`` or ``chaotic``, or an empty text for NaN."""
    conditions = [np.isnan(chi_1), np.abs(chi_1 - 1) <= tolerance, chi_1 < 1]
    return np.asarray(np.select(conditions, ["", "critical", "ordered"], "chaotic"))


def depth(slope: npt.ArrayLike) -> Array:
    """Return -1 / ln |slope|: 0 at slope 0, inf at slope 1, negative beyond."""
    with np.errstate(divide="ignore"):
        logarithm = np.log(np.abs(np.asarray(slope, dtype=np.float64)))
        return np.where(np.abs(logarithm) <= ZERO, np.inf, 0.0 - 1 / logarithm)


def _points(record: Activation, w: float, b: float, places: list[Place], tolerance: float) -> list[FixedPoint]:
    if not places:
        return []
    q = np.array([place.q for place in places])
    neutral = np.array([place.before == place.after == 0 for place in places])
    columns = describe(record, np.full(q.shape, w), np.full(q.shape, b), q, neutral, tolerance)
    values = [{name: float(column[index]) for name, column in columns.items()} for index in range(len(places))]
    return [
        FixedPoint(q=place.q, stability=_stability(place), tolerance=tolerance, **row)
        for place, row in zip(places, values, strict=True)
    ]


def describe(
    record: Activation, w: Array, b: Array, q: Array, neutral: npt.NDArray[np.bool_], tolerance: float
) -> dict[str, Array]:
    """Return slope, chi_1, c*, its slope and the error at fixed points q, of which 0 and infinity are limits.

    ``neutral`` marks the q that were chosen, where every q is fixed.
    """
    grid = variance_map(record)
    inside = np.clip(q, grid.q[0], grid.q[-1])
    exact = moments(record, inside)
    slope, chi_1 = w * susceptibility(record, inside), w * exact.derivative_second_moment
    at_zero, far = q == 0, np.isinf(q) & (grid.order > 1)
    slope[at_zero] = chi_1[at_zero] = w[at_zero] * grid.slope_at_zero
    slope[far] = chi_1[far] = math.inf
    correlation, correlation_slope, error = correlation_map.settled(record, w, b, inside, tolerance)
    # at a double root q moves with the square root of the error; the limits and a neutral q have none
    root = (q > 0) & np.isfinite(q) & ~neutral
    error = np.maximum(error, np.where(root, ZERO / np.maximum(np.abs(1 - slope), math.sqrt(ZERO)), 0.0))
    return {
        "slope": slope,
        "chi_1": chi_1,
        "correlation": correlation,
        "correlation_slope": correlation_slope,
        "error": error,
    }


def _stability(place: Place) -> str:
    """Return the stability: below a fixed point that attracts V(q) > q, above it V(q) < q.

    V may fall, but never so steeply that it overshoots: d ln E f^2 / d ln q = (E[s^2 f^2] / (q E f^2) - 1) / 2 is at
    least -1/2, and so is V'(q*).
    """
    if place.before == place.after == 0:
        return "neutral"
    attracts = [
        side for side, exists in ((place.before > 0, place.q > 0), (place.after < 0, place.q < math.inf)) if exists
    ]
    if all(attracts):
        return "stable"
    return "half-stable" if any(attracts) else "unstable"
