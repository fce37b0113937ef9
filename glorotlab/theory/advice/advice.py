"""What ``advise`` returns, and its text, at most 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from glorotlab import initializers
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.advice.recommend import Recommendation, number
from glorotlab.theory.advice.trainability import Trainability

WIDTH = 80
"""Width of the text in columns."""

MANY = 8
"""Largest number of rows that a table of layers shows in full; of more it shows the first and the last three."""

NAME = 16
"""Width of an initializer's name in columns."""

CHOICES = {"fan_in": "1/n_in", "fan_out": "1/n_out", "fan_avg": "2/(n_in+n_out)", "geometric": "1/sqrt(n_in n_out)"}
"""Choices of Var[W] that the compromise compares."""

HOW_TO_GET_BANDS = "not asked for: --bands, or gl.advise(..., bands=True), draws them"
"""The reason why there is no band unless the caller asks for bands."""


@dataclass(frozen=True)
class Gain:
    """Gains at one second moment q of pre-activations.

    Parameters
    ----------
    layer : int or None
        The layer's number; None at the fixed point.
    fan_in, fan_out : int or None
        The layer's fans; None at the fixed point.
    q : float
        Second moment of the pre-activations.
    forward, backward : float
        sqrt(q / E f^2) and 1 / sqrt(E f'^2): sqrt(fan Var[W]) that keeps q, and the gradient, in a square layer.
    signal_factor, gradient_factor : float or None
        What the network's own initializer does instead: q of the next layer over this one's, and E (dC/ds)^2 of this
        layer over the next one's.
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
    """The effect of one initializer over the depth.

    Parameters
    ----------
    name, bias : str
        Names that ``NetworkSpec`` takes.
    verdict : Trainability
        Signal and gradient ratios, and whether the network should train.
    signal_band, gradient_band : tuple of float, optional
        Ends of the bands of the two ratios.
    no_band : str
        Why there are no bands; empty where there are.
    """

    name: str
    bias: str
    verdict: Trainability
    signal_band: tuple[float, float] | None
    gradient_band: tuple[float, float] | None
    no_band: str


@dataclass(frozen=True)
class Compromise:
    """The cost of choices of Var[W] in a rectangular layer of linear units.

    Parameters
    ----------
    layer : int or None
        The layer's number; None for the product over all layers.
    fan_in, fan_out : int or None
        The layer's fans; None for the product.
    forward, backward : dict of str to float
        n_in Var[W] and n_out Var[W] for each of ``CHOICES``. The product of n_out Var[W] leaves out the first layer,
        whose inputs need no gradient.
    """

    layer: int | None
    fan_in: int | None
    fan_out: int | None
    forward: dict[str, float]
    backward: dict[str, float]


@dataclass(frozen=True)
class Advice:
    """What ``advise`` has to say about a network.

    Parameters
    ----------
    spec : NetworkSpec
        The network.
    second_moment : float
        E x^2 of the inputs.
    examples : int
        How many examples there are, real ones or those that stand in for data.
    assumptions : tuple of str
        What the advice rests on.
    verdict : Trainability
        The verdict on the network as its spec has it.
    gains : tuple of Gain
        One for each hidden layer; none where the signal leaves the range of float64.
    fixed_point : Gain, optional
        Gains at the second moment where signals settle.
    initializers : tuple of InitializerAdvice
        The network's own initializer where it is not in the catalogue, then the catalogue.
    compromise : tuple of Compromise
        One for each rectangular layer, and the product over all.
    recommendation : Recommendation
        Which initializer to take.

    Examples
    --------
    >>> import glorotlab as gl
    >>> advice = gl.advise("100,50x5,10", input_second_moment=1.0)
    >>> print(advice.text().splitlines()[0])
    Advice for 100,50x5,10 tanh glorot_uniform, biases zeros
    >>> {own.name: own.verdict.trains for own in advice.initializers}["glorot_uniform"]
    True
    >>> advice.to_dict()["spec"]["activation"]
    'tanh'
    """

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
        """Return the advice as plain text; ``data`` says what the examples are."""
        parts = (
            _title(self, data),
            _gains(self),
            _initializers(self.initializers),
            _compromise(self.compromise),
            _recommendation(self.recommendation),
            _assumptions(self.assumptions),
        )
        return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the advice as a dict of plain values, of which some may be infinite."""
        fields = asdict(self)
        gains = fields.pop("gains")
        return fields | {"spec": self.spec.model_dump(mode="json"), "layers": gains}

    def _repr_html_(self) -> str:
        from glorotlab.theory.advice.advice_form import advice_form

        return advice_form(self)


