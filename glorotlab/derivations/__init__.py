"""Symbolic derivations of Glorot & Bengio (2010) as objects whose every step SymPy can check.

``derive()`` lists their names; ``derive(name)`` returns one. See ``docs/derivations.md``.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, overload

from glorotlab.derivations.beyond.fan_in_initialization import he_initialization, lecun_initialization
from glorotlab.derivations.beyond.gradient_fluctuation import gradient_fluctuation
from glorotlab.derivations.beyond.nonlinear_gain import nonlinear_gain
from glorotlab.derivations.beyond.signal_fluctuation import finite_width_fluctuation
from glorotlab.derivations.beyond.single_neuron import explosion_interval, single_neuron_chain
from glorotlab.derivations.beyond.softmax_output import softmax_output_gradient
from glorotlab.derivations.engine.derivation import Assumption, Conclusion, Derivation, Outcome, Step, Verification
from glorotlab.derivations.engine.trial import Trial
from glorotlab.derivations.paper.backward import backward_variance
from glorotlab.derivations.paper.compromise import compromise
from glorotlab.derivations.paper.conditions import backward_condition, forward_condition
from glorotlab.derivations.paper.equal_width import equal_width
from glorotlab.derivations.paper.forward import forward_variance
from glorotlab.derivations.paper.initialization import normalized_initialization, standard_initialization
from glorotlab.derivations.paper.mean_singular_value import mean_singular_value
from glorotlab.derivations.paper.weight_gradient import weight_gradient_variance
from glorotlab.errors import UnknownNameError

__all__ = ["Assumption", "Conclusion", "Derivation", "Outcome", "Step", "Trial", "Verification", "derive"]

_BUILDERS: dict[str, Callable[..., Derivation]] = {
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
    "lecun_initialization": lecun_initialization,
    "he_initialization": he_initialization,
    "nonlinear_gain": nonlinear_gain,
    "finite_width_fluctuation": finite_width_fluctuation,
    "gradient_fluctuation": gradient_fluctuation,
    "softmax_output_gradient": softmax_output_gradient,
    "single_neuron_chain": single_neuron_chain,
    "explosion_interval": explosion_interval,
}


@overload
def derive() -> tuple[str, ...]: ...
@overload
def derive(name: str, without: str | Iterable[str] = ()) -> Derivation: ...
def derive(name: str | None = None, without: str | Iterable[str] = ()) -> Derivation | tuple[str, ...]:
    """Return the derivation called ``name``, or the names of all where none is given.

    Parameters
    ----------
    name : str, optional
        For example ``"backward_variance"``.
    without : str or iterable of str
        Assumptions to drop. The derivation carries the extra term where it is known, else it ends before the first
        step that needs what was dropped: ``stopped`` says why, and there is no result.

    Returns
    -------
    Derivation or tuple of str

    Raises
    ------
    UnknownNameError
        Where no derivation has that name, or it has no such assumption.
    """
    if name is None:
        return tuple(_BUILDERS)
    if name not in _BUILDERS:
        raise UnknownNameError("derivation", name, _BUILDERS)
    found = _BUILDERS[name]()
    dropped = frozenset((without,) if isinstance(without, str) else without)
    known = {item.name: item for item in found.assumptions}
    for item in sorted(dropped - known.keys()):
        raise UnknownNameError(f"assumption of {name}", item, known)
    carried = dropped & found.carries
    if carried:
        found = _BUILDERS[name](carried)
    return _stopped(found, [known[item] for item in sorted(dropped - carried)])


def _stopped(derivation: Derivation, dropped: list[Assumption]) -> Derivation:
    """Return the steps before the first that cites a dropped assumption, or a derivation that rests on one."""
    if not dropped:
        return derivation
    names = {item.name for item in dropped}
    for other, builder in _BUILDERS.items():
        if other != derivation.name and names & {item.name for item in builder().assumptions}:
            names.add(other)
    cited = re.compile(rf"\b({'|'.join(sorted(names))})\b")
    first = next(index for index, step in enumerate(derivation.steps) if cited.search(step.reason))
    nothing: dict[str, Any] = {"conclusions": (), "experiment": None, "carries": frozenset()}
    return replace(
        derivation,
        assumptions=tuple(item for item in derivation.assumptions if item not in dropped),
        steps=derivation.steps[:first],
        stopped=" ".join(item.otherwise for item in dropped),
        **nothing,
    )
