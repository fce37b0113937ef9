"""Second moments of pre-activations at initialisation, without pairs of examples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from glorotlab import initializers
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.moments import moments

Array = npt.NDArray[np.float64]


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
