"""jacobian_spectrum: the distribution of singular values of layer Jacobians dz_l/dz_{l-1} and of their products.

Each example has its own second moments of pre-activations, hence its own derivatives f'(s) and spectrum; a
``JacobianSpectrum`` is the mixture over the examples. The spectrum of one example is a free product of its layers, see
``free_product``; where orthogonal weights of one layer keep all its units, J J' = g^2 diag(f'^2), it is the
distribution of g |f'(s)| itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from glorotlab import notebook
from glorotlab.arrays import Array
from glorotlab.checks import points, whole_number
from glorotlab.errors import AssumptionError
from glorotlab.spec.network import Layers, NetworkSpec, network_spec
from glorotlab.theory.gaussian.interpolation import gauss_rule
from glorotlab.theory.gaussian.moments import moments
from glorotlab.theory.gaussian.root_finding import newton, probabilities
from glorotlab.theory.mean_field.forward import forward
from glorotlab.theory.mean_field.inputs import Batch, batch_of, check_signal
from glorotlab.theory.mean_field.kernels import check_range
from glorotlab.theory.mean_field.propagate import propagate
from glorotlab.theory.spectra.free_product import FreeProduct
from glorotlab.theory.spectra.slope_distribution import SlopeSpectrum, population
from glorotlab.threads import single_threaded_blas

COMPONENTS = 6
"""Number of spectra that represent those of all examples; polynomials in ln q up to degree 11 are exact."""

FAINT = 1e-3
"""Share of the singular values other than 0 beyond either end of ``JacobianSpectrum.support``."""

QUANTILE_ERROR = 1e-9
"""Error of the probability at a quantile."""

LEAST_LN_SIGMA = math.log(np.finfo(np.float64).tiny)
"""Logarithm of sigma below which a quantile is 0."""

Component = FreeProduct | SlopeSpectrum


@dataclass(frozen=True)
class JacobianSpectrum:
    """Distribution of the min(inputs, outputs) singular values sigma of a Jacobian; see ``jacobian_spectrum``.

    Parameters
    ----------
    spec : NetworkSpec, str or sequence of int
        The network, or its layers as ``NetworkSpec.parse`` takes them.
    layers : tuple of int
        First and last layer of the product; the same of one layer.
    mean : float
        Mean singular value.
    second_moment : float
        Mean squared singular value, the gain of a gradient's second moment.
    mean_log : float
        Mean of ln sigma; -inf where there is an atom at 0.
    mean_log_nonzero : float
        Mean of ln sigma over the singular values that are not 0.
    atom_at_zero : float
        Share of singular values that are 0: units whose derivative is 0, and layers narrower than both ends.
    method : str
    error : float
        Estimate of the relative error of the numerics in the mean singular value.
    """

    spec: NetworkSpec
    layers: tuple[int, int]
    mean: float
    second_moment: float
    mean_log: float
    mean_log_nonzero: float
    atom_at_zero: float
    method: str
    error: float
    _components: tuple[Component, ...] = field(repr=False)
    _weights: tuple[float, ...] = field(repr=False)

    @property
    def count(self) -> int:
        """Number of singular values."""
        return min(self.spec.layer_sizes[self.layers[0] - 1], self.spec.layer_sizes[self.layers[1]])

    @single_threaded_blas()
    def _above_and_density(self, ln_sigma: Array) -> tuple[Array, Array]:
        """Return P(ln of a singular value > ln_sigma) and the density of that logarithm.

        Everything is a function of ln sigma, as sigma^2 leaves the range of float64 long before sigma does.
        """
        distributions = [component.distribution(2 * ln_sigma) for component in self._components]
        above, density = (np.tensordot(self._weights, part, 1) for part in zip(*distributions, strict=True))
        return above / self.count, 2 * density / self.count

    def cdf(self, sigma: npt.ArrayLike) -> Array:
        """P(a singular value <= sigma), of the shape of sigma."""
        at = points("sigma", sigma)
        below = np.where(at < 0, 0.0, self.atom_at_zero)
        positive = at > 0
        below[positive] = self._ln_cdf(np.log(at[positive]))
        return below

    def _ln_cdf(self, ln_sigma: Array) -> Array:
        """P(ln of a singular value <= ln_sigma)."""
        return np.clip(1 - self._above_and_density(ln_sigma)[0], 0, 1)

    def density(self, sigma: npt.ArrayLike) -> Array:
        """Density at sigma, of the shape of sigma, without the atom at 0."""
        at = points("sigma", sigma)
        density, positive = np.zeros(at.shape), at > 0
        density[positive] = self._above_and_density(np.log(at[positive]))[1] / at[positive]
        return density

    def quantile(self, p: npt.ArrayLike) -> Array:
        """Return the smallest sigma with P(a singular value <= sigma) >= p, of the shape of p.

        It is 0 for p up to the atom at 0 and ``QUANTILE_ERROR`` beyond, so that rounding of the atom decides nothing.

        Raises
        ------
        InvalidValueError
            Where a probability is not between 0 and 1.
        """
        probability = probabilities(p)
        flat = probability.ravel()
        sigma = np.zeros(flat.shape)
        atom = max(self.atom_at_zero, float(self._ln_cdf(np.array([LEAST_LN_SIGMA]))[0]))
        positive = flat > atom + QUANTILE_ERROR
        if positive.any():
            sigma[positive] = np.exp(self._ln_quantile(flat[positive]))
        return sigma.reshape(probability.shape)

    def _ln_quantile(self, p: Array) -> Array:
        """Return ln sigma for probabilities above that of ``LEAST_LN_SIGMA``."""
        # sigma^2 P(above sigma) is at most the mean square; to the other side the bracket is widened until it is low
        high = 0.5 * np.log(self.second_moment / (1 - p))
        low = high - 1
        while (wrong := self._ln_cdf(low) >= p).any():
            low = np.where(wrong, np.maximum(high - 2 * (high - low), LEAST_LN_SIGMA), low)
        return newton(
            lambda ln_sigma: self._ln_cdf(ln_sigma) - p,
            lambda ln_sigma: self._above_and_density(ln_sigma)[1],
            low,
            high,
            (low + high) / 2,
            QUANTILE_ERROR,
        )

    @cached_property
    def support(self) -> tuple[float, float]:
        """Range of the singular values other than 0, without a thousandth of them at either end."""
        rest = 1 - self.atom_at_zero
        low, high = self.quantile(self.atom_at_zero + rest * np.array([FAINT, 1 - FAINT]))
        return float(low), float(high)

    def _repr_html_(self) -> str:
        title = f"Singular values of the Jacobian, {self._what}: {self.spec.layers} {self.spec.activation}"
        return notebook.form(title, notebook.fields(self._summary | {"method": self.method, "error": self.error}))

    @property
    def _what(self) -> str:
        first, last = self.layers
        return f"layer {first}" if first == last else f"layers {first} to {last}"

    @property
    def _summary(self) -> dict[str, float]:
        return {
            "mean": self.mean,
            "root mean square": math.sqrt(self.second_moment),
            "mean log": self.mean_log,
            "mean log of those not 0": self.mean_log_nonzero,
            "atom at 0": self.atom_at_zero,
        }

    def _repr_markdown_(self) -> str:
        lines = [
            f"| singular values of the Jacobian, {self._what} | {self.spec.layers} {self.spec.activation} |",
            "|---|---|",
        ]
        return "\n".join(lines + [f"| {name} | {value:.5g} |" for name, value in self._summary.items()])


@single_threaded_blas()
def jacobian_spectrum(
    spec: NetworkSpec | Layers,
    inputs: npt.ArrayLike | None = None,
    *,
    input_second_moment: float | None = None,
    layer: int | None = None,
) -> JacobianSpectrum:
    """Predict the singular values of a Jacobian at initialization.

    The spectrum of a product of wide layers is the free product of theirs (Pennington, Schoenholz & Ganguli 2017).

    Parameters
    ----------
    spec : NetworkSpec, str or sequence of int
        The network, or its layers as ``NetworkSpec.parse`` takes them.
    inputs : array_like, shape (examples, fan_in), optional
        Real data; give either this or ``input_second_moment``.
    input_second_moment : float, optional
        E[x^2] of one example.
    layer : int, optional
        J = dz_l/dz_{l-1} of this layer; by default that of the last hidden layer by the inputs, dz_{L-1}/dx.

    Returns
    -------
    JacobianSpectrum
        The mixture over the examples; ``density(sigma)``, ``cdf(sigma)``, ``quantile(p)``, ``support``.

    Raises
    ------
    InvalidValueError
        Where an argument is not allowed, or both or neither of the sources are given.
    AssumptionError
        Where no spectrum is known: sparse weights, a softmax output, no hidden layer; layers too narrow; all slopes 0.

    Examples
    --------
    Singular values of a square Gaussian layer lie on a quarter circle of mean 8 / (3 pi), here of linear units:

    >>> import glorotlab as gl
    >>> spec = gl.NetworkSpec.parse("100x2,10", activation="linear", initializer="lecun_normal")
    >>> spectrum = gl.jacobian_spectrum(spec, input_second_moment=1.0)
    >>> round(spectrum.mean, 3), round(spectrum.second_moment, 3)
    (0.849, 1.0)
    """
    spec = network_spec(spec)
    first, last = _layers(spec, layer)
    initializer = spec.weight_initializer
    if initializer.distribution == "sparse":
        raise AssumptionError("sparse weights: no spectrum of their Jacobians is known: measure instead")
    batch = batch_of(spec, inputs=inputs, input_second_moment=input_second_moment, gradients=False)
    first_q = _first_second_moments(spec, batch)
    check_range("signal", "pre-activation", first_q, 0)
    one = np.full((1, spec.fan_in), math.sqrt(first_q.mean() / _gain(spec)))
    propagate(spec, batch_of(spec, inputs=one, gradients=False))  # refuses narrow layers
    ln_q, weights = gauss_rule(np.log(first_q), COMPONENTS)
    components, errors = [], []
    for q in np.exp(ln_q):
        component, error = _component(spec, float(q), first, last)
        components.append(component)
        errors.append(error)
    sizes = spec.layer_sizes[first - 1 : last + 1]
    return _mixture(spec, (first, last), min(sizes[0], sizes[-1]), components, weights, max(errors))


def _mixture(
    spec: NetworkSpec,
    layers: tuple[int, int],
    count: int,
    components: Sequence[Component],
    weights: Array,
    error: float,
) -> JacobianSpectrum:
    rank = float(weights @ [component.rank for component in components])
    logs = float(weights @ [component.total(0) for component in components]) / 2
    atom = 1 - rank / count
    if atom < 1e-12:
        atom = 0.0
    return JacobianSpectrum(
        spec,
        layers,
        mean=float(weights @ [component.total(0.5) for component in components]) / count,
        second_moment=float(weights @ [component.sum for component in components]) / count,
        mean_log=-math.inf if atom else logs / count,
        mean_log_nonzero=logs / rank,
        atom_at_zero=atom,
        method=components[0].method,
        error=error,
        _components=tuple(components),
        _weights=tuple(weights.tolist()),
    )


def _layers(spec: NetworkSpec, layer: int | None) -> tuple[int, int]:
    """Return the first and last layer of the product."""
    hidden = len(spec.fans) - 1
    if layer is None:
        if not hidden:
            raise AssumptionError(f"layers {spec.layers}: without hidden layers there is no Jacobian of them")
        return 1, hidden
    layer = whole_number("layer", layer, 1, hidden + 1)
    if spec.layer_activation(layer - 1) is None:
        raise AssumptionError(f"layer {layer}: a softmax output mixes units and has no slopes: measure instead")
    return layer, layer


def _first_second_moments(spec: NetworkSpec, batch: Batch) -> Array:
    """Second moments of the first layer's pre-activations, one for each example."""
    bias = spec.bias_initializer.variance_at(spec.fan_in)
    check_signal(batch, bias, "drop it, or give biases")
    return np.asarray(_gain(spec) * batch.second_moment + bias)


