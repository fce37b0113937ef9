"""The activation that feeds each weight of a PyTorch model, as far as its ``Sequential`` parts say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glorotlab.torch.requirement import require_torch

if TYPE_CHECKING:
    import torch

SAME = ("ReLU", "Tanh", "Sigmoid", "SiLU", "SELU", "Softsign", "Mish")
"""Modules whose names in lower case are those of our activations."""

PASS = ("Dropout", "Dropout1d", "Dropout2d", "AlphaDropout", "Identity", "Flatten", "Unflatten")
"""Modules that keep the distribution of a signal's units or only scale it."""


def activation_name(module: torch.nn.Module) -> str | None:
    """Return the name here of an activation module, or None if it has none."""
    kind: Any = type(module).__name__
    own: Any = module
    if kind in SAME:
        return str(kind).lower()
    if kind == "LeakyReLU" and 0 < own.negative_slope < 1:
        return f"leaky_relu(slope={own.negative_slope:g})"
    plain: dict[str, tuple[str, dict[str, object]]] = {
        "GELU": ("gelu", {"approximate": "none"}),
        "ELU": ("elu", {"alpha": 1.0}),
        "Softplus": ("softplus", {"beta": 1}),
        "Hardtanh": ("hard_tanh", {"min_val": -1.0, "max_val": 1.0}),
    }
    if kind in plain:
        name, settings = plain[kind]
        return name if all(getattr(own, key) == value for key, value in settings.items()) else None
    return None


def activations_below(model: torch.nn.Module) -> dict[int, str]:
    """Return the activation that feeds each module, by ``id``, for the modules where it is known.

    Inputs, signals that were normalized, and those of another weight come without an activation: ``linear``.
    """
    nn = require_torch().nn
    norms = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
    weighted = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.Embedding)
    known: dict[int, str] = {}

    def follow(module: torch.nn.Module, current: str | None) -> str | None:
        if isinstance(module, nn.Sequential):
            for child in module:
                current = follow(child, current)
            return current
        if isinstance(module, weighted):
            if current is not None:
                known[id(module)] = current
            return "linear"
        if isinstance(module, norms):
            return "linear"
        if type(module).__name__ in PASS:
            return current
        if next(module.children(), None) is not None:
            for child in module.children():
                follow(child, None)
            return None
        name = activation_name(module)
        return name if name is not None and current == "linear" else None

    follow(model, "linear" if isinstance(model, nn.Sequential) else None)
    return known