def _title(advice: Advice, data: str) -> Iterator[str]:
    spec, verdict = advice.spec, advice.verdict
    yield from _wrapped(f"Advice for {spec.layers} {spec.activation} {spec.initializer}, biases {spec.bias}")
    examples = data or f"{advice.examples} examples"
    yield from _wrapped(f"On {examples}, inputs of second moment {advice.second_moment:.4g}")
    rate = verdict.learning_rate
    stable = "" if rate is None else f"; largest stable learning rate of the order of {rate:.2g}"
    yield from _wrapped(f"With {_short(spec.initializer)} it {_expectation(verdict)}{stable}")
    yield from _wrapped(f"Probability that it trains: {percent(verdict.probability)}{_rests_on(verdict)}")
    if verdict.recommended_rate is not None:
        yield from _wrapped(f"Learning rate to begin with: {verdict.recommended_rate:.1g}")


def _gains(advice: Advice) -> Iterator[str]:
    yield "Gains that keep signal (forward) and gradient (backward), and what Var[W] does"
    yield f"{'layer':12}{'q':>10}{'forward':>10}{'backward':>10}{'next q / q':>15}{'gradient / next':>17}"
    if not advice.gains:
        yield "  none: the signal leaves the range of float64"
    yield from _first_and_last([_gain(str(gain.layer), gain) for gain in advice.gains])
    if advice.fixed_point is not None:
        yield _gain("fixed point", advice.fixed_point)
    else:
        yield "fixed point: none"


def _gain(name: str, gain: Gain) -> str:
    row = f"{name:12}{gain.q:>10.4g}{gain.forward:>10.4f}{gain.backward:>10.4f}"
    if gain.signal_factor is None or gain.gradient_factor is None:
        return row
    return f"{row}{gain.signal_factor:>15.4g}{gain.gradient_factor:>17.4g}"


def _initializers(rows: Sequence[InitializerAdvice]) -> Iterator[str]:
    bands = any(row.no_band != HOW_TO_GET_BANDS for row in rows)
    heading = f"{'95 % band':>19}" if bands else ""
    yield "Signal: E z^2, last / first hidden layer. Gradient: E (dC/ds)^2, first / last"
    yield f"{'initializer':{NAME}}{'signal':>9}{heading}{'gradient':>9}{heading} trains"
    for row in rows:
        verdict = row.verdict
        cells = ""
        for ratio, band in (
            (verdict.signal_ratio, row.signal_band),
            (verdict.gradient_ratio, row.gradient_band),
        ):
            cells += f"{number(ratio):>9}" + (f"{_band(band):>19}" if bands else "")
        yield f"{_name(row):{NAME}}{cells}{percent(verdict.probability):>7}"
    yield from _grouped("fails", [(_name(row), row.verdict.reason) for row in rows if not row.verdict.trains])
    if bands:
        yield from _grouped("no bands", [(_name(row), row.no_band) for row in rows if row.no_band])
    else:
        yield from _wrapped(f"bands: {HOW_TO_GET_BANDS}", indent="  ")


