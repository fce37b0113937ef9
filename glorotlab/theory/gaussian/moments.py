"""Gaussian moments of an activation: E f, E f^2, E f'^2 and the like for s ~ N(0, q)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from glorotlab import activations, notebook
from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.checks import real_array
from glorotlab.errors import AssumptionError
from glorotlab.resources import check_memory
from glorotlab.theory.gaussian import closed_forms, quadrature
from glorotlab.theory.gaussian.closed_forms import ROUNDING
from glorotlab.theory.gaussian.interpolation import log_nodes
from glorotlab.threads import single_threaded_blas

SMALLEST, LARGEST = 1e-100, 1e30
"""Range of second moments; beyond, products leave the range of float64 or features of f at s ~ 1 are lost."""

NAMES = (
    "mean",
    "second_moment",
    "derivative_mean",
    "derivative_second_moment",
    "fourth_moment",
    "derivative_fourth_moment",
    "product_second_moment",
)
"""The moments, in the order of ``Row``."""

SCALES = (1, 1, 3, 3, 4, 5, 6)
"""Rows to which the errors of ``NAMES`` are relative: their own, but sqrt(E f^2) for a mean."""

CHECK_FEWER = 4
"""Number of nodes per panel by which the rule of the error estimate is smaller."""

POLYNOMIAL, REACHES = 3.0, (12.0, 24.0, 37.0)
"""Growth up to which tails beyond 12 standard deviations are negligible, and half-widths to try for faster growth."""

MANY, SPAN, INTERPOLATION = 64, 16.0, 1e-16
"""Number and range (as a factor) of q beyond which moments are interpolated, and the relative error."""

MAX_ERROR = 1e-6
"""Largest relative error of a moment; a larger one is refused."""


@dataclass(frozen=True)
class Moments:
    """Moments of f(s), s ~ N(0, q), each of the shape of q.

    Parameters
    ----------
    q : array
        Second moment of s.
    mean, second_moment, fourth_moment : array
        E f, E f^2 and E f^4.
    derivative_mean, derivative_second_moment, derivative_fourth_moment : array
        E f', E f'^2 and E f'^4.
    product_second_moment : array
        E f^2 f'^2.
    closed_form : dict of str to array of bool
        Where the value of a moment comes from a closed form; elsewhere it comes from quadrature.
    errors : dict of str to array
        Estimates of the relative errors (of the means E f and E f': relative to sqrt(E f^2) and sqrt(E f'^2)). That of
        quadrature is the difference from a rule of lower order, which is larger than the error of the one used. None is
        less than ``ROUNDING``.
    """

    q: Array
    mean: Array
    second_moment: Array
    derivative_mean: Array
    derivative_second_moment: Array
    fourth_moment: Array
    derivative_fourth_moment: Array
    product_second_moment: Array
    closed_form: dict[str, npt.NDArray[np.bool_]] = field(repr=False)
    errors: dict[str, Array] = field(repr=False)

    def _repr_html_(self) -> str:
        columns = [np.ravel(getattr(self, name)) for name in ("q", *NAMES)]
        rows = notebook.table(("q", *(name.replace("_", " ") for name in NAMES)), zip(*columns, strict=True))
        about = notebook.fields({"method": self.method, "largest relative error": self.error})
        return notebook.form("Gaussian moments", rows, about)

    @property
    def method(self) -> str:
        """``closed form``, ``quadrature``, or which moments come from which; see ``closed_form`` for each value."""
        exact = [name for name in NAMES if self.closed_form[name].all()]
        if len(exact) == len(NAMES):
            return "closed form"
        if not any(where.any() for where in self.closed_form.values()):
            return "quadrature"
        rest = [name for name in NAMES if name not in exact]
        return f"closed form: {', '.join(exact) or 'some q'}; quadrature: {', '.join(rest)}"

    @property
    def error(self) -> float:
        """The largest of ``errors``."""
        return max(float(np.max(error, initial=ROUNDING)) for error in self.errors.values())


@single_threaded_blas()
def moments(activation: str | Activation, q: npt.ArrayLike) -> Moments:
    """Return the moments E f, E f^2, E f'^2 and the like of an activation f of Gaussian pre-activations s ~ N(0, q).

    Parameters
    ----------
    activation : str or Activation
        A name or an expression in x.
    q : array_like
        Second moments of the pre-activation, from 1e-100 to 1e30, of any shape.

    Returns
    -------
    Moments
        Arrays of the shape of q.

    Raises
    ------
    InvalidValueError
        Where there is no such activation, or a q is not a number in that range.
    AssumptionError
        Where a moment does not exist, or the rule cannot give it to ``MAX_ERROR``.

    Examples
    --------
    ReLU halves the second moment, so that weights of variance 2 / fan_in keep it (He et al. 2015, eq. 10):

    >>> import glorotlab as gl
    >>> relu = gl.moments("relu", [1.0, 4.0])
    >>> relu.second_moment.tolist()
    [0.5, 2.0]
    >>> relu.derivative_second_moment.tolist()
    [0.5, 0.5]
    """
    record = activations.get(activation)
    second = second_moments(q)
    check_memory(f"moments at {second.size} q", {"their values": 8.0 * 4 * len(NAMES) * second.size})
    return _moments(record, second)[0]


def moments_and_products(record: Activation, q: Array) -> tuple[Moments, Array, Array]:
    """Return ``moments`` and ``product_moments``, with the quadrature of both done once."""
    single, integrals = _moments(record, second_moments(q))
    return single, *_products(record, single.q, integrals)


def _moments(record: Activation, q: Array) -> tuple[Moments, Array | None]:
    """Return the moments, and the expectations of f f' and s f f' where quadrature has them too, (2, q)."""
    flat, products = np.atleast_1d(q).ravel(), None
    values, errors = np.full((2, len(NAMES), flat.size), ROUNDING)
    exact = np.zeros(values.shape, dtype=bool)
    for name, (value, where) in closed_forms.moments(record, flat).items():
        row = NAMES.index(name)
        values[row], exact[row] = value, where
    if not exact.all():
        integrals, differences = _by_quadrature(record, flat)
        values = np.where(exact, values, integrals[: len(NAMES)])
        errors, products = np.where(exact, errors, differences), integrals[len(NAMES) :]
    if record.odd:
        values[0] = 0.0
    rows = values.reshape(len(NAMES), *q.shape)
    single = Moments(
        q,
        *(rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], rows[6]),
        closed_form={name: row.reshape(q.shape) for name, row in zip(NAMES, exact, strict=True)},
        errors={name: row.reshape(q.shape) for name, row in zip(NAMES, errors, strict=True)},
    )
    return single, products


def second_moments(q: npt.ArrayLike, what: str = "second moment q") -> Array:
    """Return second moments as an array; InvalidValueError where one is not a number of the allowed range."""
    return real_array(what, q, SMALLEST, LARGEST)


def product_moments(record: Activation, q: Array) -> tuple[Array, Array]:
    """Return E[f f'], exactly 0 for odd f, and the susceptibility dE[f^2]/dq = E[s f f'] / q, of the shape of q."""
    return _products(record, q, None)


def _products(record: Activation, q: Array, integrals: Array | None) -> tuple[Array, Array]:
    """Return ``product_moments``, by the expectations of f f' and s f f' where they are known, (2, q)."""
    closed = closed_forms.susceptibility(record, q)
    if closed is not None:
        return np.zeros_like(q), closed
    if integrals is None:
        integrals = _by_quadrature(record, q.ravel())[0][len(NAMES) :]
    mean, scaled = integrals.reshape(2, *q.shape)
    return (np.zeros_like(q) if record.odd else mean), scaled / q


def susceptibility(record: Activation, q: Array) -> Array:
    """Return dE[f^2]/dq, of the shape of q."""
    return product_moments(record, q)[1]


class Row(IntEnum):
    """Rows of the values that ``sampled`` returns: functions of s with the expectations ``NAMES``, and two more."""

    F = 0
    SQUARE = 1
    DERIVATIVE = 2
    DERIVATIVE_SQUARE = 3
    FOURTH = 4
    DERIVATIVE_FOURTH = 5
    PRODUCT_SQUARE = 6
    PRODUCT = 7
    S_PRODUCT = 8


def _powers(record: Activation, s: Array) -> Array:
    """Return the values of every ``Row``, f f' being the product, (rows, s)."""
    with np.errstate(over="ignore", invalid="ignore"):  # refused where they are not finite
        f, slope = np.asarray(record.function(s), dtype=np.float64), np.asarray(record.derivative(s), dtype=np.float64)
        square, slope_square, product = f**2, slope**2, f * slope
        return np.stack([f, square, slope, slope_square, square**2, slope_square**2, product**2, product, s * product])


