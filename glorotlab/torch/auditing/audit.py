"""audit: by which initialiser each weight of a network was drawn, what went wrong, and what it does to signals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from glorotlab import activations
from glorotlab.checks import real_number
from glorotlab.errors import InvalidValueError
from glorotlab.network.mlp import Network
from glorotlab.theory.gaussian.moments import moments
from glorotlab.torch.auditing.findings import FAULT, Finding, fault, notice
from glorotlab.torch.auditing.judge import Conclusion, Look, conclude, faults_of, look
from glorotlab.torch.auditing.tensors import Parts, weights_of_model, weights_of_network

if TYPE_CHECKING:
    import torch

FAR_OFF = 10.0
"""Factor of a signal's second moment in one layer that is noticed."""

MADE_FOR = {
    "he": ("relu", "leaky_relu", "gelu", "silu", "elu", "mish", "softplus"),
    "he over fan_out": ("relu", "leaky_relu", "gelu", "silu", "elu", "mish", "softplus"),
    "glorot, gain sqrt 2": ("relu", "leaky_relu", "gelu", "silu", "elu", "mish", "softplus"),
    "kaiming, leaky_relu(.2)": ("relu", "leaky_relu", "gelu", "silu", "elu", "mish"),
    "glorot": ("linear", "tanh", "sigmoid", "softsign", "erf", "arctan", "sin", "hard_tanh", "selu"),
    "lecun": ("linear", "tanh", "sigmoid", "softsign", "erf", "arctan", "sin", "hard_tanh", "selu"),
    "glorot, gain 5/3": ("tanh", "erf", "arctan", "softsign", "hard_tanh"),
    "kaiming, gain 5/3": ("tanh", "erf", "arctan", "softsign", "hard_tanh"),
}
"""Activations that the gain of a family is made for."""

DEFAULT = "PyTorch's default"

REPEATED = 16
"""First numbers of two weights that are compared."""


