"""One pass of a batch through a traced model: the value and the gradient of every node of its graph."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from glorotlab.errors import InvalidValueError
from glorotlab.measurement.node_estimators import NodeTensors
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.graph import Input
from glorotlab.torch.loss import Loss, checked_loss
from glorotlab.torch.reading.tracer import first_tensor
from glorotlab.torch.tracing import TracedModel


def record(traced: TracedModel, y: Any | None, loss: Loss) -> list[NodeTensors]:
    """Return the tensors of a batch in every node except the inputs, in order of computation.

    Parameters
    ----------
    traced : TracedModel
    y : torch.Tensor, optional
        Without it there are no gradients.
    loss : str or callable
        As ``loss.mean_loss`` takes it.
    """
    recorder = _Recorder(traced)
    with torch.set_grad_enabled(y is not None):
        outputs = recorder.run(*traced.inputs)
        if y is not None:
            checked_loss(loss, outputs, y).backward()
    parameters = dict(traced.model.named_parameters(remove_duplicate=False))
    tensors, values = [], recorder.values
    for node in traced.graph:
        if isinstance(node.layer, Input) or node.name not in values:
            continue
        weight = parameters[node.parameters[0]] if isinstance(node.layer, WeightedLayer) else None
        gradient = recorder.gradients.get(node.name)
        tensors.append(
            NodeTensors(
                node,
                as_numpy(values[node.inputs[0]]),
                as_numpy(values[node.name]),
                None if gradient is None else as_numpy(gradient) * len(traced.inputs[0]),
                None if weight is None else as_numpy(weight),
            )
        )
    return tensors


def as_numpy(tensor: Any) -> npt.NDArray[Any]:
    """Return a copy in NumPy; types that NumPy does not have become float32."""
    own = tensor.detach().cpu()
    if own.is_floating_point() and own.dtype not in (torch.float32, torch.float64):
        own = own.float()
    return np.asarray(own.numpy().copy())


class _Recorder(torch.fx.Interpreter):  # type: ignore[misc]
    """Runs a traced model and keeps nodes' values; gradients come when the cost is differentiated.

    A value is copied when it is computed, and its hook is registered then: a later operation in place changes neither.
    """

    def __init__(self, traced: TracedModel) -> None:
        super().__init__(traced.module)
        self._names = {own: name for name, own in traced.calls.items()}
        self.values: dict[str, Any] = {}
        self.gradients: dict[str, Any] = {}

    def run_node(self, n: Any) -> Any:
        result = super().run_node(n)
        name, tensor = self._names.get(n), first_tensor(result)
        if name is not None and tensor is not None:
            self.values[name] = tensor.detach().clone()
            if tensor.requires_grad:
                tensor.register_hook(partial(self._keep, name))
        return result

    def _keep(self, name: str, gradient: Any) -> None:
        before = self.gradients.get(name)
        self.gradients[name] = gradient.detach().clone() if before is None else before + gradient


def check_repeatable(model: Any, traced: TracedModel) -> None:
    """Raise InvalidValueError where a model's result is another when it is called again, or when it is traced."""
    results = []
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        state = torch.get_rng_state()
        for run in (model, model, traced.module):
            torch.set_rng_state(state)
            results.append(first_tensor(run(*(tensor.clone() for tensor in traced.inputs))))
    for result, how in zip(results[1:], ("when it is called again", "when its calls are traced"), strict=True):
        if result is None or not torch.equal(torch.nan_to_num(results[0]), torch.nan_to_num(result)):
            raise InvalidValueError(
                f"the model gives another result {how} with the same inputs and seed: allowed are models whose "
                "randomness comes from PyTorch's generator, and that keep no count of their calls"
            )
