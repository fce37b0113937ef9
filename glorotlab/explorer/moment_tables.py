"""Tables of one unit's moments: all that the mean-field recursion of one example, and its scatter, need of f.

At constant width a network of one example is followed by one number q, the second moment of the pre-activations. Each
row is a function of ln q that varies slowly: moments as logarithms, their derivatives relative to them. Beyond the grid
moments follow a power law, and relative derivatives stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.explorer.interpolation import Axis, at_middles
from glorotlab.theory.finite_width.recursions import unit_moments
from glorotlab.theory.gaussian import quadrature
from glorotlab.theory.gaussian.moments import Row, half_width, sampled

AXIS = Axis(1e-8, 1e5, 10 * 13)
"""Grid of q."""

ROWS = (
    "square",
    "derivative_square",
    "fourth",
    "derivative_fourth",
    "product_square",
    "square_slope",
    "square_curvature",
    "derivative_square_slope",
    "derivative_square_curvature",
)
"""Logarithms of M / q with M = E f^2, of mu = E f'^2, and of E f^4 / M^2, E f'^4 / mu^2 and
E f^2 f'^2 / (M mu); then q M'/M, q^2 M''/M, q mu'/mu and q^2 mu''/mu, with derivatives in q."""

LINES, LOGARITHMS = 2, 5
"""The first rows are those of which lines are made. The rows up to the second number are logarithms, whose errors are
relative as they are, and which follow a power law beyond the grid."""


@dataclass(frozen=True)
class MomentTable:
    """Moments of one activation on the grid.

    Parameters
    ----------
    values : (rows, nodes)
        One row for each of ``ROWS``.
    error : float
        Largest relative error of an interpolated moment of the lines, in the middle of a cell.
    scatter_error : float
        That of all rows; of relative derivatives, which may be 0, the error over 1 or their size.
    """

    values: Array
    error: float
    scatter_error: float


def moment_table(record: Activation) -> MomentTable:
    """Tabulate the moments of an activation, and measure the error of interpolation."""
    values, exact = _rows(record, AXIS.nodes), _rows(record, AXIS.middles)
    scale = np.ones_like(exact)
    scale[LOGARITHMS:] = np.maximum(np.abs(exact[LOGARITHMS:]), 1.0)
    errors = (np.abs(at_middles(values) - exact) / scale).max(axis=1)
    return MomentTable(values, float(errors[:LINES].max()), float(errors.max()))


def _rows(record: Activation, q: Array) -> Array:
    units = unit_moments(record, q)
    (m, m_first, m_second), (mu, mu_first, mu_second) = units.square, units.derivative_square
    s, weights, sampled_rows = sampled(record, q, quadrature.ORDER, half_width(record, q))
    measure = weights * quadrature.density(s, q)
    derivative_fourth = measure @ sampled_rows[Row.DERIVATIVE_FOURTH]
    return np.stack(
        [
            np.log(m / q),
            np.log(mu),
            np.log1p(units.square_variance / m**2),
            np.log(derivative_fourth / mu**2),
            np.log1p(units.covariance / (m * mu)),
            q * m_first / m,
            q**2 * m_second / m,
            q * mu_first / mu,
            q**2 * mu_second / mu,
        ]
    )
