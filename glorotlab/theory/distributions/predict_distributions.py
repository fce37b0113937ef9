"""predict_distributions: whole distributions at initialization, of activations and gradients of every hidden layer.

A distribution is that of an element drawn from all units, examples and networks. Activations are Gaussians sent
through f. For gradients everything is drawn (with a fixed seed) but the last random weights, whose law is then summed
exactly:

- dC/ds_j = f'(s_j) g_j with g_j = sum_k W_jk dC/ds_k of the layer above. Given that layer, g_j is Gaussian where it is
  wide, of a variance which the length of the output gradient moves for a whole network together; just below the
  outputs, few weights meet and their own law remains. What gradients that meet their own weights add
  (``gradient_independence``), of the order of outputs / width, is left out.
- dC/dW_ij of the batch mean is (1/B) sum_a z_ai f'(s_aj) g_aj, linear in g_j: given z_i, s_j and the output gradients
  it is Gaussian, of variance (1/B^2) sum_ab z_ai z_bi f'(s_aj) f'(s_bj) E[g_aj g_bj].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from glorotlab import notebook
from glorotlab.arrays import Array
from glorotlab.checks import whole_number
from glorotlab.errors import AssumptionError, InvalidValueError
from glorotlab.resources import check_memory
from glorotlab.spec.network import Layers, NetworkSpec, network_spec
from glorotlab.streams import Purpose, generator
from glorotlab.theory.distributions.location_scale import LocationScale
from glorotlab.theory.distributions.pushforward import Pushforward
from glorotlab.theory.gaussian.sampling import correlated_draws
from glorotlab.theory.mean_field.inputs import batch_of
from glorotlab.theory.mean_field.kernels import diagonal
from glorotlab.theory.mean_field.output_sampling import OutputSampler
from glorotlab.theory.mean_field.propagate import Propagation, propagate
from glorotlab.theory.mean_field.validity import excess_kurtosis
from glorotlab.threads import single_threaded_blas

ELEMENTS = 2**15
"""Number of back-propagated gradients drawn: the largest standard error of a probability is .003."""

WEIGHTS = 2**11
"""Number of weight gradients drawn, with the gradients of all examples at one pair of units: .011."""

LAST_WEIGHTS = 16
"""Number of draws of the last layer's weights for each of those, because one draw would show in the tails."""


