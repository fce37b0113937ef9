"""Symbolic derivations of Glorot & Bengio (2010) as objects whose every step SymPy can check.

``derive()`` lists their names; ``derive(name)`` returns one. See ``docs/derivations.md``.
"""

from collections.abc import Callable
from typing import overload

from glorotlab.errors import UnknownNameError
from glorotlab.theory.derivations.backward import backward_variance
from glorotlab.theory.derivations.compromise import compromise
from glorotlab.theory.derivations.conditions import backward_condition, forward_condition
from glorotlab.theory.derivations.derivation import (
    Assumption,
    Conclusion,
    Derivation,
    Outcome,
    Step,
    Verification,
)
from glorotlab.theory.derivations.equal_width import equal_width
from glorotlab.theory.derivations.forward import forward_variance
from glorotlab.theory.derivations.initialization import normalized_initialization, standard_initialization
from glorotlab.theory.derivations.mean_singular_value import mean_singular_value
from glorotlab.theory.derivations.weight_gradient import weight_gradient_variance

__all__ = ["Assumption", "Conclusion", "Derivation", "Outcome", "Step", "Verification", "derive"]

_BUILDERS: dict[str, Callable[[], Derivation]] = {
    "forward_variance": forward_variance,
    "backward_variance": backward_variance,
    "weight_gradient_variance": weight_gradient_variance,
    "forward_condition": forward_condition,
    "backward_condition": backward_condition,
    "compromise": compromise,
    "equal_width": equal_width,
    "standard_initialization": standard_initialization,
    "normalized_initialization": normalized_initialization,
    "mean_singular_value": mean_singular_value,
}


@overload
def derive() -> tuple[str, ...]: ...
@overload
def derive(name: str) -> Derivation: ...
def derive(name: str | None = None) -> Derivation | tuple[str, ...]:
    """Return the derivation called ``name``, or the names of all where none is given.

    Parameters
    ----------
    name : str, optional
        For example ``"backward_variance"``.

    Returns
    -------
    Derivation or tuple of str

    Raises
    ------
    UnknownNameError
        Where no derivation has that name.
    """
    if name is None:
        return tuple(_BUILDERS)
    if name not in _BUILDERS:
        raise UnknownNameError("derivation", name, _BUILDERS)
    return _BUILDERS[name]()
