"""``gl.torch.audit``: planted faults by name, initializers by name, healthy models at the stated rate."""

import dataclasses
import importlib.util
from itertools import pairwise

import numpy as np
import pytest
from benchmark_scripts import benchmark

import glorotlab as gl
from glorotlab.errors import InvalidValueError, UnknownNameError
from glorotlab.torch.auditing.audit import refused

FAULTS = benchmark("audit").FAULTS if importlib.util.find_spec("torch") else {}


def perceptron(torch, *sizes, activation="ReLU"):
    model = torch.nn.Sequential()
    for fan_in, fan_out in pairwise(sizes):
        model.extend([torch.nn.Linear(fan_in, fan_out), getattr(torch.nn, activation)()])
    return model[:-1]


@pytest.mark.parametrize("what", FAULTS)
def test_a_planted_fault_is_found_by_name(torch, what):
    name, plant = FAULTS[what]
    torch.manual_seed(0)
    audit = gl.torch.audit(plant(0))
    assert name in [finding.name for _, finding in audit.faults]
    assert not audit.healthy
    assert name in audit.to_markdown()


BY_TORCH = {
    "glorot_uniform": lambda init, w: init.xavier_uniform_(w),
    "glorot_normal": lambda init, w: init.xavier_normal_(w),
    "he_uniform": lambda init, w: init.kaiming_uniform_(w, nonlinearity="relu"),
    "he_normal": lambda init, w: init.kaiming_normal_(w),
    "he over fan_out, normal": lambda init, w: init.kaiming_normal_(w, mode="fan_out"),
    "lecun_normal": lambda init, w: init.kaiming_normal_(w, nonlinearity="linear"),
    "lecun_uniform": lambda init, w: init.kaiming_uniform_(w, nonlinearity="linear"),
    "torch_default": lambda init, w: init.kaiming_uniform_(w, a=5**0.5),
    "glorot, gain 5/3, uniform": lambda init, w: init.xavier_uniform_(w, gain=5 / 3),
    "normal(std=0.02)": lambda init, w: init.normal_(w, std=0.02),
    "truncated normal, std 0.02 before truncation": lambda init, w: init.trunc_normal_(w, std=0.02, a=-0.04, b=0.04),
    "orthogonal, gain sqrt 2": lambda init, w: init.orthogonal_(w, gain=2**0.5),
    "orthogonal": lambda init, w: init.orthogonal_(w),
    "sparse(k=30), std 0.01": lambda init, w: init.sparse_(w, 0.75),
}


@pytest.mark.parametrize("name", BY_TORCH)
def test_what_torch_draws_has_its_usual_name(torch, name):
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Conv2d(10, 40, 3), torch.nn.Flatten(), torch.nn.Linear(200, 120))
    for layer in (model[0], model[2]):
        if name[:6] != "sparse" or layer is model[2]:
            BY_TORCH[name](torch.nn.init, layer.weight)
    audit = gl.torch.audit(model)
    assert audit.healthy, audit.to_markdown()
    entry = audit.entry("2.weight")
    assert entry.initializer == name
    assert entry.p_value is None or entry.p_value > 0.01
    if name.partition("_")[0] in ("glorot", "he", "lecun"):
        fans = {"fan_in": 200, "fan_out": 120, "fan_avg": 160}
        assert entry.gain**2 / fans[entry.fan] == pytest.approx(entry.std**2, rel=0.05)
    if name[:6] != "sparse":
        assert audit.entry("0.weight").initializer == name


@pytest.mark.statistical
def test_healthy_models_are_called_so_at_the_stated_rate(torch):
    """At most .01 of models: 7 or more of 40 have probability 2e-7 then; a rate of 40 % is seen as surely as 99.5 %."""
    names = ("he_normal", "glorot_uniform", "variance_scaling(scale=1,mode=fan_in,distribution=truncated_normal)")
    unhealthy = 0
    for seed in range(40):
        model = perceptron(torch, 20, 30, 25, 5)
        gl.torch.initialize_(model, names[seed % 3], seed=seed)
        unhealthy += not gl.torch.audit(model).healthy
    assert unhealthy < 7


