"""The record of one training step in every module of a model: sums that hooks take while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from glorotlab.errors import GlorotlabError
from glorotlab.kernels import statistics
from glorotlab.schema import QUANTILES, SATURATION_THRESHOLD
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.torch.reading.call import Call
from glorotlab.torch.reading.catalogue import MODULES, kind_of
from glorotlab.torch.requirement import require_torch
from glorotlab.torch.tracing import is_leaf

WEIGHTED = ("dense", "convolution", "embedding")
"""Kinds of modules whose result is a pre-activation."""

PARAMETER = "parameter"
"""Kind of the row of a parameter that is no module's weight or bias."""

SMALLEST, LARGEST = 1e-30, 1e36
"""Least mean and largest sum of squares for which sums in 32 bits are accurate."""

SAMPLE = 2**14
"""Largest number of elements of which quantiles are computed, evenly spaced among more."""


@dataclass(frozen=True, eq=False)
class Row:
    """A row of the statistics: a module without modules of its own, or a parameter.

    Parameters
    ----------
    name : str
        In the model.
    kind : str
    module : torch.nn.Module or None
    weight, bias : torch.nn.Parameter or None
    bound : float or None
        Supremum of an activation.
    """

    name: str
    kind: str
    module: Any = None
    weight: Any = None
    bias: Any = None
    bound: float | None = None

    @property
    def result(self) -> str:
        """The schema's name of what the module computes."""
        return "preactivation" if self.kind in WEIGHTED else "activation"


def rows_of(model: Any) -> list[Row]:
    """Return a row for each module that is called as one, and for each parameter that has no place in these."""
    rows, placed, inside = [], set(), set()
    for name, module in model.named_modules():
        if id(module) in inside or not is_leaf(module):
            continue
        inside |= {id(part) for part in module.modules()}
        own = dict(module.named_parameters(recurse=False))
        weight, bias = own.get("weight"), own.get("bias")
        placed |= {id(tensor) for tensor in (weight, bias) if tensor is not None}
        rows.append(Row(name or type(module).__name__, kind_of(module), module, weight, bias, _bound(module)))
    others = [(name, tensor) for name, tensor in model.named_parameters() if id(tensor) not in placed]
    return [*rows, *(Row(name, PARAMETER, weight=tensor) for name, tensor in others)]


def _bound(module: Any) -> float | None:
    if kind_of(module) != "activation":
        return None
    layer = MODULES[type(module).__name__](Call(None, module, None, True))
    try:
        return layer.record.bound if isinstance(layer, Elementwise) else None
    except GlorotlabError:  # it jumps
        return None


