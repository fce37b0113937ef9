"""Bands of signal and gradient ratios of a single network, relative to their expected values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab import initializers
from glorotlab.errors import AssumptionError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.finite_width import bands, fluctuations
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.propagate import propagate

LEVEL = 0.95
"""Probability of a band."""

MAX_BAND_LAYERS = 20
"""Largest number of hidden layers with bands; more would take seconds for each initializer."""


@dataclass(frozen=True)
class RatioBand:
    """Ends of bands over their mean-field values.

    Parameters
    ----------
    signal, gradient : tuple of float, optional
        Ends for the last hidden layer's signal and the first one's gradient; None where no band is known.
    reason : str
        Why no band is known; empty where one is.
    """

    signal: tuple[float, float] | None
    gradient: tuple[float, float] | None
    reason: str = ""


def ratio_band(spec: NetworkSpec, second_moment: float) -> RatioBand:
    """Return the bands for one example of a second moment."""
    hidden = len(spec.layer_sizes) - 2
    if hidden > MAX_BAND_LAYERS:
        return RatioBand(None, None, f"more than {MAX_BAND_LAYERS} hidden layers")
    if not initializers.get(spec.initializer).independent:
        return RatioBand(None, None, "the weights depend on each other, so that units do not scatter independently")
    try:
        propagation = propagate(spec, batch_of(spec, input_second_moment=second_moment), narrow=True)
        with np.errstate(invalid="ignore"):  # outputs so large that no gradient is left
            scatter = fluctuations.over_depth(propagation)
    except AssumptionError as error:
        return RatioBand(None, None, str(error).partition(":")[0])
    if not all(part.narrow_log_variance <= bands.MAX_VARIANCE and np.isfinite(part.draws).all() for part in scatter):
        return RatioBand(None, None, "too narrow, or outputs too large")
    signal, gradient = (bands.law(part).band(LEVEL, 1) for part in scatter)
    return RatioBand(signal, gradient)
