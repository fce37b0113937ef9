"""A verdict on each layer and update: the measured exponent, its expected band, and possible causes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from glorotlab.arrays import Array
from glorotlab.scaling.expectation import Expectation
from glorotlab.scaling.parametrization import Parametrization, Role
from glorotlab.scaling.slopes import slope

WIDEST = 0.25
"""Half-width of the widest band that separates n^0 from n^(1/2)."""


@dataclass(frozen=True)
class LayerVerdict:
    """The verdict on one size of one layer over the widths.

    Parameters
    ----------
    layer : int
        Its place among the layers, from 1.
    name : str
    update : int
        0 is the network as it starts, whose size is that of the pre-activations; that of a later update is the change
        of the pre-activations since then.
    sizes : (widths,)
        Root mean squares over units, examples and networks.
    exponent, standard_error : float
        Slope of ln size on ln width; NaN where a size is 0.
    expected : tuple of float
        Least and largest exponent that theory expects over these widths; NaN where it expects none.
    band : tuple of float
        Ends between which the measured exponent of a healthy network lies.
    curve : (widths,) or None
        Expected sizes, where theory has them.
    inside : bool or None
        Whether it is inside the band; None where nothing is expected.
    text : str
        The verdict in words.
    own : bool
        Whether the change is that by the layer's own weights alone, its biases and what enters it being as before.
    """

    layer: int
    name: str
    update: int
    sizes: Array
    exponent: float
    standard_error: float
    expected: tuple[float, float]
    band: tuple[float, float]
    curve: Array | None
    inside: bool | None
    text: str
    own: bool = False

    @property
    def decisive(self) -> bool:
        """Whether the band is so narrow that it tells n^0 from n^0.5; True where there is none."""
        return not self.band[1] - self.expected[1] > WIDEST


def judge(
    widths: Array,
    names: Sequence[str],
    roles: Sequence[Role | None],
    sizes: Array,
    expectations: Sequence[Sequence[Expectation | None]],
    parametrization: Parametrization,
    optimizer: str,
    level: float,
) -> tuple[LayerVerdict, ...]:
    """Return the verdicts by update, then by layer.

    Parameters
    ----------
    widths : (widths,)
    names : sequence of str
    roles : sequence of str or None
        Roles of the layers; None of those without weights that scale.
    sizes : (2, updates + 1, layers, widths, seeds)
        Root mean squares of pre-activations and of their changes.
    expectations : sequence of sequence of Expectation or None
        For every update and layer; there is no verdict on None.
    parametrization : Parametrization
    optimizer : str
    level : float
        Probability that a healthy network is inside all bands: each has its share of the rest (Bonferroni).
    """
    judged = sum(not (one.reason or one.zero) for row in expectations for one in row if one is not None)
    share = 1 - (1 - level) / max(judged, 1)
    verdicts = []
    for update, row in enumerate(expectations):
        for index, expectation in enumerate(row):
            if expectation is None:
                continue
            own = sizes[min(update, 1), update, index]
            verdicts.append(_verdict(widths, index, names[index], update, own, expectation, parametrization, share))
    return _with_causes(verdicts, roles, parametrization, optimizer)


def _verdict(
    widths: Array,
    index: int,
    name: str,
    update: int,
    sizes: Array,
    expectation: Expectation,
    parametrization: Parametrization,
    share: float,
) -> LayerVerdict:
    means = np.sqrt((sizes**2).mean(axis=1))
    expected, nothing = (float(expectation.low), float(expectation.high)), (math.nan, math.nan)
    if not means.all():
        inside, text = _of_zeros(widths, means, name, update, expectation, parametrization)
        return LayerVerdict(
            index + 1,
            name,
            update,
            means,
            math.nan,
            math.nan,
            expected,
            nothing,
            expectation.curve,
            inside,
            text,
            expectation.own,
        )
    fit = slope(widths, sizes, expectation.scatter)
    does = f"{name} {_grows(update)} n^{number(fit.exponent)}{_when(update)}"
    inside, band = None, nothing
    if expectation.reason:
        text = f"{does}: nothing is expected, as {expectation.reason}"
    elif expectation.zero:
        inside, text = False, f"{does}, expected are exactly 0 under {parametrization.name}"
    else:
        reach = fit.reach(share) + expectation.allowance
        band = expected[0] - reach, expected[1] + reach
        inside = bool(band[0] <= fit.exponent <= band[1])
        text = f"{does}, expected n^{_interval(expectation)} ± {reach:.2f} under {parametrization.name}"
        if inside and reach > WIDEST:
            text += ": a band that does not tell n^0 from n^0.5: take more seeds"
    return LayerVerdict(
        index + 1,
        name,
        update,
        means,
        fit.exponent,
        fit.error,
        expected,
        band,
        expectation.curve,
        inside,
        text,
        expectation.own,
    )


def _of_zeros(
    widths: Array, means: Array, name: str, update: int, expectation: Expectation, parametrization: Parametrization
) -> tuple[bool | None, str]:
    """Return whether zeros are as expected, and a text."""
    what = f"{name} {'is' if update == 0 else 'changes by'} exactly 0"
    if means.any():
        return False, f"{what} at width {int(widths[means.argmin()])}{_when(update)}: no exponent"
    if expectation.zero:
        return True, f"{what}{_when(update)}, as expected"
    if expectation.reason:
        return None, f"{what}{_when(update)}: nothing is expected, as {expectation.reason}"
    return False, (
        f"{what} at all widths{_when(update)}, expected n^{_interval(expectation)} under {parametrization.name}"
        + ("" if update == 0 else ": it is not trained")
    )


def number(value: float) -> str:
    """Return an exponent with two digits, without the sign of -0.00."""
    return f"{value:.2f}".replace("-0.00", "0.00")


def _grows(update: int) -> str:
    return "starts as" if update == 0 else "changes as"


def _when(update: int) -> str:
    return f" after update {update}" if update else ""


def _interval(expectation: Expectation) -> str:
    low, high = number(expectation.low), number(expectation.high)
    return low if low == high else f"{low} to {high}"


def _with_causes(
    verdicts: list[LayerVerdict], roles: Sequence[Role | None], parametrization: Parametrization, optimizer: str
) -> tuple[LayerVerdict, ...]:
    """Add possible causes to the first layer outside its band, because its fault moves the layers above.

    A layer whose own weights change as they should not comes first.
    """
    order = sorted(range(len(verdicts)), key=lambda place: (verdicts[place].update, not verdicts[place].own))
    for place in order:
        verdict = verdicts[place]
        role = roles[verdict.layer - 1]
        outside = verdict.inside is False and not math.isnan(verdict.exponent + verdict.band[0])
        if verdict.update < 2 and outside and role is not None:
            cause = _cause(verdict, role, parametrization, optimizer)
            verdicts[place] = replace(verdict, text=f"{verdict.text}: {cause}")
            break
    return tuple(verdicts)


def _cause(verdict: LayerVerdict, role: Role, parametrization: Parametrization, optimizer: str) -> str:
    low, high = verdict.expected
    beyond = verdict.exponent - (high if verdict.exponent > high else low)
    if verdict.update == 0:
        right = parametrization.weight_variance[role]
        return f"its initial variance goes as n^{right + 2 * beyond:.1f}, {parametrization.name} has n^{right:g}"
    rate = parametrization.weight_rate.get(optimizer, {}).get(role)
    if rate is None:
        return "its learning rate is scaled wrongly"
    return f"its learning rate is not scaled as n^{rate:g}" if rate else "its learning rate scales with the width"
