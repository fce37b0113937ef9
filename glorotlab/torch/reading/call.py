"""One recorded call, as the readers of layers see it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from glorotlab.spec.layers.base import Layer

Reader = Callable[["Call"], Layer | None]
"""Function that returns what a call computes, or None if its first input passes through unchanged."""

MISSING = object()


@dataclass(frozen=True)
class Call:
    """A call of a module or of a function.

    Parameters
    ----------
    node : torch.fx.Node
    module : torch.nn.Module or None
        The module that is called; None of a function or a method of tensors.
    root : torch.nn.Module
        The model.
    channels_last : bool
        Whether units are the last axis of the first input.
    """

    node: Any
    module: Any
    root: Any
    channels_last: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result, or of its first tensor."""
        return self.node.meta["shape"]  # type: ignore[no-any-return]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the first input."""
        return self.inputs[0].meta["shape"] if self.inputs else ()

    @property
    def inputs(self) -> list[Any]:
        """Nodes of ``torch.fx`` that the call reads, in order and with repetitions, without parameters."""
        nodes: list[Any] = []

        def visit(argument: Any) -> None:
            if isinstance(argument, (tuple, list)):
                for part in argument:
                    visit(part)
            elif isinstance(argument, dict):
                visit(list(argument.values()))
            elif hasattr(argument, "op") and argument.op != "get_attr":
                nodes.append(argument)

        visit([self.node.args, self.node.kwargs])
        return nodes

    def argument(self, place: int, name: str, default: Any = MISSING) -> Any:
        """Return a function's argument by its position or name, as in ``torch.fx``, or ``default`` if it is missing."""
        if place < len(self.node.args):
            return self.node.args[place]
        return self.node.kwargs.get(name, default)

    def option(self, name: str, place: int, default: Any) -> Any:
        """Return a setting, which is the module's attribute or the function's argument."""
        return getattr(self.module, name, default) if self.module is not None else self.argument(place, name, default)

    def tensor(self, name: str, place: int) -> Any:
        """Return a parameter of a module or a function, or None if it is missing or not a tensor of the model."""
        if self.module is not None:
            return getattr(self.module, name, None)
        argument = self.argument(place, name, None)
        if getattr(argument, "op", "") != "get_attr":
            return None
        return operator.attrgetter(argument.target)(self.root)


def per_axis(value: Any, axes: int) -> tuple[int, ...]:
    """Return a setting as one number for each axis; it may be one number for all."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return tuple(int(one) for one in (values * axes if len(values) == 1 else values))


def second_moment(tensor: Any) -> float:
    """Return the mean of squares in double precision, 0 for None."""
    return 0.0 if tensor is None else float(tensor.detach().double().square().mean())


def mean(tensor: Any) -> float:
    """Return the mean in double precision, 0 for None."""
    return 0.0 if tensor is None else float(tensor.detach().double().mean())


def alike(tensor: Any) -> bool:
    """Return whether all elements of a tensor are equal."""
    return bool((tensor == tensor.flatten()[0]).all())
