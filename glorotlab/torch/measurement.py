"""measure: LayerStatistics of a model as it stands, or of new draws of its weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glorotlab.arrays import Progress
from glorotlab.checks import progress_function
from glorotlab.errors import InvalidValueError
from glorotlab.measurement.measure import seed_numbers
from glorotlab.measurement.node_estimators import node_values
from glorotlab.schema import SATURATION_THRESHOLD, digests, layer_statistics
from glorotlab.torch.loss import Loss
from glorotlab.torch.reading.inputs import plain_model
from glorotlab.torch.redraw import InitFunction, redraw
from glorotlab.torch.requirement import require_torch
from glorotlab.torch.tracing import trace

if TYPE_CHECKING:
    import xarray as xr


def measure(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    loss: Loss = "cross_entropy",
    seeds: int | Sequence[int] | None = None,
    init_fn: InitFunction | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Measure statistics of every step of a model on a batch, forward and back.

    Parameters
    ----------
    model : torch.nn.Module
        It is not changed: a copy is measured, in the mode (training or not) that the model is in.
    x : torch.Tensor or array_like, or a tuple of them
        The batch, as the model takes it; it is moved to the model's device.
    y : torch.Tensor or array_like, optional
        Classes or targets; without them there are no gradients.
    loss : str or callable
        ``cross_entropy``, ``mse``, or a function of outputs and y that returns the batch's mean cost.
    seeds : int or sequence of int, optional
        Draw the weights anew with each seed, 0 .. number - 1 where it is a number; without it the one network as it
        stands is measured, as seed 0.
    init_fn : callable, optional
        Draws the weights of the model that it is called with, instead of ``reset_parameters`` of every module.
    progress : callable, optional
        Called with (networks done, networks in all).

    Returns
    -------
    xarray.Dataset
        LayerStatistics with dimensions ``seed`` and ``layer``, a row for every step in order of computation, and
        coordinates ``module`` and ``kind``. A layer with weights has pre-activations and gradients of weights and
        biases; every other step has activations; each has the gradient of its result, ``backprop_gradient``.

    Raises
    ------
    InvalidValueError
        Where the model, the batch, the loss or the seeds are not allowed, all parameters are frozen although y is
        given, or a statistic is not finite; the message names the module.

    Examples
    --------
    Orthogonal matrices keep lengths:

    >>> import glorotlab as gl
    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(20, 20), nn.Linear(20, 20))
    >>> drawn = gl.torch.initialize_(model, "orthogonal", seed=0)
    >>> measured = gl.torch.measure(model, torch.ones(3, 20))
    >>> measured["preactivation_second_moment"].round(4).values.tolist()
    [[1.0, 1.0]]
    """
    torch, progress = require_torch(), progress_function(progress)
    from glorotlab.torch.recording import as_numpy, check_repeatable, record

    own = copy.deepcopy(plain_model(model))
    if init_fn is not None and seeds is None:
        raise InvalidValueError("init_fn without seeds: allowed is both, or the model as it stands")
    _thaw(own, y is not None)
    with torch.random.fork_rng(devices=[]):
        traced = trace(own, x)
        inputs = traced.inputs
        targets = None if y is None else torch.as_tensor(y).to(inputs[0].device)
        check_repeatable(own, traced)
        numbers = [0] if seeds is None else seed_numbers(seeds)
        rows = []
        for done, seed in enumerate(numbers):
            if progress:
                progress(done, len(numbers))
            if seeds is not None:
                redraw(own, seed, init_fn)
            own.zero_grad(set_to_none=True)
            tensors = record(traced, targets, loss)
            rows.append(_finite(node_values(tensors), [tensor.node.name for tensor in tensors]))
    if progress:
        progress(len(numbers), len(numbers))
    nodes = [tensor.node for tensor in tensors]
    return layer_statistics(
        {name: np.array([row[name] for row in rows]) for name in rows[0]},
        leading=("seed",),
        coords={
            "seed": numbers,
            "module": [node.name for node in nodes],
            "kind": [node.layer.kind for node in nodes],
        },
        attributes={
            "kind": "measurement",
            "model": type(model).__name__,
            "seeds": numbers,
            "examples": len(inputs[0]),
            "dtype": str(tensors[-1].value.dtype),
            "saturation_threshold": SATURATION_THRESHOLD,
        }
        | digests(as_numpy(inputs[0]), None if targets is None else as_numpy(targets)),
    )


def _thaw(model: Any, gradients: bool) -> None:
    """Give every parameter of the copy a gradient; InvalidValueError if all of the model's are frozen."""
    parameters = list(model.parameters())
    if gradients and parameters and not any(parameter.requires_grad for parameter in parameters):
        raise InvalidValueError(
            "all parameters are frozen (requires_grad is False), so that there are no gradients: "
            "call model.requires_grad_(True), or measure without y"
        )
    for parameter in parameters:
        parameter.requires_grad_(parameter.is_floating_point())


def _finite(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the row; InvalidValueError naming the first module whose statistics are infinite."""
    for index, name in enumerate(names):
        if any(np.isinf(values[index]).any() for values in row.values()):
            raise InvalidValueError(
                f"module {name!r}: statistics are not finite: allowed are inputs and weights that stay within the "
                "range of the model's dtype: scale them, or measure model.double()"
            )
    return row
