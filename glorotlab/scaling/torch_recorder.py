"""Outputs of a PyTorch model's modules, read by forward hooks; torch is imported when a model is measured."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np

from glorotlab.arrays import Array

CALL = " (call {})"
"""Suffix of a module's name for each further call."""


def leaves(model: Any) -> list[tuple[str, Any]]:
    """Return names and modules without submodules."""
    return [(name or type(model).__name__, one) for name, one in model.named_modules() if not [*one.children()]]


def module_name(name: str) -> str:
    """Return the name of the module of a call."""
    return name.partition(CALL.partition("{")[0])[0]


class Recorder:
    """Recorder of the outputs of every module without submodules in the first and the last pass.

    Parameters
    ----------
    model : torch.nn.Module
        It has hooks within a ``with`` statement.

    Attributes
    ----------
    modules : dict of str to torch.nn.Module
    start, now : dict of str to torch.Tensor
        Outputs of the first and of the last pass, by name; of a module that is called again also its further ones.
    entered : dict of str to tuple
        What entered modules with weights of two dimensions or more in the first pass, and their biases then.
    """

    def __init__(self, model: Any) -> None:
        self.modules = dict(leaves(model))
        self.start: dict[str, Any] = {}
        self.now: dict[str, Any] = {}
        self.entered: dict[str, Any] = {}
        self._handles: list[Any] = []

    def __enter__(self) -> Self:
        self._handles = [module.register_forward_hook(self._hook(name)) for name, module in self.modules.items()]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _hook(self, name: str) -> Callable[[Any, Any, Any], None]:
        import torch

        def keep(module: Any, inputs: Any, output: Any) -> None:
            value = output[0] if isinstance(output, (tuple, list)) and output else output
            if not isinstance(value, torch.Tensor) or not value.is_floating_point():
                return
            calls = sum(module_name(key) == name for key in self.now)
            call = name + CALL.format(calls + 1) if calls else name
            self.now[call] = value.detach().clone()  # which a later module may work on in place
            if not self.start and own_weight(module) is not None and len(inputs) == 1:
                bias = getattr(module, "bias", None)
                self.entered[call] = inputs[0].detach().clone(), None if bias is None else bias.detach().clone()

        return keep

    def begin_pass(self) -> None:
        """Forget the outputs of the previous pass, unless it is the first."""
        self.now = {}

    def sizes(self) -> list[list[float]]:
        """Return root mean squares of the last outputs, and of their changes since the first pass."""
        self.start = self.start or dict(self.now)
        pairs = [
            (self.now[name].double(), self.now[name].double() - start.double()) for name, start in self.start.items()
        ]
        return [[_size(pair[part]) for pair in pairs] for part in (0, 1)]

    def own_changes(self) -> Array:
        """Return root mean squares of the outputs' changes by modules' own weights, inputs and biases being as before.

        NaN of modules without such weights.
        """
        import torch

        changes = np.full(len(self.start), np.nan)
        kept, self.now = self.now, {}
        with torch.no_grad():
            for place, (name, before) in enumerate(self.start.items()):
                if name in self.entered:
                    module, (inputs, bias) = self.modules[module_name(name)], self.entered[name]
                    if bias is not None:
                        trained = module.bias.detach().clone()
                        module.bias.copy_(bias)
                    changes[place] = _size(module(inputs).double() - before.double())
                    if bias is not None:
                        module.bias.copy_(trained)
        self.now = kept
        return changes


def own_weight(module: Any) -> Any:
    """Return the weight of two dimensions or more of a module, None where there is none."""
    import torch

    weight = getattr(module, "weight", None)
    return weight if isinstance(weight, torch.Tensor) and weight.dim() > 1 else None


def _size(values: Any) -> float:
    return float((values**2).mean() ** 0.5)
