"""Distribution of a layer's activations at initialisation: Gaussian pre-activations, one variance an example.

For increasing f the density of z = f(s) is phi_q(f^-1(z)) / f'(f^-1(z)), averaged over the examples' q. It is given
along s, so that no inverse of f is needed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr

from glorotlab import initializers
from glorotlab.activations import Activation
from glorotlab.errors import InvalidValueError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory import quadrature
from glorotlab.theory.moments import moments

Array = npt.NDArray[np.float64]

REACH = 12.0
"""Quantiles are looked for within this many standard deviations."""


def preactivation_second_moments(spec: NetworkSpec, inputs: npt.ArrayLike) -> Array:
    """Return q of every layer and example: the diagonal of the mean-field kernels (Poole et al. 2016).

    Parameters
    ----------
    spec : NetworkSpec
    inputs : (examples, fan_in)

    Returns
    -------
    Array of shape (layer, examples)
    """
    x = spec.check_inputs(inputs).astype(np.float64)
    initializer, bias = initializers.get(spec.initializer), initializers.get_bias(spec.bias)
    below, rows = (x**2).mean(axis=1), []
    for index, (fan_in, fan_out) in enumerate(spec.fans):
        rows.append(fan_in * initializer.variance(fan_in, fan_out) * below + bias.variance)
        record = spec.layer_activation(index)
        if record is not None:
            below = moments(record, rows[-1]).second_moment
    return np.array(rows)


def activation_density(record: Activation, q: Array, s: Array) -> tuple[Array, Array]:
    """Return points z = f(s) and the density of activations there, averaged over examples.

    Parameters
    ----------
    record : Activation
        Strictly increasing.
    q : (examples,)
        Second moment of the pre-activation of each example.
    s : (points,)
        Pre-activations at which to take it.
    """
    density = quadrature.density(s, q).mean(axis=0) / record.derivative(s)
    return np.asarray(record.function(s), dtype=np.float64), np.asarray(density, dtype=np.float64)


def activation_quantile(record: Activation, q: Array, probability: float) -> float:
    """Return the signed quantile of activations pooled over units and examples, for increasing f.

    Raises
    ------
    InvalidValueError
        Where the probability is not between 0 and 1.
    """
    if not 0 < probability < 1:
        raise InvalidValueError(f"probability {probability}: allowed are numbers between 0 and 1")
    std = np.sqrt(q)
    reach = REACH * float(std.max())
    s = brentq(lambda at: float(ndtr(at / std).mean()) - probability, -reach, reach, xtol=1e-12)
    return float(record.function(np.array(s)))
