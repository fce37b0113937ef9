"""Singular values of real networks' Jacobians, layer by layer and from the inputs on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from glorotlab.checks import whole_number
from glorotlab.errors import AssumptionError
from glorotlab.network.mlp import Network
from glorotlab.threads import single_threaded_blas


@single_threaded_blas()
def jacobian_singular_values(
    network: Network, inputs: npt.ArrayLike, layer: int | None = None
) -> npt.NDArray[np.float64]:
    """Measure the singular values of J = dz_l/dz_{l-1}, or of dz_{L-1}/dx from the inputs to the last hidden layer.

    Costs one singular value decomposition an example.

    Parameters
    ----------
    network : Network
    inputs : (examples, fan_in)
    layer : int, optional
        1 to the number of layers; by default the product over all hidden layers.

    Returns
    -------
    Array of shape (examples, singular values), each row descending

    Raises
    ------
    InvalidValueError, AssumptionError
        Where there is no such layer, or its output is no activation.
    """
    spec = network.spec
    passed = network.forward(spec.check_inputs(inputs))
    indices = _indices(len(spec.fans), layer)
    records = [spec.layer_activation(index) for index in indices]
    if not records or None in records:
        raise AssumptionError(f"layers {spec.layers}: no Jacobian without a hidden layer, or of a softmax output")
    found = []
    for example in range(len(passed.inputs)):
        jacobian = np.empty(0)
        for index, record in zip(indices, records, strict=True):
            assert record is not None  # noqa: S101  refused before
            slope = record.derivative(passed.preactivations[index][example].astype(np.float64))
            factor = (network.weights[index] * slope).T
            jacobian = factor @ jacobian if jacobian.size else factor
        found.append(np.linalg.svd(jacobian, compute_uv=False))
    return np.array(found)


def _indices(layers: int, layer: int | None) -> range:
    if layer is None:
        return range(layers - 1)
    layer = whole_number("layer", layer, 1, layers)
    return range(layer - 1, layer)
