"""predict_distributions: whole distributions at initialisation, of activations and gradients of every hidden layer.

Each is that of an element drawn from all units, examples and networks. Activations are Gaussians sent through f. For
gradients everything is drawn (with a fixed seed) but the last random weights, whose law is then summed exactly:

- dC/ds_j = f'(s_j) g_j with g_j = sum_k W_jk dC/ds_k of the layer above. Given that layer, g_j is Gaussian where it is
  wide, of a variance which the length of the output gradient moves for a whole network together; just below the
  outputs, few weights meet and their own law remains.
  What gradients that meet their own weights add (``dependence``), of the order of outputs / width, is left out.
- dC/dW_ij of the batch mean is (1/B) sum_a z_ai f'(s_aj) g_aj, linear in g_j: given z_i, s_j and the output gradients
  it is Gaussian, of variance (1/B^2) sum_ab z_ai z_bi f'(s_aj) f'(s_bj) E[g_aj g_bj].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glorotlab import costs, initializers
from glorotlab.activations import Activation
from glorotlab.arrays import Array, Labels
from glorotlab.checks import whole_number
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.theory.distributions.location_scale import LocationScale
from glorotlab.theory.distributions.pushforward import Pushforward
from glorotlab.theory.mean_field.kernels import LayerKernels
from glorotlab.theory.mean_field.output_sampling import JITTER, draw
from glorotlab.theory.predict import propagate
from glorotlab.threads import single_threaded_blas

ELEMENTS = 2**15
"""Back-propagated gradients drawn: the largest standard error of a probability is .003."""

WEIGHTS = 2**11
"""Weight gradients drawn, each with the gradients of all examples at one pair of units: .011."""

LAST_WEIGHTS = 16
"""Draws of the last layer's few weights for each of those: their law is narrow, and one draw's shows in the tails."""

STREAM = 2
"""Of ``Purpose.QUADRATURE``, and the layer's index more."""


