"""Jacobian: singular values of real networks' Jacobians, layer by layer and from the inputs on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array, FloatArray
from glorotlab.checks import whole_number
from glorotlab.errors import AssumptionError
from glorotlab.network.mlp import Network
from glorotlab.network.passes import LayerTensors
from glorotlab.threads import num_threads, single_threaded_blas


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


@single_threaded_blas()
def jacobian_singular_value_mean(layers: Sequence[LayerTensors]) -> Array:
    """Return the mean singular value of every layer's Jacobian over units and examples, shape (layer,).

    They are the roots of the eigenvalues of the smaller Gram matrix in float64, which take less than half the time of
    the singular values themselves. Units whose derivative is 0 are left out before; other singular values below about
    1e-8 of the largest are lost to rounding, and count as less than that. NaN where the output is no activation.
    """
    rows = [layer.derivative() if layer.record is not None else () for layer in layers]
    places = [(layer, example) for layer, row in enumerate(rows) for example in range(len(row))]

    def of_example(place: tuple[int, int]) -> float:
        layer, example = place
        return _mean_singular_value(layers[layer].weight * rows[layer][example].astype(np.float64))

    with ThreadPoolExecutor(num_threads()) as pool:  # NumPy lets go of the interpreter
        values = list(pool.map(of_example, places))
    own = [[value for value, (layer, _) in zip(values, places, strict=True) if layer == at] for at in range(len(rows))]
    return np.array([np.mean(means) if means else np.nan for means in own])


def _mean_singular_value(jacobian: Array) -> float:
    """Return the mean of the singular values of a matrix, whose number is that of its smaller side."""
    count, moving = min(jacobian.shape), jacobian[:, jacobian.any(axis=0)]
    if not moving.size:
        return 0.0
    size = np.abs(moving).max()
    scaled = moving / size  # squares neither overflow nor underflow
    gram = scaled @ scaled.T if len(scaled) < scaled.shape[1] else scaled.T @ scaled
    return float(size * np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0)).sum() / count)


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
