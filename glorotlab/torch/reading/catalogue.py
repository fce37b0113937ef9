"""Which reader takes a call: by the name of a module's class in ``torch.nn``, or of a function or method of PyTorch."""

from __future__ import annotations

from typing import Any

from glorotlab.torch.reading.call import Reader
from glorotlab.torch.reading.layers import activation, dense, dropout, normalisation, pooling, residual

KINDS = (dense, activation, residual, normalisation, dropout, pooling)
"""The files of readers."""

MODULES: dict[str, Reader] = {name: reader for kind in KINDS for name, reader in kind.MODULES.items()}
FUNCTIONS: dict[str, Reader] = {name: reader for kind in KINDS for name, reader in kind.FUNCTIONS.items()}

_LIBRARY = ("torch", "_operator", "builtins", "math")


def known_class(module: Any) -> str | None:
    """Return the name of the class of ``torch.nn`` whose ``forward`` a module has; None where there is no reader."""
    for one in type(module).__mro__:
        if "forward" in vars(one):
            return one.__name__ if one.__module__.startswith("torch.nn") and one.__name__ in MODULES else None
    return None


def function_name(node: Any) -> str:
    """Return the plain name of what a node of ``torch.fx`` calls; empty of a function that is not PyTorch's."""
    name = str(node.target)
    if node.op == "call_function":
        home = str(getattr(node.target, "__module__", None) or "torch")
        name = str(getattr(node.target, "__name__", "")) if home.partition(".")[0] in _LIBRARY else ""
    return name.rstrip("_") if not name.startswith("__") else name.strip("_")
