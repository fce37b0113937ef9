"""The same graph with other laws of its weights: variances of a named initializer in place of those it has."""

from __future__ import annotations

from dataclasses import replace

from glorotlab import initializers
from glorotlab.initializers import BiasInitializer, Initializer
from glorotlab.spec.layers.base import Layer, WeightedLayer
from glorotlab.spec.layers.embedding import Embedding
from glorotlab.spec.layers.graph import LayerGraph
from glorotlab.spec.layers.normalisation import Normalisation


def initialised(graph: LayerGraph, initializer: str, bias: str | None = None) -> LayerGraph:
    """Return the graph as ``gl.torch.initialize_`` would leave the model: normalizations have gain 1 and bias 0.

    Parameters
    ----------
    graph : LayerGraph
    initializer : str
        As ``initializers.get`` takes it. Fans are those of each layer; of an embedding, of whose table one row is read
        at a time, 1 and its number of units.
    bias : str, optional
        Of the layers that have biases; by default that of the initializer.

    Raises
    ------
    InvalidValueError
        Where a name or its value is not allowed.
    """
    record = initializers.get(initializer)
    biases = initializers.get_bias(record.bias if bias is None else bias)
    return replace(
        graph,
        nodes=tuple(
            replace(node, layer=_initialised(node.layer, record, biases, has_biases=len(node.parameters) > 1))
            for node in graph
        ),
    )


def _initialised(layer: Layer, weights: Initializer, biases: BiasInitializer, *, has_biases: bool) -> Layer:
    if isinstance(layer, Normalisation):
        return replace(layer, gain_second_moment=1.0, gain_mean=1.0, bias_second_moment=0.0, bias_mean=0.0)
    if not isinstance(layer, WeightedLayer):
        return layer
    fan_in = 1 if isinstance(layer, Embedding) else layer.fan_in
    return replace(
        layer,
        weight_variance=weights.variance(fan_in, layer.fan_out),
        bias_variance=biases.variance_at(fan_in) if has_biases else 0.0,
    )
