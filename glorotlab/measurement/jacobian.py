"""Jacobian: singular values of real networks' Jacobians, layer by layer and from the inputs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array, FloatArray
from glorotlab.checks import whole_number
from glorotlab.errors import AssumptionError
from glorotlab.network.mlp import Network
from glorotlab.network.passes import LayerTensors
from glorotlab.threads import single_threaded_blas


@single_threaded_blas()
def singular_values(layers: Sequence[LayerTensors]) -> FloatArray:
    """Return the singular values of dz_out/dz_in through consecutive layers, the product of diag(f'(s)) W' over them.

    One singular value decomposition an example, in the precision of weights and pre-activations.

    Parameters
    ----------
    layers : sequence of LayerTensors
        At least one, from the first to the last that the Jacobian leads through, each with its ``record``.

    Returns
    -------
    ndarray, shape (examples, singular values)
        Each row descending.
    """
    derivatives = [layer.derivative() for layer in layers]
    rows = []
    for example in range(len(layers[0].below)):
        transposed = layers[0].weight * derivatives[0][example]
        for layer, derivative in zip(layers[1:], derivatives[1:], strict=True):
            transposed = transposed @ (layer.weight * derivative[example])
        rows.append(np.linalg.svd(transposed, compute_uv=False))
    return np.array(rows)


def jacobian_singular_value_mean(layers: Sequence[LayerTensors]) -> Array:
    """Return the mean singular value of every layer's Jacobian over units and examples, shape (layer,).

    NaN where the output is no activation.
    """
    means = np.full(len(layers), np.nan)
    for index, layer in enumerate(layers):
        if layer.record is not None:
            means[index] = np.mean([row.mean() for row in singular_values([layer])])
    return means


def jacobian_singular_values(network: Network, inputs: npt.ArrayLike, layer: int | None = None) -> Array:
    """Measure the singular values of J = dz_l/dz_{l-1}, or of dz_{L-1}/dx from the inputs to the last hidden layer.

    Parameters
    ----------
    network : Network
    inputs : array_like, shape (examples, fan_in)
    layer : int, optional
        From 1 to the number of layers; by default the product over all hidden layers is taken.

    Returns
    -------
    ndarray of float64, shape (examples, singular values)
        Each row descending.

    Raises
    ------
    InvalidValueError, AssumptionError
        Where there is no such layer, or its output is no activation.
    """
    spec = network.spec
    layers = network.forward(spec.check_inputs(inputs)).layers
    if layer is None:
        chosen = layers[:-1]
    else:
        number = whole_number("layer", layer, 1, len(layers))
        chosen = layers[number - 1 : number]
    if not chosen or any(tensors.record is None for tensors in chosen):
        raise AssumptionError(f"layers {spec.layers}: no Jacobian without a hidden layer, or of a softmax output")
    in_float64 = [replace(tensors, preactivation=tensors.preactivation.astype(np.float64)) for tensors in chosen]
    return singular_values(in_float64).astype(np.float64, copy=False)
