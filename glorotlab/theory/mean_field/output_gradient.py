"""The gradient at the outputs: E[dC/ds_a . dC/ds_b] per output unit for Gaussian logits.

In a wide network the K logits of one example are independent N(0, q); those of two examples a and b have covariance
Q_ab in every unit. The targets y are fixed: one-hot rows of classes, or any numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

from glorotlab import activations, costs
from glorotlab.arrays import Array
from glorotlab.streams import Purpose
from glorotlab.theory.gaussian.covariance import Covariance, covariance_of
from glorotlab.theory.gaussian.interpolation import log_nodes
from glorotlab.theory.gaussian.kernel_moments import kernel_moments
from glorotlab.theory.gaussian.moments import moments
from glorotlab.theory.mean_field.output_sampling import OutputSampler
from glorotlab.threads import single_threaded_blas

STEP = 0.25
"""Step of the trapezoid rules over logits; they converge like exp(-pi^2 / STEP) = 7e-18."""

REACH = 9.0
"""Half-width of the Gaussian integral in standard deviations: the tail beyond is 2e-19."""

RESOLUTION = 1e-12
"""Relative error of E p_1^m by these rules, m <= 3; 6e-14 is the largest seen against exact integrals."""

INTERPOLATION = 1e-11
"""Relative error where many q are interpolated; 7e-12 is the largest seen, of E p_1^3 of 1,000 classes."""

SAMPLES = 2**23
"""Number of Gaussian logits drawn in all where no integral is known (softmax with quadratic cost, or large logits)."""

MIN_DRAWS = 2**14
"""Least number of joint draws over all examples: the standard error of a batch's mean is then below 1 %."""

SERIES_ERROR, SERIES_RANGE = 1e-2, 1e3
"""The series for softmax with log-likelihood serves while its error and the logits' second moment are below these;
beyond, the logits are drawn."""

ONE = "1"

ELEMENTWISE = {
    ("sigmoid", "cross_entropy"): ("tanh(x/2)/2", ONE, 0.5),
    ("sigmoid", "quadratic"): ("tanh(x/2)*(1-tanh(x/2)**2)/8", "(1-tanh(x/2)**2)/4", 0.5),
    ("linear", "quadratic"): ("linear", ONE, 0.0),
}
"""dC/ds = o(s) + (c - y) e(s) with o odd and e even, as o, e and c: (a(s) - y) times 1, or times sigmoid'."""


@dataclass(frozen=True)
class OutputGradient:
    """Statistics of dC/ds of the output layer over networks.

    Parameters
    ----------
    kernel : (examples, examples)
        (1/K) sum_k E[dC/ds_ak dC/ds_bk].
    means : (examples,)
        Expectation of every example's mean over the units.
    mean_products : (examples, examples)
        E of the product of two examples' means over the units of one network.
    curvature : (examples,)
        (1/K) sum_k E[d^2C/ds_k^2].
    answer : (examples, examples)
        Derivative of the kernel in the logits' Q_ab, for different examples.
    error : float
        Relative error of the kernel: a bound (integrals) or one standard error (sampling).
    curved : (examples, examples), optional
        The part of its second derivative in Q_ab that is even in Q_ab, of softmax with log-likelihood.
    """

    kernel: Array
    means: Array
    mean_products: Array
    curvature: Array
    answer: Array
    error: float
    curved: Array | None = None


@single_threaded_blas()
def output_gradient(output: str, cost: str, logits: Array | Covariance, targets: Array) -> OutputGradient:
    """Return the statistics of dC/ds for logits of this covariance, (examples, examples), in every unit.

    Targets are (examples, outputs); those of softmax outputs are one-hot.
    """
    record, s = costs.get(output, cost), covariance_of(logits)
    if record.elementwise:
        return _elementwise(ELEMENTWISE[output, cost], s, targets)
    nothing = np.zeros_like(s.kernel)  # softmax: sum_k dC/ds_k = 0
    if cost == "log_likelihood":
        products, curvature, answer, error, curved = _softmax_log_likelihood(record, s, targets)
        return OutputGradient(products, nothing[0], nothing, curvature, answer, error, curved)
    products, curvature, answer, error = _sampled(record, s.kernel, targets)
    return OutputGradient(products, nothing[0], nothing, curvature, answer, error)


