"""Variance between networks of what is pooled over a batch, unit by unit.

A statistic T of one network is a function of means over the units of its layers. To first order, layer k of n_k units
moves ln T by the mean of their influences x_k, which depend on the unit's pre-activations s ~ N(0, Q^k) over the batch
and on the gradients h = W dC/ds^{k+1} that reach it, so that Var ln T = sum_k Var(x_k) / n_k (the delta method; for one
example it is the recursion of Yaida 2020 and Roberts, Yaida & Hanin 2022, and its counterpart for gradients). Units
are sampled: their variances then hold every correlation between examples, between f and f', and the kurtosis of
weights over few inputs or outputs, without moments of four examples.

With J_kl = dq^l / dM^k and A_l = d ln E (dC/ds^l)^2 / dq (``finite_width``), and c_a the example's share of T:
the forward part of x_k is sum_a c_a (d ln T_a / dq^l_a) J_kl (f_a^2 - M_a) for k below the layer l of T, and
sum_a c_a A_{k+1} u_k (f_a^2 - M_a) for k from l on. From l on the gradient adds y' w y / T - 1 with y = f'(s) h and w
the kernels from l to k. Outputs are few: T is meant given those that were drawn. Of pairs of examples that
respond to layers below, the geometric mean of both responses is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab import initializers
from glorotlab.activations import Activation
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import Purpose, generator
from glorotlab.theory import output_draws
from glorotlab.theory.finite_width import Chain
from glorotlab.theory.mean_field import LayerKernels
from glorotlab.theory.output_gradient import Labels
from glorotlab.theory.quadrature import Array

STREAM = 2
"""Of ``Purpose.QUADRATURE``, and those after it: one for each layer."""

SAMPLES, MIN_UNITS, MAX_UNITS = 2**20, 2**10, 2**14
"""Pre-activations sampled for each layer, over examples and units, and the least and most units."""

LOGITS, MIN_DRAWS, MAX_DRAWS = 2**22, 2**8, 2**12
"""Logits drawn for the law of what depends on the outputs, and the least and most networks."""

STEP = 0.05
"""Relative step in q of the differences that give the response of the output's gradient."""

GRADIENTS = ("backprop_gradient", "example_weight_gradient", "batch_weight_gradient", "batch_bias_gradient")
SIGNALS = ("preactivation", "activation")


@dataclass(frozen=True)
class Fluctuation:
    """Scatter of one second moment of one layer between networks.

    Parameters
    ----------
    variance : float
        Var ln T due to the finite width of the hidden layers.
    error : float
        Standard error of it.
    draws : (networks,) or None
        T / E T of networks that differ in the weights of the output layer alone.
    """

    variance: float
    error: float
    draws: Array | None


def fluctuations(
    spec: NetworkSpec, layers: list[LayerKernels], chain: Chain, inputs: Array | None, delta: Array | None
) -> dict[str, list[Fluctuation]]:
    """Return the scatter of every second moment that is pooled over the batch, a list over the layers for each name.

    Parameters
    ----------
    spec : NetworkSpec
    layers : list of LayerKernels
        With the backward pass where gradients are wanted.
    chain : Chain
    inputs : (examples, fan_in), optional
        For the kurtosis of the first layer's pre-activations.
    delta : (examples, networks, classes), optional
        Draws of dC/ds of the output layer; without them gradients are left out.
    """
    statistics = list(_signals(layers, chain))
    if delta is not None:
        statistics += _gradients(spec, layers, chain, delta)
    for index in range(len(layers) - 1):
        _add_layer(spec, layers, chain, index, inputs, delta, statistics)
    found: dict[str, list[Fluctuation]] = {}
    for each in statistics:
        found.setdefault(each.name, []).append(Fluctuation(each.variance, each.square_error**0.5, each.draws))
    return found


@dataclass
class _Statistic:
    """A statistic of one layer, and the variance found so far.

    Parameters
    ----------
    name, layer
    below : (examples,)
        d ln T / dq of its layer.
    draws : (networks,) or None
    share : (examples,)
        c_a; of gradients.
    weights : (examples,) or (examples, examples)
        w, from its layer to the one in hand; a vector of what is diagonal.
    pairs : (examples, examples) or None
        w of f: what multiplies f_a f_b of the layer below, of a batch gradient.
    """

    name: str
    layer: int
    below: Array
    draws: Array | None = None
    share: Array | None = None
    weights: Array | None = None
    pairs: Array | None = None
    variance: float = 0.0
    square_error: float = 0.0

    def add(self, influence: Array, units: float) -> None:
        """Add the variance of one layer's units."""
        square = (influence - influence.mean()) ** 2
        self.variance += float(square.mean()) / units
        self.square_error += float(square.var()) / len(square) / units**2


def _signals(layers: list[LayerKernels], chain: Chain) -> list[_Statistic]:
    found = []
    for index, layer in enumerate(layers):
        q = np.diagonal(layer.preactivation)
        found.append(_Statistic("preactivation", index, 1 / q.sum() * np.ones_like(q)))
        if layer.record is not None:
            square, slope, _ = chain.responses[index].square
            found.append(_Statistic("activation", index, slope / square.sum()))
    return found


