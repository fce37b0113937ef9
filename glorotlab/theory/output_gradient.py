"""What enters the network from above: E[dC/ds_a . dC/ds_b] per output unit for Gaussian logits.

In a wide network the K logits of one example are independent N(0, q); those of two examples a and b have covariance
Q_ab in every unit. The labels y are given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glorotlab import costs
from glorotlab.theory import quadrature
from glorotlab.theory.moments import PAIR_TERMS, correlation, mehler_sum

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

STEP = 0.25
"""Step of the trapezoid rules over logits; they converge like exp(-pi^2 / STEP) = 7e-18."""

REACH = 9.0
"""Half-width of the Gaussian integral in standard deviations: the tail beyond is 2e-19."""

SAMPLES = 2**21
"""Gaussian logits drawn per class and example count where no integral is known (softmax with quadratic cost)."""


@dataclass(frozen=True)
class OutputGradient:
    """Statistics of dC/ds of the output layer over networks.

    Parameters
    ----------
    kernel : (examples, examples)
        (1/K) sum_k E[dC/ds_ak dC/ds_bk].
    mean : float
        Mean over examples and units.
    mean_square : float
        E of the square of one network's mean over examples and units.
    error : float
        Relative error of the kernel's diagonal and entries: estimated (quadrature) or one standard error (sampling).
    """

    kernel: Array
    mean: float
    mean_square: float
    error: float


def output_gradient(output: str, cost: str, kernel: Array, labels: Labels, classes: int) -> OutputGradient:
    """Return the statistics of dC/ds for logits of covariance ``kernel`` (examples, examples) in each unit."""
    record = costs.get(output, cost)
    same = labels[:, np.newaxis] == labels
    if record.elementwise:
        return _elementwise(record, kernel, labels, same, classes)
    if cost == "log_likelihood":
        return _softmax_log_likelihood(kernel, same, classes)
    return _sampled(record, kernel, labels, classes)


def softmax_second_moment(classes: int, q: Array) -> tuple[Array, float]:
    """E p_1^2 of softmax probabilities over independent N(0, q) logits, and its error estimate.

    With 1/S^2 = integral of t exp(-t S) dt over t > 0 and t = e^tau the K-dimensional integral becomes
    E p_1^2 = integral of E[h_2(tau + g)] E[h_0(tau + g)]^(K-1) dtau, h_m(u) = exp(m u - e^u). The same rule applied
    to h_1 must give E p_1 = 1/K, which is the error estimate.
    """
    deviation = float(np.sqrt(q.max()))
    points = np.arange(-REACH, REACH + STEP, STEP / max(1.0, deviation))
    measure = np.exp(-(points**2) / 2)
    measure /= measure.sum()
    tau = np.arange(-40.0 - REACH * deviation, 6.0 + REACH * deviation, STEP)
    second, first = np.empty(len(q)), np.empty(len(q))
    for index, root in enumerate(np.sqrt(q)):
        u = tau[:, np.newaxis] + root * points
        e = np.exp(u)
        h0 = np.exp(-e)
        above = (h0 @ measure) ** (classes - 1)
        first[index] = STEP * (above @ ((e * h0) @ measure))
        second[index] = STEP * (above @ ((e * e * h0) @ measure))
    return second, float(np.max(np.abs(classes * first - 1), initial=0.0))


def _softmax_log_likelihood(kernel: Array, same: npt.NDArray[np.bool_], classes: int) -> OutputGradient:
    """dC/ds = p - y: E[p_a . p_b] - 2/K + [y_a = y_b], over K.

    E[p_a . p_b] is a series in the correlation of the logits: 1/K at order 0, Q_ab K^2/(K-1) alpha_a alpha_b at order 1
    (Stein's identity, alpha = 1/K - E p_1^2), and the rest, known exactly at rho = 1, is put at order 2.
    """
    q = np.diagonal(kernel)
    square, error = softmax_second_moment(classes, q)
    alpha = 1 / classes - square
    first = classes**2 / (classes - 1) * alpha[:, np.newaxis] * alpha
    rest = np.clip(classes * square - 1 / classes - np.diagonal(first) * q, 0, None)
    products = 1 / classes + kernel * first + correlation(kernel) ** 2 * np.sqrt(rest[:, np.newaxis] * rest)
    return OutputGradient((products - 2 / classes + same) / classes, 0.0, 0.0, error)


def _elementwise(
    record: costs.Cost, kernel: Array, labels: Labels, same: npt.NDArray[np.bool_], classes: int
) -> OutputGradient:
    """dC/ds_k = h_y(s_k) with y the unit's own 0 or 1: pair moments of h_0 and h_1 counted over the units."""

    def target(y: float):  # type: ignore[no-untyped-def]
        return lambda s: record.gradient(s, np.full_like(s, y))

    q, rho = np.diagonal(kernel), correlation(kernel)
    functions = [target(0.0), target(1.0)]
    squares = quadrature.expectations([lambda s, h=h: h(s) ** 2 for h in functions], q)
    means = quadrature.expectations(functions, q)
    zero, one = quadrature.hermite_coefficients(functions, q, PAIR_TERMS)
    pairs, errors = {}, []
    for name, left, right, i, j in (
        ("00", zero, zero, 0, 0),
        ("11", one, one, 1, 1),
        ("01", zero, one, 0, 1),
    ):
        pairs[name], error = mehler_sum(left, right, rho, squares[i], squares[j])
        if i == j:
            np.fill_diagonal(pairs[name], squares[i])
        errors.append(error)
    equal = pairs["11"] + (classes - 1) * pairs["00"]
    unequal = pairs["01"] + pairs["01"].T + (classes - 2) * pairs["00"]
    gradient = np.where(same, equal, unequal) / classes
    unit_means = np.array(
        [np.where(labels == k, means[1], means[0]).mean() for k in range(min(classes, int(labels.max()) + 1))]
    )
    unit_means = np.append(unit_means, np.full(classes - len(unit_means), means[0].mean()))
    mean = float(unit_means.mean())
    spread = float(gradient.mean() - (unit_means**2).mean())
    return OutputGradient(gradient, mean, mean**2 + spread / classes, max(errors))


def _sampled(record: costs.Cost, kernel: Array, labels: Labels, classes: int) -> OutputGradient:
    """Draw the logits jointly over the examples, with a fixed seed, and average the products of dC/ds."""
    examples = len(kernel)
    values, vectors = np.linalg.eigh(kernel)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    draws = max(64, SAMPLES // (examples * classes))
    generator = np.random.Generator(np.random.Philox(key=np.array([0, 7], dtype=np.uint64)))
    y = np.eye(classes)[labels]
    total, squares = np.zeros((examples, examples)), []
    for _ in range(draws):
        logits = root @ generator.normal(size=(examples, classes))
        d = record.gradient(logits, y)
        total += d @ d.T
        squares.append(float((d * d).mean()))
    error = float(np.std(squares) / np.sqrt(draws) / np.mean(squares))
    return OutputGradient(total / (draws * classes), 0.0, 0.0, error)
