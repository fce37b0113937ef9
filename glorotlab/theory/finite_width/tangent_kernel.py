"""tangent_kernel: the neural tangent kernel of a network on real data, with bands for one network of its width."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glorotlab import notebook
from glorotlab.arrays import Array
from glorotlab.checks import real_number
from glorotlab.errors import AssumptionError
from glorotlab.spec.network import Layers, NetworkSpec, network_spec
from glorotlab.theory.finite_width.tangent_kernel_scatter import diagonal_scatter
from glorotlab.theory.mean_field import tangent_kernel as mean_field
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.propagate import propagate
from glorotlab.threads import single_threaded_blas

MAX_VARIANCE = 1.5
"""Largest variance of ln Theta_aa that has a band, as of the other bands."""


@dataclass(frozen=True)
class TangentStatistics:
    """Statistics of positive elements of the kernel over networks.

    Parameters
    ----------
    value : array
        The limit of infinitely wide layers.
    shift : array
        What a finite width adds to the mean, to first order in 1 / width.
    std : array
        Standard deviation between networks, to the same order.
    """

    value: Array
    shift: Array
    std: Array

    def band(self, level: float = 0.95) -> tuple[Array, Array]:
        """Return the ends between which one network lies with probability ``level``: log-normal, tails equal."""
        from scipy.special import ndtri

        level = real_number("level", level, 0, 1, open_low=True, open_high=True)
        mean = self.value + self.shift
        variance = np.log1p((self.std / self.value) ** 2)
        reach = ndtri((1 + level) / 2) * np.sqrt(variance)
        return mean * np.exp(-variance / 2 - reach), mean * np.exp(-variance / 2 + reach)


@dataclass(frozen=True)
class TangentKernel:
    """The tangent kernel of one output before its activation, by all weights and biases.

    Parameters
    ----------
    kernel : ndarray, shape (examples, examples)
        Theta in the limit of infinitely wide layers.
    diagonal : TangentStatistics
        Of Theta_aa, each of shape (examples,).
    layers : TangentStatistics
        Of what each layer's weights and biases add to Theta_aa, each of shape (layers, examples).
    batch_mean : TangentStatistics
        Of the mean of Theta_aa over the batch, each a scalar.
    covariance : ndarray, shape (examples, examples)
        Covariance of Theta_aa and Theta_bb between networks.
    between_outputs_std : ndarray, shape (examples,)
        Standard deviation of Theta_aa between two different outputs, whose mean is 0.

    Examples
    --------
    A single layer is no random kernel yet: its derivatives are the inputs, and 1 for the bias.

    >>> import glorotlab as gl
    >>> theta = gl.tangent_kernel("3,2", inputs=[[1.0, 2.0, 0.0], [0.0, 1.0, 5.0]])
    >>> theta.kernel.round(6).tolist()
    [[6.0, 3.0], [3.0, 27.0]]
    >>> theta.diagonal.std.tolist()
    [0.0, 0.0]
    """

    kernel: Array
    diagonal: TangentStatistics
    layers: TangentStatistics
    batch_mean: TangentStatistics
    covariance: Array
    between_outputs_std: Array

    def _repr_html_(self) -> str:
        low, high = self.diagonal.band()
        own = self.diagonal
        columns = (range(len(own.value)), own.value, own.shift, own.std, low, high)
        head = ("example", "Θ in the limit", "shift", "standard deviation", "band of 95 %: low", "high")
        mean = self.batch_mean
        about = {"batch mean": mean.value, "its shift": mean.shift, "its standard deviation": mean.std}
        return notebook.form("Tangent kernel", notebook.table(head, zip(*columns, strict=True)), notebook.fields(about))


@single_threaded_blas()
def tangent_kernel(
    spec: NetworkSpec | Layers,
    inputs: npt.ArrayLike | None = None,
    *,
    input_second_moment: float | None = None,
) -> TangentKernel:
    """Predict the tangent kernel at initialization, and how networks of a finite width differ from its limit.

    Theta_ab = J_a . J_b with J_a the derivatives of one output before its activation by all weights and biases
    (Jacot, Gabriel & Hongler 2018), in the parameterisation in which networks are trained here: one learning rate, no
    factors of the width. Shift and scatter are to first order in 1 / width (docs/theory/tangent_kernel.md; Guillen,
    Misof & Gerken 2026, arXiv 2508.11522, have recursions of another form).

    Parameters
    ----------
    spec : NetworkSpec, str or sequence of int
        The network, or its layers as ``NetworkSpec.parse`` takes them.
    inputs : array_like, shape (examples, fan_in), optional
        Real data; give either this or ``input_second_moment``.
    input_second_moment : float, optional
        E[x^2] of one example whose inputs have mean zero.

    Returns
    -------
    TangentKernel

    Raises
    ------
    InvalidValueError
        Where an argument has the wrong shape or is not finite, or not one of the two sources is there.
    AssumptionError
        Where weights depend on each other, layers are too narrow, or ``predict`` would refuse the signal.

    Examples
    --------
    Each layer of linear units that keeps signal and gradient gives fan_in + 1, of its weights and its bias:

    >>> import glorotlab as gl
    >>> spec = gl.NetworkSpec.parse("100x4,10", activation="linear", initializer="lecun_normal")
    >>> theta = gl.tangent_kernel(spec, input_second_moment=1.0)
    >>> theta.kernel.round(6).tolist()
    [[404.0]]
    """
    spec = network_spec(spec)
    initializer = spec.weight_initializer
    if not initializer.independent:
        raise AssumptionError(
            f"tangent kernels for initializer {initializer.name}: its weights depend on each other, so that units of a "
            "layer do not scatter independently: measure several seeds"
        )
    batch = batch_of(spec, inputs=inputs, input_second_moment=input_second_moment, gradients=False)
    signal = propagate(spec, batch, narrow=True).signal
    scatter = diagonal_scatter(signal)
    value, shift = scatter.parts.sum(axis=0), scatter.shifts.sum(axis=0)
    variance = np.diagonal(scatter.covariance)
    largest = float(np.log1p(variance / value**2).max())
    if not largest <= MAX_VARIANCE:
        raise AssumptionError(
            f"layers {spec.layers} are too narrow for the tangent kernel: its logarithm has variance {largest:.2g} "
            f"between networks, allowed is {MAX_VARIANCE:g}: use wider or fewer hidden layers, or measure several seeds"
        )
    return TangentKernel(
        mean_field.tangent_kernel(signal),
        TangentStatistics(value, shift, np.sqrt(variance)),
        TangentStatistics(scatter.parts, scatter.shifts, np.sqrt(scatter.variances)),
        TangentStatistics(value.mean(), shift.mean(), np.sqrt(np.maximum(scatter.covariance.mean(), 0))),
        scatter.covariance,
        np.sqrt(scatter.between_outputs),
    )