def _gradients(spec: NetworkSpec, layers: list[LayerKernels], chain: Chain, delta: Array) -> list[_Statistic]:
    examples, networks, classes = delta.shape
    flat = delta.reshape(examples, -1)
    found, product = [], np.ones((examples, examples))
    bias = initializers.get_bias(spec.bias).variance
    for index in range(len(layers) - 1, -1, -1):
        layer = layers[index]
        if index < len(layers) - 1:
            product = product * _gain(layers, index) * layer.derivative
        own = {
            "backprop_gradient": np.full(examples, 1 / examples),
            "example_weight_gradient": np.diagonal(layer.below) / examples,
            "batch_weight_gradient": layer.below / examples**2,
            "batch_bias_gradient": np.full((examples, examples), 1 / examples**2),
        }
        response = chain.log_slope[index]
        signal = response + 1 / (np.diagonal(layer.preactivation) - bias) if index else response
        for name, weights in own.items():
            square = weights.ndim == 2
            shares = weights * (layer.backprop if square else np.diagonal(layer.backprop))
            share = (shares.sum(axis=1) if square else shares) / shares.sum()
            draws = _quadratic(weights * (product if square else np.diagonal(product)), flat)
            draws = draws.reshape(networks, classes).mean(axis=1)
            pairs = layer.backprop / examples**2 if name == "batch_weight_gradient" and index else None
            below = share * (signal if "weight" in name else response)
            found.append(_Statistic(name, index, below, draws, share, weights, pairs))
    return found[::-1]


def _quadratic(weights: Array, y: Array) -> Array:
    """y' w y of every column."""
    if weights.ndim == 1:
        return np.asarray(weights @ y**2)
    return np.asarray(((weights @ y) * y).sum(axis=0))


def _gain(layers: list[LayerKernels], index: int) -> float:
    return float(layers[index + 1].fan_out * layers[index + 1].variance)


def _add_layer(
    spec: NetworkSpec,
    layers: list[LayerKernels],
    chain: Chain,
    index: int,
    inputs: Array | None,
    delta: Array | None,
    statistics: list[_Statistic],
) -> None:
    """Add what the units of one hidden layer do to every statistic."""
    layer, record = layers[index], layers[index].record
    assert isinstance(record, Activation)
    examples = len(layer.preactivation)
    units = min(max(SAMPLES // examples, MIN_UNITS), MAX_UNITS)
    random = generator(0, Purpose.QUADRATURE, STREAM + index)
    s = _root(layer.preactivation) @ random.normal(size=(examples, units))
    f = record.function(s)
    centred = f**2 - np.diagonal(layer.activation)[:, np.newaxis]
    if delta is not None:
        y = record.derivative(s) * _incoming(spec, layers, index, delta, units, random)
    response = np.ones(examples)  # J from this layer to the one in hand
    responses = [response]
    for above in range(index, len(layers) - 1):
        if above > index:
            response = response * chain.responses[above].square[1]
        response = response * chain.up[above]
        responses.append(response)
    for each in statistics:
        if each.layer > index:
            influence = (each.below * responses[each.layer - index]) @ centred
            if each.pairs is not None and each.layer == index + 1:
                share = each.share * responses[1] / (np.diagonal(layers[index + 1].preactivation) - initializers.get_bias(spec.bias).variance)
                total = (each.pairs * layer.activation).sum()
                influence = influence - share @ centred + _quadratic(each.pairs, f) / total
        elif each.weights is not None:
            drawn = np.resize(each.draws, units)
            influence = _quadratic(each.weights, y) / drawn
            influence += (each.share * chain.log_slope[index + 1] * chain.up[index]) @ centred
            kernel = layer.derivative if each.weights.ndim == 2 else np.diagonal(layer.derivative)
            each.weights = each.weights * kernel * _gain(layers, index)
        elif each.layer == index:
            own = s**2 if each.name == "preactivation" else f**2
            influence = own.sum(axis=0) / own.sum(axis=0).mean()
        else:
            continue
        each.add(influence, float(layer.fan_out))


def _root(kernel: Array) -> Array:
    jitter = output_draws.JITTER * np.diagonal(kernel).max()
    return np.asarray(np.linalg.cholesky(kernel + np.eye(len(kernel)) * jitter))


def _incoming(
    spec: NetworkSpec, layers: list[LayerKernels], index: int, delta: Array, units: int, random: np.random.Generator
) -> Array:
    """Draw h = W dC/ds of the layer above for units of one layer, (examples, units), each of another network's outputs.

    Given the outputs, h = sum_k u_k dC/ds_k with Gaussian u_k(a) independent over k whose covariance over the examples
    is the product of the kernels between; directly below the outputs u_k is the weight itself.
    """
    examples, networks, classes = delta.shape
    chosen = np.arange(units) % networks
    if index == len(layers) - 2:
        initializer, drawn = initializers.get(spec.initializer), []
        fan_in, fan_out = spec.fans[-1]
        while sum(map(len, drawn)) < units:
            drawn.append(initializer.sample(random, fan_in, fan_out))
        weights = np.concatenate(drawn)[:units]
        return np.einsum("amk,mk->am", delta[:, chosen], weights)
    product = np.full((examples, examples), _gain(layers, index) / classes)
    for above in range(index + 1, len(layers) - 1):
        product *= _gain(layers, above) * layers[above].derivative
    root = _root(product)
    found = np.zeros((examples, units))
    for k in range(classes):
        found += (root @ random.normal(size=(examples, units))) * delta[:, chosen, k]
    return found
