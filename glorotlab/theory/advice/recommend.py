"""Which initialiser to take: the weight scale, or weights with biases, that keep signal and gradient over the depth.

For the batch's second moments let S = E z^2 of the last over the first hidden layer, and G = E (dC/ds)^2 of the first
over the last, both of the mean over examples. The distortion is max(|ln S|, |ln G|). It is minimised over the scale of
Var[W] = scale / fan for fan_in and, where hidden layers are rectangular, the paper's fan_avg. With one hidden layer
S = G = 1 whatever the scale: it is then minimised for two. Where more than a factor of ``FAR`` is left, points of the
critical line with biases compete (Schoenholz et al. 2017): there q and the gradient both stay. What trains, by
``trainability``, goes before what does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from glorotlab import initializers
from glorotlab.errors import AssumptionError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.advice.framework_code import keras_lines, torch_lines
from glorotlab.theory.advice.trainability import Trainability, judge
from glorotlab.theory.gaussian.interpolation import gauss_rule
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import Batch
from glorotlab.theory.phases.phase_diagram import critical_points
from glorotlab.theory.spectra.jacobian_spectrum import jacobian_spectrum

SCALES = np.geomspace(0.1, 1e3, 33)
"""Where the search begins."""

FAR = 2.0
"""A distortion, as a factor, up to which no biases are tried."""

GOOD = 1.05
"""Factor by which a distortion must be smaller to be preferred."""

BIAS_VARIANCES = (0.001, 0.01, 0.05, 0.1, 0.2)

NODES = 3
"""Second moments that stand for those of all examples, see ``gauss_rule``."""

LARGE = 10.0
"""sigma_w^2 from which on another activation is named: LeCun's and He's are 1 and 2."""

OTHERS = ("tanh", "relu")
"""Activations that are suggested where one's own cannot be helped, in this order."""


@dataclass(frozen=True)
class Recommendation:
    """What to take, and why.

    Parameters
    ----------
    initializer, bias : str
        Names that ``NetworkSpec`` takes.
    reason : str
        Sentences with the numbers they rest on.
    distortion : float
        The larger of S, 1 / S, G and 1 / G.
    verdict : Trainability
        Of the batch.
    torch, keras : str
        Code to paste.
    other : str
        An activation that would do where this one does not, or ``""``.
    """

    initializer: str
    bias: str
    reason: str
    distortion: float
    verdict: Trainability
    torch: str
    keras: str
    other: str = ""


@dataclass(frozen=True)
class _Candidate:
    spec: NetworkSpec
    distortion: float
    why: str


def recommend(spec: NetworkSpec, batch: Batch) -> Recommendation:
    """Return the recommendation for a network's layers and activation, whatever its own initialiser."""
    best, verdict = _best(spec, batch)
    factor = math.exp(best.distortion)
    sentences = [best.why]
    if len(spec.layer_sizes) == 3:
        sentences.append("With one hidden layer there is no depth to lose anything over: this holds for two.")
    else:
        sentences.append(
            f"Over the depth E z^2 changes by {_number(verdict.signal_ratio)} and E (dC/ds)^2 by "
            f"{_number(verdict.gradient_ratio)}."
        )
    other = ""
    trouble = _trouble(spec, best, verdict)
    if trouble:
        other, said = _other(spec, batch)
        sentences.extend((trouble, said))
    else:
        sentences.extend(_isometry(best.spec, batch.mean_second_moment))
    chosen = best.spec
    code = torch_lines(chosen.initializer, chosen.bias), keras_lines(chosen.initializer, chosen.bias)
    return Recommendation(chosen.initializer, chosen.bias, " ".join(sentences), factor, verdict, *code, other)


def _trouble(spec: NetworkSpec, best: _Candidate, verdict: Trainability) -> str:
    """Return why even the best initialiser is not good, or nothing."""
    if not verdict.trains:
        return f"No initialiser makes {spec.activation:.40} train over this depth: {verdict.reason}."
    if best.distortion > math.log(100):
        return (
            f"Even so a factor {math.exp(best.distortion):.2g} is lost: {spec.activation:.40} does not suit this depth."
        )
    if initializers.get(best.spec.initializer).scale > LARGE:
        return f"But weights so large saturate the units of {spec.activation:.40}: expect slow training."
    return ""


def distortion(spec: NetworkSpec, batch: Batch) -> float:
    """Return max(|ln S|, |ln G|); inf where signals leave the range of float64."""
    sizes = spec.layer_sizes
    if len(sizes) == 3:
        spec = spec.model_copy(update={"layer_sizes": (sizes[0], sizes[1], sizes[1], sizes[2])})
    ln_q, weights = gauss_rule(np.log(batch.second_moment), NODES)
    ends, gradient = np.zeros(2), 0.0
    for second_moment, weight in zip(np.exp(ln_q).tolist(), weights, strict=True):
        try:
            signal = forward(spec, Batch.one(second_moment))
        except AssumptionError:
            return math.inf
        ends += weight * signal.activation[[0, -2], 0, 0]
        with np.errstate(over="ignore"):
            gradient += weight * float(np.prod(signal.derivative[:-1, 0, 0] * signal.backward_gain[1:-1]))
    if not (gradient > 0 and math.isfinite(gradient)):
        return math.inf
    return max(abs(math.log(ends[1] / ends[0])), abs(math.log(gradient)))


