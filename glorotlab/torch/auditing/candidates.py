"""Every law and scale that an audit knows by name, right ones and wrong ones.

Right: He et al. (2015), Glorot & Bengio (2010), LeCun et al. (1998) with uniform, normal and truncated normal weights;
the defaults of PyTorch; gains of ``torch.nn.init.calculate_gain``; stated standard deviations and bounds. Wrong: what
people found by hand in a dozen frameworks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from glorotlab.initializers import TRUNCATED_VARIANCE

STDS = (0.01, 0.02, 0.05, 0.1, 1.0)
"""Standard deviations of common initializers: GPT-2's is .02, Keras' .05, that of ``torch.nn.Embedding`` 1."""

BOUNDS = (0.01, 0.05, 0.08, 0.1, 1.0)
"""Bounds of common initializers: Keras' is .05, that of Sutskever et al. (2014) .08."""

LETTERS = {"uniform": "uniform", "normal": "normal", "truncated_normal": "truncated normal"}

RESIDUAL_LAYERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
"""Depths L of GPT-2's blocks, whose last projections have the standard deviation .02 / sqrt(2 L)."""

TANH, LEAKY = 5 / 3, math.sqrt(2 / (1 + 0.2**2))


@dataclass(frozen=True)
class Shape:
    """The sizes that variances are computed from.

    Parameters
    ----------
    kind : str
        ``linear``, ``convolution``, ``transposed convolution``, ``embedding``, ``attention``, ``recurrent`` or
        ``bilinear``.
    fan_in, fan_out : int
        The true ones.
    receptive_field, groups, blocks : int
        Blocks are those of a stacked parameter.
    rows : int
        Rows of an embedding; 1 of others.
    """

    kind: str
    fan_in: int
    fan_out: int
    receptive_field: int = 1
    groups: int = 1
    blocks: int = 1
    rows: int = 1


@dataclass(frozen=True)
class Candidate:
    """A distribution with its variance and its name.

    Parameters
    ----------
    name : str
        The initializer, or what went wrong with which.
    law : str
        A key of ``laws.LAWS``.
    variance : float
        Var[W].
    fan : str
        Which fan the variance is divided by; empty of a stated scale.
    gain : float
        sqrt(fan Var[W]), or the standard deviation where there is no fan.
    fault, notice : str
        Keys of ``findings.FAULTS`` and ``NOTICES``; empty as a rule.
    family : str
        What the model's other weights are compared by: the name without the law.
    """

    name: str
    law: str
    variance: float
    fan: str = ""
    gain: float = 1.0
    fault: str = ""
    notice: str = ""
    family: str = ""


@lru_cache(maxsize=256)
def candidates(shape: Shape) -> tuple[Candidate, ...]:
    """Return every candidate of a weight: correct ones first, and common ones before rare ones."""
    return (*_defaults(shape), *_named(shape), *_stated(shape), *_wrong(shape))


def _defaults(shape: Shape) -> Iterator[Candidate]:
    """Yield the defaults of PyTorch."""
    fan_in, fan_out = shape.fan_in, shape.fan_out
    third = 1 / math.sqrt(3)
    if shape.kind in ("linear", "convolution"):
        yield Candidate(
            "torch_default",
            "uniform",
            1 / (3 * fan_in),
            "fan_in",
            third,
            notice="default of nn.Linear",
            family="PyTorch's default",
        )
    elif shape.kind == "bilinear":
        first = shape.rows
        yield Candidate(
            "PyTorch's default, 1/sqrt(inputs of the first)",
            "uniform",
            1 / (3 * first),
            "",
            third,
            family="PyTorch's default",
        )
    elif shape.kind == "transposed convolution":
        name, notice = "PyTorch's default, 1/sqrt(fan_out)", "transposed default"
        yield Candidate(name, "uniform", 1 / (3 * fan_out), "fan_out", third, notice=notice, family="PyTorch's default")
    elif shape.kind == "recurrent":
        name = "PyTorch's default, 1/sqrt(hidden)"
        yield Candidate(name, "uniform", 1 / (3 * fan_out), "hidden", third, family="PyTorch's default")
    elif shape.kind == "attention" and shape.blocks > 1:
        variance = 2 / (fan_in + shape.blocks * fan_out)
        name = "glorot_uniform of the stacked projections"
        yield Candidate(name, "uniform", variance, "fan_avg", notice="packed projections", family="PyTorch's default")
    elif shape.kind == "embedding":
        yield Candidate("normal(std=1)", "normal", 1.0, family="PyTorch's default")
        for law in ("normal", "truncated_normal", "uniform"):
            yield Candidate(f"{law} of std 1/sqrt(size)", law, 1 / fan_out, "size", family="1/sqrt(size)")
        yield Candidate("uniform(bound=0.5/size)", "uniform", 1 / (12 * fan_out**2), "", family="word2vec")
        rows = replace(shape, fan_in=shape.rows, kind="linear")
        for fans in (rows, replace(rows, fan_in=rows.fan_out, fan_out=rows.fan_in)):
            for own in _named(fans, gains=False):
                yield replace(own, name=f"{own.name} by the fans of the table", notice="fans of the table")


