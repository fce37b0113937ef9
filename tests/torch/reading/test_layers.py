"""What is read of each kind of layer computes what PyTorch computes, here by NumPy from the layer's own fields."""

import importlib
import inspect
import itertools
import pkgutil

import numpy as np
import pytest

import glorotlab as gl
from glorotlab import activations
from glorotlab.spec import layers as kinds
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.base import Layer, WeightedLayer
from glorotlab.spec.layers.bias import Bias
from glorotlab.spec.layers.concatenation import Concatenation
from glorotlab.spec.layers.convolution import Convolution
from glorotlab.spec.layers.embedding import Embedding
from glorotlab.spec.layers.graph import Unknown
from glorotlab.spec.layers.normalisation import BatchNorm, LayerNorm, Normalisation, RMSNorm
from glorotlab.spec.layers.pooling import AveragePooling, Flatten, MaxPooling, Window
from glorotlab.spec.layers.residual import Sum
from glorotlab.torch.reading import catalogue
from glorotlab.torch.reading.layers import activation

pytestmark = pytest.mark.torch

POINTS = np.array([-7.3, -3.0, -1.7, -0.9, -0.51, -0.2, 0.1, 0.49, 0.8, 1.9, 2.9, 6.5])

SETTINGS = [
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("LeakyReLU", {"negative_slope": 1.5}),
    ("PReLU", {"init": -0.3}),
    ("ELU", {"alpha": 0.7}),
    ("CELU", {"alpha": 0.7}),
    ("GELU", {"approximate": "tanh"}),
    ("Softplus", {"beta": 2.0}),
    ("Hardtanh", {"min_val": -0.5, "max_val": 2.0}),
    ("Softshrink", {"lambd": 1.0}),
]
JUMPING = {"Hardshrink": {}, "Threshold": {"threshold": 0.3, "value": -2.0}}
PLAIN = [(name, {}) for name in activation.MODULES if name not in JUMPING]


def only(torch, module, x):
    """The layer that is read of one module or function."""
    if not isinstance(module, torch.nn.Module):
        module = function_module(torch, module)
    (node,) = list(gl.torch.read(module, x))[1:]
    return node.layer


def function_module(torch, function):
    class Model(torch.nn.Module):
        def forward(self, x):
            return function(x)

    return Model()


@pytest.mark.parametrize(("name", "settings"), [*SETTINGS, *PLAIN], ids=str)
def test_activations(torch, name, settings):
    module, x = getattr(torch.nn, name)(**settings).double().eval(), torch.as_tensor(POINTS)[:, None]
    layer = only(torch, module, x)
    assert isinstance(layer, Elementwise)
    expected = module(x).detach().numpy()[:, 0]
    np.testing.assert_allclose(
        layer.record.function(POINTS), expected, rtol=1e-9, atol=1e-12
    )  # Softplus: linear past 20


def test_every_activation_of_pytorch_is_known(torch):
    from torch.nn.modules import activation as theirs

    assert set(theirs.__all__) - set(catalogue.MODULES) == set()


@pytest.mark.parametrize("name", JUMPING)
def test_an_activation_that_jumps_is_refused(torch, name):
    layer = only(torch, getattr(torch.nn, name)(**JUMPING[name]), torch.randn(3, 2))
    assert isinstance(layer, Unknown)
    assert "jumps at x =" in layer.reason


OTHERS = {"prelu", "threshold", "hardshrink", "sign", "expit", "special_expit", "log_sigmoid", "clamp", "clip", "pow"}
FUNCTIONAL = sorted(set(activation.FUNCTIONS) - OTHERS)
CALLS = {
    "clamp": lambda torch: lambda x: x.clamp(min=0),
    "clip": lambda torch: lambda x: torch.clip(x, -0.5, 3.0),
    "pow": lambda torch: lambda x: x**3,
    "expit": lambda torch: torch.special.expit,
    "leaky_relu": lambda torch: lambda x: torch.nn.functional.leaky_relu(x, 0.3),
    "gelu": lambda torch: lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "shift": lambda torch: lambda x: 2 - x,
    "in place": lambda torch: lambda x: torch.nn.functional.relu_(x),
}


