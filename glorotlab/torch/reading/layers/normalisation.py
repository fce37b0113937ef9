"""LayerNorm and RMSNorm over the units, and BatchNorm that takes its moments of the batch."""

from __future__ import annotations

from typing import Any

from glorotlab.spec.layers.base import Layer
from glorotlab.spec.layers.graph import Unknown
from glorotlab.spec.layers.normalisation import BatchNorm, LayerNorm, Normalisation, RMSNorm
from glorotlab.torch.reading.call import Call, mean, second_moment


def _affine(kind: type[Normalisation], epsilon: float, gain: Any, bias: Any) -> Normalisation:
    moments = (1.0, 1.0) if gain is None else (second_moment(gain), mean(gain))
    return kind(float(epsilon), moments[0], second_moment(bias), moments[1], mean(bias))


def _over_units(call: Call) -> Unknown | None:
    shape = tuple(call.option("normalized_shape", 1, ()))
    if len(shape) == 1 and (len(call.input_shape) == 2 or call.channels_last):
        return None
    return Unknown("a normalization over positions too is not covered by the theory")


def layer_norm(call: Call) -> Layer:
    """Read LayerNorm."""
    epsilon = call.option("eps", 4, 1e-5)
    return _over_units(call) or _affine(LayerNorm, epsilon, call.tensor("weight", 2), call.tensor("bias", 3))


def rms_norm(call: Call) -> Layer:
    """Read RMSNorm; without an epsilon it adds the spacing of numbers at 1."""
    from glorotlab.torch.requirement import require_torch

    epsilon = call.option("eps", 3, None)
    if epsilon is None:
        epsilon = require_torch().finfo(call.inputs[0].meta["dtype"]).eps
    return _over_units(call) or _affine(RMSNorm, epsilon, call.tensor("weight", 2), None)


def batch_norm_module(call: Call) -> Layer:
    """Read a BatchNorm module."""
    return _batch_norm(call, of_batch=call.module.training or call.module.running_mean is None)


def batch_norm_function(call: Call) -> Layer:
    """Read ``F.batch_norm``."""
    return _batch_norm(call, of_batch=bool(call.argument(5, "training", False)))


def _batch_norm(call: Call, *, of_batch: bool) -> Layer:
    if not of_batch:
        return Unknown("BatchNorm by running moments, out of training mode, is not covered by the theory")
    return _affine(BatchNorm, call.option("eps", 7, 1e-5), call.tensor("weight", 3), call.tensor("bias", 4))


MODULES = {
    "LayerNorm": layer_norm,
    "RMSNorm": rms_norm,
    "BatchNorm1d": batch_norm_module,
    "BatchNorm2d": batch_norm_module,
}
FUNCTIONS = {"layer_norm": layer_norm, "rms_norm": rms_norm, "batch_norm": batch_norm_function}
