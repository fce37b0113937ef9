"""Networks of a LayerGraph drawn in PyTorch, and their statistics: an oracle without code of the theory.

Weights are normal (``uniform=True``: uniform) of the graph's second moments. Statistics are those of ``predict_graph``:
moments over examples, positions and units, gradients of the sum of the examples' costs. ``drawn_statistics`` has all of
them, in float64; ``drawn_second_moments`` those of values and gradients alone, in float32, in a fifth of the time.
"""

import math

import torch
import torch.nn.functional as functional

ACTIVATIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "sigmoid": torch.sigmoid,
    "linear": lambda x: x,
}


class Drawn:
    """One network.

    Attributes
    ----------
    values : dict of str to tensor
        Value of every node, with its gradient after ``backward``.
    weights : dict of str to tensor
        They have gradients where ``learns`` is true.
    """

    def __init__(self, graph, seed, uniform=False, dtype=torch.float64, learns=True):
        self.graph, self.values, self.weights, self.biases = graph, {}, {}, {}
        self.random, self.uniform = torch.Generator().manual_seed(seed), uniform
        self.dtype, self.learns = dtype, learns

    def _draw(self, shape, second_moment):
        if self.uniform:
            return (torch.rand(shape, generator=self.random, dtype=self.dtype) * 2 - 1) * math.sqrt(3 * second_moment)
        return torch.randn(shape, generator=self.random, dtype=self.dtype) * math.sqrt(second_moment)

    def forward(self, x):
        """Return the output of a batch."""
        for node in self.graph:
            own = [self.values[name] for name in node.inputs]
            if node.layer.kind == "input":
                value = torch.tensor(x)
                value = value if value.dtype == torch.int64 else value.to(self.dtype)
            else:
                value = getattr(self, f"_{node.layer.kind}")(node, node.layer, *own)
                if not value.requires_grad:
                    value.requires_grad_()
            if value.requires_grad:
                value.retain_grad()
            self.values[node.name] = value
        return self.values[self.graph.output]

    def _parameters(self, node, shape, units):
        layer = node.layer
        self.weights[node.name] = self._draw(shape, layer.weight_variance).requires_grad_(self.learns)
        self.biases[node.name] = self._draw((units,), layer.bias_variance).requires_grad_(self.learns)
        return self.weights[node.name], self.biases[node.name]

    def _dense(self, node, layer, z):
        weight, bias = self._parameters(node, (node.units, layer.fan_in), node.units)
        return functional.linear(z, weight, bias)

    def _convolution(self, node, layer, z):
        channels = layer.fan_in // math.prod(layer.kernel_size)
        weight, bias = self._parameters(node, (node.units, channels, *layer.kernel_size), node.units)
        padded = self._padded(z, layer.padding)
        return functional.conv2d(padded, weight, bias, layer.stride, 0, layer.dilation, layer.groups)

    @staticmethod
    def _padded(z, padding):
        return functional.pad(z, [size for axis in reversed(padding) for size in axis])

    def _embedding(self, node, layer, tokens):
        weight, _ = self._parameters(node, (layer.fan_in, node.units), node.units)
        return weight[tokens]

    def _activation(self, node, layer, z):
        return ACTIVATIONS[layer.name](z)

    def _residual(self, node, layer, *values):
        return sum(factor * value for factor, value in zip(layer.factors, values, strict=True))

    def _bias(self, node, layer, z):
        sizes = [size if own else 1 for size, own in zip(node.positions, layer.own, strict=True)]
        shape = (*sizes, node.units) if node.channels_last else (node.units, *sizes)
        return z + self._draw(shape, layer.variance)

    def _concatenation(self, node, layer, *values):
        return torch.cat(values, -1 if node.channels_last else 1)

    def _dropout(self, node, layer, z):
        return z * (torch.rand(z.shape, generator=self.random, dtype=self.dtype) < layer.keep) / layer.keep

    def _normalisation(self, node, layer, z):
        if type(layer).__name__ == "LayerNorm":
            return functional.layer_norm(z, z.shape[-1:], eps=layer.epsilon)
        if type(layer).__name__ == "RMSNorm":
            return z / torch.sqrt((z**2).mean(-1, keepdim=True) + layer.epsilon)
        return functional.batch_norm(z, None, None, training=True, eps=layer.epsilon)

    def _pooling(self, node, layer, z):
        if type(layer).__name__ == "Flatten":
            return z.flatten(1)
        if type(layer).__name__ == "MaxPooling":
            return functional.max_pool2d(z, layer.kernel_size, layer.stride, [before for before, _ in layer.padding])
        if z.ndim == 3 and node.channels_last:  # tokens
            return z.mean(1, keepdim=True)
        return functional.avg_pool2d(self._padded(z, layer.padding), layer.kernel_size, layer.stride)

    def backward(self, y, loss):
        """Compute gradients of the sum of the examples' costs."""
        output, target = self.values[self.graph.output], torch.tensor(y)
        if loss == "cross_entropy":
            cost = functional.cross_entropy(output, target, reduction="sum")
        else:
            cost = ((output - target) ** 2).mean(dim=1).sum()
        cost.backward()

    def second_moments(self):
        """Return second moments of values and of their gradients, {(module, variable): number}."""
        found = {}
        for node in self.graph:
            if node.layer.kind != "input":
                value = self.values[node.name]
                name = "preactivation" if node.name in self.weights else "activation"
                found[node.name, f"{name}_second_moment"] = float((value.detach() ** 2).mean())
                if value.grad is not None:
                    found[node.name, "backprop_gradient_second_moment"] = float((value.grad**2).mean())
        return found

    def statistics(self):
        """Return second moments and means, {(module, variable): number}."""
        found = {}
        for node in self.graph:
            value = self.values[node.name]
            if node.layer.kind == "input":
                continue
            name = "preactivation" if node.name in self.weights else "activation"
            found |= _moments(node.name, name, value.detach())
            if value.grad is None:
                continue
            found |= _moments(node.name, "backprop_gradient", value.grad)
            if node.name in self.weights:
                examples = len(value)
                found |= _moments(node.name, "batch_weight_gradient", self.weights[node.name].grad / examples)
                if self.biases[node.name].grad is not None:
                    bias = self.biases[node.name].grad / examples
                    found |= _moments(node.name, "batch_bias_gradient", bias)
                    found[node.name, "learning_speed"] = float(bias.norm())
                found[node.name, "example_weight_gradient_second_moment"] = self._examples(node, value.grad)
        return found

    def _examples(self, node, gradient):
        z, weight = self.values[node.inputs[0]].detach(), self.weights[node.name]
        if node.layer.kind == "dense" and z.ndim == 2:
            return float(((z**2).mean(1) * (gradient**2).mean(1)).mean())
        if node.layer.kind == "dense":
            return float((torch.einsum("bpi,bpj->bij", z, gradient) ** 2).mean())
        if node.layer.kind == "embedding":
            own = torch.zeros(len(z), *weight.shape, dtype=torch.float64)
            own.scatter_add_(1, z.unsqueeze(-1).expand_as(gradient), gradient)
            return float((own**2).mean())
        layer = node.layer
        if layer.groups > 1:
            return math.nan
        columns = functional.unfold(self._padded(z, layer.padding), layer.kernel_size, layer.dilation, 0, layer.stride)
        return float((torch.einsum("bkp,bjp->bkj", columns, gradient.flatten(2)) ** 2).mean())


def _moments(module, name, values):
    mean, second = float(values.mean()), float((values**2).mean())
    return {
        (module, f"{name}_mean"): mean,
        (module, f"{name}_second_moment"): second,
        (module, f"{name}_variance"): second - mean**2,
    }


def drawn_statistics(graph, x, y, loss, seeds, uniform=False):
    """Return statistics of networks of several seeds, {(module, variable): list}."""
    found = {}
    for seed in seeds:
        network = Drawn(graph, seed, uniform)
        network.forward(x)
        network.backward(y, loss)
        for key, value in network.statistics().items():
            found.setdefault(key, []).append(value)
    return found


def drawn_second_moments(graph, x, y, loss, seeds):
    """Return second moments of values and gradients of networks of several seeds, {(module, variable): list}."""
    found = {}
    for seed in seeds:
        network = Drawn(graph, seed, dtype=torch.float32, learns=False)
        network.forward(x)
        network.backward(y, loss)
        for key, value in network.second_moments().items():
            found.setdefault(key, []).append(value)
    return found


__all__ = ["Drawn", "drawn_second_moments", "drawn_statistics"]
