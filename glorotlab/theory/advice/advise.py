"""advise: the effect of initializers on signal and gradient over depth, whether a network trains, and which to use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from glorotlab import activations, initializers
from glorotlab.arrays import Array, Progress
from glorotlab.checks import progress_function
from glorotlab.errors import AssumptionError
from glorotlab.spec.network import Layers, NetworkSpec, network_spec
from glorotlab.theory.advice.advice import HOW_TO_GET_BANDS, Advice, Compromise, Gain, InitializerAdvice
from glorotlab.theory.advice.ratio_bands import RatioBand, ratio_band
from glorotlab.theory.advice.recommend import PARTS, recommend
from glorotlab.theory.advice.trainability import Trainability, check_hidden, judge
from glorotlab.theory.gaussian.moments import moments
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import Batch, labelled_batch
from glorotlab.theory.phases.fixed_points import fixed_points
from glorotlab.theory.phases.phase_diagram import CATALOGUE
from glorotlab.theory.phases.variance_map import variance_map
from glorotlab.threads import single_threaded_blas

ASSUMPTIONS = (
    "weights and biases are as initialized, layers are wide, pre-activations are Gaussian, gradients independent",
    "probabilities are for plain gradient descent at its best learning rate, from 500 updates of 20 examples on; they "
    "were calibrated on networks of 2 to 40 hidden layers of 30 to 300 units, trained on four sets of data",
)
"""Assumptions of every advice."""

BAND_ASSUMPTION = "a band is of one network drawn once and one example, over the expected value of the other layer"
"""Assumption of an advice with bands."""


@single_threaded_blas()
def advise(
    spec: NetworkSpec | Layers,
    inputs: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    *,
    input_second_moment: float | None = None,
    bands: bool = False,
    progress: Progress | None = None,
) -> Advice:
    """Advise on the initializer of a network.

    Parameters
    ----------
    spec : NetworkSpec, str or sequence of int
        The network, or its layers as ``NetworkSpec.parse`` takes them; it has one hidden layer at least. Its own
        initializer is judged, and every one of the catalogue.
    inputs : array_like, shape (examples, fan_in), optional
        Real data, with ``labels`` of two classes or more; about 100 examples tell enough.
    labels : array_like of int, shape (examples,), optional
        Classes of the inputs.
    input_second_moment : float, optional
        E[x^2], instead of data; the assumptions then say what stands in for labels.
    bands : bool
        Whether to work out how far single networks scatter, which takes about a second for each initializer.
    progress : callable(done, total), optional
        Called after each initializer and after each part of the recommendation.

    Returns
    -------
    Advice
        A verdict on every initializer, gains of every hidden layer, and a recommendation with the code that applies it.

    Raises
    ------
    InvalidValueError
        Where an argument is not allowed, or there is no hidden layer, or more than 1,000.
    AssumptionError
        Where the moments of the activation cannot be given, or an example's inputs are all 0.

    Examples
    --------
    >>> import glorotlab as gl
    >>> spec = gl.NetworkSpec.parse("100,50x5,10", activation="relu", initializer="lecun_normal")
    >>> advice = gl.advise(spec, input_second_moment=1.0)
    >>> print(advice.recommendation.torch)  # the variance 2 / fan_in of He et al. (2015)
    for m in model.modules():
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, std=(2 / m.in_features) ** 0.5)
            nn.init.zeros_(m.bias)
    """
    spec, progress = network_spec(spec), progress_function(progress)
    check_hidden(spec)
    batch = labelled_batch(spec, inputs, labels, input_second_moment)
    choices = _choices(spec)
    total = len(choices) + PARTS
    rows = []
    for row in _rows(spec, choices, batch, bands):
        rows.append(row)
        if progress is not None:
            progress(len(rows), total)

    def recommending(done: int, _: int) -> None:
        if progress is not None:
            progress(len(rows) + done, total)

    assumptions = [*ASSUMPTIONS, *([BAND_ASSUMPTION] if bands else []), *filter(None, [batch.assumption])]
    return Advice(
        spec,
        batch.mean_second_moment,
        batch.examples,
        tuple(assumptions),
        next(row.verdict for row in rows if (row.name, row.bias) == (spec.initializer, spec.bias)),
        _gains(spec, batch.mean_second_moment),
        _fixed_point(spec, batch.mean_second_moment),
        tuple(rows),
        _compromise(spec),
        recommend(spec, batch, recommending),
    )


def _choices(spec: NetworkSpec) -> list[tuple[str, str]]:
    """Return initializers and their biases: the network's own where it is not in the catalogue, then the catalogue."""
    own = spec.initializer, spec.bias
    catalogue = [(initializers.get(name).name, initializers.get(name).bias) for name in CATALOGUE]
    return catalogue if own in catalogue else [own, *catalogue]