@dataclass(eq=False)
class StepRecord:
    """Hooks on a model during one step, and what they have seen; ``values`` returns it.

    Parameters
    ----------
    model : torch.nn.Module
    rows : list of Row
    next_step : callable
        Called when the model is called after its step is done, and so begins the next one.
    """

    model: Any
    rows: list[Row]
    next_step: Callable[[], StepRecord | None]
    done: bool = False
    """Whether the step is done; other optimizers may still take theirs."""
    sums: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    """Sum, sum of squares, zeros and subnormal numbers by row and tensor, as tensors on its device."""
    elements: dict[tuple[str, str], int] = field(default_factory=dict)
    """Number of elements that have been summed."""
    quantiles: dict[str, Any] = field(default_factory=dict)
    """Of the activations of the first batch."""
    order: list[str] = field(default_factory=list)
    """Names of the modules in the order of their first call."""

    def __post_init__(self) -> None:
        self._torch = require_torch()
        self._examples = 0
        self._went_back = False
        self._before: dict[int, Any] = {}
        self._handles = [self.model.register_forward_pre_hook(self._begin, with_kwargs=True)]
        self._handles += [
            row.module.register_forward_hook(partial(self._forward, row)) for row in self.rows if row.module is not None
        ]

    def close(self) -> None:
        """Take all hooks off; those of gradients that still come do nothing."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _begin(self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note the examples of a batch; a batch before it whose gradients are gone was skipped, as AMP does."""
        if not self._torch.is_grad_enabled():
            return
        if self.done:
            follower = self.next_step()
            if follower is not None:
                follower._begin(model, args, kwargs)
            return
        if self._went_back and not any(
            tensor.grad is not None and bool(tensor.grad.count_nonzero()) for tensor in self.model.parameters()
        ):
            for kept in (self.sums, self.elements, self.quantiles):
                kept.clear()
            self._examples, self._went_back = 0, False
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, self._torch.Tensor)]
        self._examples += len(tensors[0]) if tensors and tensors[0].ndim else 0

    def _forward(self, row: Row, module: Any, args: tuple[Any, ...], output: Any) -> None:
        value = _first_tensor(self._torch, output)
        if not self._torch.is_grad_enabled() or value is None or not value.is_floating_point() or not value.numel():
            return
        if row.name not in self.order:
            self.order.append(row.name)
        known = value.detach()
        self._add(row, row.result, known)
        if row.bound is not None:
            beyond = (known.abs() > SATURATION_THRESHOLD * row.bound).count_nonzero()
            self._keep(row, "saturation", [beyond], known.numel())
        if row.kind == "activation" and row.name not in self.quantiles:
            self.quantiles[row.name] = _quantiles(self._torch, known)
        if value.requires_grad:
            value.register_hook(partial(self._backward, row))

    def _backward(self, row: Row, gradient: Any) -> None:
        if self._handles:
            self._went_back = True
            self._add(row, "backprop_gradient", gradient.detach(), counts=True)

    def before_step(self, optimizer: Any) -> None:
        """Copy the parameters that an optimizer is about to change, and look at their gradients."""
        mine = {id(tensor) for group in optimizer.param_groups for tensor in group["params"]}
        scale = getattr(optimizer, "grad_scale", None)  # of AMP, where the optimizer itself divides by it
        for row, which, tensor in self._parameters():
            if id(tensor) in mine:
                self._before[id(tensor)] = tensor.detach().clone()
                self._gradient(row, which, tensor, scale)

    def after_step(self) -> None:
        """See by how much the parameters have changed; a step that took a closure has its gradients only now."""
        for row, which, tensor in self._parameters():
            before = self._before.get(id(tensor))
            if before is None:
                continue
            change, size = (sums(self._torch, one)[1] for one in (tensor.detach() - before, before))
            self._keep(row, f"update_{which}", [change, size])
            if which == "weight":
                self._add(row, "weight", before)
            if (row.name, f"batch_{which}_gradient") not in self.sums:
                self._gradient(row, which, tensor, None)
        self._before = {}

    def _parameters(self) -> Iterator[tuple[Row, str, Any]]:
        for row in self.rows:
            for which, tensor in (("weight", row.weight), ("bias", row.bias)):
                if tensor is not None:
                    yield row, which, tensor

    def _gradient(self, row: Row, which: str, tensor: Any, scale: Any) -> None:
        if tensor.grad is None:
            return
        gradient = tensor.grad.detach() if scale is None else tensor.grad.detach() / scale
        elements = gradient.numel()
        if gradient.is_sparse:
            gradient = gradient.coalesce().values()
        name = f"batch_{which}_gradient"
        self.sums.pop((row.name, name), None)
        self.elements.pop((row.name, name), None)
        self._add(row, name, gradient, counts=which == "weight", elements=elements)

    def _add(self, row: Row, name: str, values: Any, *, counts: bool = False, elements: int | None = None) -> None:
        """Add a tensor's sums to those there are."""
        total = values.numel() if elements is None else elements
        parts = [*sums(self._torch, values)]
        if counts:
            nonzero = values.count_nonzero()
            normal = (values.abs() >= self._torch.finfo(values.dtype).tiny).count_nonzero()
            parts += [total - nonzero, nonzero - normal]
        self._keep(row, name, parts, total)

    def _keep(self, row: Row, name: str, parts: list[Any], elements: int = 0) -> None:
        key = row.name, name
        before = self.sums.get(key)
        self.sums[key] = parts if before is None else [one + more for one, more in zip(before, parts, strict=True)]
        self.elements[key] = self.elements.get(key, 0) + elements

    def values(self, gradient_scale: float) -> dict[str, dict[str, Any]]:
        """Return the schema's variables of each row.

        Parameters
        ----------
        gradient_scale : float
            What the cost was multiplied by before it was differentiated; 1 without AMP's scaler.
        """
        parts = [part for one in self.sums.values() for part in one]
        if not parts:
            return {}
        device, precise = parts[0].device, _precise(self._torch, parts[0])
        numbers = iter(self._torch.stack([part.to(device, precise) for part in parts]).tolist())  # one transfer for all
        by_row: dict[str, dict[str, Any]] = {}
        for (row, name), own in self.sums.items():
            factor = self._examples / gradient_scale if name == "backprop_gradient" else 1.0
            entry = _statistics(name, list(islice(numbers, len(own))), self.elements[row, name], factor)
            by_row.setdefault(row, {}).update(entry)
        for row, quantiles in self.quantiles.items():
            by_row[row]["activation_quantile"] = quantiles
        return by_row


