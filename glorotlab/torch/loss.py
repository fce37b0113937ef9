"""The cost that gradients are of: a name that theory knows, or the user's own function, which must be a mean."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from glorotlab.checks import shown
from glorotlab.errors import InvalidValueError
from glorotlab.torch.requirement import require_torch

Loss = str | Callable[[Any, Any], Any]
"""A name of ``NAMES``, or a function of outputs and targets that returns a scalar tensor."""

NAMES = ("cross_entropy", "mse")
"""Costs by name: softmax with log-likelihood of class labels, and the mean over outputs of squared differences."""

RELATIVE = 1e-3
"""Largest relative change of a mean when the batch is repeated."""


def mean_loss(loss: Loss) -> Callable[[Any, Any], Any]:
    """Return the function of outputs and targets of a named loss; a function is returned as it is.

    Raises
    ------
    InvalidValueError
        Where it is neither a name of ``NAMES`` nor callable.
    """
    functional = require_torch().nn.functional
    if isinstance(loss, str) and loss in NAMES:
        named: Callable[[Any, Any], Any] = getattr(functional, "cross_entropy" if loss == NAMES[0] else "mse_loss")
        return named
    if not callable(loss):
        raise InvalidValueError(f"loss {shown(loss)}: allowed are {', '.join(NAMES)}, or a function of outputs and y")
    return loss


def checked_loss(loss: Loss, outputs: Any, y: Any) -> Any:
    """Return the loss of a batch as a differentiable scalar tensor.

    Raises
    ------
    InvalidValueError
        Where outputs and targets do not fit, the loss is no finite scalar, does not depend on the outputs, or is not a
        mean over the batch: the same examples twice must give the same value.
    """
    torch, function = require_torch(), mean_loss(loss)
    try:
        value = function(outputs, y)
        with torch.no_grad():
            twice = function(torch.cat([outputs, outputs]), torch.cat([y, y]))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        first = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise InvalidValueError(
            f"loss {_name(loss)} of outputs {tuple(outputs.shape)} and y {tuple(y.shape)} {y.dtype}: {first}"
        ) from None
    if not isinstance(value, torch.Tensor) or value.ndim:
        shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise InvalidValueError(f"loss {_name(loss)} returns {shape}: allowed is a scalar tensor, the batch's mean")
    if not value.requires_grad:
        raise InvalidValueError(f"loss {_name(loss)} has no gradient: allowed is a function of the outputs' tensor")
    one, two = float(value.detach()), float(twice)
    if not math.isfinite(one):
        raise InvalidValueError(f"loss {_name(loss)} is {one}: allowed are finite ones: scale inputs or weights")
    if abs(two - one) > RELATIVE * abs(one):
        raise InvalidValueError(
            f"loss {_name(loss)} is not a mean over the batch: the same examples twice give {two / one:.3g} times its "
            "value: allowed are means, such as reduction='mean'"
        )
    return value


def _name(loss: Loss) -> str:
    return loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)[:60]
