"""audit: the initializer of each weight of a network, mistakes, and effects on signals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from glorotlab import activations
from glorotlab.checks import real_number
from glorotlab.network.mlp import Network
from glorotlab.theory.gaussian.moments import moments
from glorotlab.torch.auditing.findings import FAULT, fault, notice
from glorotlab.torch.auditing.judge import Conclusion, Look, conclude, faults_of, look
from glorotlab.torch.auditing.tensors import Parts, weights_of_model, weights_of_network
from glorotlab.torch.auditing.verdict import Audit, AuditEntry

if TYPE_CHECKING:
    import torch

FAR_OFF = 10.0
"""Factor of a signal's second moment in one layer above which there is a notice."""

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
"""Activations for which the gain of a family is made."""

DEFAULT = "PyTorch's default"

REPEATED = 16
"""Number of first elements of two weights that are compared."""


def audit(model: torch.nn.Module | Network, *, level: float = 0.01, activation: str | None = None) -> Audit:
    """Find by which initializer each weight of a network was drawn, and what went wrong.

    Each weight is compared with a finite list of initializers, each a law (uniform, normal, truncated normal) with a
    variance computed of the fans: its p-value is the largest over the list, which is valid for "drawn by one of them"
    whichever it is, and Holm's procedure runs over the weights. What is refused is compared with a list of known
    mistakes in the same way. Copies, constants, orthogonality and zeros are found without a law.

    Parameters
    ----------
    model : torch.nn.Module or Network
        A model as it was drawn; of a trained one most weights follow no known law. Nothing of it is changed.
    level : float
        Probability, at most, that a network drawn by known initializers is called unhealthy; from 1e-12 to .5.
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

    Examples
    --------
    PyTorch's own initializer is eq. 1 of Glorot & Bengio (2010), of variance 1 / (3 fan_in):

    >>> import glorotlab as gl
    >>> import torch
    >>> from torch import nn
    >>> generator = torch.manual_seed(0)
    >>> audit = gl.torch.audit(nn.Sequential(nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, 10)))
    >>> [(entry.law, entry.initializer, entry.fan, round(entry.gain**2, 4)) for entry in audit.entries]
    [('uniform', 'torch_default', 'fan_in', 0.3333), ('uniform', 'torch_default', 'fan_in', 0.3333)]
    """
    level = real_number("level", level, 1e-12, 0.5)
    name = None if activation is None else activations.get(activation).name
    read = Parts(weights_of_network(model)) if isinstance(model, Network) else weights_of_model(model, name)
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
    """Return which hypotheses Holm's procedure (1979) rejects at a familywise level."""
    result = [False] * len(p_values)
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[index] > level / (len(p_values) - rank):
            break
        result[index] = True
    return result


def _repeated(looks: Sequence[Look]) -> None:
    """Add a fault to each weight that begins with the numbers of an earlier one, at any scale."""
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
    """Return the entries with the findings that depend on other weights and on the activation."""
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