@pytest.mark.parametrize("name", [*FUNCTIONAL, *CALLS])
def test_functions_that_are_activations(torch, name):
    found = getattr(torch.nn.functional, name, None) or getattr(torch, name, None)
    function = CALLS[name](torch) if name in CALLS else found
    x = torch.as_tensor(POINTS)[:, None]
    layer = only(torch, function, x)
    assert isinstance(layer, Elementwise)
    expected = function(x.clone()).numpy()[:, 0]
    np.testing.assert_allclose(layer.record.function(POINTS), expected, rtol=1e-9, atol=1e-12)


CONVOLUTIONS = [
    ("Conv1d", (3, 4, 3), {"padding": "same", "dilation": 2}, (2, 3, 9)),
    ("Conv1d", (2, 4, 4), {"padding": "same"}, (2, 2, 7)),
    ("Conv2d", (2, 4, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "bias": False}, (2, 2, 6, 5)),
    ("Conv2d", (4, 6, 3), {"groups": 2, "padding": 1}, (2, 4, 5, 5)),
    ("Conv2d", (2, 3, 2), {"dilation": (1, 2), "padding": "valid"}, (2, 2, 5, 6)),
]


def pad(x, padding, value):
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=value)


def places(size, kernel, stride, dilation):
    """Slices of each output position along one axis."""
    return [slice(at, at + dilation * (kernel - 1) + 1, dilation) for at in range(0, size, stride)][
        : (size - dilation * (kernel - 1) - 1) // stride + 1
    ]


def slide(x, kernel, stride, dilation, compute):
    """The window's values at every position: compute takes (examples, channels, *kernel)."""
    axes = [places(*sizes) for sizes in zip(x.shape[2:], kernel, stride, dilation, strict=True)]
    values = [compute(x[(slice(None), slice(None), *window)]) for window in itertools.product(*axes)]
    return np.stack(values, axis=-1).reshape(*values[0].shape, *map(len, axes))


def convolve(layer, x, weight, bias):
    padded, per_group = pad(x, layer.padding, 0.0), x.shape[1] // layer.groups
    groups = []
    for group, kernels in enumerate(np.split(weight, layer.groups)):
        inputs = padded[:, group * per_group : (group + 1) * per_group]
        flat = kernels.reshape(len(kernels), -1)
        groups.append(
            slide(
                inputs, layer.kernel_size, layer.stride, layer.dilation, lambda w, f=flat: w.reshape(len(w), -1) @ f.T
            )
        )
    result = np.concatenate(groups, axis=1)
    return result + (0 if bias is None else bias.reshape(1, -1, *[1] * (x.ndim - 2)))


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(("name", "sizes", "settings", "shape"), CONVOLUTIONS, ids=str)
def test_convolutions(torch, name, sizes, settings, shape):
    module, x = getattr(torch.nn, name)(*sizes, **settings).double(), torch.randn(shape, dtype=torch.float64)
    layer = only(torch, module, x)
    assert isinstance(layer, Convolution)
    weight = module.weight.detach().numpy()
    bias = None if module.bias is None else module.bias.detach().numpy()
    expected = module(x).detach().numpy()
    np.testing.assert_allclose(convolve(layer, x.numpy(), weight, bias), expected, rtol=1e-10, atol=1e-12)
    assert layer.fan_in == weight[0].size  # what a unit sums over, groups counted
    assert layer.fan_out == weight.shape[0] // layer.groups * weight[0, 0].size
    assert layer.weight_variance == pytest.approx(np.mean(weight**2), rel=1e-12)
    assert layer.bias_variance == pytest.approx(0 if bias is None else np.mean(bias**2), rel=1e-12)


POOLINGS = [
    ("AvgPool1d", (3,), {"padding": 1}, (2, 2, 8)),
    ("AvgPool2d", (2,), {"stride": 1}, (2, 2, 4, 5)),
    ("MaxPool1d", (3,), {"stride": 2, "padding": 1}, (2, 2, 8)),
    ("MaxPool2d", (2,), {}, (2, 2, 4, 5)),
    ("MaxPool2d", (2,), {"ceil_mode": True}, (2, 2, 4, 6)),
    ("AdaptiveAvgPool1d", (2,), {}, (2, 2, 8)),
    ("AdaptiveAvgPool2d", ((2, None),), {}, (2, 2, 4, 3)),
    ("AdaptiveMaxPool1d", (1,), {}, (2, 2, 8)),
    ("AdaptiveMaxPool2d", (2,), {}, (2, 2, 4, 6)),
]
POOLING_CALLS = {
    "avg_pool2d": lambda torch: lambda x: torch.nn.functional.avg_pool2d(x, 2),
    "max_pool2d": lambda torch: lambda x: torch.nn.functional.max_pool2d(x, 2, padding=1),
    "adaptive_avg_pool2d": lambda torch: lambda x: torch.nn.functional.adaptive_avg_pool2d(x, 1),
    "mean": lambda torch: lambda x: x.mean((2, 3), keepdim=True),
    "amax": lambda torch: lambda x: torch.amax(x, dim=(-2, -1), keepdim=True),
}