def _rows(
    spec: NetworkSpec, choices: Sequence[tuple[str, str]], batch: Batch, bands: bool
) -> Iterator[InitializerAdvice]:
    """Yield what each choice does.

    Variances alone decide a verdict, and the band of independent weights but for the shape of their distribution, which
    hardly counts: choices of equal variances share them.
    """
    verdicts: dict[tuple[float, ...], Trainability] = {}
    known_bands: dict[tuple[float, ...], RatioBand] = {}
    for name, bias in choices:
        chosen = NetworkSpec(**(spec.model_dump() | {"initializer": name, "bias": bias}))
        record = initializers.get(name)
        fans, own_bias = sorted(set(spec.fans)), initializers.get_bias(bias)
        variances = tuple(value for fan in fans for value in (record.variance(*fan), own_bias.variance_at(fan[0])))
        if variances not in verdicts:
            verdicts[variances] = judge(chosen, batch)
        if not bands:
            band = RatioBand(None, None, HOW_TO_GET_BANDS)
        elif record.independent and variances in known_bands:
            band = known_bands[variances]
        else:
            band = ratio_band(chosen, batch.mean_second_moment)
            if record.independent:
                known_bands[variances] = band
        yield _row(chosen, verdicts[variances], band)


def _row(spec: NetworkSpec, verdict: Trainability, band: RatioBand) -> InitializerAdvice:
    signal, gradient = (
        None if ends is None or ratio is None else (ratio * ends[0], ratio * ends[1])
        for ends, ratio in ((band.signal, verdict.signal_ratio), (band.gradient, verdict.gradient_ratio))
    )
    return InitializerAdvice(spec.initializer, spec.bias, verdict, signal, gradient, band.reason)


def _gains(spec: NetworkSpec, second_moment: float) -> tuple[Gain, ...]:
    """Gains of every hidden layer; none where the signal leaves the range of float64."""
    try:
        signal = forward(spec, Batch.one(second_moment))
    except AssumptionError:
        return ()
    q, back = signal.q[:, 0], signal.backward_gain[1:]
    square, derivative_square = signal.activation[:, 0, 0], signal.derivative[:, 0, 0]
    return tuple(
        Gain(
            index + 1,
            *fans,
            float(q[index]),
            *_forward_and_backward(float(q[index]), float(square[index]), float(derivative_square[index])),
            float(q[index + 1] / q[index]),
            float(back[index] * derivative_square[index]),
        )
        for index, fans in enumerate(spec.fans[:-1])
    )


def _fixed_point(spec: NetworkSpec, second_moment: float) -> Gain | None:
    """Gains where signals settle in a square layer as wide as the widest; at the limits 0 and infinity, near them."""
    width = max(spec.layer_sizes[1:-1])
    initializer, bias = spec.weight_initializer, spec.bias_initializer
    fan_in, fan_out = spec.fans[0]
    try:
        start = fan_in * initializer.variance(fan_in, fan_out) * second_moment + bias.variance_at(fan_in)
        plane = width * initializer.variance(width, width), bias.variance_at(width)
        q = fixed_points(spec.activation, *plane).reached(start).q
    except AssumptionError:
        return None
    record = activations.get(spec.activation)
    grid = variance_map(record)
    near = float(np.clip(q, grid.q[0], grid.q[-1]))
    at_q = moments(record, near)
    gains = _forward_and_backward(near, float(at_q.second_moment), float(at_q.derivative_second_moment))
    return Gain(None, None, None, q, *gains)


def _forward_and_backward(q: float, square: float, derivative_square: float) -> tuple[float, float]:
    """Return sqrt(q / E f^2) and 1 / sqrt(E f'^2); inf where there is nothing to divide by."""

    def root(numerator: float, denominator: float) -> float:
        return math.sqrt(numerator / denominator) if denominator > 0 else math.inf

    return root(q, square), root(1.0, derivative_square)


def _compromise(spec: NetworkSpec) -> tuple[Compromise, ...]:
    """Return rectangular layers, and the product over all layers; nothing where every layer is square."""
    fans = np.array(spec.fans, dtype=np.float64)
    n_in, n_out = fans.T
    if (n_in == n_out).all():
        return ()
    variances = {
        "fan_in": 1 / n_in,
        "fan_out": 1 / n_out,
        "fan_avg": 2 / (n_in + n_out),
        "geometric": 1 / np.sqrt(n_in * n_out),
    }
    forward = {name: n_in * variance for name, variance in variances.items()}
    backward = {name: n_out * variance for name, variance in variances.items()}
    rows = [
        Compromise(index + 1, *spec.fans[index], _each(forward, index), _each(backward, index))
        for index in np.flatnonzero(n_in != n_out).tolist()
    ]
    whole = (
        {name: float(factors.prod()) for name, factors in forward.items()},
        {name: float(factors[1:].prod()) for name, factors in backward.items()},
    )
    return (*rows, Compromise(None, None, None, *whole))


def _each(factors: dict[str, Array], index: int) -> dict[str, float]:
    return {name: float(values[index]) for name, values in factors.items()}
