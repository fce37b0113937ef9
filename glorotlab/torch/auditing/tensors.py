"""The weights of a PyTorch model, or of a ``gl.Network``, as an audit reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from glorotlab.errors import InvalidValueError
from glorotlab.network.mlp import Network
from glorotlab.torch.auditing.activations import activations_below
from glorotlab.torch.auditing.candidates import Shape
from glorotlab.torch.auditing.judge import Weights
from glorotlab.torch.requirement import require_module, require_torch
from glorotlab.torch.weights import Weight, weights_of

if TYPE_CHECKING:
    import torch

    from glorotlab.arrays import Array, FloatArray


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a network that an audit reads.

    Parameters
    ----------
    weights : list of Weights
    tied : dict of str to str
        Weights that are another one, and which.
    left : tuple of str
        Parameters whose fans are not known.
    """

    weights: list[Weights]
    tied: dict[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()


FIRST = 16
"""Number of elements of a tensor that are kept in the order of drawing."""


def weights_of_network(network: Network) -> list[Weights]:
    """Return the weights of a ``gl.Network``; layers are named ``layer 1`` and so on."""
    spec, result = network.spec, []
    for layer, ((fan_in, fan_out), weight) in enumerate(zip(spec.fans, network.weights, strict=True), start=1):
        below = "linear" if layer == 1 else spec.activation
        precision = float(np.finfo(weight.dtype).eps)
        first = np.array(weight[: -(-FIRST // fan_out)], dtype=np.float64).ravel()[:FIRST]
        shape = Shape("linear", fan_in, fan_out)
        result.append(Weights(f"layer {layer}", shape, partial(_of_network, weight), first, precision, below))
    return result


def _of_network(weight: FloatArray) -> Array:
    return np.array(weight, dtype=np.float64)[np.newaxis]


def weights_of_model(model: torch.nn.Module, activation: str | None) -> Parts:
    """Return what an audit reads of a PyTorch model; ``activation`` is assumed where the activation is not known.

    Raises
    ------
    InvalidValueError
        Where there is no weight, or one has no values.
    """
    torch = require_torch()
    parameters = weights_of(require_module(model))
    for weight in parameters.weights:
        if torch.nn.parameter.is_lazy(weight.tensor):
            raise InvalidValueError(f"{weight.name} is lazy and has no values yet: run the model once on a batch first")
        if weight.tensor.is_meta:
            raise InvalidValueError(f"{weight.name} is on the device meta and has no values: draw it first")
        if not weight.tensor.is_floating_point() or weight.tensor.numel() == 0:
            dtype = str(weight.tensor.dtype).removeprefix("torch.")
            raise InvalidValueError(
                f"{weight.name} of dtype {dtype} and {weight.tensor.numel()} numbers: allowed are real floating "
                "numbers, at least one"
            )
    below = activations_below(model)
    first = parameters.weights[0]
    weights = [
        _weights(torch, weight, below.get(id(weight.module), activation if weight is not first else None))
        for weight in parameters.weights
    ]
    return Parts(weights, parameters.tied, tuple(parameters.others))


def _weights(torch: Any, weight: Weight, activation: str | None) -> Weights:
    rows = 1
    if weight.kind == "embedding":
        rows = int(weight.tensor.shape[0])
    elif weight.kind == "bilinear":
        rows = int(weight.tensor.shape[1])
    shape = Shape(
        weight.kind, weight.fan_in, weight.fan_out, weight.receptive_field, weight.groups, weight.blocks, rows
    )
    values = weight.tensor.detach().flatten()[:FIRST].to("cpu", dtype=torch.float64).numpy()
    precision = float(torch.finfo(weight.tensor.dtype).eps)
    return Weights(weight.name, shape, partial(_of_model, weight), values, precision, activation)


def _of_model(weight: Weight) -> Array:
    """Return the matrices of a weight, without an embedding's row of padding where it is 0."""
    matrices = weight.matrices()
    padding = getattr(weight.module, "padding_idx", None)
    if padding is not None and matrices.shape[1] > 1 and not matrices[:, padding].any():
        return np.delete(matrices, padding, axis=1)
    return matrices
