"""An Advice as plain text, at most 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from glorotlab import initializers

if TYPE_CHECKING:
    from glorotlab.theory.advice.advise import Advice, Compromise, Gain, InitializerAdvice

WIDTH = 80

MANY = 8
"""Rows of layers up to which all are shown; of more the first and last few."""

CHOICES = {"fan_in": "1/n_in", "fan_out": "1/n_out", "fan_avg": "2/(n_in+n_out)", "geometric": "1/sqrt(n_in n_out)"}


def text(advice: Advice, data: str = "") -> str:
    """Return title, gains, initialisers, the compromise where layers are rectangular, and the recommendation."""
    parts = (
        _title(advice, data),
        _gains(advice),
        _initializers(advice),
        _compromise(advice.compromise),
        _recommendation(advice),
        _assumptions(advice),
    )
    return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines)


def _title(advice: Advice, data: str) -> Iterator[str]:
    spec, verdict = advice.spec, advice.verdict
    yield from _wrapped(f"Advice for {spec.layers} {spec.activation} {spec.initializer}, biases {spec.bias}")
    said = data or f"{advice.examples} examples"
    yield from _wrapped(f"On {said}, inputs of second moment {advice.second_moment:.4g}")
    rate = verdict.learning_rate
    stable = "" if rate is None else f"; largest stable learning rate of the order of {rate:.2g}"
    yield from _wrapped(f"As it is it {_word(verdict.trains)} ({verdict.reason}){stable}")


def _gains(advice: Advice) -> Iterator[str]:
    yield "Gains that keep signal (forward) and gradient (backward), and what Var[W] does"
    yield f"{'layer':12}{'q':>10}{'forward':>10}{'backward':>10}{'next q / q':>15}{'gradient / next':>17}"
    if not advice.gains:
        yield "  none: the signal leaves the range of float64"
    yield from _some([_gain(str(gain.layer), gain) for gain in advice.gains])
    if advice.fixed_point is not None:
        yield _gain("fixed point", advice.fixed_point)
    else:
        yield "fixed point: none"


def _gain(name: str, gain: Gain) -> str:
    row = f"{name:12}{gain.q:>10.4g}{gain.forward:>10.4f}{gain.backward:>10.4f}"
    if gain.signal_factor is None or gain.gradient_factor is None:
        return row
    return f"{row}{gain.signal_factor:>15.4g}{gain.gradient_factor:>17.4g}"


def _initializers(advice: Advice) -> Iterator[str]:
    yield "Signal: E z^2, last / first hidden layer. Gradient: E (dC/ds)^2, first / last"
    yield f"{'initialiser':16}{'signal':>9}{'95 % band':>19}{'gradient':>9}{'95 % band':>19} verdict"
    for row in advice.initializers:
        found = row.verdict
        cells = f"{_number(found.signal_ratio):>9}{_band(row.signal_band):>19}"
        cells += f"{_number(found.gradient_ratio):>9}{_band(row.gradient_band):>19}"
        yield f"{_name(row):16}{cells} {_word(found.trains)}"
    yield from _grouped(
        "fails", [(_name(row), row.verdict.reason) for row in advice.initializers if not row.verdict.trains]
    )
    yield from _grouped("no bands", [(_name(row), row.no_band) for row in advice.initializers if row.no_band])


def _grouped(what: str, reasons: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield each reason once, with the names it belongs to."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons:
        names.setdefault(reason, []).append(name)
    for reason, those in names.items():
        yield from _wrapped(f"{what}: {', '.join(those)}: {reason}", indent="  ")


def _compromise(rows: Sequence[Compromise]) -> Iterator[str]:
    if not rows:
        return
    yield "Rectangular layers of linear units: n_in Var[W] forward, n_out Var[W] backward"
    yield (
        f"{'layer':19}"
        + "".join(f"{CHOICES[name]:>15}" for name in ("fan_in", "fan_out", "fan_avg"))
        + (f"{'geometric':>15}")
    )
    lines = []
    for row in rows:
        name = "over the depth" if row.layer is None else f"{row.layer}: {row.fan_in} to {row.fan_out}"
        cells = (f"{row.forward[key]:.3g}, {row.backward[key]:.3g}" for key in CHOICES)
        lines.append(f"{name:19}" + "".join(f"{cell:>15}" for cell in cells))
    yield from _some(lines)
    yield "  geometric: 1/sqrt(n_in n_out); over the depth backward leaves out layer 1"


def _recommendation(advice: Advice) -> Iterator[str]:
    found = advice.recommendation
    yield from _wrapped(f"Recommended: {found.initializer}, biases {found.bias}")
    yield from _wrapped(f"{found.reason} It {_word(found.verdict.trains)} ({found.verdict.reason}).", indent="  ")
    yield "  PyTorch:"
    yield from (f"    {line}" for line in found.torch.splitlines())
    yield '  Keras, in Dense (its "truncated_normal" has the same variance):'
    yield from _keras(found.keras)


def _keras(code: str) -> Iterator[str]:
    """Yield the arguments, a call that is too long broken at its commas."""
    for line in code.splitlines():
        if len(line) + 4 <= WIDTH:
            yield f"    {line}"
            continue
        head, _, arguments = line.partition("(")
        yield f"    {head}("
        yield f"        {arguments.removesuffix('),')}"
        yield "    ),"


def _assumptions(advice: Advice) -> Iterator[str]:
    yield "Assumptions"
    for assumption in advice.assumptions:
        yield from _wrapped(f"- {assumption}", indent="  ")


def _some(lines: list[str]) -> list[str]:
    return lines if len(lines) <= MANY else [*lines[:3], f"... {len(lines) - 6} more ...", *lines[-3:]]


def _wrapped(line: str, indent: str = "") -> list[str]:
    return textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent="  " + indent, break_on_hyphens=False)


def _name(row: InitializerAdvice) -> str:
    """Return the name without what is its default."""
    short = row.name.partition("(")[0]
    record = initializers.get(row.name)
    shortened = short if len(row.name) > 16 and initializers.get(short) == record else row.name
    return shortened if len(shortened) <= 16 else "given"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _band(ends: tuple[float, float] | None) -> str:
    if ends is None or not all(map(math.isfinite, ends)):
        return "–"
    return f"{ends[0]:.2g} .. {ends[1]:.2g}"


def _word(trains: bool) -> str:
    return "trains" if trains else "fails"