def pool(layer, x):
    largest = isinstance(layer, MaxPooling)
    padded = pad(x, layer.padding, -np.inf if largest else 0.0)
    axes = tuple(range(2, x.ndim))
    compute = (lambda w: w.max(axis=axes)) if largest else (lambda w: w.mean(axis=axes))
    return slide(padded, layer.kernel_size, layer.stride, (1,) * len(axes), compute)


@pytest.mark.parametrize(("name", "sizes", "settings", "shape"), POOLINGS, ids=str)
def test_pooling(torch, name, sizes, settings, shape):
    module, x = getattr(torch.nn, name)(*sizes, **settings), torch.randn(shape, dtype=torch.float64)
    layer = only(torch, module, x)
    assert isinstance(layer, Window)
    np.testing.assert_allclose(pool(layer, x.numpy()), module(x).numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", POOLING_CALLS)
def test_functions_that_pool(torch, name):
    function, x = POOLING_CALLS[name](torch), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    layer = only(torch, torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), function_module(torch, function)).double()[1], x)
    np.testing.assert_allclose(pool(layer, x.numpy()), function(x).numpy(), rtol=1e-12)


def test_a_mean_over_the_tokens_is_pooling(torch):
    x = torch.randn(2, 5, 3)
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), function_module(torch, lambda x: x.mean(1)))
    assert gl.torch.read(model, x)["mean"].layer == AveragePooling((5,), (5,), ((0, 0),))
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), function_module(torch, lambda x: x.mean(-1)))
    assert isinstance(gl.torch.read(model, x)["mean"].layer, Unknown)


NORMS = [
    ("LayerNorm", (4,), (3, 4), LayerNorm),
    ("LayerNorm", (4,), (3, 5, 4), LayerNorm),
    ("RMSNorm", (4,), (3, 5, 4), RMSNorm),
    ("BatchNorm1d", (4,), (6, 4), BatchNorm),
    ("BatchNorm1d", (4,), (6, 4, 5), BatchNorm),
    ("BatchNorm2d", (4,), (6, 4, 2, 3), BatchNorm),
]


@pytest.mark.parametrize(("name", "sizes", "shape", "kind"), NORMS, ids=str)
def test_normalisation(torch, name, sizes, shape, kind):
    module, x = getattr(torch.nn, name)(*sizes).double(), torch.randn(shape, dtype=torch.float64) + 1
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.5, 1.0)
    layer, values = only(torch, module, x), x.numpy()
    assert type(layer) is kind
    axes = tuple(axis for axis in range(values.ndim) if axis != 1) if kind is BatchNorm else (-1,)
    mean = 0 if kind is RMSNorm else values.mean(axis=axes, keepdims=True)
    expected = (values - mean) / np.sqrt(((values - mean) ** 2).mean(axis=axes, keepdims=True) + layer.epsilon)
    gain = module.weight.detach().numpy()
    bias = np.zeros(4) if kind is RMSNorm else module.bias.detach().numpy()
    broadcast = (1, -1, *[1] * (values.ndim - 2)) if kind is BatchNorm else (-1,)
    expected = expected * gain.reshape(broadcast) + bias.reshape(broadcast)
    np.testing.assert_allclose(expected, module(x).detach().numpy(), rtol=1e-10, atol=1e-12)
    moments = (layer.gain_second_moment, layer.gain_mean, layer.bias_second_moment, layer.bias_mean)
    assert moments == pytest.approx((np.mean(gain**2), gain.mean(), np.mean(bias**2), bias.mean()), rel=1e-12)


