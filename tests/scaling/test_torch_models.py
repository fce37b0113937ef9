"""gl.coordinate_check of PyTorch models: sizes by hooks, roles of modules, healthy ones, planted faults, bad input."""

import numpy as np
import pytest
from optional import optional

import glorotlab as gl
from glorotlab.errors import DivergedError, InvalidValueError
from glorotlab.scaling.parametrization import MUP
from glorotlab.scaling.scaled_network import scaled_network

torch = optional("torch", "TORCH")
nn = torch.nn

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(16, 12)).astype(np.float32), np.arange(16) % 4
FAST = {"widths": (32, 64, 128, 256), "steps": 2, "seeds": 4}
SURE = FAST | {"level": 1 - 1e-6, "seeds": 16, "steps": 1}
"""A healthy model is outside a band once in a million checks; faults are found all the same."""

BASE = 32


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def plain(width):
    return nn.Sequential(
        nn.Linear(12, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Dropout(0.5), nn.Linear(width, 4)
    )


def unbiased(width):
    model = plain(width)
    for layer in (model[0], model[2], model[5]):
        nn.init.zeros_(layer.bias)
    return model


def mup(width):
    """Hidden layers as they are in ``unbiased``, outputs of variance n^-2."""
    model = unbiased(width)
    with torch.no_grad():
        model[-1].weight *= (BASE / width) ** 0.5
    return model


def from_zero(width):
    model = mup(width)
    nn.init.zeros_(model[-1].weight)
    return model


def optimizer(kind, rate, wrong=""):
    """Return a function that makes an optimizer with the rates of mup but for one role."""

    def make(model):
        ratio, groups = model[0].out_features / BASE, []
        for role, layer in (("input", model[0]), ("hidden", model[2]), ("output", model[5])):
            power = 0 if role == wrong else MUP.weight_rate[kind][role]
            groups.append({"params": [layer.weight], "lr": rate * ratio**power})
            groups.append({"params": [layer.bias], "lr": rate * ratio ** MUP.bias_rate[kind][role]})
        return {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[kind](groups, lr=rate)

    return make


HEALTHY = {
    "standard, SGD": (plain, "standard", "sgd"),
    "standard, Adam": (plain, "standard", "adam"),
    "mup, SGD": (mup, "mup", optimizer("sgd", 0.1)),
    "mup, Adam": (mup, "mup", optimizer("adam", 1e-3)),
    "mup, outputs from 0": (from_zero, "mup", optimizer("sgd", 0.1)),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_models_are_inside_all_bands(name, test_seed):
    model, parametrization, way = HEALTHY[name]
    options = SURE | {"parametrization": parametrization, "optimizer": way, "first_seed": 10_000 * test_seed}
    check = gl.coordinate_check(model, X, Y, **options)
    assert check.healthy, check.summary
    assert check.optimizer == ("adam" if "Adam" in name else "sgd")


FAULTS = {
    "standard called mup": (unbiased, "mup", "sgd", 0, "5", "its initial variance goes as"),
    "rate of outputs, SGD": (
        mup,
        "mup",
        optimizer("sgd", 0.1, "output"),
        1,
        "5 (own weights)",
        r"is not scaled as n^-1",
    ),
    "rate of outputs, Adam": (
        mup,
        "mup",
        optimizer("adam", 1e-3, "output"),
        1,
        "5 (own weights)",
        r"is not scaled as n^-1",
    ),
    "rate of the hidden layer": (
        mup,
        "mup",
        optimizer("adam", 1e-3, "hidden"),
        1,
        "2 (own weights)",
        r"is not scaled as n^-1",
    ),
    "rate of inputs": (mup, "mup", optimizer("sgd", 0.1, "input"), 1, "0 (own weights)", r"is not scaled as n^1"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name, test_seed):
    model, parametrization, way, update, module, cause = FAULTS[name]
    options = SURE | {"parametrization": parametrization, "optimizer": way, "first_seed": 10_000 * test_seed}
    check = gl.coordinate_check(model, X, Y, **options)
    named = [verdict for verdict in check.outside if "its initial" in verdict.text or "its learning" in verdict.text]
    assert [(verdict.update, verdict.name) for verdict in named] == [(update, module)]
    assert cause in named[0].text


def test_outputs_from_0_are_said_to_be_so():
    check = gl.coordinate_check(from_zero, X, Y, parametrization="mup", optimizer=optimizer("sgd", 0.1), **FAST)
    assert check.select(0)[-1].text == "5 is exactly 0, as expected"
    assert check.select(1)[0].text == "0 changes by exactly 0 after update 1, as expected"
    assert np.isfinite(check.select(2)[0].exponent)


def test_a_layer_that_is_frozen_is_outside():
    def make(width):
        model = mup(width)
        model[0].requires_grad_(False)
        return model

    check = gl.coordinate_check(make, X, Y, parametrization="mup", optimizer=optimizer("sgd", 0.1), **FAST)
    assert check.outside[0].text.startswith("0 changes by exactly 0 at all widths after update 1, expected n^")
    assert check.outside[0].text.endswith("it is not trained")


def test_sizes_are_those_of_our_own_network():
    """One network in both programs: update 0 and two updates, with the rates of mup."""
    spec = gl.NetworkSpec.parse("12,32x2,4")
    check = gl.coordinate_check(spec, X, Y, parametrization="mup", **FAST)

    def make(width, seed):
        network, model = scaled_network(spec, width, BASE, MUP).draw(seed, "float32"), plain(width)
        with torch.no_grad():
            for layer, weight, bias in zip((0, 2, 5), network.weights, network.biases, strict=True):
                model[layer].weight.copy_(torch.tensor(np.array(weight.T)))
                model[layer].bias.copy_(torch.tensor(np.array(bias)))
        return model

    other = gl.coordinate_check(make, X, Y, parametrization="mup", optimizer=optimizer("sgd", 0.1), **FAST)
    assert other.names == ("0", "1", "2", "3", "4", "5", *(f"{name} (own weights)" for name in (0, 2, 5)))
    linear = [0, 2, 5]
    np.testing.assert_allclose(other.coordinate[:, linear], check.coordinate, rtol=1e-4)
    np.testing.assert_allclose(other.change[:, linear], check.change, rtol=1e-3)
    assert (other.change[:, 4] == other.change[:, 3]).all()  # without dropout


def test_the_change_by_own_weights_alone():
    """With what entered before: z (W' - W), by hand."""
    check = gl.coordinate_check(plain, X, Y, **FAST)
    torch.manual_seed(1)  # the first seed of the second width
    model = plain(64)
    entered = model[:2](torch.tensor(X))
    before = model[2].weight.detach().clone()
    model[4].eval()
    nn.functional.cross_entropy(model(torch.tensor(X)), torch.tensor(Y)).backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    own = (entered @ (model[2].weight - before).T).detach()
    place = check.names.index("2 (own weights)")
    np.testing.assert_allclose(check.change[1, place, 1, 0], float((own**2).mean() ** 0.5), rtol=1e-3)
    (verdict,) = (one for one in check.verdicts if one.layer == place + 1)
    assert (verdict.own, verdict.update) == (True, 1)


class Shared(nn.Module):
    """A model with a layer that is called twice, an embedding, a layer that works in place and one of fixed size."""

    def __init__(self, width):
        super().__init__()
        self.embedding, self.hidden, self.act = nn.Embedding(9, width), nn.Linear(width, width), nn.ReLU(inplace=True)
        self.norm, self.head, self.last = nn.LayerNorm(width), nn.Linear(width, 4), nn.Linear(4, 4)

    def forward(self, tokens):
        z = self.act(self.hidden(self.embedding(tokens)))
        return self.last(self.head(self.norm(self.act(self.hidden(z)))))


def test_every_call_is_a_module_of_its_own_and_what_works_in_place_changes_no_size():
    tokens = np.arange(16) % 9
    check = gl.coordinate_check(Shared, tokens, Y, optimizer="sgd", learning_rate=1e-3, **FAST)
    names = ("embedding", "hidden", "act", "hidden (call 2)", "act (call 2)", "norm", "head", "last")
    assert check.names[: len(names)] == names
    assert check.names[len(names) :] == tuple(f"{names[place]} (own weights)" for place in (0, 1, 3, 6))
    assert (check.coordinate[0, 1] > check.coordinate[0, 2]).all()
    assert "it does not scale with the width" in check.select(0)[-1].text
    kinds = {verdict.name: verdict.expected for verdict in check.select(0)}
    assert kinds["embedding"] == (0, 0)
    assert np.isnan(kinds["last"]).all()


def test_losses_targets_and_tensors_of_the_user():
    targets = torch.tensor(RANDOM.normal(size=(16, 4)))
    calls = []

    def loss(output, labels):
        calls.append(labels.dtype)
        return ((output - labels) ** 2).mean()

    own = gl.coordinate_check(plain, torch.tensor(X), targets, loss=loss, **FAST)
    default = gl.coordinate_check(plain, X, targets, **FAST)
    np.testing.assert_array_equal(own.change, default.change)
    assert set(calls) == {torch.float32}


def test_the_generator_of_torch_is_as_it_was_and_checks_repeat():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, two = (gl.coordinate_check(plain, X, Y, **FAST) for _ in range(2))
    assert (torch.rand(3) == expected).all()
    np.testing.assert_array_equal(one.change, two.change)


def test_other_optimisers_have_expectations_under_mup_alone():
    def rprop(model):
        return torch.optim.Rprop(model.parameters(), lr=1e-4)

    check = gl.coordinate_check(plain, X, Y, optimizer=rprop, **FAST)
    assert check.optimizer == "Rprop"
    assert "the powers of Rprop under standard are not known" in check.select(1)[0].text
    assert (
        gl.coordinate_check(plain, X, Y, optimizer=rprop, parametrization="mup", **FAST).select(1)[0].inside is not None
    )


def broken(width):
    model = plain(width)
    with torch.no_grad():
        model[2].weight[0, 0] = torch.nan
    return model


def alike(width):
    torch.manual_seed(0)
    return plain(width)


BAD = {
    "a model": ({"model": plain(32)}, InvalidValueError, "model of type Sequential: allowed is a function that makes"),
    "no model": ({"model": lambda width: width}, InvalidValueError, "the function makes a int at width 32"),
    "no width": (
        {"model": lambda width: plain(32)},
        InvalidValueError,
        "parameters at widths 32 and 64: it ignores the",
    ),
    "no seed": ({"model": alike}, InvalidValueError, "models of the same weights at width 32: it ignores the seed"),
    "other modules": (
        {"model": lambda width: plain(width) if width < 64 else plain(width)[:-1]},
        InvalidValueError,
        "the function makes other modules at width 64 than at 32",
    ),
    "NaN in the model": ({"model": broken}, DivergedError, "look for a number that is not finite in the model"),
    "NaN in the inputs": ({"inputs": np.full_like(X, np.nan)}, InvalidValueError, "inputs with a number that is not"),
    "texts": ({"inputs": X.astype(str)}, InvalidValueError, "inputs of dtype <U"),
    "a rate that diverges": ({"learning_rate": 1e5, "labels": X[:, :4], "steps": 9}, DivergedError, "take a smaller"),
    "a loss of every example": (
        {"loss": lambda output, labels: output.sum(1)},
        InvalidValueError,
        "allowed is a tensor of a single number",
    ),
    "an optimizer that is none": (
        {"optimizer": lambda model: "sgd"},
        InvalidValueError,
        "optimizer makes a str: allowed is a function of a model",
    ),
    "zero_output": ({"zero_output": True}, InvalidValueError, "zero_output or base_width with a function"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name):
    options, kind, message = BAD[name]
    given = FAST | {"model": plain, "inputs": X, "labels": Y} | options
    with pytest.raises(kind, match=message) as caught:
        gl.coordinate_check(**given)
    assert "\n" not in str(caught.value)