def test_a_network_of_ours_is_read_without_pytorch(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    audit = gl.torch.audit(gl.Network("100,60,60,10"))
    assert [entry.initializer for entry in audit.entries] == ["glorot_uniform"] * 3
    assert [(entry.fan_in, entry.fan_out) for entry in audit.entries] == [(100, 60), (60, 60), (60, 10)]
    assert "lecun_uniform" in audit.entries[1].alternatives  # LeCun for Glorot on a square layer
    assert "lecun_uniform" not in audit.entries[0].alternatives
    assert audit.entries[1].activation == "tanh"


def test_square_layers_are_named_as_the_others_are(torch):
    for name, other in (("lecun_normal", "glorot_normal"), ("glorot_normal", "lecun_normal")):
        model = perceptron(torch, 90, 100, 100, 40)
        gl.torch.initialize_(model, name, seed=0)
        entry = gl.torch.audit(model).entry("2.weight")
        assert entry.initializer == name
        assert other in entry.alternatives


def test_what_few_weights_do_not_tell_apart_is_listed(torch):
    model = perceptron(torch, 10, 6)
    gl.torch.initialize_(model, "he_normal", seed=0)
    (entry,) = gl.torch.audit(model).entries
    assert entry.initializer == "he_normal"
    assert {"he_truncated_normal", "kaiming, leaky_relu(.2), normal"} <= {*entry.alternatives}


def test_holm_stops_at_the_first_that_is_too_large():
    """.001 <= .01 / 4, but .004 > .01 / 3; .0049 <= .01 / 2 no longer counts."""
    assert refused([0.9, 0.001, 0.004, 0.0049], 0.01) == [False, True, False, False]
    assert refused([0.004, 0.006], 0.01) == [True, True]
    assert refused([0.006, 0.007], 0.01) == [False, False]


@pytest.mark.statistical
def test_sparse_weights_are_never_suspected_of_orthogonality(torch):
    """A hundred matrices whose few weights hardly meet."""
    model = torch.nn.ModuleList([torch.nn.Linear(288, 24) for _ in range(100)])
    gl.torch.initialize_(model, "sparse(k=3)", seed=0)
    entries = gl.torch.audit(model).entries
    assert {entry.law for entry in entries} == {"sparse"}


def test_signal_and_gradient_factors_are_those_of_drawn_signals(torch):
    """Against 4,000 Gaussian signals at width 300: 3 % is eight standard errors of a mean over both."""
    torch.manual_seed(0)
    model = perceptron(torch, 300, 300, 200, activation="Tanh")
    gl.torch.initialize_(model, "he_normal", seed=0)
    entry = gl.torch.audit(model).entry("2.weight")
    s = torch.randn(4000, 300)
    weight, above = model[2].weight.detach(), torch.randn(4000, 200)
    assert entry.activation == "tanh"
    assert entry.forward == pytest.approx(float((s.tanh() @ weight.T).square().mean()), rel=0.03)
    gradient = (above @ weight) * (1 - s.tanh() ** 2)
    assert entry.backward == pytest.approx(float(gradient.square().mean()), rel=0.03)
    assert "gain of another activation" in entry.notices
    unknown = torch.nn.ModuleList(list(model))
    assert gl.torch.audit(unknown).entry("2.weight").forward == pytest.approx(2, rel=0.03)
    assert gl.torch.audit(unknown, activation="tanh").entry("2.weight").forward == entry.forward


def test_activations_are_read_from_sequential_parts(torch):
    nn = torch.nn
    model = nn.Sequential(
        nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.LeakyReLU(0.1)),
        nn.Dropout(),
        nn.Linear(5, 6),
        nn.GELU(),
        nn.LayerNorm(6),
        nn.Linear(6, 7),
        nn.Softmax(dim=1),
        nn.Linear(7, 8),
    )
    entries = gl.torch.audit(model).entries
    assert [entry.activation for entry in entries] == ["linear", "leaky_relu(slope=0.1)", "linear", None]


def test_a_layer_that_was_forgotten_is_noticed(torch):
    model = perceptron(torch, 100, 120, 80, 60)
    kept = model[2].weight.detach().clone()
    gl.torch.initialize_(model, "he_normal", seed=0)
    model[2].weight.data = kept
    audit = gl.torch.audit(model)
    assert audit.healthy
    assert [entry.notices for entry in audit.entries] == [(), ("default of nn.Linear", "left at the default"), ()]