def _best(spec: NetworkSpec, batch: Batch) -> tuple[_Candidate, Trainability]:
    """Return the least distortion among what trains; if nothing does, among all."""
    scaled = sorted(_scaled(spec, batch), key=lambda candidate: candidate.distortion)
    candidates = scaled[:1]
    if scaled[0].distortion > math.log(FAR):
        candidates += _critical(spec, batch)
    candidates.sort(key=lambda each: each.distortion - (math.log(GOOD) if each is scaled[0] else 0.0))
    verdicts = [(candidate, judge(candidate.spec, batch)) for candidate in candidates]
    return next((each for each in verdicts if each[1].trains), verdicts[0])


def _scaled(spec: NetworkSpec, batch: Batch) -> Iterator[_Candidate]:
    """Yield the best scale of each mode."""
    from scipy.optimize import minimize_scalar

    inner = spec.fans[1:-1]
    rectangular = any(fan_in != fan_out for fan_in, fan_out in inner)
    for mode in ("fan_in", "fan_avg") if rectangular else ("fan_in",):

        def lost(ln_scale: float, mode: str = mode) -> float:
            return distortion(_with(spec, float(np.exp(ln_scale)), mode), batch)

        grid = np.log(SCALES)
        values = [lost(x) for x in grid]
        middle = int(np.argmin(values))
        bounds = grid[max(middle - 1, 0)], grid[min(middle + 1, len(grid) - 1)]
        found = minimize_scalar(lost, bounds=bounds, method="bounded", options={"xatol": 1e-5})
        scale = float(f"{np.exp(found.x if found.fun < values[middle] else grid[middle]):.4g}")
        better = " (better here than fan_in or fan_out alone, the paper's compromise)" if mode == "fan_avg" else ""
        chosen = _with(spec, scale, mode)
        why = f"Of all scales of weights without biases {scale:g} / {mode}{better} changes signal and gradient least."
        yield _Candidate(chosen, distortion(chosen, batch), why)


def _critical(spec: NetworkSpec, batch: Batch) -> Iterator[_Candidate]:
    """Yield points of the critical line with biases whose fixed point does not repel."""
    for variance in BIAS_VARIANCES:
        std = float(f"{math.sqrt(variance):.4g}")
        for point in critical_points(spec.activation, std**2):
            if point.q > 0 and point.slope <= 1:
                chosen = _with(spec, float(f"{point.weight_variance:.4g}"), "fan_in", f"normal(std={std:g})")
                why = (
                    f"Without biases every scale changes signal or gradient by more than {FAR:g} over this depth. On "
                    f"the critical line, sigma_w^2 = {point.weight_variance:.4g} and sigma_b^2 = {std**2:.2g}, signals "
                    f"settle at q = {point.q:.3g} and gradients keep their size."
                )
                yield _Candidate(chosen, distortion(chosen, batch), why)


def _with(spec: NetworkSpec, scale: float, mode: str, bias: str = "zeros") -> NetworkSpec:
    initializer = f"variance_scaling(scale={scale!r}, mode={mode}, distribution=normal)"
    return NetworkSpec(**(spec.model_dump() | {"initializer": initializer, "bias": bias}))


def _other(spec: NetworkSpec, batch: Batch) -> tuple[str, str]:
    """Return an activation whose best initialisation trains, and a sentence that says so."""
    for name in OTHERS:
        if name != spec.activation:
            found, verdict = _best(NetworkSpec(**(spec.model_dump() | {"activation": name})), batch)
            if verdict.trains and found.distortion < math.log(100):
                biases = "" if found.spec.bias == "zeros" else f", biases {found.spec.bias}"
                ratios = f"{_number(verdict.signal_ratio)} and {_number(verdict.gradient_ratio)}"
                return name, f"{name} would do: {found.spec.initializer}{biases} changes them by {ratios}."
    return "", f"Neither would {' nor '.join(name for name in OTHERS if name != spec.activation)}: use fewer layers."


def _isometry(spec: NetworkSpec, second_moment: float) -> Iterator[str]:
    """Yield what orthogonal weights of the same variance would bring, if it is much."""
    if len(set(spec.layer_sizes[1:-1])) > 1 or len(spec.layer_sizes) < 4:
        return
    orthogonal = spec.initializer.replace("distribution=normal", "distribution=orthogonal")
    try:
        spreads = [
            found.second_moment / found.mean**2 - 1
            for found in (
                jacobian_spectrum(each, input_second_moment=second_moment)
                for each in (spec, spec.model_copy(update={"initializer": orthogonal}))
            )
        ]
    except AssumptionError:
        return
    if spreads[1] < spreads[0] / 4:
        yield (
            "Orthogonal weights of this variance come near dynamical isometry: the relative variance of the singular "
            f"values of dz/dx falls from {spreads[0]:.2g} to {spreads[1]:.2g}."
        )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
