"""Corrections to gradient independence: the backward pass uses the weights of the forward pass.

A gradient passed back, W g, meets the weights that made the pre-activations s = z W + b it is a function of. Given s,
W is a fixed part and an independent one: W = z s / |z|^2 + (...), so that W g = z (s . g) / |z|^2 + (independent of z).
In wide layers s . g / |z|^2 is n v H with H = E dg/ds per unit, by Stein's identity, and dC/ds = f'(s) W g of the layer
below has, beside n v D E[f' f'], the term (n v)^2 H_a H_b E[(f f')(s_a) (f f')(s_b)]. It is a share of the order of
outputs / width of the second moment, and every layer adds its own: deep networks of many linear outputs have several
times the gradient that independence says.
"""

from __future__ import annotations

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.theory.gaussian.covariance import correlation
from glorotlab.theory.gaussian.hermite_series import coefficients, symmetric_sum
from glorotlab.theory.gaussian.interpolation import log_nodes
from glorotlab.theory.gaussian.moments import Row
from glorotlab.theory.mean_field.kernels import SignalKernels, diagonal

NEGLIGIBLE = 1e-3
"""Share of a layer's second moment up to which the term is left out."""

TERMS = 16
"""Number of terms of the Hermite series; the remainder counts as one more term."""

TOLERANCE = 1e-6
"""Relative error of the coefficients when a few q represent many."""


def along_signal(signal: SignalKernels, index: int) -> Array:
    """Return E[(f f')(s_a) (f f')(s_b)] of a hidden layer, (examples, examples)."""
    record, kernel = signal.spec.activation_record, signal.preactivation[index]
    return products(record, kernel, signal.product_second_moment[index])


def products(record: Activation, kernel: Array, product_second_moment: Array) -> Array:
    """Return E[(f f')(s_a) (f f')(s_b)] of pre-activations of covariance ``kernel``; its diagonal is known."""
    rho = correlation(kernel)
    nodes, weights = log_nodes(diagonal(kernel), TOLERANCE)
    series = coefficients(record, (Row.PRODUCT,), nodes, TERMS)[0] @ weights
    rest = np.sqrt(np.clip(product_second_moment - (series**2).sum(axis=0), 0, None))
    beyond = np.sign(rho) * np.abs(rho) ** TERMS * np.outer(rest, rest)
    if record.odd:  # then f f' is odd too
        return np.asarray(symmetric_sum(series[1::2], rho**2) * rho + beyond)
    return np.asarray(symmetric_sum(series, rho) + beyond)


def counts(part: Array, product_second_moment: Array, d: Array, own: Array, below: Array) -> bool:
    """Return whether the contribution of using weights twice to D of a hidden layer is not negligible.

    It counts for an example, or for the means over pairs that make the batch's gradients, where the independent terms
    may cancel.

    Parameters
    ----------
    part : (examples,)
        What the gradient of z is in proportion to z by.
    product_second_moment : (examples,)
        E f^2 f'^2.
    d : (examples, examples)
        D without it.
    own : (examples, examples)
        E f f times E f' f', of the right order.
    below : (examples, examples)
        M of what enters the layer.
    """
    squares, added = part**2 * product_second_moment, np.outer(part, part) * own
    shares = [(squares / diagonal(d)).max()]
    for kernel in (np.ones(1), below):
        total = float((d * kernel).sum())
        shares.append(abs(float((added * kernel).sum())) / total if total > 0 else 0.0)
    return bool(max(shares) > NEGLIGIBLE)
