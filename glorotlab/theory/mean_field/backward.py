"""Mean-field kernels of a wide network on the way back: D^l, the second moments of dC/ds over pairs of examples.

With gradient independence (Yang 2020) D^l = n_{l+1} v_{l+1} D^{l+1} o E[f'(s_a) f'(s_b)]; what independence leaves out
where outputs are many is in ``gradient_independence``. The mean of dC/ds is of relative order 1/sqrt(width), where a
gradient meets its own weight: by Stein's identity E[W dC/ds^{l+1}] = v z H^{l+1} with H = E d^2C/ds^2 per unit, so that
E dC/ds^l = n_{l+1} v_{l+1} H^{l+1} E[f f'] and
H^l = n_{l+1} v_{l+1} H^{l+1} (E f'^2 + E[f f'']) = n_{l+1} v_{l+1} H^{l+1} dE[f^2]/dq.
"""

from __future__ import annotations

import numpy as np

from glorotlab import activations
from glorotlab.arrays import Array
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.gaussian.moments import LARGEST, SMALLEST
from glorotlab.theory.mean_field import gradient_independence
from glorotlab.theory.mean_field.kernels import LayerKernels, check_range
from glorotlab.theory.mean_field.output_gradient import OutputGradient


def backward(spec: NetworkSpec, layers: list[LayerKernels], top: OutputGradient) -> None:
    """Fill ``backprop`` and ``backprop_mean`` of every layer from the output layer's down.

    Raises
    ------
    AssumptionError
        Where a gradient's second moment leaves [SMALLEST, LARGEST], naming the layer.
    """
    layers[-1].backprop, layers[-1].backprop_mean = top.kernel, top.means
    hidden, curvature = activations.get(spec.activation), top.curvature
    for index in range(len(layers) - 2, -1, -1):
        layer, above = layers[index], layers[index + 1]
        gain = above.fan_out * above.variance
        layer.backprop = gain * above.backprop * layer.derivative
        if _counts(gain * curvature, layer):
            part = gain * curvature
            layer.backprop = layer.backprop + np.outer(part, part) * gradient_independence.along_signal(hidden, layer)
        check_range("gradient", "back-propagated gradient", np.diagonal(layer.backprop), index)
        layer.backprop_mean = gain * curvature * layer.slope
        curvature = gain * curvature * layer.growth


def _counts(part: Array, layer: LayerKernels) -> bool:
    """Whether the term of ``dependence`` counts.

    Of an example, or of the means over pairs that make the batch's gradients, where the independent terms may cancel.
    """
    squares = part**2 * layer.product_square
    own = np.outer(part, part) * layer.activation * layer.derivative  # of the right order
    shares = [(squares / np.diagonal(layer.backprop)).max()]
    for kernel in (np.ones(1), layer.below):
        total = float((layer.backprop * kernel).sum())
        shares.append(abs(float((own * kernel).sum())) / total if total > 0 else 0.0)
    return bool(max(shares) > gradient_independence.NEGLIGIBLE)


def backward_chain(spec: NetworkSpec, layers: list[LayerKernels], top: OutputGradient) -> None:
    """Fill ``backprop`` and ``backprop_mean`` of a chain; raises what ``backward`` does."""
    layers[-1].backprop, layers[-1].backprop_mean = top.kernel[np.newaxis], top.means[np.newaxis]
    if len(layers) == 1:
        return
    hidden, output = layers
    gains = np.append(hidden.fan_out * hidden.variance, output.fan_out * output.variance)[1:]
    with np.errstate(over="ignore", under="ignore"):  # refused
        growth = np.cumprod((gains * hidden.growth[:, 0])[:0:-1])[::-1]
        parts = gains * top.curvature * np.append(growth, 1.0)
        own = (parts**2 * hidden.product_square[:, 0]).tolist()
    factors, d = (gains * hidden.derivative[:, 0, 0]).tolist(), np.empty(len(gains))
    square = float(top.kernel[0, 0])
    for index in range(len(d) - 1, -1, -1):
        square = factors[index] * square + own[index]
        d[index] = square
        if not SMALLEST <= square <= LARGEST:
            check_range("gradient", "back-propagated gradient", d[index : index + 1], index)
    hidden.backprop = d[:, np.newaxis, np.newaxis]
    hidden.backprop_mean = parts[:, np.newaxis] * hidden.slope
