"""Arguments of the functions of ``gl.torch``: a model with finite parameters, and inputs as tensors on its device."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from glorotlab.errors import InvalidValueError
from glorotlab.torch.requirement import require_module, require_torch


def plain_model(model: object) -> Any:
    """Return the module that ``torch.compile`` or DataParallel wraps, or ``model`` itself; its parameters are finite.

    Raises
    ------
    InvalidValueError
        Where it is no module, or a parameter has no numbers, or numbers that are not finite.
    """
    module = require_module(model)
    torch = require_torch()
    parallel = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while isinstance(module, parallel) or hasattr(module, "_orig_mod"):
        module = module.module if isinstance(module, parallel) else module._orig_mod
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        what = f"parameter {name!r} of the model"
        if torch.nn.parameter.is_lazy(tensor):
            raise InvalidValueError(f"{what} has no shape yet: run the model once on a batch")
        if tensor.is_meta:
            raise InvalidValueError(f"{what} is on the device meta, without numbers: allowed are models with weights")
        is_weight = isinstance(tensor, torch.nn.Parameter) and tensor.is_floating_point()
        if is_weight and not bool(torch.isfinite(tensor).all()):
            kind = "NaN" if bool(torch.isnan(tensor).any()) else "infinite"
            raise InvalidValueError(f"{what} is {kind} in places: allowed are finite numbers")
    return module


def model_inputs(model: Any, example_input: object) -> tuple[Any, ...]:
    """Return the arguments of the model's ``forward`` as tensors: on its device, real ones of its dtype.

    Parameters
    ----------
    model : torch.nn.Module
        As ``plain_model`` returns it.
    example_input : torch.Tensor, array_like or tuple of them
        A tuple has one for each argument.

    Raises
    ------
    InvalidValueError
        Where their number is not what ``forward`` takes, or one is no array of numbers or holds no example.
    """
    torch = require_torch()
    arguments = tuple(example_input) if isinstance(example_input, tuple) else (example_input,)
    _check_number(model, len(arguments))
    weight = next((tensor for tensor in model.parameters() if tensor.is_floating_point()), None)
    tensors = []
    for value in arguments:
        if not isinstance(value, torch.Tensor):
            array = np.asarray(value)
            if array.dtype.kind not in "fiub":
                raise InvalidValueError(f"input of type {type(value).__name__}: allowed are tensors and arrays")
            value = torch.as_tensor(array)
            if weight is not None and value.is_floating_point():  # NumPy's numbers are float64 without being meant so
                value = value.to(weight.dtype)
        if value.ndim == 0 or value.shape[0] == 0:
            raise InvalidValueError(f"input of shape {tuple(value.shape)}: allowed are batches of one example or more")
        tensors.append(value if weight is None else value.to(weight.device))
    return tuple(tensors)


def input_names(model: Any, count: int) -> list[str]:
    """Return the names of the first ``count`` arguments of ``forward``."""
    parameters = inspect.signature(model.forward).parameters.values()
    names = [one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return [*names[:count], *(f"input_{place}" for place in range(len(names) + 1, count + 1))]


def _check_number(model: Any, given: int) -> None:
    parameters = list(inspect.signature(model.forward).parameters.values())
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    needed = [one.name for one in positional if one.default is one.empty]
    needed += [one.name for one in parameters if one.kind is one.KEYWORD_ONLY and one.default is one.empty]
    if not len(needed) <= given <= len(positional):
        names = ", ".join(one.name for one in positional)
        takes = f"{type(model).__name__}.forward takes {len(needed)} ({', '.join(needed) or names})"
        raise InvalidValueError(f"{given} input{'s' * (given != 1)}: {takes}; give a tuple of them")