@dataclass(frozen=True)
class Distributions:
    """Predicted distributions; see ``predict_distributions``.

    Every method takes a layer, 1 to the number of hidden layers (activations: of outputs too, unless softmax), and
    raises InvalidValueError where there is none, AssumptionError where it has no known law.
    """

    propagation: Propagation

    def _repr_html_(self) -> str:
        spec = self.propagation.spec
        laws = "activation(layer)", "backprop_gradient(layer)", "batch_weight_gradient(layer)"
        title = f"Predicted distributions of {spec.layers} {spec.activation}, {spec.initializer}"
        return notebook.form(title, notebook.items(laws), notebook.paragraph("gl.plot draws them."))

    def activation(self, layer: int) -> Pushforward:
        """Return the law of activations z_l."""
        index, signal = self._index(layer), self.propagation.signal
        record = signal.spec.layer_activation(index)
        if record is None:
            raise AssumptionError(
                f"layer {layer}: a softmax output mixes units, its distribution is not known: measure instead"
            )
        return Pushforward.of(record, signal.q[index], excess_kurtosis(signal)[index])

    @single_threaded_blas()
    def backprop_gradient(self, layer: int) -> LocationScale:
        """Return the law of back-propagated gradients dC/ds_l of one example's cost."""
        index, targets = self._hidden(layer)
        spec, q = self.propagation.spec, self.propagation.signal.q
        check_memory(f"the law of gradients of {spec.classes} outputs", {"draws": 8.0 * 5 * ELEMENTS * spec.classes})
        random, which = generator(0, Purpose.BACKPROP_DISTRIBUTION, layer), np.arange(ELEMENTS) % len(targets)
        logits = np.sqrt(q[-1, which, np.newaxis]) * random.normal(size=(ELEMENTS, spec.classes))
        d = spec.cost_record.gradient(logits, targets[which])
        s = np.sqrt(q[index, which]) * random.normal(size=ELEMENTS)
        derivative = np.asarray(spec.activation_record.derivative(s), dtype=np.float64)
        if self._is_last_hidden(index):
            return self._last_weights(derivative[:, np.newaxis] * d, random)
        variance = diagonal(self._downstream(index))[which] * (d**2).sum(axis=1)
        return LocationScale("normal", np.zeros(ELEMENTS), np.abs(derivative) * np.sqrt(variance))

    @single_threaded_blas()
    def batch_weight_gradient(self, layer: int) -> LocationScale:
        """Return the law of weight gradients dC/dW_l of the batch-mean cost."""
        index, targets = self._hidden(layer)
        random = generator(0, Purpose.WEIGHT_GRADIENT_DISTRIBUTION, layer)
        below, derivative = self._below_and_derivative(index, random)
        product, start = below * derivative / len(targets), 0
        downstream = None if self._is_last_hidden(index) else self._downstream(index)
        blocks: list[Array] = []
        for d in self._outputs(targets).gradients(WEIGHTS, Purpose.WEIGHT_GRADIENT_OUTPUTS):
            terms = product[:, start : start + d.shape[1], np.newaxis] * d
            start += d.shape[1]
            if downstream is None:
                blocks.append(terms.sum(axis=0))
            else:
                flat = terms.reshape(len(targets), -1)
                squares = (flat * (downstream @ flat)).sum(axis=0)
                blocks.append(squares.reshape(d.shape[1:]).sum(axis=1))
        values = np.concatenate(blocks)
        if downstream is None:
            return self._last_weights(values, random, LAST_WEIGHTS)
        return LocationScale("normal", np.zeros(WEIGHTS), np.sqrt(np.clip(values, 0, None)))

    def _below_and_derivative(self, index: int, random: np.random.Generator) -> tuple[Array, Array]:
        """Draw z of units below and f' of units of a hidden layer, each (examples, ``WEIGHTS``)."""
        signal, inputs = self.propagation.signal, self.propagation.batch.inputs
        record = signal.spec.activation_record
        if index == 0:
            assert inputs is not None  # noqa: S101
            below = inputs[:, random.integers(0, signal.spec.fan_in, WEIGHTS)].astype(np.float64)
        else:
            below = np.asarray(record.function(correlated_draws(signal.preactivation[index - 1], WEIGHTS, random)))
        return below, np.asarray(record.derivative(correlated_draws(signal.preactivation[index], WEIGHTS, random)))

    def _outputs(self, targets: Array) -> OutputSampler:
        cost = self.propagation.spec.cost_record
        return OutputSampler.of(cost, self.propagation.signal.preactivation[-1], targets)

    def _index(self, layer: int) -> int:
        return whole_number("layer", layer, 1, self.propagation.signal.layers) - 1

    def _is_last_hidden(self, index: int) -> bool:
        return index == self.propagation.signal.layers - 2

    def _hidden(self, layer: int) -> tuple[int, Array]:
        """Return the index of a hidden layer, and the targets."""
        index = self._index(layer)
        if layer == self.propagation.signal.layers:
            raise AssumptionError(
                f"layer {layer}: gradients of few outputs have no distribution for wide layers: measure instead"
            )
        if self.propagation.batch.targets is None:
            raise InvalidValueError("gradients without labels: allowed is predict_distributions(spec, inputs, labels)")
        return index, self.propagation.batch.targets

    def _downstream(self, index: int) -> Array:
        """Return E[g_aj g_bj] below a wide layer over sum_k dC/ds_ak dC/ds_bk of the outputs, (examples, examples)."""
        signal, gains = self.propagation.signal, self.propagation.signal.backward_gain
        product: Array | float = gains[-1] / signal.spec.classes
        for above in range(signal.layers - 2, index, -1):
            product = product * (gains[above] * signal.derivative[above])
        return np.asarray(product)

    def _last_weights(self, factors: Array, random: np.random.Generator, repeats: int = 1) -> LocationScale:
        """Return the law of sum_k W_k factor_k, factors (draws, classes).

        All W but that of the largest factor are drawn, ``repeats`` times for each draw of the factors.
        """
        signal = self.propagation.signal
        initializer, variance = signal.spec.weight_initializer, float(signal.weight_variance[-1])
        distribution = initializer.distribution
        if distribution == "sparse":
            raise AssumptionError(
                "most gradients below outputs of sparse weights are 0, their distribution is not known: measure instead"
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


def predict_distributions(
    spec: NetworkSpec | Layers, inputs: npt.ArrayLike, labels: npt.ArrayLike | None = None
) -> Distributions:
    """Predict the distributions of activations and gradients at initialization.

    Parameters
    ----------
    spec : NetworkSpec, str or sequence of int
        The network, or its layers as ``NetworkSpec.parse`` takes them.
    inputs : array_like, shape (examples, fan_in)
        Real data.
    labels : array_like, shape (examples,) or (examples, outputs), optional
        Classes or targets, as of ``predict``. Without labels gradients have no distribution.

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

    Examples
    --------
    Inputs of second moment 1 and weights N(0, 1 / fan_in) give pre-activations N(0, 1), whose 97.5 % quantile is 1.96:

    >>> import glorotlab as gl
    >>> spec = gl.NetworkSpec.parse("4,100x2,3", activation="tanh", initializer="lecun_normal")
    >>> laws = gl.predict_distributions(spec, [[1.0, -1.0, 1.0, -1.0]])
    >>> round(float(laws.activation(1).quantile(0.975)), 3)  # tanh(1.96)
    0.961
    """
    spec = network_spec(spec)
    return Distributions(propagate(spec, batch_of(spec, inputs=inputs, labels=labels)))
