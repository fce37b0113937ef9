"""``gl.torch.initialize_``: the bits of ``gl.Network``, fans of every kind of layer, and what is refused."""

import copy
from itertools import pairwise

import numpy as np
import pytest

import glorotlab as gl
from glorotlab.errors import InvalidValueError

LAWS = ("glorot_uniform", "nielsen_default", "torch_default", "orthogonal", "sparse(k=3)", "truncated_normal(std=0.1)")


def perceptron(torch, sizes=(20, 30, 40, 5), dtype="float32"):
    model = torch.nn.Sequential()
    for fan_in, fan_out in pairwise(sizes):
        model.extend([torch.nn.Linear(fan_in, fan_out, dtype=getattr(torch, dtype)), torch.nn.Tanh()])
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("law", LAWS)
def test_a_perceptron_has_the_bits_of_a_network_of_ours(torch, law, dtype):
    model, spec = perceptron(torch, dtype=dtype), gl.NetworkSpec.parse("20,30,40,5", initializer=law)
    result = gl.torch.initialize_(model, law, seed=7)
    network = gl.Network(spec, seed=7, dtype=dtype)
    for linear, weight, bias in zip(model[::2], network.weights, network.biases, strict=True):
        np.testing.assert_array_equal(linear.weight.detach().numpy().T, weight)
        np.testing.assert_array_equal(linear.bias.detach().numpy(), bias)
    assert (result.initializer, result.bias, result.left) == (spec.initializer, spec.bias, ())
    assert [(row.fan_in, row.fan_out) for row in result.weights] == list(spec.fans)
    gl.torch.initialize_(model, law, seed=8)
    assert not np.array_equal(model[0].weight.detach().numpy().T, network.weights[0])


def test_biases_are_of_the_users_choice(torch):
    model = perceptron(torch, dtype="float64")
    gl.torch.initialize_(model, "glorot_uniform", seed=3, bias="normal(std=2)")
    network = gl.Network(gl.NetworkSpec.parse("20,30,40,5", bias="normal(std=2)"), seed=3, dtype="float64")
    np.testing.assert_array_equal(model[2].bias.detach().numpy(), network.biases[1])


def kinds(torch):
    """A module of each kind with (fan_in, fan_out) of its weights, counted by hand."""
    nn = torch.nn
    return {
        "linear": (nn.Linear(50, 70), [(50, 70)]),
        "convolution": (nn.Conv2d(12, 18, (3, 5)), [(12 * 15, 18 * 15)]),
        "groups": (nn.Conv1d(12, 18, 5, groups=3), [(4 * 5, 6 * 5)]),
        "depthwise": (nn.Conv2d(16, 16, 3, groups=16), [(9, 9)]),
        "transposed": (nn.ConvTranspose2d(12, 18, 3, groups=2), [(6 * 9, 9 * 9)]),
        "embedding": (nn.Embedding(300, 20), [(1, 20)]),
        "attention": (nn.MultiheadAttention(24, 2), [(24, 24)] * 4),
        "attention of other sizes": (
            nn.MultiheadAttention(24, 2, kdim=10, vdim=12),
            [(24, 24), (10, 24), (12, 24), (24, 24)],
        ),
        "lstm": (nn.LSTM(10, 20), [(10, 20)] * 4 + [(20, 20)] * 4),
        "gru cell": (nn.GRUCell(10, 20), [(10, 20)] * 3 + [(20, 20)] * 3),
        "bilinear": (nn.Bilinear(6, 7, 30), [(42, 30)]),
    }


@pytest.mark.statistical
def test_the_variance_follows_the_fans_of_each_kind(torch):
    """Normal weights of variance 2 / (fan_in + fan_out): 5 standard errors, 6e-7 each; at N = 100, 70 % is seen."""
    for kind, (module, fans) in kinds(torch).items():
        result = gl.torch.initialize_(module, "glorot_normal", seed=1)
        assert [(row.fan_in, row.fan_out) for row in result.weights] == fans, kind
        for row in result.weights:
            values = block(module, row.name)
            expected = 2 / (row.fan_in + row.fan_out)
            assert abs((values**2).mean() / expected - 1) < 5 * (2 / values.size) ** 0.5, (kind, row.name)
            assert row.std == pytest.approx(expected**0.5)


def block(module, name):
    """The values of a weight, or of its block of a stacked parameter."""
    plain, _, part = name.partition("[")
    values = dict(module.named_parameters())[plain].detach().numpy().astype(np.float64)
    if not part:
        return values
    index = {"query": 0, "key": 1, "value": 2}.get(part[:-1], part[0])
    size = module.embed_dim if hasattr(module, "embed_dim") else module.hidden_size
    return values[int(index) * size : (int(index) + 1) * size]


def test_orthogonal_kernels_are_orthonormal_in_each_group(torch):
    for module in (torch.nn.Conv2d(8, 12, 3, groups=4), torch.nn.ConvTranspose1d(12, 16, 2, groups=4)):
        gl.torch.initialize_(module, "orthogonal", seed=0)
        for group in range(4):
            units = units_of(module, group)
            np.testing.assert_allclose(units @ units.T, np.eye(len(units)), atol=1e-6)


