"""Tracing by ``torch.fx`` with the values of an example: shapes are numbers, and others are leaves.

Proxies of ``torch.fx`` know no values, so that ``if x.dim() == 3`` or ``x.view(len(x), -1)`` end a trace. Here each
call is run on the example's values as it is recorded. What a model asks of shapes is answered; what it asks of the
numbers themselves, such as ``if x.sum() > 0``, makes a leaf of the innermost module that asks.

This module imports PyTorch at its head, as it derives from its classes; it is imported by functions alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import fx
from torch.fx.proxy import Attribute

from glorotlab.errors import InvalidValueError, reason

_OF_SHAPES = ("__len__", "dim", "get_device", "is_contiguous", "ndimension", "nelement", "numel", "size", "stride")
_OF_TYPES = ("element_size", "is_complex", "is_floating_point", "is_same_size", "type")
QUESTIONS = frozenset((*_OF_SHAPES, *_OF_TYPES))
"""Methods and functions whose result is not a tensor and depends on shapes alone."""

_LIBRARY = (str(Path(torch.__file__).parent), str(Path(__file__).parent))


class UntraceableError(Exception):
    """A decision that depends on the data, which a graph cannot represent."""


class ValueProxy(fx.Proxy):  # type: ignore[misc]
    """A proxy that knows its value on the example."""

    def __init__(self, node: fx.Node, tracer: ValueTracer, value: Any) -> None:
        super().__init__(node, tracer)
        self.value = value

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The value's class, so that ``isinstance(x, torch.Tensor)`` holds in the model's code."""
        return type(self.value)

    def __getattr__(self, name: str) -> Any:
        if name == "value" or name.startswith("__"):
            raise AttributeError(name)
        attribute = getattr(self.value, name)
        if isinstance(attribute, torch.Tensor):
            return self.tracer.create_proxy("call_function", getattr, (self, name), {})
        return Attribute(self, name) if callable(attribute) else attribute

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self.value)))

    def __bool__(self) -> bool:
        raise UntraceableError("a decision depends on values of the data")

    def __float__(self) -> float:
        raise UntraceableError("a number is read from the data")

    __int__ = __index__ = __float__

    def keys(self) -> Any:
        """Return the names of a dict of tensors."""
        return self.value.keys()


class WholeModel(torch.nn.Module):  # type: ignore[misc]
    """A module that calls a model, which has the name of its class in it."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.add_module(type(model).__name__, model)

    def forward(self, *inputs: Any) -> Any:
        """Return what the model returns."""
        (model,) = self.children()
        return model(*inputs)


class ValueTracer(fx.Tracer):  # type: ignore[misc]
    """A tracer that runs what it records.

    Parameters
    ----------
    values : dict of str to torch.Tensor
        Arguments of the model, in order, by their names.
    is_leaf : callable
        Whether a module is a leaf.
    """

    def __init__(self, values: dict[str, torch.Tensor], is_leaf: Callable[[torch.nn.Module], bool]) -> None:
        super().__init__()
        self.values = values
        self.untraceable: dict[str, str] = {}
        """Of each module that was made a leaf: why, and where."""
        self._is_leaf = is_leaf
        self._running = False

    def create_arg(self, a: Any) -> Any:
        """Return an argument as the graph keeps it; a proxy says that it is a tensor, hence is asked for first."""
        return a.node if issubclass(type(a), fx.Proxy) else super().create_arg(a)

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        """Return the model's ``forward`` and its arguments: a placeholder for each that is given."""
        return root_fn, [self.root, *(self.create_proxy("placeholder", name, (), {}) for name in self.values)]

    def is_leaf_module(self, m: torch.nn.Module, module_qualified_name: str) -> bool:
        """Whether calls of a module are recorded as one."""
        return self._is_leaf(m)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Return a parameter as a proxy, but to what is being run; nothing is kept, as nodes may be taken back."""
        return attr_val if self._running else super().getattr(attr, attr_val, {})

    def call_module(self, m: torch.nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Trace through a module; where that fails, take back what it has recorded, and make it a leaf."""
        if self._running:
            return forward(*args, **kwargs)
        last, stack = next(iter(reversed(self.graph.nodes))), dict(self.module_stack)
        try:
            return super().call_module(m, forward, args, kwargs)
        except InvalidValueError:
            raise
        except Exception as error:
            while (node := next(iter(reversed(self.graph.nodes)))) is not last:
                self.graph.erase_node(node)
            self.module_stack.clear()
            self.module_stack.update(stack)
            path = self.path_of_module(m)
            self.untraceable[path] = why(error)
            return self.create_proxy("call_module", path, args, kwargs)

    def create_proxy(
        self,
        kind: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
        proxy_factory_fn: Any = None,
    ) -> Any:
        """Run a call on values and record it; an answer without tensors is returned as it is."""
        value = self._run(kind, target, args, kwargs)
        tensor = first_tensor(value)
        if tensor is None:
            asked = target if isinstance(target, str) else getattr(target, "__name__", "")
            if value is None or asked in QUESTIONS or kind == "call_module":
                return value
            raise UntraceableError(f"{asked} reads a value from the data")
        proxy = super().create_proxy(
            kind, target, args, kwargs, name, type_expr, lambda node: ValueProxy(node, self, value)
        )
        proxy.node.meta |= {
            "shape": tuple(tensor.shape),
            "dtype": tensor.dtype,
            "is_real": tensor.is_floating_point(),
            "is_tensor": isinstance(value, torch.Tensor),
            "source": source_line(),
        }
        return proxy

    def _run(self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if kind == "placeholder":
            return self.values[target]
        self._running = True
        try:
            if kind == "get_attr":
                owner, _, name = target.rpartition(".")
                return getattr(self.root.get_submodule(owner), name)
            positional, named = (
                fx.node.map_aggregate(
                    one, lambda argument: argument.value if issubclass(type(argument), ValueProxy) else argument
                )
                for one in (args, kwargs)
            )
            if kind == "call_module":
                return self.root.get_submodule(target)(*positional, **named)
            if kind == "call_method":
                return getattr(positional[0], target)(*positional[1:], **named)
            return target(*positional, **named)
        except Exception as error:
            what = f"module {target!r}" if kind == "call_module" else f"{getattr(target, '__name__', target)}"
            place = "" if kind == "call_module" else f" at {source_line() or 'its call'}"
            raise InvalidValueError(f"the example does not fit {what}{place}: {reason(error)}") from None
        finally:
            self._running = False


def first_tensor(value: Any) -> torch.Tensor | None:
    """Return the first tensor of a result: itself, or one of a tuple, a list or a dict."""
    if isinstance(value, torch.Tensor):
        return value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return next((tensor for tensor in map(first_tensor, parts) if tensor is not None), None)


def source_line() -> str:
    """Return the innermost line of the user's code that is being run, such as ``model.py:12``; empty outside any."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(_LIBRARY[0]) and code.co_name == "trace":  # below is who asks for the trace
            return ""
        if not code.co_filename.startswith((*_LIBRARY, "<")):
            return f"{Path(code.co_filename).name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""


def why(error: BaseException) -> str:
    """Return why a module cannot be traced, with the line of the user's code where it is known."""
    traceback, place = error.__traceback__, ""
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if not name.startswith((*_LIBRARY, "<")):
            place = f" at {Path(name).name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return f"{reason(error)}{place}"
