"""Judgement of one weight: its structure, the laws that fit it, and the conclusion once all weights are examined."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from glorotlab.torch.auditing.candidates import LETTERS, STDS, Candidate, Shape, candidates
from glorotlab.torch.auditing.findings import FAULTS, Finding, fault, notice
from glorotlab.torch.auditing.laws import LAWS, Law, Sample, distance_p_value, log_likelihood, p_value
from glorotlab.torch.auditing.structure import copies, empty, nonzeros, orthogonality

if TYPE_CHECKING:
    from glorotlab.arrays import Array

FEWEST = 8
"""Least number of weights that are judged by a distribution."""

INDISTINCT = math.log(100)
"""Difference of log likelihoods up to which two candidates cannot be told apart."""

ACCUSED = 1e-3
"""Level at which the distribution of a fault must fit, after every correct one was rejected."""

MOST = 1 << 20
"""Largest number of weights that are tested, evenly spaced among more; it gives variances to 0.2 %."""

ZEROS = 2.0**-20
"""Largest share of exact zeros of a continuous distribution in single precision."""

ORTHOGONAL_GAINS = {"": 1.0, ", gain sqrt 2": math.sqrt(2), ", gain 5/3": 5 / 3}


@dataclass(frozen=True, eq=False)
class Weights:
    """One weight tensor as a NumPy array.

    Parameters
    ----------
    name : str
        Its name in the network.
    shape : Shape
        Its kind and fans.
    load : callable
        Returns the weights in float64, of shape (groups, inputs times receptive field, units): a column is what one
        unit sums over. They are read once and not kept, as a model may have billions of them.
    first : ndarray of float64
        Its first numbers in the order in which they were drawn.
    precision : float
        Relative rounding of its type.
    activation : str, optional
        The activation that feeds it; ``linear`` of inputs and normalized signals; None where nobody knows.
    """

    name: str
    shape: Shape
    load: Callable[[], Array]
    first: Array
    precision: float
    activation: str | None = None


@dataclass(eq=False)
class Look:
    """The result of examining one weight by itself.

    Parameters
    ----------
    weights : Weights
    size : int
        How many weights there are.
    mean, second_moment, relative_error : float
        Of all weights, the last of the second moment; NaN where they are not finite.
    sample : Sample, optional
        The weights whose law is asked for, those that are not 0 of sparse ones; None where there is nothing to ask.
    right : list of (Candidate, float, float)
        Initializers with p-value and log likelihood.
    p_value : float, optional
        The largest of these p-values, which is valid for "drawn by one of them"; None where the structure has decided.
    law, name, fan : str
        Of what the structure has decided; empty where it has not.
    gain : float
        Of an orthogonal weight.
    findings : list of Finding
    """

    weights: Weights
    size: int = 0
    mean: float = math.nan
    second_moment: float = math.nan
    relative_error: float = math.nan
    sample: Sample | None = None
    right: list[tuple[Candidate, float, float]] = field(default_factory=list)
    p_value: float | None = None
    law: str = ""
    name: str = ""
    fan: str = ""
    gain: float = math.nan
    findings: list[Finding] = field(default_factory=list)

    def indistinct(self, threshold: float) -> list[Candidate]:
        """Return the initializers that are not rejected and not clearly less likely than the likeliest of them."""
        left = [(candidate, value) for candidate, p, value in self.right if p > threshold]
        best = max((value for _, value in left), default=0.0)
        return [candidate for candidate, value in left if value >= best - INDISTINCT]


def look(weights: Weights, low: float) -> Look:
    """Examine one weight; p-values of ``low`` or less need not be exact."""
    values = weights.load()
    seen = Look(weights, values.size)
    if not np.isfinite(values).all():
        wrong = int((~np.isfinite(values)).sum())
        return _decided(seen, "not finite", fault("not finite", f"{wrong} of {values.size} numbers are not finite"))
    whole = Sample(values.ravel(order="K"), weights.precision)
    seen.mean, seen.second_moment, seen.relative_error = whole.mean, whole.second_moment, whole.relative_error
    if not values.any():
        return _decided(seen, "constant", fault("all zero"))
    if values.min() == values.max() and values.size > 1:
        return _decided(seen, "constant", fault("constant", f"every weight is {values.flat[0]:.4g}"))
    _copies(seen, values)
    if seen.findings:
        return _decided(seen, "copies")
    zeros = int((values == 0).sum())
    many = zeros > max(3, ZEROS * values.size) and weights.precision < 1e-4
    if _orthogonal(seen, values, many):
        return seen
    if many:
        _sparse(seen, zeros, nonzeros(values))
    flat = values[values != 0] if zeros and seen.law else values.ravel(order="K")
    if flat.size < FEWEST:
        return seen
    seen.sample = Sample(flat[:: -(-flat.size // MOST)].copy(), weights.precision)
    for candidate in _right(seen):
        law = LAWS[candidate.law]
        seen.right.append(
            (candidate, p_value(seen.sample, law, candidate.variance, low), _likelihood(seen.sample, candidate))
        )
    seen.p_value = max(p for _, p, _ in seen.right)
    return seen


def _decided(seen: Look, law: str, *findings: Finding) -> Look:
    seen.law, seen.findings = law, [*seen.findings, *findings]
    return seen


def _likelihood(sample: Sample, candidate: Candidate) -> float:
    return log_likelihood(sample, LAWS[candidate.law], candidate.variance)


def _right(seen: Look) -> list[Candidate]:
    """Return the initializers that a weight may follow; for a sparse one those of its nonzero elements."""
    if seen.law == "sparse":
        stated = ((f"{seen.name}, std {std:g}", std) for std in STDS)
        return [Candidate(name, "normal", std**2, gain=std, family="sparse") for name, std in reversed([*stated])]
    return [candidate for candidate in candidates(seen.weights.shape) if not candidate.fault]


def _copies(seen: Look, matrices: Array) -> None:
    units = matrices.shape[0] * matrices.shape[2]
    if without := empty(matrices):
        seen.findings.append(fault("units without weights", f"{without} of {units} units hear nothing"))
    if equal := copies(matrices, axis=2):
        seen.findings.append(fault("equal units", f"{equal} of {units} units have the weights of another"))
    elif seen.weights.shape.kind != "embedding" and (equal := copies(matrices, axis=1)):
        text = f"{equal} of {matrices.shape[0] * matrices.shape[1]} inputs have the weights of another"
        seen.findings.append(fault("equal inputs", text))


def _orthogonal(seen: Look, matrices: Array, many_zeros: bool) -> bool:
    """Add findings about orthogonality; return whether it decides the initializer of the weight.

    Among many zeros small cosines are no sign of orthogonality: few vectors meet.
    """
    seen_as, precision = orthogonality(matrices), seen.weights.precision
    if seen_as is None or not (seen_as.is_orthogonal(precision) or (seen_as.suspicious and not many_zeros)):
        return False
    seen.law, seen.gain = "orthogonal", seen_as.gain
    names = [key for key, gain in ORTHOGONAL_GAINS.items() if abs(seen_as.gain / gain - 1) < 1e-4 + precision]
    seen.name = f"orthogonal{names[0]}" if names else f"orthogonal, gain {seen_as.gain:.4g}"
    if not seen_as.is_orthogonal(precision):
        text = (
            f"cosines of {seen_as.cosine:.2g} (rms) where rounding leaves {precision:.0e} "
            f"and independent weights {seen_as.independent_cosine:.2g}"
        )
        seen.findings.append(fault("not orthogonal", text))
    elif not seen_as.is_orthonormal(precision):
        seen.findings.append(fault("norms differ", f"norms scatter by {seen_as.spread:.2g} of their mean"))
    elif not names:
        seen.findings.append(notice("scale of its own", f"orthogonal, of gain {seen_as.gain:.4g}"))
    return True


def _sparse(seen: Look, zeros: int, k: int | None) -> None:
    if k is not None:
        seen.law, seen.name = "sparse", f"sparse(k={k})"
        return
    seen.law = "many zeros"
    seen.findings.append(
        notice("many zeros", f"{zeros / seen.size:.1%} of the weights are 0, not as many for each unit")
    )


@dataclass(frozen=True)
class Conclusion:
    """The conclusion about one weight.

    Parameters
    ----------
    law, name, fan : str
    gain : float
    alternatives : tuple of str
        Other candidates that fit as well.
    findings : tuple of Finding
    family : str
        Of the candidate that was chosen; empty where none was.
    """

    law: str
    name: str
    fan: str
    gain: float
    alternatives: tuple[str, ...]
    findings: tuple[Finding, ...]
    family: str = ""


def conclude(seen: Look, refused: bool, threshold: float, votes: Mapping[str, int]) -> Conclusion:
    """Conclude which initializer drew a weight, given Holm's rejections and how often each family fits in the model."""
    findings = list(seen.findings)
    if seen.sample is None:
        return Conclusion(seen.law or "too few to judge", seen.name, seen.fan, seen.gain, (), tuple(findings))
    if not refused:
        left = seen.indistinct(threshold)
        chosen = max(left, key=lambda candidate: votes.get(candidate.family, 0))  # the first of equals
        others = [*left, *faults_of(seen, _likelihood(seen.sample, chosen))]
        if chosen.notice:
            findings.append(notice(chosen.notice))
        return _conclusion(seen, chosen, others, findings)
    if wrong := faults_of(seen):
        most = max(votes.get(candidate.family, 0) for candidate in wrong)
        chosen = next(candidate for candidate in wrong if votes.get(candidate.family, 0) == most)
        findings.append(fault(chosen.fault, f"{chosen.name}: {FAULTS[chosen.fault]}"))
        return _conclusion(seen, chosen, wrong, findings)
    return _unnamed(seen, threshold, findings)