def _gain(spec: NetworkSpec) -> float:
    """n_0 Var[W_1]."""
    return spec.fan_in * spec.weight_initializer.variance(*spec.fans[0])


def _component(spec: NetworkSpec, q: float, first: int, last: int) -> tuple[Component, float]:
    """Return the spectrum of one example, q the second moment of its first pre-activations, and its error."""
    initializer = spec.weight_initializer
    second_moment = max(q - spec.bias_initializer.variance_at(spec.fan_in), 0.0) / _gain(spec)
    signal = forward(spec, Batch.one(second_moment))
    follow = signal.q[first - 1 : last, 0]
    record = spec.layer_activation(first - 1)
    assert record is not None  # noqa: S101  refused before
    sizes, fans = spec.layer_sizes[first - 1 : last + 1], spec.fans[first - 1 : last]
    variances = tuple(initializer.variance(*each) for each in fans)
    orthogonal = initializer.distribution == "orthogonal"
    error = float(moments(record, follow).errors["derivative_second_moment"].max())
    if orthogonal and first == last and sizes[0] >= sizes[1]:
        return SlopeSpectrum.of(record, float(follow[0]), math.sqrt(sizes[0] * variances[0]), sizes[1]), error
    known = {value: population(record, value, len(follow)) for value in set(follow.tolist())}
    product = FreeProduct(sizes, tuple(known[value] for value in follow.tolist()), variances, orthogonal)
    if not np.finfo(np.float64).tiny <= product.sum < math.inf:
        raise AssumptionError(f"layers {first} to {last}: singular values leave the range of float64")
    return product, max(error, product.error(0.5))