def _by_quadrature(record: Activation, q: Array) -> tuple[Array, Array]:
    """Return expectations of ``_powers`` and relative errors of ``NAMES``."""
    if not q.size:
        return np.empty((len(NAMES) + 2, 0)), np.empty((len(NAMES), 0))
    if q.size > MANY and q.max() <= SPAN * q.min() and record.growth <= 1:
        return _interpolated(record, q)
    reach = half_width(record, q)
    best, check = (
        _expectations(record, q, order, reach) for order in (quadrature.ORDER, quadrature.ORDER - CHECK_FEWER)
    )
    scale = best[list(SCALES)]
    scale[[0, 2]] **= 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.abs(best - check)[: len(NAMES)] / scale
    errors = np.where(scale > 0, np.maximum(errors, ROUNDING), 0)  # E f'^2 = 0 of a constant is exact
    if errors.max() > MAX_ERROR:
        raise AssumptionError(
            f"moments of {record.name:.60} at q = {q[errors.max(axis=0).argmax()]:.3g}: relative error "
            f"{errors.max():.2g}, allowed is {MAX_ERROR:g}: measure instead"
        )
    return best, errors


def _interpolated(record: Activation, q: Array) -> tuple[Array, Array]:
    """Return what ``_by_quadrature`` does for many q close to each other: few stand for all, and two q check that."""
    nodes, weights = log_nodes(q, INTERPOLATION, strip=math.pi / 2)
    some = np.argsort(q)[[len(q) // 10, 6 * len(q) // 10]]
    integrals, errors = _by_quadrature(record, np.concatenate([nodes, q[some]]))
    values = integrals[:, :-2] @ weights
    there = values[:, some]
    scale = np.abs(there[list(SCALES)])
    scale[[0, 2]] **= 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.where(scale > 0, np.abs(there - integrals[:, -2:])[: len(NAMES)] / scale, 0)
    worst = np.maximum(errors, ROUNDING).max(axis=1) + off.max(axis=1)
    return values, np.repeat(np.where(errors.any(axis=1), worst, 0)[:, np.newaxis], len(q), axis=1)


def half_width(record: Activation, q: Array) -> float:
    """Return the half-width of the integrals in standard deviations: wider where f grows so that the tails count."""
    if record.growth <= POLYNOMIAL:
        return quadrature.RANGE
    for reach in REACHES:
        s, weights, values = sampled(record, q, quadrature.ORDER, reach)
        parts = np.abs(values) * weights * quadrature.density(s, q)[:, np.newaxis]  # (q, functions, nodes)
        ends = parts[..., : quadrature.ORDER].sum(axis=-1) + parts[..., -quadrature.ORDER :].sum(axis=-1)
        if (ends <= quadrature.RESOLVED**2 * parts.sum(axis=-1)).all():
            return reach
    raise AssumptionError(
        f"moments of {record.name:.60} at q = {q.max():.3g} do not exist, or come from beyond {reach:g} standard "
        "deviations: measure instead"
    )


def _expectations(record: Activation, q: Array, order: int, reach: float) -> Array:
    s, weights, values = sampled(record, q, order, reach)
    return np.asarray(values @ (weights * quadrature.density(s, q)).T)


def sampled(record: Activation, q: Array, order: int, reach: float = quadrature.RANGE) -> tuple[Array, Array, Array]:
    """Return nodes, weights and the values of every ``Row`` there, (rows, nodes), of a rule that serves ``q``."""
    return _sampled(record, *quadrature.powers_of_4(q), order, reach)


@lru_cache(maxsize=64)
def _sampled(record: Activation, low: int, high: int, order: int, reach: float) -> tuple[Array, Array, Array]:
    """Nodes, weights and ``_powers`` of a rule for every q of [4^low, 4^high]."""
    s, weights = quadrature.nodes(_panels(record, low, high, reach), order)
    return s, weights, _powers(record, s)


@lru_cache(maxsize=64)
def _panels(record: Activation, low: int, high: int, reach: float) -> Array:
    inner, outer = min(2.0**low / 2, 0.5), reach * 2.0**high
    bounds = quadrature.panels(inner, outer, record.kinks)
    return quadrature.refine(lambda s: _powers(record, s), bounds, quadrature.enclosed(low, high))