@single_threaded_blas()
def softmax_moments(classes: int, q: Array) -> tuple[Array, Array, float]:
    """Return E p_1^2 and E p_1^3 of softmax probabilities over independent N(0, q) logits, and their relative error.

    With S^-m = integral of t^(m-1) exp(-t S) dt / (m-1)! over t > 0 and t = e^tau the K-dimensional integral becomes
    E p_1^m = integral of E[h_m(tau + g)] E[h_0(tau + g)]^(K-1) dtau / (m-1)!, h_m(u) = exp(m u - e^u). The same rule
    must give E p_1 = 1/K: where it is off by more than ``RESOLUTION``, that is the error.
    """
    nodes, weights = log_nodes(q, RESOLUTION / 10, strip=np.pi / 2)
    powers = np.array([_softmax_moments(classes, root) for root in np.sqrt(nodes)]).reshape(len(nodes), 3)
    resolution = RESOLUTION if len(nodes) < 2 else INTERPOLATION
    error = np.max(np.abs(classes * powers[:, 0] - 1), initial=resolution)
    return powers[:, 1] @ weights, powers[:, 2] @ weights, float(error)


def _softmax_moments(classes: int, root: float) -> list[float]:
    """Return E p_1, E p_1^2, E p_1^3 for logits of standard deviation ``root``."""
    step = STEP * max(1.0, root / 2)
    tau = np.arange(-40 - REACH * root, 6 + REACH * root, step)[:, np.newaxis]
    average = _smoothed_narrow(tau, root) if root <= 1 else _smoothed_wide(tau, root)
    above = average[0] ** (classes - 1)
    return [float(step * (above @ average[m])) / factorial(m - 1) for m in (1, 2, 3)]


def _smoothed_narrow(tau: Array, root: float) -> list[Array]:
    """Return E h_m(tau + g) for m = 0 .. 3 by the trapezoid rule in g, whose density is the narrow factor."""
    points = np.arange(-REACH, REACH + STEP, STEP)
    measure = np.exp(-(points**2) / 2)
    measure /= measure.sum()
    u = tau + root * points
    h0 = np.exp(-np.exp(u))
    return [(np.exp(m * u) * h0) @ measure for m in range(4)]


def _smoothed_wide(tau: Array, root: float) -> list[Array]:
    """Return E h_m(tau + g) for m = 0 .. 3 by the trapezoid rule in u = tau + g: h_m is the narrow factor for m > 0.

    For m = 0 by parts: h_0' = -h_1.
    """
    from scipy.special import ndtr

    u = np.arange(-40.0, 6.0, STEP)
    t = (u - tau) / root
    density = np.exp(-(t**2) / 2) / (np.sqrt(2 * np.pi) * root)
    h = [STEP * np.exp(m * u - np.exp(u)) for m in (1, 2, 3)]
    return [ndtr(t) @ h[0], *(density @ narrow for narrow in h)]


def _softmax_log_likelihood(
    record: costs.Cost, s: Covariance, targets: Array
) -> tuple[Array, Array, Array, float, Array]:
    """dC/ds = p - y: E[p_a . p_b] - 2/K + [y_a = y_b], over K.

    E[p_a . p_b] is a Hermite series in the correlation rho of the logits, whose coefficients are expected derivatives
    of p; by symmetry and sum p = 1 they are, with alpha = E p_1 (1 - p_1) and beta = E p_1 (1 - p_1) (1 - 2 p_1),
    1/K + Q_ab alpha_a alpha_b K^2 / (K - 1) + Q_ab^2 beta_a beta_b K^3 / (2 (K - 1) (K - 2)) + ..., beta = 0 for K = 2.
    The rest, known exactly at rho = 1, is put at order 3; Cauchy-Schwarz bounds it, and the error reported is that
    bound. The true error is smaller: at K = 9, rho = .9 it is .03 % of the diagonal for q = 1 and 1 % for q = 10.
    Where it is too large, pairs are sampled; the diagonal needs no series.
    """
    kernel, q, rho, classes = s.kernel, s.q, s.rho, targets.shape[1]
    square, cube, diagonal_error = softmax_moments(classes, q)
    alpha, beta = 1 / classes - square, 1 / classes - 3 * square + 2 * cube
    first = classes**2 / (classes - 1) * np.outer(alpha, alpha)
    second = np.zeros_like(kernel)
    if classes > 2:
        second = classes**3 / (2 * (classes - 1) * (classes - 2)) * np.outer(beta, beta)
    rest = classes * square - 1 / classes - q * np.diagonal(first) - q**2 * np.diagonal(second)
    rest = np.sqrt(np.clip(rest, 0, None))
    bound = np.abs(rho) ** 3 * np.outer(rest, rest)
    products = 1 / classes + kernel * first + kernel**2 * second + np.sign(rho) * bound
    gradients = (products - 2 / classes + targets @ targets.T) / classes
    last = 3 * rho**2 * np.outer(rest, rest) / np.sqrt(np.outer(q, q))
    answer, curved = (first + 2 * kernel * second + last) / classes, 2 * second / classes
    diagonal = (classes * square - 2 / classes + 1) / classes
    np.fill_diagonal(bound, 0)
    scale = np.sqrt(classes * diagonal)
    error = float((bound / np.outer(scale, scale)).max())
    if len(q) > 1 and (error > SERIES_ERROR or q.max() > SERIES_RANGE):
        gradients, _, _, error = _sampled(record, kernel, targets)
    root = np.sqrt(diagonal / np.diagonal(gradients))  # of rows and columns, so that gradients that cancel still do
    return gradients * root[:, np.newaxis] * root, alpha, answer, max(error, diagonal_error), curved