def faults_of(seen: Look, least: float = -math.inf) -> list[Candidate]:
    """Return the faults that fit, the likeliest first, if nearly as likely as the first and above ``least``."""
    if seen.sample is None or seen.law == "sparse":
        return []
    likelihoods = [
        (_likelihood(seen.sample, candidate), candidate)
        for candidate in candidates(seen.weights.shape)
        if candidate.fault and p_value(seen.sample, LAWS[candidate.law], candidate.variance, ACCUSED) > ACCUSED
    ]
    best = max((likelihood for likelihood, _ in likelihoods), default=-math.inf)
    left = [pair for pair in likelihoods if pair[0] >= max(best, least) - INDISTINCT]
    return [candidate for _, candidate in sorted(left, key=lambda pair: -pair[0])]


def _conclusion(seen: Look, chosen: Candidate, others: Iterable[Candidate], findings: list[Finding]) -> Conclusion:
    alternatives = tuple(dict.fromkeys(other.name for other in others if other.name != chosen.name))
    law = chosen.law if seen.law != "sparse" else "sparse"
    return Conclusion(law, chosen.name, chosen.fan, chosen.gain, alternatives, tuple(findings), chosen.family)


def _unnamed(seen: Look, threshold: float, findings: list[Finding]) -> Conclusion:
    """Conclude about a weight that no candidate fits: a shifted distribution, one at another scale, or none known."""
    sample = seen.sample
    if sample is None:
        raise ValueError("a weight without a sample has been decided before")
    std = math.sqrt(sample.centred().second_moment)
    error = std / math.sqrt(sample.values.size)
    shifted = math.erfc(abs(sample.mean) / error / math.sqrt(2)) <= threshold / 4
    own = sample.centred() if shifted else sample
    if shifted:
        text = f"the mean is {sample.mean:.4g} +- {error:.2g}, {abs(sample.mean) / std:.2g} standard deviations"
        findings.append(fault("mean is not 0", text))
    fan_in, scale = seen.weights.shape.fan_in, math.sqrt(own.second_moment)
    law = _fitted(own, threshold)
    if law is None:
        findings.append(fault("no known law"))
        return Conclusion("unknown", "", "fan_in", scale * math.sqrt(fan_in), (), tuple(findings))
    name = f"{LETTERS[law.name]} of std {scale:.4g}" + (f", mean {sample.mean:.4g}" if shifted else "")
    if not shifted:
        text = f"{name}: fan_in Var[W] = {fan_in * own.second_moment:.4g} is of no initializer known here"
        findings.append(notice("scale of its own", text))
    kind = "sparse" if seen.law == "sparse" else law.name
    return Conclusion(kind, name, "fan_in", scale * math.sqrt(fan_in), (), tuple(findings))


def _fitted(sample: Sample, threshold: float) -> Law | None:
    """Return the likeliest distribution with a fitted scale, or None if Kolmogorov's distance rejects all."""
    n, best, likelihood = sample.values.size, None, -math.inf
    for law in LAWS.values():
        std = math.sqrt(sample.second_moment)
        if math.isfinite(
            law.bound
        ):  # the likeliest bound of a uniform law; of a truncated one where it has to be wider
            widest = sample.largest / law.bound
            std = widest if law.name == "uniform" else max(std, widest)
        if distance_p_value(sample, law, std) > threshold and (own := log_likelihood(sample, law, std**2)) > likelihood:
            best, likelihood = law, own
    return best if n >= FEWEST else None
