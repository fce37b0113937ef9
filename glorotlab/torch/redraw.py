"""New draws of a model's weights, by its modules' own rules or by the user's function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from glorotlab.errors import InvalidValueError
from glorotlab.torch.requirement import require_torch

InitFunction = Callable[[Any], object]
"""Function that draws all weights of a model anew from PyTorch's global generator."""

RULES = ("reset_parameters", "_reset_parameters")
"""Methods by which PyTorch's modules draw their own parameters anew; the second is that of attention."""


def redraw(model: Any, seed: int, init_fn: InitFunction | None = None) -> None:
    """Draw every parameter anew, in place, from PyTorch's generator at a seed.

    Parameters
    ----------
    model : torch.nn.Module
    seed : int
    init_fn : callable, optional
        Called with the model instead of the ``reset_parameters`` of every module.

    Raises
    ------
    InvalidValueError
        Where a module has parameters of its own and no rule to draw them by.
    """
    torch = require_torch()
    torch.manual_seed(seed)
    if init_fn is not None:
        if not callable(init_fn):
            raise InvalidValueError(f"init_fn of type {type(init_fn).__name__}: allowed is a function of the model")
        with torch.no_grad():
            init_fn(model)
        return
    for name, module in model.named_modules():
        rule = next((getattr(module, rule) for rule in RULES if callable(getattr(module, rule, None))), None)
        if rule is not None:
            rule()
        elif any(own is not None for own in module.parameters(recurse=False)):
            raise InvalidValueError(
                f"module {name or 'the model itself'!r} ({type(module).__name__}) has parameters and no "
                "reset_parameters to draw them anew: give init_fn, or measure it as it stands without seeds"
            )
