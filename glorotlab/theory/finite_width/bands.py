"""Bands of second moments for one network drawn once, or for the mean of several, at finite width.

A pooled second moment T of one network is its mean-field value times a draw of the output layer, whose units are few,
times a log-normal factor of the hidden layers, whose ln has the variance of ``fluctuations``: T gains a factor from
every layer, so that ln T and not T is nearly Gaussian (Hanin & Nica 2020 for ReLU, where it is exact). A layer of which
few units carry the gradient has a factor of another law, which is drawn (``few_units``). The mean over networks is
shifted by ``recursions``. Where layers are narrow, networks are drawn whole and have the law itself
(``whole_networks``). Sums of such T are close to log-normal with their own mean and variance (Fenton 1960), which the
band for the mean of N networks takes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from glorotlab.arrays import Array
from glorotlab.checks import real_number, whole_number
from glorotlab.errors import AssumptionError, UnknownNameError
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.theory.finite_width import few_units, fluctuations, whole_networks
from glorotlab.theory.finite_width.fluctuations import Fluctuation
from glorotlab.theory.mean_field.propagate import Propagation

MAX_VARIANCE = 1.5
"""Largest variance of ln T due to the hidden layers that has a band. Up to 1.2 (ten layers of 100 GELU) the standard
deviation is 8 % too small to 9 % too large."""

POINTS = 2**16
"""Least number of values that represent the distribution of one T."""

SMOOTHING = 0.25
"""Width of the kernel that smooths the drawn networks, over the deviation of ln T (Silverman & Young 1987)."""

SIGNIFICANT = 4.0
"""Standard errors by which the mean of drawn networks must differ from that of the expansion to take its place."""

COLUMNS = {name: f"{name}_second_moment" for name in fluctuations.TENSORS}
"""Variables of the schema by the name of the fluctuation."""

LENGTH, SQUARE = "learning_speed", "batch_bias_gradient"
"""Variable that is a length, and the tensor whose second moment is proportional to its square."""

BANDED = (*COLUMNS.values(), LENGTH)
"""Variables that have bands."""


@dataclass(frozen=True)
class Law:
    """Distribution of one positive statistic over networks, relative to its mean-field value.

    Parameters
    ----------
    values : (points,)
        Values of equal probability.
    sampling_error : float
        Relative standard error of the standard deviation that sampled units, outputs and networks leave.
    """

    values: Array
    sampling_error: float = 0.0

    def band(self, level: float, networks: int) -> tuple[float, float]:
        """Return the ends between which the mean over ``networks`` lies with probability ``level``, tails equal."""
        from scipy.special import ndtri

        tail = (1 - level) / 2
        if networks == 1:
            low, high = np.quantile(self.values, [tail, 1 - tail])
            return float(low), float(high)
        mean = self.values.mean()
        variance = np.log1p(self.values.var() / mean**2 / networks)
        reach = -ndtri(tail) * np.sqrt(variance)
        return float(mean * np.exp(-variance / 2 - reach)), float(mean * np.exp(-variance / 2 + reach))


def law(fluctuation: Fluctuation) -> Law:
    """Return the distribution of a statistic by the expansion in 1 / width.

    Of as many slices of the normal law as every draw has values each gives it one, so that draws which are nearly alike
    leave the law fine, and its tails where they are.
    """
    from scipy.special import ndtri

    draws, random = fluctuation.draws, generator(0, Purpose.FEW_UNITS, 1)
    count = max(POINTS // len(draws), 16)
    normal = ndtri((np.arange(count * len(draws)) + 0.5) / (count * len(draws)))
    normal /= normal.std()
    slices = random.permuted(normal.reshape(count, len(draws)), axis=1)
    factors = (1 + fluctuation.shift) * np.exp(fluctuation.variance**0.5 * slices - fluctuation.variance / 2)
    values = (draws * factors).ravel()
    for factor in fluctuation.factors:
        values *= random.permutation(np.resize(factor.values, values.shape))
    return Law(values, _sampling_error(fluctuation))


def _sampling_error(fluctuation: Fluctuation) -> float:
    drawn, variance = fluctuation.draws, fluctuation.log_variance
    spread = drawn.var() / drawn.mean() ** 2
    error = (fluctuation.log_variance_error**2 + 2 * spread**2 / len(drawn)) ** 0.5
    return float(error / (2 * (variance + spread))) if error else 0.0


def drawn_law(networks: Array, expected: Law) -> Law:
    """Return the distribution of a statistic over drawn networks, rescaled to the ``expected`` mean.

    Where their own mean is another, beyond what chance explains, it is taken: the expansion has its own errors.

    Parameters
    ----------
    networks : (networks,)
        The statistic relative to its mean-field value.
    expected : Law
    """
    from scipy.special import ndtri

    mean, spread, count = networks.mean(), networks.var(), max(POINTS // len(networks), 16)
    if abs(expected.values.mean() - mean) < SIGNIFICANT * (spread / len(networks)) ** 0.5:
        mean = expected.values.mean()
    positive = networks[networks > 0]
    centre, normal = np.log(positive).mean(), ndtri((np.arange(count) + 0.5) / count)
    own = (1 - SMOOTHING**2) ** 0.5 * (np.log(positive) - centre)
    smooth = np.exp(centre + np.add.outer(own, SMOOTHING * np.log(positive).std() * normal / normal.std())).ravel()
    values = np.concatenate([smooth, np.zeros(count * (len(networks) - len(positive)))])
    kurtosis = ((networks - networks.mean()) ** 4).mean() / spread**2 if spread else 1.0
    return Law(values * (mean / values.mean()), float(max(kurtosis - 1, 0) / (4 * len(networks))) ** 0.5)


def bands(
    propagation: Propagation,
    values: Mapping[str, Array],
    level: float,
    networks: int = 1,
    variables: Collection[str] = BANDED,
) -> dict[str, Array]:
    """Return bands and their errors: arrays over the layers, by the schema's names.

    Parameters
    ----------
    propagation : Propagation
    values : mapping of str to (layer,)
        Mean-field values.
    level : float
        Probability of a band.
    networks : int
        Number of networks whose mean the bands are for.
    variables : collection of str
        Those of ``BANDED`` that get bands.

    Raises
    ------
    InvalidValueError
        Where level, networks or a variable is not allowed.
    AssumptionError
        Where units of a layer are not independent, or layers are too narrow.
    """
    spec = propagation.spec
    _check(spec, level, networks, variables)
    error = _Error(propagation.numerical_error, sum(1 / fan_out for _, fan_out in spec.fans[:-1]))
    columns: dict[str, Array] = {}
    tensors = {name for name, variable in COLUMNS.items() if variable in variables}
    scatter = fluctuations.fluctuations(propagation, tensors | ({SQUARE} if LENGTH in variables else set()))
    for name, layers in scatter.items():
        _check_variance(spec, name, layers)
    drawn = whole_networks.second_moments(propagation)
    laws: dict[str, list[Law]] = {}
    for name, layers in scatter.items():
        column = values[COLUMNS[name]]
        laws[name] = [law(layer) for layer in layers]
        if drawn:
            each = zip(drawn[name], column, laws[name], strict=False)
            laws[name] = [drawn_law(own / value, expected) if value > 0 else expected for own, value, expected in each]
        if name in tensors:
            columns |= _columns(COLUMNS[name], column, column, laws[name], level, networks, error)
    if LENGTH in variables and SQUARE in laws:  # the length of the bias gradient is the root of its second moment
        roots = [Law(each.values**0.5, each.sampling_error) for each in laws[SQUARE]]
        lengths = np.sqrt(values["fan_out"] * values[COLUMNS[SQUARE]])
        columns |= _columns(LENGTH, values[LENGTH], lengths, roots, level, networks, error)
    return columns


class _Error(NamedTuple):
    """Relative errors.

    Parameters
    ----------
    numerical : float
        Error of the mean-field values.
    expansion : float
        Error of a standard deviation to first order in 1 / width.
    """

    numerical: float
    expansion: float


def _columns(
    name: str, values: Array, scales: Array, laws: list[Law], level: float, networks: int, error: _Error
) -> dict[str, Array]:
    """Return the columns of one variable, relative to ``scales``, with NaN in layers without a distribution."""
    suffixes = ("std", "shift", "low", "high", "quadrature_error", "expansion_error", "sampling_error")
    rows = np.full((len(values), len(suffixes)), np.nan)
    for row, value, scale, own in zip(rows, values, scales, laws, strict=False):
        low, high = own.band(level, networks)
        std, mean = float(own.values.std()), float(own.values.mean())
        shift = mean - value / scale
        expansion = shift**2 / 2 + error.expansion * std  # the next term of exp(shift), and of the deviation
        row[:] = std, shift, low, high, error.numerical * mean, expansion, own.sampling_error * std
        row *= scale
    return {f"{name}_{suffix}": column for suffix, column in zip(suffixes, rows.T, strict=True)}


def _check(spec: NetworkSpec, level: float, networks: int, variables: Collection[str]) -> None:
    real_number("level", level, 0, 1, open_low=True, open_high=True)
    whole_number("networks", networks, 1)
    for variable in variables:
        if variable not in BANDED:
            raise UnknownNameError("variable with bands", variable, BANDED)
    initializer = spec.weight_initializer
    if not initializer.independent:
        raise AssumptionError(
            f"bands for initializer {initializer.name}: its weights depend on each other, so that units of a layer do "
            "not scatter independently: predict without a level, or measure several seeds"
        )


def _check_variance(spec: NetworkSpec, name: str, values: list[Fluctuation]) -> None:
    saturated = max((factor.variance for value in values for factor in value.factors), default=0.0)
    if saturated > few_units.MAX_VARIANCE:
        raise AssumptionError(
            f"units of layers {spec.layers} are too saturated for bands: so few carry {COLUMNS[name]} that one layer "
            f"gives it relative variance {saturated:.2g} between networks, allowed is {few_units.MAX_VARIANCE:g}: use "
            "smaller weights or inputs, more examples or wider layers, or measure several seeds"
        )
    largest = max((value.narrow_log_variance for value in values), default=0.0)
    if not largest <= MAX_VARIANCE:
        raise AssumptionError(
            f"layers {spec.layers} are too narrow for bands: ln {COLUMNS[name]} has variance {largest:.2g} between "
            f"networks, allowed is {MAX_VARIANCE:g}: use wider or fewer hidden layers, or measure several seeds"
        )
