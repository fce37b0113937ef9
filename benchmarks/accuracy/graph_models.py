"""Graphs of layers to try the theory on: what ``benchmarks/accuracy/graphs.py`` compares with drawn networks."""

from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.bias import Bias
from glorotlab.spec.layers.concatenation import Concatenation
from glorotlab.spec.layers.convolution import Convolution
from glorotlab.spec.layers.dense import Dense
from glorotlab.spec.layers.dropout import Dropout
from glorotlab.spec.layers.embedding import Embedding
from glorotlab.spec.layers.graph import Input, LayerGraph, Node
from glorotlab.spec.layers.normalisation import BatchNorm, LayerNorm
from glorotlab.spec.layers.pooling import AveragePooling, Flatten, MaxPooling
from glorotlab.spec.layers.residual import Sum


class Builder:
    """A graph that grows by one node at a time; each method returns the name of the node it adds."""

    def __init__(self, units, positions=(), bias=0.0, channels_last=False):
        self.nodes, self.bias, self.last = [Node("x", Input(), (), units, positions, channels_last)], bias, "x"
        self.channels_last = channels_last

    def _add(self, layer, units=None, positions=None, inputs=None, parameters=()):
        before = {node.name: node for node in self.nodes}
        inputs = inputs or (self.last,)
        first = before[inputs[0]]
        name = f"{layer.kind}_{len(self.nodes)}"
        units = first.units if units is None else units
        positions = first.positions if positions is None else positions
        parameters = tuple(f"{name}.{part}" for part in parameters)
        self.nodes.append(Node(name, layer, inputs, units, positions, self.channels_last, parameters=parameters))
        self.last = name
        return name

    def _node(self, name=None):
        return next(node for node in self.nodes if node.name == (name or self.last))

    def dense(self, units, gain=2.0, of=None):
        """Add a dense layer with weights of variance gain / fan_in."""
        fan_in = self._node(of).units
        layer = Dense(fan_in, units, gain / fan_in, self.bias)
        return self._add(layer, units, inputs=(of,) if of else None, parameters=("weight", "bias"))

    def convolution(self, units, kernel=3, stride=1, padding=0, gain=2.0, of=None, groups=1):
        """Add a convolution of a square kernel."""
        node = self._node(of)
        fan_in = node.units // groups * kernel**2
        positions = tuple((size + 2 * padding - kernel) // stride + 1 for size in node.positions)
        layer = Convolution(
            fan_in,
            units // groups * kernel**2,
            gain / fan_in,
            self.bias,
            (kernel,) * 2,
            (stride,) * 2,
            (1, 1),
            ((padding, padding),) * 2,
            groups,
        )
        return self._add(layer, units, positions, inputs=(of,) if of else None, parameters=("weight", "bias"))

    def activation(self, name):
        """Add an activation."""
        return self._add(Elementwise(name))

    def norm(self, layer=None):
        """Add a normalization, LayerNorm by default."""
        return self._add(layer or LayerNorm(1e-5))

    def batch_norm(self):
        """Add batch normalization."""
        return self._add(BatchNorm(1e-5))

    def dropout(self, keep):
        """Add dropout."""
        return self._add(Dropout(keep))

    def add(self, *inputs, factors=None):
        """Add a sum of nodes."""
        return self._add(Sum(factors or (1.0,) * len(inputs)), inputs=inputs)

    def shift(self, variance=0.3):
        """Add a bias of its own to every unit at every position, as an embedding of positions does."""
        return self._add(Bias(variance, (True,) * len(self._node().positions)))

    def join(self, *inputs):
        """Add the units of nodes side by side."""
        return self._add(Concatenation(), sum(self._node(name).units for name in inputs), inputs=inputs)

    def pool(self, size=2, largest=False):
        """Add pooling of square windows."""
        kind = MaxPooling if largest else AveragePooling
        node = self._node()
        size = size or node.positions[0]
        layer = kind((size,) * len(node.positions), (size,) * len(node.positions), ((0, 0),) * len(node.positions))
        return self._add(layer, positions=tuple(length // size for length in node.positions))

    def largest(self, size=3, stride=2, padding=1):
        """Add max pooling of square windows with padding."""
        layer = MaxPooling((size,) * 2, (stride,) * 2, ((padding, padding),) * 2)
        return self._add(
            layer, positions=tuple((own + 2 * padding - size) // stride + 1 for own in self._node().positions)
        )

    def flatten(self):
        """Add flattening."""
        node, units = self._node(), 1
        for size in (node.units, *node.positions):
            units *= size
        return self._add(Flatten(), units, ())

    def embedding(self, tokens, units, positions, variance=1.0):
        """Add an embedding."""
        layer = Embedding(tokens, units, variance, 0.0)
        return self._add(layer, units, positions, parameters=("weight",))

    def graph(self):
        """Return the graph, whose output is the last node."""
        return LayerGraph(tuple(self.nodes), self.last)


def mlp(act, width, fan_in, classes=10, depth=4, gain=2.0, keep=1.0, batch_norm=False):
    """Return a plain MLP, or one with dropout or batch normalization."""
    net = Builder(fan_in, bias=0.01)
    for _ in range(depth):
        net.dense(width, gain)
        if batch_norm:
            net.batch_norm()
        net.activation(act)
        if keep < 1:
            net.dropout(keep)
    net.dense(classes, 1.0)
    return net.graph()


def residual_mlp(act, width, fan_in, classes=10, blocks=24, gain=2.0, post=False):
    """Return a residual MLP with LayerNorm before its branches, or behind its sums."""
    net = Builder(fan_in)
    trunk = net.dense(width, 1.0)
    for _ in range(blocks):
        if not post:
            net.norm()
        net.dense(width, gain)
        net.activation(act)
        branch = net.dense(width, 1.0)
        trunk = net.add(trunk, branch)
        if post:
            trunk = net.norm()
    if not post:
        net.norm()
    net.dense(classes, 1.0)
    return net.graph()


def activated_mlp(act, width, fan_in, classes=10, blocks=4):
    """Return a residual MLP whose sums are activated: a trunk of activations of sums of activations."""
    net = Builder(fan_in, bias=0.01)
    net.dense(width, 1.0)
    trunk = net.activation(act)
    for _ in range(blocks):
        net.dense(width, 2.0, of=trunk)
        net.activation(act)
        net.add(trunk, net.dense(width, 1.0))
        trunk = net.activation(act)
    net.dense(classes, 1.0)
    return net.graph()


def embedding_classifier(act, width, tokens=50, length=12, classes=5):
    """Return an embedding whose mean over positions goes through an MLP."""
    net = Builder(1, (length,), channels_last=True)
    net.embedding(tokens, width, (length,))
    net.pool(0)
    net.flatten()
    net.dense(width, 2.0 * length)
    net.activation(act)
    net.dense(classes, 1.0)
    return net.graph()


def joined(act, width, tokens=50, length=12, classes=5):
    """Return embeddings of tokens and positions, and two layers side by side above their mean."""
    net = Builder(1, (length,), bias=0.01, channels_last=True)
    net.embedding(tokens, width, (length,))
    net.shift()
    net.norm()
    net.dense(width, 1.0)
    net.activation(act)
    net.pool(0)
    below = net.flatten()
    sides = []
    for units, gain in ((width, 2.0), (width // 2, 0.5)):
        net.dense(units, gain * length, of=below)
        net.shift()
        sides.append(net.activation(act))
    net.join(*sides)
    net.dense(classes, 1.0)
    return net.graph()


def lenet(act, largest=False, scale=1, gain=2.0, side=28, channels=1):
    """Return LeNet-5: two convolutions with pooling, and three dense layers; ``scale`` times as wide."""
    net = Builder(channels, (side, side), bias=0.01)
    net.convolution(6 * scale, 5, padding=2, gain=gain)
    net.activation(act)
    net.pool(2, largest)
    net.convolution(16 * scale, 5, gain=gain)
    net.activation(act)
    net.pool(2, largest)
    net.flatten()
    net.dense(120 * scale, gain)
    net.activation(act)
    net.dense(84 * scale, gain)
    net.activation(act)
    net.dense(10, 1.0)
    return net.graph()


def vgg(act, width=64, side=32, largest=False, gain=2.0):
    """Return a VGG-like network: three pairs of convolutions with pooling behind each, and a dense layer."""
    net = Builder(3, (side, side), bias=0.01)
    for stage in range(3):
        for _ in range(2):
            net.convolution(width * 2 ** min(stage, 1), 3, padding=1, gain=gain)
            net.activation(act)
        net.pool(2, largest)
    net.flatten()
    net.dense(10, 1.0)
    return net.graph()


def basic_blocks(act, width=64, side=32, blocks=(2, 2), batch_norm=False, average=False):
    """Return a ResNet as He et al. (2016a) had it first: branches of two convolutions, activated sums, strides."""
    net = Builder(3, (side, side), bias=0.0 if batch_norm else 0.01)

    def convolution(kernel, stride, gain, of=None):
        name = net.convolution(width, kernel, stride, kernel // 2, gain, of)
        return net.batch_norm() if batch_norm else name

    convolution(3, 1, 1.0)
    trunk = net.activation(act)
    for stage, count in enumerate(blocks):
        for block in range(count):
            stride = 2 if stage and not block else 1
            convolution(3, stride, 2.0, trunk)
            net.activation(act)
            branch = convolution(3, 1, 1.0)
            if stride == 2:
                trunk = convolution(1, 2, 1.0, trunk)
            net.add(trunk, branch)
            trunk = net.activation(act)
    if average:
        net.pool(0)
    net.flatten()
    net.dense(10, 1.0)
    return net.graph()


def separable(width=64, side=16):
    """Return a network of depthwise and pointwise convolutions, each normalized over the batch."""
    net = Builder(3, (side, side))
    for units, kernel, stride, groups in ((width, 3, 1, 1), (width, 3, 2, width), (width, 1, 1, 1), (width, 3, 1, 4)):
        net.convolution(units, kernel, stride, kernel // 2, groups=groups)
        net.batch_norm()
        net.activation("relu")
    net.flatten()
    net.dense(10, 1.0)
    return net.graph()


def padded_windows(act, width=64, side=16):
    """Return a convolution with padded maxima above it, and a second one."""
    net = Builder(3, (side, side), bias=0.01)
    net.convolution(width, 3, padding=1)
    net.activation(act)
    net.largest()
    net.convolution(width, 3, padding=1)
    net.activation(act)
    net.flatten()
    net.dense(10, 1.0)
    return net.graph()


def resnet(act, width=64, side=32, blocks=(1, 1, 1), gain=2.0):
    """Return a ResNet-like network: branches of two convolutions, strides between stages, a global average."""
    net = Builder(3, (side, side), bias=0.01)
    trunk = net.convolution(width, 3, padding=1, gain=1.0)
    for stage, count in enumerate(blocks):
        for block in range(count):
            stride = 2 if stage and not block else 1
            before = trunk
            inner = net.activation(act)
            net.convolution(width, 3, stride, 1, 1.0, of=inner)
            net.activation(act)
            branch = net.convolution(width, 3, 1, 1, gain)
            if stride == 2:
                before = net.convolution(width, 1, 2, 0, 1.0, of=before)
            trunk = net.add(before, branch)
    net.activation(act)
    net.pool(0)
    net.flatten()
    net.dense(10, 1.0)
    return net.graph()