@dataclass(frozen=True)
class Distributions:
    """Predicted distributions; see ``predict_distributions``.

    Every method takes a layer, 1 to the number of hidden layers (activations: of outputs too, unless softmax), and
    raises InvalidValueError where there is none, AssumptionError where it has no known law.
    """

    spec: NetworkSpec
    inputs: Array
    labels: Labels | None
    layers: list[LayerKernels]

    def activation(self, layer: int) -> Pushforward:
        """Activations z_l."""
        kernels = self._layer(layer)
        if kernels.record is None:
            raise AssumptionError(f"layer {layer}: a softmax output mixes units and has no law here: measure instead")
        return Pushforward.of(kernels.record, np.diagonal(kernels.preactivation))

    @single_threaded_blas()
    def backprop_gradient(self, layer: int) -> LocationScale:
        """Back-propagated gradients dC/ds_l of one example's cost."""
        kernels, record, labels = self._hidden(layer)
        random = self._random(layer)
        which = np.arange(ELEMENTS) % len(labels)
        outputs, cost = self.layers[-1], costs.get(self.spec.output, self.spec.cost)
        logits = np.sqrt(np.diagonal(outputs.preactivation)[which, np.newaxis]) * random.normal(
            size=(ELEMENTS, self.spec.classes)
        )
        d = cost.gradient(logits, np.eye(self.spec.classes)[labels[which]])
        s = np.sqrt(np.diagonal(kernels.preactivation))[which] * random.normal(size=ELEMENTS)
        slope = np.asarray(record.derivative(s), dtype=np.float64)
        if layer == len(self.layers) - 1:
            return self._last_weights(slope[:, np.newaxis] * d, random)
        variance = np.diagonal(self._downstream(layer))[which] * (d**2).sum(axis=1)
        return LocationScale("normal", np.zeros(ELEMENTS), np.abs(slope) * np.sqrt(variance))

    @single_threaded_blas()
    def batch_weight_gradient(self, layer: int) -> LocationScale:
        """Weight gradients dC/dW_l of the batch-mean cost."""
        kernels, record, labels = self._hidden(layer)
        random, examples = self._random(layer), len(labels)
        if layer == 1:
            below = self.inputs[:, random.integers(0, self.spec.fan_in, WEIGHTS)]
        else:
            beneath = self.layers[layer - 2]
            assert beneath.record is not None  # noqa: S101  hidden layers have one
            below = np.asarray(beneath.record.function(_correlated(beneath.preactivation, random)))
        slope = np.asarray(record.derivative(_correlated(kernels.preactivation, random)))
        product, start = below * slope / examples, 0
        last = layer == len(self.layers) - 1
        downstream = None if last else self._downstream(layer)
        found: list[Array] = []
        for d in draw(self.spec, self.layers[-1].preactivation, labels, WEIGHTS):
            each = product[:, start : start + d.shape[1], np.newaxis] * d
            start += d.shape[1]
            if downstream is None:
                found.append(each.sum(axis=0))
            else:
                flat = each.reshape(examples, -1)
                squares = (flat * (downstream @ flat)).sum(axis=0)
                found.append(squares.reshape(d.shape[1:]).sum(axis=1))
        values = np.concatenate(found)
        if last:
            return self._last_weights(values, random, LAST_WEIGHTS)
        return LocationScale("normal", np.zeros(WEIGHTS), np.sqrt(np.clip(values, 0, None)))

    def _layer(self, layer: int) -> LayerKernels:
        return self.layers[whole_number("layer", layer, 1, len(self.layers)) - 1]

    def _hidden(self, layer: int) -> tuple[LayerKernels, Activation, Labels]:
        kernels = self._layer(layer)
        if layer == len(self.layers) or kernels.record is None:
            raise AssumptionError(
                f"layer {layer}: outputs are few and their gradients have no law of wide layers: measure instead"
            )
        if self.labels is None:
            raise InvalidValueError("gradients without labels: allowed is predict_distributions(spec, inputs, labels)")
        return kernels, kernels.record, self.labels

    def _random(self, layer: int) -> np.random.Generator:
        return generator(0, Purpose.QUADRATURE, STREAM + layer)

    def _downstream(self, layer: int) -> Array:
        """E[g_aj g_bj] below a wide layer over sum_k dC/ds_ak dC/ds_bk of the outputs, (examples, examples)."""
        product: Array | float = 1.0 / self.spec.classes
        for index in range(len(self.layers) - 1, layer - 1, -1):
            above = self.layers[index]
            product = product * (above.fan_out * above.variance)
            if index > layer:
                product = product * self.layers[index - 1].derivative
        return np.asarray(product)

    def _last_weights(self, factors: Array, random: np.random.Generator, repeats: int = 1) -> LocationScale:
        """Return the law of sum_k W_k factor_k, factors (draws, classes): all W but that of the largest are drawn,
        ``repeats`` times for each draw of the factors.
        """  # noqa: D205
        initializer, variance = initializers.get(self.spec.initializer), float(self.layers[-1].variance)
        distribution = initializer.distribution
        if distribution == "sparse":
            raise AssumptionError(
                "just below outputs of sparse weights most gradients are 0 and no law is known: measure instead"
            )
        if distribution not in ("uniform", "truncated_normal"):  # of an orthogonal matrix a few columns are Gaussian
            scales = np.sqrt(variance * (factors**2).sum(axis=1))
            return LocationScale("normal", np.zeros(len(scales)), scales)
        factors = np.repeat(factors, repeats, axis=0)
        rows = np.arange(len(factors))
        largest = np.abs(factors).argmax(axis=1)
        weights = initializer.sample(random, *factors.shape)
        rest = factors * weights * math.sqrt(variance / initializer.variance(*factors.shape))
        rest[rows, largest] = 0
        scales = math.sqrt(variance) * np.abs(factors[rows, largest])
        return LocationScale(distribution, rest.sum(axis=1), scales, repeats)


def _correlated(kernel: Array, random: np.random.Generator) -> Array:
    """Draw ``WEIGHTS`` vectors of N(0, kernel), (examples, draws)."""
    root = np.linalg.cholesky(kernel + np.eye(len(kernel)) * (JITTER * np.diagonal(kernel).max()))
    return np.asarray(root @ random.normal(size=(len(kernel), WEIGHTS)))


def predict_distributions(
    spec: NetworkSpec, inputs: npt.ArrayLike, labels: npt.ArrayLike | None = None
) -> Distributions:
    """Predict the distributions of activations and gradients at initialisation.

    Parameters
    ----------
    spec : NetworkSpec
    inputs : (examples, fan_in)
    labels : (examples,) int, optional
        Without labels the gradients have none.

    Returns
    -------
    Distributions
        ``activation(layer)``, ``backprop_gradient(layer)`` and ``batch_weight_gradient(layer)`` have ``density(x)``,
        ``cdf(x)``, ``quantile(p)`` and ``mass(edges)``; those of gradients ``mass_and_error(edges)`` too, the standard
        error of what is drawn.

    Raises
    ------
    InvalidValueError, AssumptionError
        As ``predict``.
    """
    found = propagate(spec, inputs=inputs, labels=labels, pairs=True)
    return Distributions(spec, spec.check_inputs(inputs).astype(np.float64), found.labels, found.layers)
