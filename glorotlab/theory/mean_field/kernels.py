"""Kernels of every layer over a batch: those of the signal on the way forward, those of the gradient on the way back.

Kernels of all layers are one stack with the layers in front. An array with one row for each layer has the first layer
in row 0 and the output layer in row -1; z has one row more, as its row 0 holds the inputs. One example is a batch of
size 1. The symbols are those of ``forward`` and ``backward``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.gaussian.closed_forms import ROUNDING
from glorotlab.theory.gaussian.covariance import Covariance
from glorotlab.theory.gaussian.moments import LARGEST, SMALLEST
from glorotlab.theory.mean_field.output_gradient import OutputGradient

BLOCK = 2**17
"""Number of pairs of examples, over all layers, computed at a time, so that temporary arrays stay small."""


@dataclass(frozen=True)
class SignalKernels:
    """Moments of pre-activations s and activations z over networks, per unit; of a softmax output, z is NaN.

    Parameters
    ----------
    spec : NetworkSpec
    weight_variance : (layers,)
        Var[W].
    preactivation : (layers, examples, examples)
        Q, the second moments of s over pairs of examples.
    z : (layers + 1, examples, examples)
        M, the second moments of the inputs and of the activations over pairs of examples.
    z_mean, z_fourth_moment : (layers + 1, examples)
        Mean and fourth moment of the inputs and of the activations; the mean is exactly 0 where f is odd.
    derivative : (hidden layers, examples, examples)
        E[f'(s_a) f'(s_b)].
    derivative_fourth_moment, product_second_moment : (hidden layers, examples)
        E f'^4 and E[f^2 f'^2].
    product_mean, susceptibility : (hidden layers, examples)
        E[f f'] and dE[f^2]/dq.
    z_spread : (layers + 1,)
        Mean over pairs of examples of E (z_a - z_b)^2 / 2, which is the variance of z over the examples within a unit.
    output_gap : (examples, examples)
        Gap of the output layer's pre-activations, as ``Covariance`` has it.
    error : float
        Largest relative error of a pair moment of the hidden layers.
    spread_error : float
        Largest relative error of ``z_spread``.
    """

    spec: NetworkSpec
    weight_variance: Array
    preactivation: Array
    z: Array
    z_mean: Array
    z_fourth_moment: Array
    derivative: Array
    derivative_fourth_moment: Array
    product_second_moment: Array
    product_mean: Array
    susceptibility: Array
    z_spread: Array
    output_gap: Array
    error: float = 0.0
    spread_error: float = 0.0

    @property
    def layers(self) -> int:
        """Number of weight matrices."""
        return len(self.preactivation)

    @property
    def examples(self) -> int:
        """Size of the batch."""
        return int(self.preactivation.shape[-1])

    @property
    def q(self) -> Array:
        """Second moment of every example's pre-activation, (layers, examples)."""
        return diagonal(self.preactivation)

    @property
    def below(self) -> Array:
        """M of the layers' inputs, (layers, examples, examples)."""
        return self.z[:-1]

    @property
    def activation(self) -> Array:
        """M of the layers' activations, (layers, examples, examples)."""
        return self.z[1:]

    @property
    def fan_in(self) -> Array:
        """Numbers of units below the layers, (layers,)."""
        return np.array(self.spec.layer_sizes[:-1], dtype=np.float64)

    @property
    def fan_out(self) -> Array:
        """Numbers of units of the layers, (layers,)."""
        return np.array(self.spec.layer_sizes[1:], dtype=np.float64)

    @property
    def bias_variance(self) -> Array:
        """Var[b], (layers,)."""
        bias = self.spec.bias_initializer
        return np.array([bias.variance_at(fan_in) for fan_in in self.spec.layer_sizes[:-1]], dtype=np.float64)

    @property
    def forward_gain(self) -> Array:
        """n_{l-1} Var[W^l], (layers,), what E z^2 gains on its way into q of the layer above."""
        return self.fan_in * self.weight_variance

    @property
    def backward_gain(self) -> Array:
        """n_l Var[W^l], (layers,), what E (dC/ds)^2 gains on its way to the layer below."""
        return self.fan_out * self.weight_variance

    @property
    def outputs(self) -> Covariance:
        """Covariance of the output layer's pre-activations."""
        return Covariance(self.preactivation[-1], self.output_gap)

    def blocks(self) -> Iterator[slice]:
        """Yield slices of layers that are computed together: all for a small batch, one at a time for a large one."""
        step = max(1, BLOCK // self.examples**2)
        for start in range(0, self.layers, step):
            yield slice(start, min(start + step, self.layers))


@dataclass(frozen=True)
class GradientKernels:
    """Moments of dC/ds over networks, per unit.

    Parameters
    ----------
    output : OutputGradient
        Statistics of the output layer, where units are few.
    backprop : (layers, examples, examples)
        D, the second moments of dC/ds over pairs of examples.
    backprop_mean : (layers, examples)
        E dC/ds.
    """

    output: OutputGradient
    backprop: Array
    backprop_mean: Array


def seal(kernels: SignalKernels | GradientKernels) -> None:
    """Make the arrays of a filled stack read-only."""
    for value in vars(kernels).values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False


def diagonal(kernels: Array) -> Array:
    """Return the diagonals of a stack of kernels, (..., examples)."""
    return np.diagonal(kernels, axis1=-2, axis2=-1)


def mean_over_pairs(kernels: Array) -> Array:
    """Return means of second moments over pairs of examples; sums that are rounding errors count as 0."""
    mean, size = kernels.mean(axis=(-2, -1)), np.abs(kernels).mean(axis=(-2, -1))
    return np.asarray(np.where(mean < ROUNDING * size, 0, mean))


def check_range(what: str, tensor: str, second_moment: Array, index: int) -> None:
    """Raise AssumptionError, with the layer, if a second moment leaves [SMALLEST, LARGEST]."""
    for wrong, happens in ((second_moment < SMALLEST, "vanishes"), (~(second_moment <= LARGEST), "explodes")):
        if wrong.any():
            raise AssumptionError(
                f"the {what} {happens} in layer {index + 1}: second moment {second_moment[wrong][0]:.3g} of the "
                f"{tensor}, allowed are {SMALLEST:g} to {LARGEST:g}: use fewer layers or another initializer"
            )