def _elementwise(parts: tuple[str, str, float], s: Covariance, y: Array) -> OutputGradient:
    """dC/ds_k = o(s_k) + (c - y_k) e(s_k): see ``ELEMENTWISE``. The cross terms E[o e] are those of an odd function."""
    odd, even, centre = parts
    outputs, totals = y.shape[1], y.sum(axis=1)
    targets = outputs * centre**2 - centre * (totals[:, np.newaxis] + totals) + y @ y.T  # sum_k (c - y_ak) (c - y_bk)
    curvature, odd_pairs = moments(odd, s.q).derivative_mean, kernel_moments(activations.get(odd), s)
    error, mean, even_squares = odd_pairs.error, np.ones_like(s.q), np.ones_like(s.kernel)
    answer = odd_pairs.derivative_second_moment  # Price's theorem
    if even != ONE:
        mean, even_pairs = moments(even, s.q).mean, kernel_moments(activations.get(even), s)
        error, even_squares = max(error, even_pairs.error), even_pairs.second_moment
        answer = answer + targets / outputs * even_pairs.derivative_second_moment
    products = outputs * odd_pairs.second_moment + targets * even_squares
    sums, squares = (outputs * centre - totals) * mean, np.outer(mean, mean)
    return OutputGradient(
        products / outputs,
        sums / outputs,
        # units are independent given their targets
        (products + np.outer(sums, sums) - targets * squares) / outputs**2,
        curvature,
        answer,
        error,
    )


def _sampled(record: costs.Cost, kernel: Array, targets: Array) -> tuple[Array, Array, Array, float]:
    """Draw output layers, and average the products of dC/ds.

    The answer is that of softmax to first order in the correlation, with second derivatives that sum to 0 over outputs.
    The error is one standard error, relative, of the mean over the diagonal or over all pairs, whichever is larger.
    """
    sampler, examples = OutputSampler.of(record, kernel, targets), len(kernel)
    draws = max(MIN_DRAWS, -(-SAMPLES // sampler.size))
    total, curvature, pooled = np.zeros((examples, examples)), np.zeros(examples), []
    for logits in sampler.logits(draws, Purpose.OUTPUT_GRADIENT):
        d = sampler.gradient(logits)
        flat = d.reshape(examples, -1)
        total += flat @ flat.T
        curvature += (logits * d).sum(axis=(1, 2))  # Stein: E[s d] = q E[d d / d s]
        pooled.append([(d**2).mean(axis=(0, 2)), (d.mean(axis=0) ** 2).mean(axis=1)])
    per_draw = np.concatenate(pooled, axis=1)
    mean, size = per_draw.mean(axis=1), draws * targets.shape[1]
    error = float(np.max(per_draw.std(axis=1) / mean)) / np.sqrt(draws) if mean.all() else np.inf
    curvature /= size * np.diagonal(kernel)
    classes = targets.shape[1]
    return total / size, curvature, classes / (classes - 1) * np.outer(curvature, curvature), error
