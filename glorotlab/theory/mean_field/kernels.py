"""What mean-field theory keeps of a layer."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from glorotlab.activations import Activation
from glorotlab.arrays import Array
from glorotlab.errors import AssumptionError
from glorotlab.theory.gaussian.moments import LARGEST, SMALLEST


@dataclass
class LayerKernels:
    """Kernels of one layer, each (examples, examples) and per unit, or of a stack of layers, with an axis in front.

    Parameters
    ----------
    fan_in, fan_out, variance : (...)
        Units below and of the layer, and Var[W]; of a stack one for each layer.
    record : its activation; None where the output is no activation.
    preactivation : Q
    activation : M of the layer's own output; not a number where the output is no activation.
    derivative : E[f'(s_a) f'(s_b)]
    below, below_mean : M and mean of what enters the layer
    activation_mean : (examples,) E f; zero where f is odd.
    activation_fourth, derivative_fourth : (examples,) E f^4 and E f'^4
    product_square : (examples,) E[f^2 f'^2]
    slope, growth : (examples,) E[f f'] and dE[f^2]/dq
    backprop : D, filled by the backward pass
    backprop_mean : (examples,) E dC/ds, filled by the backward pass
    """

    fan_in: Array
    fan_out: Array
    variance: Array
    record: Activation | None
    preactivation: Array
    activation: Array
    derivative: Array
    below: Array
    below_mean: Array
    activation_mean: Array
    activation_fourth: Array
    derivative_fourth: Array
    product_square: Array
    slope: Array
    growth: Array
    backprop: Array = field(default_factory=lambda: np.empty(0))
    backprop_mean: Array = field(default_factory=lambda: np.empty(0))


def check_range(what: str, tensor: str, second_moment: Array, index: int) -> None:
    """Raise AssumptionError where a second moment leaves [SMALLEST, LARGEST], naming the layer."""
    for wrong, happens in ((second_moment < SMALLEST, "vanishes"), (~(second_moment <= LARGEST), "explodes")):
        if wrong.any():
            raise AssumptionError(
                f"the {what} {happens} in layer {index + 1}: second moment {second_moment[wrong][0]:.3g} of the "
                f"{tensor}, allowed are {SMALLEST:g} to {LARGEST:g}: use fewer layers or another initialiser"
            )
