"""PyTorch, which is an extra: imported here when a function needs it, or asked for in one line."""

from __future__ import annotations

import importlib
from typing import Any

from glorotlab.errors import GlorotlabError, InvalidValueError, reason


def require_torch() -> Any:
    """Return the package ``torch``.

    Raises
    ------
    GlorotlabError
        Where it is not installed, or cannot be imported; the message says what to do.
    """
    try:
        return importlib.import_module("torch")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise GlorotlabError(f"gl.torch needs PyTorch, which cannot be imported: {reason(error)}") from None
        raise GlorotlabError('gl.torch needs PyTorch: python -m pip install "torch>=2.3"') from None
    except (ImportError, OSError) as error:  # a library that it was built against is missing
        raise GlorotlabError(f"gl.torch needs PyTorch, which cannot be imported: {reason(error)}") from None


def require_module(model: object) -> Any:
    """Return ``model``; InvalidValueError where it is no ``torch.nn.Module``."""
    torch = require_torch()
    if not isinstance(model, torch.nn.Module):
        raise InvalidValueError(f"model of type {type(model).__name__}: allowed is a torch.nn.Module")
    return model
