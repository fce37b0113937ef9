"""How far correlations between examples scatter between networks, which decides how much a batch averages.

A second moment pooled over a batch scatters by the squared correlations of its examples, in one network: by rho_ab^2 of
the mean kernel and the variance of rho_ab, of order 1/width. Where a batch is not small beside a layer, or correlations
are weak, that is no small part. Sizes of examples that scatter together leave ln T's variance as it is, so that
correlations are followed, not kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array
from glorotlab.spec.layers.base import WeightedLayer
from glorotlab.spec.layers.graph import Node
from glorotlab.spec.layers.residual import Sum
from glorotlab.theory.mean_field.graph_tangents import Tangents
from glorotlab.theory.mean_field.layers.base import Gradient
from glorotlab.theory.mean_field.unit_scatter import ACROSS, Answer


@dataclass(frozen=True)
class Correlations:
    """Variances of correlations between networks, (examples, examples), 0 on the diagonal.

    Parameters
    ----------
    signal : dict of str to Array
        Of nodes with weights: of the kernel that their units are Gaussian with.
    cross : dict of str to Array
        Of sums: what Cov(rho_i, rho_j) of two terms adds to c_i^2 c_j^2 E K_i K_j, summed over pairs of terms.
    slopes : dict of str to Array
        Of P, which gradients of the outputs are multiplied by on their way to a node.
    """

    signal: dict[str, Array]
    cross: dict[str, Array]
    slopes: dict[str, Array]


def correlations(tangents: Tangents, unit_gradients: Mapping[str, Gradient]) -> Correlations:
    """Return the scatter of correlations of all nodes due to units below and, in P, through f'."""
    walk = tangents.found.walk
    result = Correlations({}, {}, {})
    of_units = tangents.of_gradients(dict(unit_gradients))
    followed = [
        node.name
        for node in tangents.nodes
        if isinstance(node.layer, WeightedLayer)
        or any(isinstance(reader.layer, Sum) for reader in walk.graph.readers[node.name])
    ]
    for source, noise in tangents.sources():
        answers = tangents.forward(source)
        own = {
            name: _of_correlation(answers[name], walk.signals[name].kernels[ACROSS])
            for name in followed
            if name in answers
        }
        for node in tangents.nodes:
            if isinstance(node.layer, WeightedLayer) and node.name in own and node.name != source:
                _add(result.signal, node.name, noise.covariance(own[node.name], own[node.name]))
            elif isinstance(node.layer, Sum):
                _add_cross(result.cross, node, tangents, own, noise.covariance)
        for name, answer in of_units.backward(answers).items():
            one = _of_correlation(answer, unit_gradients[name].apart[ACROSS])
            _add(result.slopes, name, noise.covariance(one, one))
    return result


def _of_correlation(answer: Answer, kernel: Array) -> Answer:
    """Return the derivatives of K_ab / sqrt(K_aa K_bb)."""
    q = np.diagonal(kernel)
    size = np.sqrt(np.outer(q, q))
    size = np.where(size > 0, size, np.inf)
    share = answer.single / np.where(q > 0, q, np.inf)
    return Answer(np.zeros_like(q), answer.pair / size, (answer.own - share[:, np.newaxis] * kernel / 2) / size)


def _add(found: dict[str, Array], name: str, values: Array) -> None:
    values = values.copy()
    np.fill_diagonal(values, 0.0)
    found[name] = found[name] + values if name in found else values


def _add_cross(
    found: dict[str, Array],
    node: Node,
    tangents: Tangents,
    own: Mapping[str, Answer],
    covariance: Callable[[Answer, Answer], Array],
) -> None:
    assert isinstance(node.layer, Sum)  # noqa: S101
    terms = [(f, name) for f, name in zip(node.layer.factors, node.inputs, strict=True) if name in own]
    for place, (f, name) in enumerate(terms):
        for g, other in terms[:place]:
            q, r = (tangents.found.walk.signals[each].q for each in (name, other))
            size = np.sqrt(np.outer(q, q) * np.outer(r, r))
            _add(found, node.name, f**2 * g**2 * size * covariance(own[name], own[other]))


def scattered(function: Callable[[Array], Array], rho: Array, variance: Array | float) -> Array:
    """Return the mean of a function of correlations of this variance, from two values."""
    step = np.sqrt(np.maximum(variance, 0))
    return np.asarray((function(np.clip(rho - step, -1, 1)) + function(np.clip(rho + step, -1, 1))) / 2)