def units_of(module, group):
    """One group's units as rows, by slices; three or four of each."""
    weight = module.weight.detach().numpy()
    if module.transposed:  # (in, out / groups, k)
        part = weight[3 * group : 3 * group + 3]
        return np.stack([part[:, unit].ravel() for unit in range(part.shape[1])])
    return np.stack([weight[unit].ravel() for unit in range(3 * group, 3 * group + 3)])


def test_tied_weights_are_drawn_once_and_said(torch):
    nn = torch.nn
    model = nn.ModuleDict({"tokens": nn.Embedding(30, 8), "body": nn.Linear(8, 8), "head": nn.Linear(8, 30)})
    model["head"].weight = model["tokens"].weight
    result = gl.torch.initialize_(model, "lecun_normal", seed=0)
    assert [row.name for row in result.weights] == ["tokens.weight", "body.weight"]
    assert result.weights[0].note == "also head.weight"
    assert float(model["tokens"].weight.detach().var()) == pytest.approx(1.0, rel=0.3)


def test_parametrized_weights_are_drawn_through_their_parametrization(torch):
    parametrizations = torch.nn.utils.parametrizations
    model = torch.nn.Sequential(
        parametrizations.weight_norm(torch.nn.Linear(20, 30)), parametrizations.spectral_norm(torch.nn.Linear(30, 5))
    )
    first, second = gl.torch.initialize_(model, "he_normal", seed=0).weights
    network = gl.Network(gl.NetworkSpec.parse("20,30,5", initializer="he_normal"), seed=0)
    np.testing.assert_allclose(model[0].weight.detach().numpy().T, network.weights[0], rtol=1e-5, atol=1e-7)
    assert first.note == "through its parametrization"
    assert "which changes what was drawn" in second.note


def test_norms_begin_anew_and_what_is_not_known_is_left(torch):
    nn = torch.nn

    class Classified(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.full((1, 4), 3.0))
            self.layers = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.LayerNorm(4), nn.PReLU())

    model = Classified()
    with torch.no_grad():
        for parameter in model.layers.parameters():
            parameter.fill_(5)
        model.layers[1].running_mean.fill_(5)
    result = gl.torch.initialize_(model, "glorot_uniform", seed=0)
    assert result.left == ("token", "layers.3.weight")
    assert (model.token == 3).all()
    assert (model.layers[1].running_mean == 0).all()
    for norm in model.layers[1:3]:
        assert (norm.weight == 1).all()
        assert (norm.bias == 0).all()
    assert "Left as they were: token" in result.to_markdown()
    assert "layers.0.weight" in result._repr_html_()


def test_the_padding_row_of_an_embedding_stays_0(torch):
    embedding = torch.nn.Embedding(9, 4, padding_idx=2)
    gl.torch.initialize_(embedding, "lecun_normal", seed=0)
    assert (embedding.weight[2] == 0).all()
    assert (embedding.weight[[0, 1, 3]] != 0).all()


def test_other_types_are_rounded_from_float32(torch):
    models = [perceptron(torch, dtype=dtype) for dtype in ("float32", "bfloat16")]
    for model in models:
        gl.torch.initialize_(model, "he_normal", seed=0)
    assert torch.equal(models[0][0].weight.to(torch.bfloat16), models[1][0].weight)


def frozen(torch):
    model = perceptron(torch)
    model[2].bias.requires_grad_(False)
    return model


BAD = {
    "frozen": (frozen, r"2\.bias is frozen: allowed are parameters with requires_grad"),
    "lazy": (lambda torch: torch.nn.Sequential(torch.nn.LazyLinear(4)), r"0\.weight is lazy .* run the model once"),
    "meta": (lambda torch: torch.nn.Linear(3, 4, device="meta"), "weight is on the device meta"),
    "complex": (lambda torch: torch.nn.Linear(3, 4, dtype=torch.complex64), "weight of dtype complex64"),
    "empty": (
        lambda torch: torch.nn.Sequential(torch.nn.ReLU()),
        "model of type Sequential: allowed is one with a linear",
    ),
    "no module": (lambda torch: [torch.nn.Linear(3, 4)], "model of type list"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_models_are_refused_in_one_line_and_stay_as_they_were(torch, case):
    make, message = BAD[case]
    model = make(torch)
    before = copy.deepcopy(model.state_dict()) if case == "frozen" else {}
    with pytest.raises(InvalidValueError, match=message) as caught:
        gl.torch.initialize_(model, "glorot_uniform", seed=0)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initializer": "glorot", "seed": 0}, "unknown initializer 'glorot'"),
        ({"initializer": "he_normal", "seed": -1}, "seed -1"),
        ({"initializer": "he_normal", "seed": True}, "seed True"),
        ({"initializer": "he_normal", "seed": 0, "bias": "ones"}, "unknown bias 'ones'"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(torch, arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        gl.torch.initialize_(perceptron(torch), **arguments)


def test_a_sparse_embedding_is_refused(torch):
    with pytest.raises(InvalidValueError, match="rows that are read one at a time"):
        gl.torch.initialize_(torch.nn.Embedding(9, 4), "sparse(k=3)", seed=0)