def test_a_scale_of_its_own_is_no_fault(torch):
    model = perceptron(torch, 300, 200)
    for draw in (lambda w: w.normal_(0, 0.2145), lambda w: w.uniform_(-0.0617, 0.0617)):
        torch.manual_seed(0)
        draw(model[0].weight.data)
        audit = gl.torch.audit(model)
        assert audit.healthy
        assert "scale of its own" in audit.entries[0].notices
        assert audit.entries[0].std == pytest.approx(float(model[0].weight.detach().square().mean() ** 0.5), rel=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_weights_of_every_type_are_read(torch, dtype):
    for name in ("he_normal", "glorot_uniform", "orthogonal"):
        model = perceptron(torch, 200, 300, 100).to(getattr(torch, dtype))
        gl.torch.initialize_(model, name, seed=0)
        assert [entry.initializer for entry in gl.torch.audit(model).entries] == [name, name], dtype


def test_tied_and_unknown_parameters_are_said(torch):
    nn = torch.nn
    model = nn.ModuleDict({"tokens": nn.Embedding(90, 16), "body": nn.PReLU(), "head": nn.Linear(16, 90)})
    model["head"].weight = model["tokens"].weight
    audit = gl.torch.audit(model)
    assert audit.healthy
    assert [entry.name for entry in audit.entries] == ["tokens.weight"]
    text = audit.to_markdown()
    assert "head.weight is tokens.weight" in text
    assert "Not looked at: body.weight" in text
    assert "tokens.weight" in audit._repr_html_()
    assert audit.to_dict()["healthy"] is True


def test_a_row_of_padding_is_not_looked_at(torch):
    embedding = torch.nn.Embedding(20, 40, padding_idx=3)
    for name in ("lecun_normal", "orthogonal"):
        gl.torch.initialize_(embedding, name, seed=0)
        (entry,) = gl.torch.audit(embedding).entries
        assert (entry.size, entry.healthy, entry.law) == (19 * 40, True, name.removeprefix("lecun_"))


def test_few_weights_are_not_judged_and_nothing_is_changed(torch):
    model = perceptron(torch, 2, 3)
    before = model[0].weight.detach().clone()
    (entry,) = gl.torch.audit(model).entries
    assert (entry.law, entry.p_value, entry.findings) == ("too few to judge", None, ())
    assert torch.equal(model[0].weight, before)
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.law = "normal"


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda torch: torch.nn.ReLU(), {}, "model of type ReLU: allowed is one with a linear"),
        (lambda torch: torch.nn.LazyLinear(3), {}, "weight is lazy and has no values yet"),
        (lambda torch: torch.nn.Linear(3, 4, device="meta"), {}, "weight is on the device meta"),
        (lambda torch: torch.nn.Linear(3, 4, dtype=torch.complex64), {}, "weight of dtype complex64"),
        (lambda torch: "a model", {}, "model of type str: allowed is a torch"),
        (lambda torch: torch.nn.Linear(3, 4), {"level": 0}, "level 0: allowed are numbers from 1e-12 to 0.5"),
        (lambda torch: torch.nn.Linear(3, 4), {"level": True}, "level True"),
        (lambda torch: torch.nn.Linear(3, 4), {"activation": "rilu"}, "unknown activation 'rilu'"),
    ],
)
def test_bad_input_is_refused_in_one_line(torch, make, options, message):
    with pytest.raises((InvalidValueError, UnknownNameError), match=message) as caught:
        gl.torch.audit(make(torch), **options)
    assert "\n" not in str(caught.value)


def test_an_unknown_weight_is_named(torch):
    with pytest.raises(InvalidValueError, match=r"no weight '1\.weight': allowed are 0\.weight"):
        gl.torch.audit(perceptron(torch, 9, 9)).entry("1.weight")


def test_the_benchmark_runs_in_small(torch, monkeypatch, capsys):
    module = benchmark("audit")
    monkeypatch.setattr(module, "KINDS", {"perceptron": module.KINDS["small perceptron"]})
    monkeypatch.setattr(module, "FAULTS", {"constant": module.FAULTS["constant"]})
    module.main("--models", "2", "--seeds", "1")
    text = capsys.readouterr().out
    assert "| perceptron | 2 | 0 |" in text
    assert "| constant | constant | 1 of 1 |" in text
    assert np.isfinite(float(text.splitlines()[-1].removesuffix(" s")))