def _statistics(name: str, numbers: list[float], elements: int, factor: float) -> dict[str, Any]:
    """Return the schema's variables of a tensor from its sums."""
    if name == "saturation":
        return {"activation_saturation": numbers[0] / elements}
    if name.startswith("update"):
        change, size = (np.sqrt(squares) for squares in numbers)
        return {f"{name}_ratio": change / size if size > 0 else np.nan}
    total, squares = numbers[:2]
    mean, second_moment = factor * total / elements, factor**2 * squares / elements
    if name == "weight":
        return {"weight_variance": second_moment - mean * mean}
    row: dict[str, Any] = {
        f"{name}_mean": mean,
        f"{name}_second_moment": second_moment,
        f"{name}_variance": second_moment - mean * mean,
    }
    if len(numbers) > 2:
        row |= {f"{name}_zero": numbers[2] / elements, f"{name}_subnormal": numbers[3] / elements}
    if name == "batch_bias_gradient":
        row["learning_speed"] = float(np.sqrt(squares))
    return row


def sums(torch: Any, values: Any) -> tuple[Any, Any]:
    """Return the sum and the sum of squares of a tensor, in double where the device has it.

    A processor's conversion of every element takes eight times as long as the sums do. There, rows are summed in the
    tensor's own type, of 32 bits at least, and only their sums in double; where squares leave the range of that type,
    as those of vanishing gradients do, all is done in double.
    """
    precise = _precise(torch, values)
    if values.device.type == "cpu" and values.dtype != torch.float64:
        rows = values.flatten(1) if values.ndim > 1 else values[None]
        norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float32).double()
        squares = norms.dot(norms)
        if SMALLEST * values.numel() < float(squares) < LARGEST:
            return rows.sum(1, dtype=torch.float32).sum(dtype=precise), squares
    norm = torch.linalg.vector_norm(values, dtype=precise)
    return values.sum(dtype=precise), norm * norm


def _precise(torch: Any, values: Any) -> Any:
    """Return the type that sums are taken in: double, which Apple's GPUs do not have."""
    return torch.float32 if values.device.type == "mps" else torch.float64


def _quantiles(torch: Any, values: Any) -> Any:
    """Return the schema's quantiles of a tensor, or of ``SAMPLE`` of its elements."""
    flat = values.reshape(-1)
    sample = flat[:: -(-len(flat) // SAMPLE)].float()
    if sample.device.type == "cpu":
        return statistics.quantiles(np.ascontiguousarray(sample.numpy())[np.newaxis], np.array(QUANTILES))
    return torch.quantile(sample, torch.tensor(QUANTILES, device=sample.device)).cpu().numpy()


def _first_tensor(torch: Any, value: Any) -> Any:
    """Return a result, or its first tensor."""
    if isinstance(value, torch.Tensor):
        return value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return next((tensor for tensor in (_first_tensor(torch, part) for part in parts) if tensor is not None), None)