def _named(shape: Shape, gains: bool = True) -> Iterator[Candidate]:
    """Yield the named cases of variance scaling."""
    fan_in, fan_out = shape.fan_in, shape.fan_out
    fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    out = "fan_out"
    families = [
        ("glorot", "fan_avg", 1.0, ""),
        ("he", "fan_in", math.sqrt(2), ""),
        ("lecun", "fan_in", 1.0, ""),
        ("he over fan_out", "fan_out", math.sqrt(2), out),
    ]
    if gains:
        families += [
            ("glorot, gain sqrt 2", "fan_avg", math.sqrt(2), ""),
            ("glorot, gain 5/3", "fan_avg", TANH, ""),
            ("kaiming, gain 5/3", "fan_in", TANH, ""),
            ("kaiming, leaky_relu(.2)", "fan_in", LEAKY, ""),
        ]
    for family, fan, gain, note in families:
        for law in LETTERS:
            plain = family.isalpha()
            name = f"{family}_{law}" if plain else f"{family}, {LETTERS[law]}"
            own_note = note if fan_in != fan_out else ""
            yield Candidate(name, law, gain**2 / fans[fan], fan, gain, notice=own_note, family=family)
    if shape.kind not in ("linear", "convolution"):
        own = 1 / math.sqrt(3)
        yield Candidate("standard_uniform", "uniform", 1 / (3 * fan_in), "fan_in", own, family="standard")


def _stated(shape: Shape) -> Iterator[Candidate]:
    """Yield common standard deviations and bounds that do not depend on the fans."""
    for std in STDS:
        if not (shape.kind == "embedding" and std == 1):
            yield Candidate(f"normal(std={std:g})", "normal", std**2, gain=std, family=f"std {std:g}")
        yield Candidate(f"truncated_normal(std={std:g})", "truncated_normal", std**2, gain=std, family=f"std {std:g}")
        before = f"truncated normal, std {std:g} before truncation"
        yield Candidate(
            before, "truncated_normal", TRUNCATED_VARIANCE * std**2, gain=0.8796 * std, family=f"std {std:g}"
        )
    if shape.kind == "linear":
        for layers in RESIDUAL_LAYERS:
            std = 0.02 / math.sqrt(2 * layers)
            yield Candidate(f"normal(std=0.02/sqrt(2*{layers}))", "normal", std**2, gain=std, family="GPT-2, residual")
    for bound in BOUNDS:
        yield Candidate(f"uniform(bound={bound:g})", "uniform", bound**2 / 3, gain=bound, family=f"bound {bound:g}")


def _wrong(shape: Shape) -> Iterator[Candidate]:
    """Yield common mistakes with the name of the fault."""
    fan_in, fan_out = shape.fan_in, shape.fan_out
    if fan_in != fan_out:
        for law in LETTERS:
            yield _fault("lecun of transposed fans", law, 1 / fan_out, "transposed fans", "fan_out")
        yield _fault("torch_default of transposed fans", "uniform", 1 / (3 * fan_out), "transposed fans", "fan_out")
    yield _fault("sqrt(3 / (fan_in + fan_out))", "uniform", 1 / (fan_in + fan_out), "half of Glorot", "fan_avg")
    for family, variance in (
        ("glorot", 2 / (fan_in + fan_out)),
        ("he", 2 / fan_in),
        ("lecun", 1 / fan_in),
    ):
        std = math.sqrt(variance)
        if family != "lecun":  # whose is PyTorch's default
            yield _fault(f"{family}, its std as bound", "uniform", variance / 3, "standard deviation used as bound")
        yield _fault(f"{family}, its bound as std", "normal", 3 * variance, "bound used as standard deviation")
        yield _fault(f"{family}, its variance as std", "normal", variance**2, "variance used as standard deviation")
        yield _fault(f"{family}, its std as variance", "normal", std, "standard deviation used as variance")
        yield _fault(f"{family}, bound without root", "uniform", 3 * variance**2, "square root forgotten")
        truncated = TRUNCATED_VARIANCE * variance
        yield _fault(f"{family}, truncated", "truncated_normal", truncated, "truncation not corrected")
        yield _fault(f"{family}, over .8796", "normal", variance / TRUNCATED_VARIANCE, "truncation corrected twice")
    for std in STDS[:-1]:
        yield _fault(f"normal of variance {std:g}", "normal", std, "standard deviation used as variance")
    if shape.receptive_field > 1:
        channels = fan_in // shape.receptive_field, fan_out // shape.receptive_field
        yield from _other_fans(channels, "receptive field forgotten")
    if shape.groups > 1:
        yield from _other_fans((fan_in * shape.groups, fan_out * shape.groups), "groups forgotten")
        mixed = 2 / (fan_in + fan_out * shape.groups)
        for law in LETTERS:  # torch.nn.init's fan_out is of all groups, its fan_in of one
            yield _fault("glorot of torch.nn.init", law, mixed, "groups forgotten", "fan_avg")


def _other_fans(fans: tuple[int, int], fault: str) -> Iterator[Candidate]:
    fan_in, fan_out = fans
    for law in LETTERS:
        yield _fault(f"glorot, {fault}", law, 2 / (fan_in + fan_out), fault, "fan_avg")
        yield _fault(f"he, {fault}", law, 2 / fan_in, fault, "fan_in")
        yield _fault(f"lecun, {fault}", law, 1 / fan_in, fault, "fan_in")
        yield _fault(f"he over fan_out, {fault}", law, 2 / fan_out, fault, "fan_out")
    yield _fault(f"torch_default, {fault}", "uniform", 1 / (3 * fan_in), fault, "fan_in")


def _fault(name: str, law: str, variance: float, fault: str, fan: str = "") -> Candidate:
    return Candidate(f"{name}, {LETTERS[law]}", law, variance, fan, math.sqrt(variance), fault, family=fault)