def test_sums_and_factors(torch):
    linear = torch.nn.Linear(3, 3)
    for function, factors in (
        (lambda x: x + torch.tanh(x), (1, 1)),
        (lambda x: x - 0.5 * torch.tanh(x), (1, -1)),
        (lambda x: torch.add(x, torch.tanh(x), alpha=0.3), (1, 0.3)),
        (lambda x: x + x, (1, 1)),
        (lambda x: -x, (-1,)),
        (lambda x: x / 4, (0.25,)),
        (lambda x: 3 * x, (3,)),
    ):
        graph = gl.torch.read(torch.nn.Sequential(linear, function_module(torch, function)), torch.randn(2, 3))
        assert graph[graph.output].layer == Sum(tuple(map(float, factors)))
        assert len(graph[graph.output].inputs) == len(factors)


def with_parameter(torch, values, function):
    """The layer of a function of x and a parameter."""

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.parameter = torch.nn.Parameter(torch.as_tensor(values))

        def forward(self, x):
            return function(x, self.parameter)

    return Model()


def test_a_factor_for_each_unit_is_one_factor_where_all_are_alike(torch):
    for shape, size in (((2, 5, 3), (3,)), ((2, 3, 4, 4), (3, 1, 1)), ((2, 3), (3,))):
        layer = only(torch, with_parameter(torch, np.full(size, 0.25), lambda x, p: p * x), torch.randn(shape))
        assert layer == Sum((0.25,))
    layer = only(torch, with_parameter(torch, [1.0, 2.0], lambda x, p: x * p), torch.randn(3, 2))
    assert "not all equal" in layer.reason


POSITIONS = [
    ((2, 5, 64), (5, 64), (True,)),
    ((2, 5, 64), (1, 1, 64), (False,)),
    ((2, 64, 3, 2), (1, 64, 3, 1), (True, False)),
    ((2, 64, 3, 2), (64, 1, 1), (False, False)),
    ((2, 64), (64,), ()),
]


@pytest.mark.parametrize(("shape", "size", "own"), POSITIONS, ids=str)
def test_parameters_that_are_added(torch, shape, size, own):
    values = np.random.default_rng(0).normal(size=size)
    values -= values.mean()
    layer = only(torch, with_parameter(torch, values, lambda x, p: torch.add(p, x)), torch.randn(shape))
    assert layer == Bias(pytest.approx(np.mean(values**2), rel=1e-12), own)
    layer = only(torch, with_parameter(torch, values, lambda x, p: torch.sub(x, p, alpha=0.5)), torch.randn(shape))
    assert layer == Bias(pytest.approx(np.mean(values**2) / 4, rel=1e-12), own)


def test_parameters_whose_elements_are_alike_are_a_shift_or_nothing(torch):
    x = torch.randn(2, 5, 3)
    assert only(torch, with_parameter(torch, np.full(3, 0.5), lambda x, p: x - p), x) == Elementwise("x + (-0.5)")
    model = with_parameter(torch, np.zeros((1, 5, 3)), lambda x, p: torch.tanh(x + p))
    assert [node.layer.kind for node in gl.torch.read(model, x)] == ["input", "activation"]


@pytest.mark.parametrize(
    ("values", "function", "words"),
    [
        (np.arange(3.0), lambda x, p: p - x, "a parameter minus a value"),
        (np.arange(64.0), lambda x, p: x[..., :1] + p, "a part of a value"),
        (np.arange(96.0).reshape(32, 3) + 1, lambda x, p: x + p, "whose mean is not 0"),
        (np.arange(2.0).reshape(2, 1, 1) - 0.5, lambda x, p: x + p, "other axes than units and positions"),
        (np.arange(32.0).reshape(32, 1) - 15.5, lambda x, p: x + p, "other axes than units and positions"),
    ],
)
def test_parameters_that_are_no_biases_say_why(torch, values, function, words):
    graph = gl.torch.read(with_parameter(torch, values, function), torch.randn(2, 32, 3))
    assert any(words in node.layer.reason for node in graph if isinstance(node.layer, Unknown))


def test_concatenations_are_along_the_units(torch):
    for shape, axis in (((2, 3), 1), ((2, 3), -1), ((2, 5, 3), 2), ((2, 3, 4, 4), 1)):
        model = function_module(torch, lambda x, axis=axis: torch.cat([x, torch.tanh(x)], axis))
        node = list(gl.torch.read(model, torch.randn(shape)))[-1]
        assert (node.layer, node.inputs, node.units) == (Concatenation(), ("x", "tanh"), 6)
    for function, words in (
        (lambda x: torch.cat([x, x]), "along other axes"),
        (lambda x: torch.stack([x, x]), "a stack of values"),
    ):
        assert words in only(torch, function, torch.randn(2, 3)).reason


