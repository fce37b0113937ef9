"""advise: what initialisers do to signal and gradient over a network's depth, whether it trains, and which to take."""

from __future__ import annotations

import html
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab import activations, initializers
from glorotlab.arrays import Progress
from glorotlab.errors import AssumptionError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.advice.advice import text
from glorotlab.theory.advice.recommend import Recommendation, recommend
from glorotlab.theory.advice.trainability import Trainability, check_hidden, judge
from glorotlab.theory.finite_width import bands, fluctuations
from glorotlab.theory.gaussian.moments import moments
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import Batch, batch_of, labelled_batch
from glorotlab.theory.mean_field.propagate import propagate
from glorotlab.theory.phases.fixed_points import fixed_points
from glorotlab.theory.phases.phase_diagram import CATALOGUE
from glorotlab.theory.phases.variance_map import variance_map
from glorotlab.threads import single_threaded_blas

LEVEL = 0.95
"""Of the bands."""

MAX_BAND_LAYERS = 20
"""Hidden layers up to which bands are worked out: beyond, they take seconds an initialiser."""

ASSUMPTIONS = (
    "weights and biases are as initialised, layers are wide, pre-activations are Gaussian, gradients independent",
    "a band is of one network drawn once and one example, over the expected value of the other layer",
    "verdicts are for plain gradient descent at its best learning rate, a few thousand updates; their bounds were "
    "chosen by experiment",
)


@dataclass(frozen=True)
class Gain:
    """Gains at one second moment q of pre-activations.

    Parameters
    ----------
    layer : int or None
        None of the fixed point.
    fan_in, fan_out : int or None
    q : float
    forward, backward : float
        sqrt(q / E f^2) and 1 / sqrt(E f'^2): sqrt(fan Var[W]) that keeps q, and the gradient, in a square layer.
    signal_factor, gradient_factor : float or None
        What the given initialiser does instead: q of the next layer over this one's, and E (dC/ds)^2 of this layer over
        the next one's.
    """

    layer: int | None
    fan_in: int | None
    fan_out: int | None
    q: float
    forward: float
    backward: float
    signal_factor: float | None = None
    gradient_factor: float | None = None


@dataclass(frozen=True)
class InitializerAdvice:
    """What one initialiser does; the bands are of the two ratios of ``verdict``, None where there are none."""

    name: str
    bias: str
    verdict: Trainability
    signal_band: tuple[float, float] | None
    gradient_band: tuple[float, float] | None
    no_band: str


@dataclass(frozen=True)
class Compromise:
    """What Var[W] = ``variance`` costs a rectangular layer of linear units: n_in Var[W] forward, n_out Var[W] backward.

    ``layer`` is None for the product over all layers; backward without the first, whose inputs need no gradient.
    ``fan_avg`` is 2 / (n_in + n_out), ``geometric`` 1 / sqrt(n_in n_out).
    """

    layer: int | None
    fan_in: int | None
    fan_out: int | None
    forward: dict[str, float]
    backward: dict[str, float]


