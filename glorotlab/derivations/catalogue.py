"""Which derivations there are, and where each is built.

Listing them, or refusing an unknown name, imports no SymPy: a derivation's module is imported when it is asked for.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, cast, overload

from glorotlab.checks import instance_of
from glorotlab.errors import UnknownNameError

if TYPE_CHECKING:
    from glorotlab.derivations.engine.derivation import Derivation


class Entry(NamedTuple):
    """The module of a derivation, built by the function of its name, and its entry in a list."""

    module: str
    title: str
    source: str


CATALOGUE = {
    "forward_variance": Entry("paper.forward", "Variance of activations", "Glorot & Bengio 2010, eq. 5"),
    "backward_variance": Entry(
        "paper.backward", "Variance of back-propagated gradients", "Glorot & Bengio 2010, eqs. 2, 4, 6"
    ),
    "weight_gradient_variance": Entry(
        "paper.weight_gradient", "Variance of weight gradients", "Glorot & Bengio 2010, eqs. 3, 7"
    ),
    "forward_condition": Entry(
        "paper.conditions", "Condition for equal activation variances", "Glorot & Bengio 2010, eqs. 8, 10"
    ),
    "backward_condition": Entry(
        "paper.conditions", "Condition for equal gradient variances", "Glorot & Bengio 2010, eqs. 9, 11"
    ),
    "compromise": Entry("paper.compromise", "Compromise between the two conditions", "Glorot & Bengio 2010, eq. 12"),
    "equal_width": Entry("paper.equal_width", "Equal widths", "Glorot & Bengio 2010, eqs. 13, 14"),
    "standard_initialization": Entry(
        "paper.initialization", "Variance of the standard initialization", "Glorot & Bengio 2010, eqs. 1, 15"
    ),
    "normalized_initialization": Entry(
        "paper.initialization", "Normalized initialization", "Glorot & Bengio 2010, eq. 16"
    ),
    "mean_singular_value": Entry(
        "paper.mean_singular_value",
        "Mean singular value of a layer's Jacobian",
        "Glorot & Bengio 2010, section 4.2.1, eq. 17; Marchenko & Pastur 1967",
    ),
    "lecun_initialization": Entry(
        "beyond.lecun_initialization",
        "Initialization by fan_in",
        "LeCun, Bottou, Orr & Mueller 1998, section 4.6",
    ),
    "he_initialization": Entry(
        "beyond.he_initialization", "Initialization of rectified units", "He, Zhang, Ren & Sun 2015, section 2.2"
    ),
    "nonlinear_gain": Entry(
        "beyond.nonlinear_gain",
        "Gains of an activation",
        "Poole et al. 2016; Schoenholz et al. 2017; He et al. 2015",
    ),
    "finite_width_fluctuation": Entry(
        "beyond.signal_fluctuation",
        "Scatter of signals between networks",
        "Yaida 2020; Roberts, Yaida & Hanin 2022; Hanin & Rolnick 2018",
    ),
    "gradient_fluctuation": Entry(
        "beyond.gradient_fluctuation",
        "Scatter of back-propagated gradients between networks",
        "our own, after Hanin 2024; Hanin & Nica 2020",
    ),
    "batch_gradient_covariance": Entry(
        "beyond.batch_gradient",
        "Weight gradient of a batch that is not small beside a layer",
        "our own",
    ),
    "softmax_output_gradient": Entry(
        "beyond.softmax_output",
        "Gradient at a softmax output",
        "for the outputs and the cost of Glorot & Bengio 2010, section 2.3",
    ),
    "single_neuron_chain": Entry(
        "beyond.single_neuron_chain", "Gradient of a chain of single neurons", "Nielsen 2015, chapter 5"
    ),
    "explosion_interval": Entry(
        "beyond.explosion_interval", "Inputs that let a gradient grow", "Nielsen 2015, chapter 5, exercise"
    ),
    "learning_speed_ratio": Entry(
        "beyond.learning_speed_ratio", "Learning speed of a layer relative to the next", "Nielsen 2015, chapter 5"
    ),
}


def heading(name: str, *, title: str | None = None, further_source: str = "") -> tuple[str, str, str]:
    """Return name, title and source of a derivation, as it begins.

    Parameters
    ----------
    name : str
        A name of the catalogue.
    title : str, optional
        The title of a variant.
    further_source : str
        What a variant adds to the source.
    """
    entry = CATALOGUE[name]
    return name, title or entry.title, entry.source + further_source


@overload
def derive() -> tuple[str, ...]: ...
@overload
def derive(name: str, without: str | Iterable[str] = ()) -> Derivation: ...
def derive(name: str | None = None, without: str | Iterable[str] = ()) -> Derivation | tuple[str, ...]:
    """Return the derivation called ``name``, or the names of all where none is given.

    Parameters
    ----------
    name : str, optional
        A name, for example ``"backward_variance"``.
    without : str or iterable of str
        Assumptions to drop. The derivation carries the extra term where it is known, else it ends before the first
        step that rests on what was dropped: ``stopped`` says why, and there is no result.

    Returns
    -------
    Derivation or tuple of str

    Raises
    ------
    UnknownNameError
        Where no derivation has that name, or it has no such assumption.
    InvalidValueError
        Where a name is no text.

    Examples
    --------
    >>> import glorotlab as gl
    >>> backward = gl.derive("backward_condition")
    >>> backward.source, backward.result  # eq. 11: gradients keep their variance
    ('Glorot & Bengio 2010, eqs. 9, 11', Eq(n_(i + 1)*Var[W^i], 1))

    Without an assumption it carries the extra term, or says why it stops:

    >>> gl.derive("forward_variance", without="independent_weights").stopped.split(",")[0]
    'The square of a sum over units keeps cross terms E[W_l W_m] z_l z_m'
    """
    if name is None:
        return tuple(CATALOGUE)
    instance_of("derivation", name, str, "a name, of those that derive() lists")
    if name not in CATALOGUE:
        raise UnknownNameError("derivation", name, CATALOGUE)
    build: Callable[..., Derivation] = getattr(import_module(f"glorotlab.derivations.{CATALOGUE[name].module}"), name)
    derivation = build()
    copyreg.pickle(type(derivation), _by_name)  # its steps hold functions, which do not travel between processes
    dropped = _dropped(without)
    known = {item.name: item for item in derivation.assumptions}
    for item in sorted(dropped - known.keys()):
        raise UnknownNameError(f"assumption of {name}", item, known)
    carried = dropped & derivation.carries
    if carried:
        derivation = build(carried)
    return derivation.stop_without([known[item] for item in sorted(dropped - carried)])


def _dropped(without: str | Iterable[str]) -> frozenset[str]:
    """Return the names of assumptions; InvalidValueError where they are none."""
    if isinstance(without, str):
        return frozenset((without,))
    instance_of("assumptions to drop", without, Iterable, "a name, or several")
    names = list(without)
    for name in names:
        instance_of("assumption", name, str, "a name")
    return frozenset(names)


def _by_name(derivation: Derivation) -> tuple[Any, ...]:
    if derivation.name in CATALOGUE:
        return derive, (derivation.name, tuple(sorted(derivation.without)))
    return cast(tuple[Any, ...], object.__reduce_ex__(derivation, 4))
