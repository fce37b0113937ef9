"""Pair moments E f(s1) f(s2) and E f'(s1) f'(s2) of single pairs, by a closed form or quadrature, to rounding.

Those of a batch's whole kernel are in ``kernel_moments``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glorotlab import activations, notebook
from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.checks import real_array
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.resources import check_memory
from glorotlab.theory.gaussian import closed_forms, moments, pair_quadrature
from glorotlab.theory.gaussian.closed_forms import ROUNDING
from glorotlab.theory.gaussian.moments import MAX_ERROR
from glorotlab.threads import single_threaded_blas


@dataclass(frozen=True)
class PairMoments:
    """Pair moments of (s1, s2): of single pairs with their broadcast shape, or of a batch, (examples, examples).

    Parameters
    ----------
    second_moment, derivative_second_moment : array
        E f(s1) f(s2) and E f'(s1) f'(s2).
    method : str
        ``closed form``, ``quadrature`` or, of a batch, ``series``, ``series and interpolation``.
    errors : array
        Estimates of the error of every pair, relative to sqrt(E g(s1)^2 E g(s2)^2), the larger of g = f and f'.
    """

    second_moment: Array
    derivative_second_moment: Array
    method: str
    errors: Array

    def _repr_html_(self) -> str:
        columns = [np.ravel(values) for values in (self.second_moment, self.derivative_second_moment, self.errors)]
        rows = notebook.table(("E f(s₁) f(s₂)", "E f'(s₁) f'(s₂)", "error"), zip(*columns, strict=True))
        return notebook.form("Pair moments", rows, notebook.fields({"method": self.method}))

    @property
    def error(self) -> float:
        """The largest of ``errors``."""
        return float(np.max(self.errors, initial=ROUNDING))


@single_threaded_blas()
def pair_moments(
    activation: str | Activation, q1: npt.ArrayLike, q2: npt.ArrayLike, correlation: npt.ArrayLike
) -> PairMoments:
    """Return E f(s1) f(s2) and E f'(s1) f'(s2) for Gaussian pairs, accurate to rounding.

    Parameters
    ----------
    activation : str or Activation
        A name or an expression in x.
    q1, q2, correlation : array_like
        Second moments of s1 and s2, from 1e-100 to 1e30, and their correlation from -1 to 1; they broadcast. Without a
        closed form each pair takes milliseconds.

    Returns
    -------
    PairMoments
        Arrays of the common shape.

    Raises
    ------
    InvalidValueError
        Where there is no such activation, a number is out of its range, or the shapes do not broadcast.
    AssumptionError
        Where a moment does not exist, or the quadrature rule cannot give it.

    Examples
    --------
    E f'(s1) f'(s2) of ReLU is the probability that both are above 0, (pi - theta) / (2 pi) with cos(theta) their
    correlation (Cho & Saul 2009):

    >>> import glorotlab as gl
    >>> pair = gl.pair_moments("relu", 1.0, 1.0, correlation=[0.0, 0.5, 1.0])
    >>> pair.derivative_second_moment.round(4).tolist()
    [0.25, 0.3333, 0.5]
    """
    record = activations.get(activation)
    squares = moments.second_moments(q1, "second moment q1"), moments.second_moments(q2, "second moment q2")
    arguments = *squares, _correlations(correlation)
    try:
        first, second, rho = np.broadcast_arrays(*arguments)
    except ValueError:
        shapes = ", ".join(str(argument.shape) for argument in arguments)
        raise InvalidValueError(
            f"shapes {shapes} of q1, q2 and correlation: allowed are shapes that broadcast"
        ) from None
    check_memory(f"{rho.size} pairs", {"their moments": 8.0 * 12 * rho.size})
    closed = closed_forms.pairs(record, first.ravel(), second.ravel(), rho.ravel())
    if closed is not None:
        f_pairs, derivative_pairs, errors = (values.reshape(rho.shape) for values in closed)
        return PairMoments(f_pairs, derivative_pairs, "closed form", errors)
    return by_quadrature(record, first, second, np.where(rho < 0, -1.0, 1.0), 1 - np.abs(rho))


def by_quadrature(record: Activation, q1: Array, q2: Array, sign: Array, unlike: Array) -> PairMoments:
    """Return the pair moments at correlations sign * (1 - unlike), of one shape.

    Raises
    ------
    AssumptionError
        Where a moment does not exist, or the quadrature rule cannot give it.
    """
    one, other = moments.moments(record, q1), moments.moments(record, q2)
    scale = np.stack(
        [
            np.sqrt(one.second_moment * other.second_moment),
            np.sqrt(one.derivative_second_moment * other.derivative_second_moment),
        ]
    )
    pairs, check = (
        one_by_one(record, q1, q2, sign, unlike, rule) for rule in (pair_quadrature.ACCURATE, pair_quadrature.CHECK)
    )
    difference = np.abs(pairs - check)  # of a function that is 0 it is 0, and so is the error
    errors = np.max(np.divide(difference, scale, where=difference > 0, out=np.zeros_like(scale)), axis=0) + ROUNDING
    if not errors.max(initial=0) <= MAX_ERROR:
        raise AssumptionError(
            f"pair moments of {record.name:.60}: relative error {errors.max():.2g}, allowed is {MAX_ERROR:g}: "
            "measure instead"
        )
    return PairMoments(pairs[0], pairs[1], "quadrature", errors)


def one_by_one(
    record: Activation, q1: Array, q2: Array, sign: Array, unlike: Array, rule: pair_quadrature.Rule
) -> Array:
    """Return both pair moments of every pair by quadrature, (2, *pairs)."""
    every = zip(q1.flat, q2.flat, sign.ravel().tolist(), unlike.ravel().tolist(), strict=True)
    matrices = [pair_quadrature.matrices(record, np.array([a, b]), own, part, rule) for a, b, own, part in every]
    pairs = np.array([[f[0, 1], derivative[0, 1]] for f, derivative in matrices]).reshape(*q1.shape, 2)
    return np.moveaxis(pairs, -1, 0)


def _correlations(correlation: npt.ArrayLike) -> Array:
    return real_array("correlation", correlation, -1, 1)
