"""Curvature: estimates that give each weight and bias its own learning rate.

Both estimates are a mean over examples, E[z_i^2 h_j] for a weight and E[h_j] for a bias: ``gauss_newton`` (LeCun,
Bottou, Orr & Mueller 1998) and ``gradient_variance`` differ in h. ``learning_rate_factors`` makes factors of them.
docs/theory/updates.md has the formulas, and says where ``gauss_newton`` is the exact diagonal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import FloatArray
from glorotlab.costs import Cost
from glorotlab.kernels.network import dense
from glorotlab.kernels.network.elementwise import CODES
from glorotlab.network.passes import BackwardPass, ForwardPass, LayerTensors
from glorotlab.threads import num_threads


@dataclass
class Curvature:
    """One number from 0 for each weight and bias.

    Parameters
    ----------
    weights, biases : list of ndarray
        Shaped as the network's.
    """

    weights: list[FloatArray]
    biases: list[FloatArray]


def gauss_newton(passed: ForwardPass, cost: Cost) -> Curvature:
    """Return the diagonal Gauss-Newton curvature of the batch-mean cost, as LeCun et al. (1998) approximate it.

    Parameters
    ----------
    passed : ForwardPass
    cost : Cost
        The record of the network's output and cost.

    Returns
    -------
    Curvature
        Arrays of the network's dtype; not finite where the curvature overflows.
    """
    h = cost.curvature(passed.output)
    weights: list[FloatArray] = []
    biases: list[FloatArray] = []
    for layer, below in _with_layer_below(passed.layers):
        weights.insert(0, _mean_product(layer.below**2, h))
        biases.insert(0, _mean(h))
        if below is not None:
            h = _times_transposed(h, layer.weight**2) * below.derivative() ** 2
    return Curvature(weights, biases)


def gradient_variance(passed: BackwardPass) -> Curvature:
    """Return the variance, between examples, of the gradient of one example's cost.

    Parameters
    ----------
    passed : BackwardPass
        Of 2 examples or more.

    Returns
    -------
    Curvature
        The unbiased estimate, n / (n - 1) (E[g^2] - E[g]^2), in the network's dtype; not finite where it overflows.
    """
    count = len(passed.cost)
    scale = count / (count - 1)
    weights, biases = [], []
    for layer in passed.layers:
        squares = layer.gradient**2
        weights.append(_variance(_mean_product(layer.below**2, squares), layer.weight_gradient(), scale))
        biases.append(_variance(_mean(squares), layer.bias_gradient(), scale))
    return Curvature(weights, biases)


def learning_rate_factors(curvature: Curvature, damping: float) -> Curvature:
    """Return the factor of the learning rate that each weight and bias gets, (1 + damping) m / (h + damping m).

    Here h is the parameter's own curvature and m the mean over all parameters of the network. A parameter of curvature
    m has the factor 1, one without curvature the largest, 1 + 1 / damping, and one of many times m a small one.
    The factors change neither with the unit of the cost nor while all curvatures grow or shrink together, and become 1
    as the damping grows: the learning rate keeps the meaning that it has in plain descent.

    Parameters
    ----------
    curvature : Curvature
    damping : float
        Above 0.

    Returns
    -------
    Curvature
        Arrays of the curvature's dtype. All factors are 1 where all curvatures are 0, and some are not finite where a
        curvature is not.
    """
    arrays = [*curvature.weights, *curvature.biases]
    mean = sum(float(array.sum(dtype=np.float64)) for array in arrays) / sum(array.size for array in arrays)

    def factors(own: FloatArray) -> FloatArray:
        if mean == 0:
            return np.ones_like(own)
        relative = own.astype(np.float64) / mean
        return np.asarray(((1 + damping) / (relative + damping)).astype(own.dtype))

    return Curvature([factors(own) for own in curvature.weights], [factors(own) for own in curvature.biases])


def _with_layer_below(layers: list[LayerTensors]) -> Iterator[tuple[LayerTensors, LayerTensors | None]]:
    """Yield each layer with the one below it, from the output to the inputs; None below the first."""
    yield from zip(reversed(layers), [*reversed(layers[:-1]), None], strict=True)


def _mean_product(squared_below: FloatArray, h: FloatArray) -> FloatArray:
    """Return E[z_i^2 h_j], shape (fan_in, fan_out)."""
    out = np.empty((squared_below.shape[1], h.shape[1]), dtype=h.dtype)
    dense.weight_gradient(h, squared_below, out, 1 / len(h), num_threads())
    return out


def _mean(h: FloatArray) -> FloatArray:
    """Return E[h_j], shape (fan_out,)."""
    return np.asarray(h.mean(axis=0, dtype=np.float64).astype(h.dtype))


def _times_transposed(h: FloatArray, squares: FloatArray) -> FloatArray:
    """Return h W2', shape (batch, fan_in), for squared weights W2 (fan_in, fan_out)."""
    out = np.empty((len(h), len(squares)), dtype=h.dtype)
    dense.backward(h, squares, out, out, CODES["linear"], out, num_threads())
    return out


def _variance(second_moment: FloatArray, mean: FloatArray, scale: float) -> FloatArray:
    """Return the unbiased variance; 0 where rounding would make it negative."""
    return np.asarray(np.maximum(scale * (second_moment - mean**2), 0, dtype=mean.dtype))
