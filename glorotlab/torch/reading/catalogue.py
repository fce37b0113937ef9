"""Which reader takes a call: by the name of a module's class in ``torch.nn``, or of a function or method of PyTorch."""

from __future__ import annotations

from typing import Any

from glorotlab.torch.reading.call import Reader
from glorotlab.torch.reading.layers import (
    activation,
    bias,
    concatenation,
    convolution,
    dense,
    dropout,
    embedding,
    normalisation,
    pooling,
    refused,
    residual,
)

KINDS = (
    *(dense, activation, residual, bias, concatenation, normalisation, dropout, convolution, pooling, embedding),
    refused,
)
"""Modules with the readers."""

MODULES: dict[str, Reader] = {name: reader for kind in KINDS for name, reader in kind.MODULES.items()}
FUNCTIONS: dict[str, Reader] = {name: reader for kind in KINDS for name, reader in kind.FUNCTIONS.items()}

_LIBRARY = ("torch", "_operator", "builtins", "math")


def known_class(module: Any) -> str | None:
    """Return the class of ``torch.nn`` whose ``forward`` a module has, or None if there is no reader for it."""
    forward = type(module).forward
    classes: list[Any] = [one for one in type(module).__mro__ if one.__module__.startswith("torch.nn")]
    return next((one.__name__ for one in classes if one.__name__ in MODULES and one.forward is forward), None)


def kind_of(module: Any) -> str:
    """Return the kind of layer of a module, ``unknown`` if it is refused or not known."""
    name = known_class(module)
    kind = next((kind for kind in KINDS if name in kind.MODULES), refused)
    return "unknown" if kind is refused else kind.__name__.rpartition(".")[2]


def function_name(node: Any) -> str:
    """Return the plain name of the function of a node of ``torch.fx``, empty if it is not PyTorch's."""
    name = str(node.target)
    if node.op == "call_function":
        home = str(getattr(node.target, "__module__", None) or "torch")
        name = str(getattr(node.target, "__name__", "")) if home.partition(".")[0] in _LIBRARY else ""
    return name.strip("_")