def _grouped(what: str, reasons: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield each reason once, with the names it belongs to."""
    names_of: dict[str, list[str]] = {}
    for name, reason in reasons:
        names_of.setdefault(reason, []).append(name)
    for reason, names in names_of.items():
        yield from _wrapped(f"{what}: {', '.join(names)}: {reason}", indent="  ")


def _compromise(rows: Sequence[Compromise]) -> Iterator[str]:
    if not rows:
        return
    yield "Rectangular layers of linear units: n_in Var[W] forward, n_out Var[W] backward"
    names = [*(CHOICES[choice] for choice in ("fan_in", "fan_out", "fan_avg")), "geometric"]
    yield f"{'layer':19}" + "".join(f"{name:>15}" for name in names)
    lines = []
    for row in rows:
        name = "over the depth" if row.layer is None else f"{row.layer}: {row.fan_in} to {row.fan_out}"
        cells = (f"{row.forward[key]:.3g}, {row.backward[key]:.3g}" for key in CHOICES)
        lines.append(f"{name:19}" + "".join(f"{cell:>15}" for cell in cells))
    yield from _first_and_last(lines)
    yield "  geometric: 1/sqrt(n_in n_out); over the depth backward leaves out layer 1"


def _recommendation(recommendation: Recommendation) -> Iterator[str]:
    yield from _wrapped(f"Recommended: {recommendation.initializer}, biases {recommendation.bias}")
    yield from _wrapped(f"{recommendation.reason} It {_expectation(recommendation.verdict)}.", indent="  ")
    yield "  PyTorch:"
    yield from (f"    {line}" for line in recommendation.torch.splitlines())
    yield '  Keras, in Dense (its "truncated_normal" has the same variance):'
    yield from _keras(recommendation.keras)


def _keras(code: str) -> Iterator[str]:
    """Yield the arguments; a call that is too long is broken after its bracket."""
    for line in code.splitlines():
        if len(line) + 4 <= WIDTH:
            yield f"    {line}"
            continue
        head, _, arguments = line.partition("(")
        yield f"    {head}("
        yield f"        {arguments.removesuffix('),')}"
        yield "    ),"


def _assumptions(assumptions: Sequence[str]) -> Iterator[str]:
    yield "Assumptions"
    for assumption in assumptions:
        yield from _wrapped(f"- {assumption}", indent="  ")


def _first_and_last(lines: list[str]) -> list[str]:
    return lines if len(lines) <= MANY else [*lines[:3], f"... {len(lines) - 6} more ...", *lines[-3:]]


def _wrapped(line: str, indent: str = "") -> list[str]:
    return textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent="  " + indent, break_on_hyphens=False)


def _short(name: str) -> str:
    """Return an initializer's name without parameters at their defaults."""
    plain = name.partition("(")[0]
    return plain if initializers.get(plain) == initializers.get(name) else name


def _name(row: InitializerAdvice) -> str:
    """Return a name that fits its column; the catalogue's do, a longer one is the network's own."""
    for name in (row.name, _short(row.name)):
        if len(name) <= NAME:
            return name
    return "your own"


def _band(ends: tuple[float, float] | None) -> str:
    if ends is None or not all(map(math.isfinite, ends)):
        return number(None)
    return f"{ends[0]:.2g} .. {ends[1]:.2g}"


def _rests_on(verdict: Trainability) -> str:
    """Return the predictors and their contributions to the log odds, relative to an average network."""
    if not verdict.terms:
        return ""
    parts = (f"{term.name} {term.value:.2g} ({term.log_odds:+.1f})" for term in verdict.terms)
    return f"; in log odds, relative to an average network: {', '.join(parts)}"


def percent(probability: float) -> str:
    """Return a probability in per cent that says neither never nor always."""
    rounded = round(100 * probability)
    return "<1 %" if rounded < 1 else ">99 %" if rounded > 99 else f"{rounded} %"


def _expectation(verdict: Trainability) -> str:
    return f"should {'train' if verdict.trains else 'fail'} ({verdict.reason})"
