"""Which initializer to take: weights, or weights with biases, that keep signal and gradient over the depth.

For second moments of a batch let S = E z^2 of the last over the first hidden layer, and G = E (dC/ds)^2 of the first
over the last, both means over the examples. The distortion max(|ln S|, |ln G|) is minimized over the scale of
Var[W] = scale / fan, for fan_in and, where hidden layers are rectangular, the paper's fan_avg. With one hidden layer
S = G = 1 whatever the scale, so that it is minimized for two. Where a factor above ``FAR`` is left, points of the
critical line with biases compete (Schoenholz et al. 2017): both q and the gradient stay there. Initializers that
should train, by ``trainability``, go before those that should not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from glorotlab import initializers, notebook
from glorotlab.arrays import Progress
from glorotlab.errors import AssumptionError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.advice.framework_code import keras_lines, torch_lines
from glorotlab.theory.advice.trainability import Trainability, judge
from glorotlab.theory.gaussian.interpolation import gauss_rule
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import Batch
from glorotlab.theory.phases.phase_diagram import critical_points
from glorotlab.theory.spectra.jacobian_spectrum import jacobian_spectrum

PARTS = 2
"""Parts of a recommendation that progress reports."""

SCALES = np.geomspace(0.1, 1e3, 33)
"""Scales at which the search begins."""

FAR = 2.0
"""Distortion above which biases are tried."""

GOOD = 1.05
"""Factor by which biases must reduce a distortion to be preferred."""

LOST = math.log(100.0)
"""Distortion above which the recommendation says so and names another activation."""

BIAS_VARIANCES = (0.001, 0.01, 0.05, 0.1, 0.2)
"""Variances of biases at which the critical line is tried."""

NODES = 3
"""Number of second moments that represent those of all examples (``gauss_rule``)."""

LARGE = 10.0
"""Value of sigma_w^2 above which another activation is named; LeCun's and He's are 1 and 2."""

OTHERS = ("tanh", "relu")
"""Activations that are suggested, in this order, if no scale helps the network's own."""


@dataclass(frozen=True)
class Recommendation:
    """Which initializer to take, and why.

    Parameters
    ----------
    initializer, bias : str
        Names that ``NetworkSpec`` takes.
    reason : str
        Sentences with the numbers they rest on.
    distortion : float
        The larger of S, 1 / S, G and 1 / G.
    verdict : Trainability
        Whether the network should train with it.
    torch, keras : str
        Code to paste.
    other : str
        Another activation that would do where the network's own does not; else empty.
    """

    initializer: str
    bias: str
    reason: str
    distortion: float
    verdict: Trainability
    torch: str
    keras: str
    other: str = ""

    def _repr_html_(self) -> str:
        texts = {"verdict": self.verdict.reason, "torch": notebook.code(self.torch), "keras": notebook.code(self.keras)}
        return notebook.record("Recommendation", self, **texts)


@dataclass(frozen=True)
class _Candidate:
    spec: NetworkSpec
    distortion: float
    why: str


def recommend(spec: NetworkSpec, batch: Batch, progress: Progress | None = None) -> Recommendation:
    """Return the recommendation for a network's layers and activation, whatever its own initializer.

    Parameters
    ----------
    spec : NetworkSpec
    batch : Batch
    progress : callable(done, total), optional
        Called after each of ``PARTS``: the search for the best initializer, and what is to be said about it.
    """
    best, verdict = _best(spec, batch)
    if progress is not None:
        progress(1, PARTS)
    sentences, other = _sentences(spec, batch, best, verdict)
    if progress is not None:
        progress(2, PARTS)
    initializer, bias = best.spec.initializer, best.spec.bias
    return Recommendation(
        initializer,
        bias,
        " ".join(sentences),
        math.exp(best.distortion),
        verdict,
        torch_lines(initializer, bias),
        keras_lines(initializer, bias),
        other,
    )


def _sentences(spec: NetworkSpec, batch: Batch, best: _Candidate, verdict: Trainability) -> tuple[list[str], str]:
    """Return why the best initializer is recommended, and another activation that would do better, if any is named."""
    sentences = [best.why]
    if len(spec.layer_sizes) == 3:
        sentences.append("With one hidden layer there is no depth to lose anything over: this holds for two.")
    else:
        sentences.append(
            f"Over the depth E z^2 changes by {number(verdict.signal_ratio)} and E (dC/ds)^2 by "
            f"{number(verdict.gradient_ratio)}."
        )
    trouble = _trouble(spec, best, verdict)
    if not trouble:
        return [*sentences, *_isometry(best.spec, batch.mean_second_moment)], ""
    other, sentence = _other(spec, batch)
    return [*sentences, trouble, sentence], other


def _trouble(spec: NetworkSpec, best: _Candidate, verdict: Trainability) -> str:
    """Return why even the best initializer is not good; empty where it is."""
    activation = f"{spec.activation:.40}"
    if not verdict.trains:
        return f"No initializer makes {activation} train over this depth: {verdict.reason}."
    if best.distortion > LOST:
        return f"Even so a factor {math.exp(best.distortion):.2g} is lost: {activation} does not suit this depth."
    if initializers.get(best.spec.initializer).scale > LARGE:
        return f"But weights so large saturate the units of {activation}: expect slow training."
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
    candidates.sort(key=lambda candidate: candidate.distortion - (math.log(GOOD) if candidate is scaled[0] else 0.0))
    first = candidates[0], judge(candidates[0].spec, batch)
    others = ((candidate, judge(candidate.spec, batch)) for candidate in candidates[1:])
    return next((pair for pair in chain([first], others) if pair[1].trains), first)


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
        minimum = minimize_scalar(lost, bounds=bounds, method="bounded", options={"xatol": 1e-5})
        scale = float(f"{np.exp(minimum.x if minimum.fun < values[middle] else grid[middle]):.4g}")
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
    """Return an activation whose best initialization trains, and a sentence that says so."""
    for name in OTHERS:
        if name != spec.activation:
            candidate, verdict = _best(NetworkSpec(**(spec.model_dump() | {"activation": name})), batch)
            if verdict.trains and candidate.distortion < LOST:
                biases = "" if candidate.spec.bias == "zeros" else f", biases {candidate.spec.bias}"
                ratios = f"{number(verdict.signal_ratio)} and {number(verdict.gradient_ratio)}"
                return name, f"{name} would do: {candidate.spec.initializer}{biases} changes them by {ratios}."
    return "", f"Neither would {' nor '.join(name for name in OTHERS if name != spec.activation)}: use fewer layers."


def _isometry(spec: NetworkSpec, second_moment: float) -> Iterator[str]:
    """Yield what orthogonal weights of the same variance would bring, if it is much."""
    if len(set(spec.layer_sizes[1:-1])) > 1 or len(spec.layer_sizes) < 4:
        return
    orthogonal = spec.initializer.replace("distribution=normal", "distribution=orthogonal")
    try:
        spreads = [
            spectrum.second_moment / spectrum.mean**2 - 1
            for spectrum in (
                jacobian_spectrum(network, input_second_moment=second_moment)
                for network in (spec, spec.model_copy(update={"initializer": orthogonal}))
            )
        ]
    except AssumptionError:
        return
    if spreads[1] < spreads[0] / 4:
        yield (
            "Orthogonal weights of this variance come near dynamical isometry: the relative variance of the singular "
            f"values of dz/dx falls from {spreads[0]:.2g} to {spreads[1]:.2g}."
        )


def number(value: float | None) -> str:
    """Return a number of three digits; a dash where there is none."""
    return "–" if value is None else f"{value:.3g}"