def test_an_embedding_and_its_tied_head(torch):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = torch.nn.Embedding(7, 4, padding_idx=2), torch.nn.Linear(4, 7, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, tokens):
            return self.head(self.embed(tokens))

    model = Model()
    graph = gl.torch.read(model, torch.randint(7, (2, 5)))
    rows = np.delete(model.embed.weight.detach().double().numpy(), 2, axis=0)
    embed = graph["embed"].layer
    assert embed == Embedding(7, 4, pytest.approx(np.mean(rows**2), rel=1e-12), 0.0, 2)
    assert (graph["embed"].units, graph["embed"].positions, graph["embed"].channels_last) == (4, (5,), True)
    assert graph["head"].layer.reason.startswith("its weights are those of 'embed'")
    assert graph["head"].parameters == ("embed.weight",)


REFUSED = {
    "PReLU": lambda nn: (nn.PReLU(3), (2, 3)),
    "padding_mode": lambda nn: (nn.Conv1d(2, 2, 3, padding=1, padding_mode="circular"), (2, 2, 5)),
    "ceil_mode": lambda nn: (nn.MaxPool1d(2, ceil_mode=True), (2, 2, 5)),
    "count_include_pad": lambda nn: (nn.AvgPool1d(2, padding=1, count_include_pad=False), (2, 2, 4)),
    "adaptive": lambda nn: (nn.AdaptiveAvgPool1d(3), (2, 2, 7)),
    "Dropout2d": lambda nn: (nn.Dropout2d(0.5), (2, 2, 3, 3)),
    "eval": lambda nn: (nn.BatchNorm1d(3).eval(), (2, 3)),
    "over positions": lambda nn: (nn.LayerNorm((5, 3)), (2, 5, 3)),
    "LSTM": lambda nn: (nn.LSTM(3, 3), (2, 5, 3)),
    "softmax": lambda nn: (nn.Softmax(-1), (2, 3)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_followed_says_why(torch, name):
    module, shape = REFUSED[name](torch.nn)
    layer = only(torch, module, torch.randn(shape))
    assert isinstance(layer, Unknown)
    assert layer.reason.endswith("not covered by the theory")
    assert type(module).__name__ not in layer.reason  # words, not the class


def test_every_kind_of_layer_is_read_of_something(torch):
    """The readers' files are those of the kinds, and a model with all of them yields every class."""
    nn = torch.nn
    names = {module.name for module in pkgutil.iter_modules(kinds.__path__)} - {"base", "graph", "initialise"}
    assert names == {module.__name__.rpartition(".")[2] for module in catalogue.KINDS} - {"refused"}
    modules = [importlib.import_module(f"{kinds.__name__}.{name}") for name in names]
    classes = {one for module in modules for _, one in inspect.getmembers(module, inspect.isclass)}
    classes = {one for one in classes if issubclass(one, Layer) and one.__module__ in {m.__name__ for m in modules}}
    image = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.AvgPool2d(1), nn.Flatten())
    dense = nn.Sequential(nn.Linear(16, 4), nn.LayerNorm(4), nn.RMSNorm(4), nn.Tanh(), nn.Dropout(0.5))
    read = {type(node.layer) for node in gl.torch.read(nn.Sequential(image, dense), torch.randn(2, 1, 6, 6))}
    read |= {
        type(only(torch, nn.Embedding(3, 2), torch.tensor([[0]]))),
        type(only(torch, lambda x: 2 * x, torch.randn(2, 2))),
        type(only(torch, lambda x: torch.cat([x, x], 1), torch.randn(2, 2))),
        type(only(torch, with_parameter(torch, np.array([1.0, -1.0]), lambda x, p: x + p), torch.randn(2, 2))),
    }
    assert classes - {WeightedLayer, Normalisation, Window} <= read
    assert Flatten in read


def test_activations_are_parsed_once(torch):
    assert activations.get(only(torch, torch.nn.ReLU(), torch.randn(2, 2)).name) is activations.RECORDS["relu"]