@dataclass(frozen=True)
class AuditEntry:
    """The verdict on one weight.

    Parameters
    ----------
    name : str
        Its name, with the block in brackets where its parameter is stacked.
    kind : str
        ``linear``, ``convolution``, ``transposed convolution``, ``embedding``, ``attention``, ``recurrent`` or
        ``bilinear``.
    fan_in, fan_out : int
        Terms of a sum, forward and back.
    size : int
        How many weights there are.
    mean, std : float
        Mean, and root mean square about 0; NaN where they are not finite.
    std_error : float
        Standard error of ``std``, of independent weights of their kurtosis.
    law : str
        ``uniform``, ``normal``, ``truncated_normal``, ``orthogonal``, ``sparse``, ``constant``, ``copies``, ``many
        zeros``, ``not finite``, ``unknown`` or ``too few to judge``.
    initializer : str
        Its usual name, or what went wrong with which; empty where it has none.
    fan : str
        What the variance is divided by; empty of a scale that is stated.
    gain : float
        sqrt(fan Var[W]), or the scale itself where there is no fan.
    alternatives : tuple of str
        Names that cannot be told apart from it by these weights alone.
    p_value : float or None
        Of "drawn by one of the initialisers that are known here"; None where the structure decides.
    activation : str or None
        What feeds the weight, where that is known.
    forward : float
        fan_in E W^2 E f(s)^2 at E s^2 = 1: the next pre-activation's second moment over this one's; f is linear where
        nobody knows it.
    backward : float
        fan_out E W^2 E f'(s)^2: the same of the gradient's.
    findings : tuple of Finding
        Faults and notices.
    """

    name: str
    kind: str
    fan_in: int
    fan_out: int
    size: int
    mean: float
    std: float
    std_error: float
    law: str
    initializer: str
    fan: str
    gain: float
    alternatives: tuple[str, ...]
    p_value: float | None
    activation: str | None
    forward: float
    backward: float
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing that was found is a fault."""
        return not self.faults

    @property
    def faults(self) -> tuple[str, ...]:
        """Names of the faults."""
        return tuple(finding.name for finding in self.findings if finding.severity == FAULT)

    @property
    def notices(self) -> tuple[str, ...]:
        """Names of the notices."""
        return tuple(finding.name for finding in self.findings if finding.severity != FAULT)


@dataclass(frozen=True)
class Audit:
    """What ``audit`` found.

    Parameters
    ----------
    level : float
        Probability, at most, that a network drawn by known initialisers is called unhealthy.
    entries : tuple of AuditEntry
        One a weight, in the order of the model's modules.
    tied : dict of str to str
        Weights that are another one, and which.
    left : tuple of str
        Parameters that were not looked at, as their fans are not known.
    """

    level: float
    entries: tuple[AuditEntry, ...]
    tied: dict[str, str]
    left: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether no weight has a fault."""
        return all(entry.healthy for entry in self.entries)

    @property
    def faults(self) -> tuple[tuple[str, Finding], ...]:
        """Every fault with the name of its weight."""
        return tuple((e.name, f) for e in self.entries for f in e.findings if f.severity == FAULT)

    @property
    def notices(self) -> tuple[tuple[str, Finding], ...]:
        """Every notice with the name of its weight."""
        return tuple((e.name, f) for e in self.entries for f in e.findings if f.severity != FAULT)

    def entry(self, name: str) -> AuditEntry:
        """Return the entry of a weight.

        Parameters
        ----------
        name : str
            As ``entries`` has it.

        Returns
        -------
        AuditEntry

        Raises
        ------
        InvalidValueError
            Where there is no such weight.
        """
        for entry in self.entries:
            if entry.name == name:
                return entry
        names = ", ".join(entry.name for entry in self.entries)
        raise InvalidValueError(f"no weight {name!r:.60}: allowed are {names:.200}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, not all of them finite."""
        return asdict(self) | {"healthy": self.healthy}

    def to_markdown(self) -> str:
        """Return a verdict, a table with one line a weight, and what was found."""
        from glorotlab.torch.auditing.audit_form import audit_markdown

        return audit_markdown(self)

    def _repr_html_(self) -> str:
        from glorotlab.torch.auditing.audit_form import audit_form

        return audit_form(self)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


def audit(model: torch.nn.Module | Network, *, level: float = 0.01, activation: str | None = None) -> Audit:
    """Find by which initialiser each weight of a network was drawn, and what went wrong.

    Each weight is compared with a finite list of initialisers, each a law (uniform, normal, truncated normal) with a
    variance computed of the fans: its p-value is the largest over the list, which is valid for "drawn by one of them"
    whichever it is, and Holm's procedure runs over the weights. What is refused is compared with a list of known
    mistakes in the same way. Copies, constants, orthogonality and zeros are found without a law.

    Parameters
    ----------
    model : torch.nn.Module or Network
        A model as it was drawn; of a trained one most weights follow no known law. Nothing of it is changed.
    level : float
        Probability, at most, that a network drawn by known initialisers is called unhealthy; from 1e-12 to .5.
    activation : str, optional
        Name of the activation that feeds every weight but the first where the model does not say itself, as
        ``torch.nn.Sequential`` does.

    Returns
    -------
    Audit
        ``healthy``, ``faults`` and an entry for each weight: law, fan, gain, name, p-value, what it does to signal and
        gradient, and findings.

    Raises
    ------
    InvalidValueError
        Where the model has no weight whose fans are known, one is lazy or on the device ``meta``, or an argument is not
        allowed.
    GlorotlabError
        Where PyTorch is not installed and the model is no ``gl.Network``.
    """
    level = real_number("level", level, 1e-12, 0.5)
    given = None if activation is None else activations.get(activation).name
    read = Parts(weights_of_network(model)) if isinstance(model, Network) else weights_of_model(model, given)
    looks = [look(own, level / len(read.weights) / 10) for own in read.weights]
    _repeated(looks)
    judged = [seen for seen in looks if seen.p_value is not None]
    threshold = level / max(1, len(judged))
    are_refused = refused([float(seen.p_value or 0) for seen in judged], level)
    wrong = {id(seen) for seen, is_refused in zip(judged, are_refused, strict=True) if is_refused}
    votes = Counter(
        family
        for seen in judged
        for family in {own.family for own in (faults_of(seen) if id(seen) in wrong else seen.indistinct(threshold))}
    )
    conclusions = [conclude(seen, id(seen) in wrong, threshold, votes) for seen in looks]
    entries = [_entry(seen, own) for seen, own in zip(looks, conclusions, strict=True)]
    return Audit(level, tuple(_with_model(entries, conclusions)), read.tied, read.left)


def refused(p_values: Sequence[float], level: float) -> list[bool]:
    """Return which hypotheses Holm's procedure (1979) refuses at a familywise level."""
    result = [False] * len(p_values)
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[index] > level / (len(p_values) - rank):
            break
        result[index] = True
    return result


def _repeated(looks: Sequence[Look]) -> None:
    """Add a fault to each weight whose first numbers are those of an earlier one, at any scale."""
    seen_first: dict[tuple[float, ...], str] = {}
    for seen in looks:
        first = seen.weights.first[:REPEATED]
        random = seen.law not in ("constant", "not finite") and np.count_nonzero(first) == first.size >= REPEATED // 2
        if not random:
            continue
        key = tuple(float(f"{value:.4g}") for value in first / first[0])
        name = seen_first.setdefault(key, seen.weights.name)
        if name != seen.weights.name:
            text = f"its numbers begin as those of {name}: drawn from the same state of the generator"
            seen.findings.append(fault("same values as another", text))


def _entry(seen: Look, conclusion: Conclusion) -> AuditEntry:
    weights, shape = seen.weights, seen.weights.shape
    signal = derivative = 1.0
    if weights.activation not in (None, "linear"):
        at_one = moments(str(weights.activation), 1.0)
        signal, derivative = float(at_one.second_moment), float(at_one.derivative_second_moment)
    forward, backward = shape.fan_in * seen.second_moment * signal, shape.fan_out * seen.second_moment * derivative
    findings = conclusion.findings
    far_off = forward > 0 and not 1 / FAR_OFF <= forward <= FAR_OFF and shape.kind != "embedding"
    if far_off and not any(finding.severity == FAULT for finding in findings):
        findings = (*findings, notice("signal far off", f"E s^2 changes by a factor of {forward:.3g} in this layer"))
    return AuditEntry(
        weights.name,
        shape.kind,
        shape.fan_in,
        shape.fan_out,
        seen.size,
        seen.mean,
        math.sqrt(seen.second_moment),
        math.sqrt(seen.second_moment) * seen.relative_error / 2,
        conclusion.law,
        conclusion.name,
        conclusion.fan,
        conclusion.gain,
        conclusion.alternatives,
        seen.p_value,
        weights.activation,
        forward,
        backward,
        findings,
    )


def _with_model(entries: Sequence[AuditEntry], conclusions: Sequence[Conclusion]) -> list[AuditEntry]:
    """Return the entries with what one weight shows beside others and beside its activation."""
    families = [conclusion.family for conclusion in conclusions]
    layers = [
        family for entry, family in zip(entries, families, strict=True) if entry.kind in ("linear", "convolution")
    ]
    usual, count = Counter(layers).most_common(1)[0] if layers else ("", 0)
    result = []
    for entry, family in zip(entries, families, strict=True):
        added = []
        default = family == DEFAULT and entry.kind in ("linear", "convolution")
        if default and usual not in ("", DEFAULT) and count >= max(2, len(layers) / 2):
            added.append(notice("left at the default", f"{count} others of the model are {usual}"))
        record = entry.activation and activations.get(entry.activation).name.partition("(")[0]
        if record and record != "linear" and family in MADE_FOR and record not in MADE_FOR[family]:
            text = f"{entry.initializer} is fed by {record}: E s^2 changes by a factor of {entry.forward:.3g}"
            added.append(notice("gain of another activation", text))
        result.append(replace(entry, findings=(*entry.findings, *added)))
    return result