@dataclass(frozen=True)
class Advice:
    """What ``advise`` found; ``text()`` prints it."""

    spec: NetworkSpec
    second_moment: float
    examples: int
    assumptions: tuple[str, ...]
    verdict: Trainability
    gains: tuple[Gain, ...]
    fixed_point: Gain | None
    initializers: tuple[InitializerAdvice, ...]
    compromise: tuple[Compromise, ...]
    recommendation: Recommendation

    def text(self, data: str = "") -> str:
        """Return it as plain text, 80 columns wide; ``data`` says what the examples are."""
        return text(self, data)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, not all of them finite."""
        fields = asdict(self)
        gains = fields.pop("gains")
        return fields | {"spec": self.spec.model_dump(mode="json"), "layers": gains}

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.text())}</pre>"


@single_threaded_blas()
def advise(
    spec: NetworkSpec,
    *,
    inputs: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    input_second_moment: float | None = None,
    progress: Progress | None = None,
) -> Advice:
    """Advise on the initialiser of a network.

    Parameters
    ----------
    spec : NetworkSpec
        Its own initialiser is judged first, then those of the catalogue.
    inputs : (examples, fan_in), optional
        Real data, with ``labels`` of two classes or more; about 100 examples tell enough.
    labels : (examples,) int, optional
    input_second_moment : float, optional
        Instead of data: E[x^2]; the assumptions then say what stands in for labels.
    progress : callable(done, total), optional
        Called after each initialiser.

    Raises
    ------
    InvalidValueError
        Where an argument is not allowed, or there is no hidden layer, or more than 1,000.
    AssumptionError
        Where the moments of the activation cannot be given, or an example's inputs are all 0.
    """
    check_hidden(spec)
    batch = labelled_batch(spec, inputs, labels, input_second_moment)
    own = spec.initializer, spec.bias
    named = [(initializers.get(name).name, initializers.get(name).bias) for name in CATALOGUE]
    choices = ([] if own in named else [own]) + named
    rows: list[InitializerAdvice] = []
    known: dict[tuple[float, ...], _Band] = {}
    for done, (name, bias) in enumerate(choices, start=1):
        chosen = NetworkSpec(**(spec.model_dump() | {"initializer": name, "bias": bias}))
        rows.append(_row(chosen, batch, known))
        if progress is not None:
            progress(done, len(choices))
    return Advice(
        spec,
        batch.mean_second_moment,
        batch.examples,
        (*ASSUMPTIONS, *([batch.assumption] if batch.assumption else [])),
        next(row.verdict for row in rows if (row.name, row.bias) == own),
        _gains(spec, batch.mean_second_moment),
        _fixed_point(spec, batch.mean_second_moment),
        tuple(rows),
        _compromise(spec),
        recommend(spec, batch),
    )


@dataclass(frozen=True)
class _Band:
    """Ends of bands over the mean-field value: of the last layer's signal, of the first layer's gradient."""

    signal: tuple[float, float] | None
    gradient: tuple[float, float] | None
    why: str


def _row(spec: NetworkSpec, batch: Batch, known: dict[tuple[float, ...], _Band]) -> InitializerAdvice:
    verdict, record = judge(spec, batch), initializers.get(spec.initializer)
    fans = sorted(set(spec.fans))
    key = (*(record.variance(*each) for each in fans), initializers.get_bias(spec.bias).variance)
    if record.independent and key in known:  # the shape of the weights' law hardly counts, their variance does
        band = known[key]
    else:
        band = _band(spec, batch.mean_second_moment)
        if record.independent:
            known[key] = band
    signal, gradient = (
        None if ends is None or ratio is None else (ratio * ends[0], ratio * ends[1])
        for ends, ratio in ((band.signal, verdict.signal_ratio), (band.gradient, verdict.gradient_ratio))
    )
    return InitializerAdvice(spec.initializer, spec.bias, verdict, signal, gradient, band.why)


def _band(spec: NetworkSpec, second_moment: float) -> _Band:
    hidden = len(spec.layer_sizes) - 2
    if hidden > MAX_BAND_LAYERS:
        return _Band(None, None, f"more than {MAX_BAND_LAYERS} hidden layers")
    if not initializers.get(spec.initializer).independent:
        return _Band(None, None, "the weights depend on each other, so that units do not scatter independently")
    try:
        propagation = propagate(spec, batch_of(spec, input_second_moment=second_moment), narrow=True)
        with np.errstate(invalid="ignore"):  # outputs so large that no gradient is left
            scatter = fluctuations.over_depth(propagation)
    except AssumptionError as error:
        return _Band(None, None, str(error).partition(":")[0])
    except np.linalg.LinAlgError:  # the same, but for rounding
        return _Band(None, None, "outputs too large for their gradients to be told from rounding")
    if not all(each.variance <= bands.MAX_VARIANCE and np.isfinite(each.draws).all() for each in scatter):
        return _Band(None, None, "too narrow, or outputs too large")
    signal, gradient = (bands.law(each).band(LEVEL, 1) for each in scatter)
    return _Band(signal, gradient, "")


def _gains(spec: NetworkSpec, second_moment: float) -> tuple[Gain, ...]:
    """Gains of every hidden layer; none where the signal leaves the range of float64."""
    try:
        signal = forward(spec, Batch.one(second_moment))
    except AssumptionError:
        return ()
    q, back = signal.q[:, 0], signal.backward_gain[1:]
    square, slope = signal.activation[:, 0, 0], signal.derivative[:, 0, 0]
    return tuple(
        Gain(
            index + 1,
            *fans,
            float(q[index]),
            *_pair(float(q[index]), float(square[index]), float(slope[index])),
            float(q[index + 1] / q[index]),
            float(back[index] * slope[index]),
        )
        for index, fans in enumerate(spec.fans[:-1])
    )


def _fixed_point(spec: NetworkSpec, second_moment: float) -> Gain | None:
    """Gains where signals settle in a square layer as wide as the widest; at the limits 0 and infinity, near them."""
    width = max(spec.layer_sizes[1:-1])
    initializer, bias = initializers.get(spec.initializer), initializers.get_bias(spec.bias).variance
    fan_in, fan_out = spec.fans[0]
    try:
        start = fan_in * initializer.variance(fan_in, fan_out) * second_moment + bias
        q = fixed_points(spec.activation, width * initializer.variance(width, width), bias).reached(start).q
    except AssumptionError:
        return None
    record = activations.get(spec.activation)
    grid = variance_map(record)
    near = float(np.clip(q, grid.q[0], grid.q[-1]))
    found = moments(record, near)
    return Gain(None, None, None, q, *_pair(near, float(found.second_moment), float(found.derivative_second_moment)))


def _pair(q: float, square: float, slope: float) -> tuple[float, float]:
    return tuple(math.sqrt(a / b) if b > 0 else math.inf for a, b in ((q, square), (1.0, slope)))  # type: ignore[return-value]


def _compromise(spec: NetworkSpec) -> tuple[Compromise, ...]:
    """Rectangular layers, and the product over all; nothing where hidden layers have one width and equal the inputs."""
    fans = np.array(spec.fans, dtype=np.float64)
    n_in, n_out = fans.T
    if (n_in == n_out).all():
        return ()
    choices = {
        "fan_in": 1 / n_in,
        "fan_out": 1 / n_out,
        "fan_avg": 2 / (n_in + n_out),
        "geometric": 1 / np.sqrt(n_in * n_out),
    }
    forward = {name: n_in * v for name, v in choices.items()}
    backward = {name: n_out * v for name, v in choices.items()}
    rows = [
        Compromise(
            index + 1,
            *spec.fans[index],
            {name: float(each[index]) for name, each in forward.items()},
            {name: float(each[index]) for name, each in backward.items()},
        )
        for index in np.flatnonzero(n_in != n_out).tolist()
    ]
    whole = (
        {name: float(each.prod()) for name, each in forward.items()},
        {name: float(each[1:].prod()) for name, each in backward.items()},
    )
    return (*rows, Compromise(None, None, None, *whole))
