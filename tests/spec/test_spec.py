"""Specs: canonical, frozen, hashed, read from text; one line for bad input."""

import dataclasses
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from glorotlab import activations, costs, initializers
from glorotlab.errors import GlorotlabError, InvalidValueError
from glorotlab.spec.network import MAX_LAYERS, MAX_WIDTH, NetworkSpec, parse_layers
from glorotlab.spec.run import RunSpec, TrainingSpec
from glorotlab.streams import MAX_SEED

sizes = st.lists(st.tuples(st.integers(1, MAX_WIDTH), st.integers(1, 4)), min_size=1, max_size=6).map(
    lambda runs: tuple(size for size, times in runs for _ in range(times))
)
network_sizes = sizes.filter(lambda found: len(found) > 1 and found[-1] > 1)
names = st.sampled_from(
    [*list(initializers.NAMES), "normal(std=0.25)", "sparse(k=3)", "variance_scaling(scale=2,mode=fan_out)"]
)
networks = st.builds(
    lambda layer_sizes, activation, initializer, pair, bias: NetworkSpec(
        layer_sizes=layer_sizes, activation=activation, initializer=initializer, output=pair[0], cost=pair[1], bias=bias
    ),
    network_sizes,
    st.sampled_from(sorted(activations.RECORDS)),
    names,
    st.sampled_from(sorted(costs.RECORDS)),
    st.sampled_from(["", "zeros", "normal", "uniform(bound=0.5)"]),
)
trainings = st.builds(
    TrainingSpec,
    updates=st.integers(0, 10**12),
    batch_size=st.integers(1, 10**6),
    learning_rate=st.floats(0, 1e6),
    momentum=st.floats(0, 1, exclude_min=True, exclude_max=True),
    nesterov=st.booleans(),
    l2=st.floats(0, 1e3),
    batch_order=st.sampled_from(["sequential", "shuffled"]),
    validation_every=st.integers(0, 1000),
    monitor_every=st.integers(0, 1000),
)
printable = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
runs = st.builds(
    RunSpec,
    network=networks,
    training=trainings,
    data=printable,
    data_digest=st.sampled_from(["", "ab" * 32]),
    seed=st.integers(0, MAX_SEED),
    dtype=st.sampled_from(["float32", "float64"]),
)


def run_spec(**fields):
    return RunSpec(**{"network": NetworkSpec.parse("4,3,2"), "training": TrainingSpec(updates=10)} | fields)


def one_line(error):
    return len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("784,1000x5,10", (784, 1000, 1000, 1000, 1000, 1000, 10)),
        (" 3 , 4x2 ,5 ", (3, 4, 4, 5)),
        ("2x3", (2, 2, 2)),
        ("7", (7,)),
    ],
)
def test_parse_layers(text, expected):
    assert parse_layers(text) == expected


@given(found=network_sizes)
def test_layers_round_trip(found):
    spec = NetworkSpec(layer_sizes=found)
    assert parse_layers(spec.layers) == found
    assert NetworkSpec.parse(spec.layers) == spec


@pytest.mark.parametrize(
    "text",
    [
        "784,0,10",
        "",
        ",",
        "784,",
        "784,-3,10",
        "784,10x0",
        "784,x5,10",
        "784,1e3,10",
        "784,1.5",
        "a",
        "16777217,2",
        "1x1000000000",
        "1x100000,1x100000",
        "5x2x3",
        "1000 5,2",
        "1" * 5000,
    ],
)
def test_bad_layers_are_named(text):
    with pytest.raises(InvalidValueError, match=r"layers '.*allowed are") as caught:
        NetworkSpec.parse(text)
    assert one_line(caught)
    assert len(str(caught.value)) < 250


@given(text=st.text("0123456789x,. -", max_size=25))
def test_any_text_of_layers_is_read_or_refused(text):
    try:
        found = parse_layers(text)
    except InvalidValueError:
        return
    assert all(1 <= size <= MAX_WIDTH for size in found)


def test_the_deepest_network_round_trips():
    spec = NetworkSpec(layer_sizes=(3,) * (MAX_LAYERS + 1))
    assert NetworkSpec.parse(spec.layers) == spec


def test_fans():
    spec = NetworkSpec.parse("784,30x2,10")
    assert spec.fans == ((784, 30), (30, 30), (30, 10))
    assert (spec.fan_in, spec.classes) == (784, 10)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"initializer": "xavier_uniform"}, {}),
        ({"initializer": "standard"}, {"initializer": "standard_uniform"}),
        ({"initializer": " normal( std = 0.50 )"}, {"initializer": "normal(std=0.5)"}),
        ({"bias": "zeros"}, {}),
        ({"bias": "normal", "initializer": "nielsen_default"}, {"initializer": "nielsen_default"}),
        ({"cost": "log_likelihood"}, {}),
        ({"output": "sigmoid"}, {"output": "sigmoid", "cost": "cross_entropy"}),
        ({"activation": "tanh", "output": "softmax"}, {}),
    ],
)
def test_aliases_and_defaults_are_one_spec(one, other):
    first, second = NetworkSpec.parse("4,3,2", **one), NetworkSpec.parse("4,3,2", **other)
    assert first == second
    assert first.canonical_json() == second.canonical_json()
    assert run_spec(network=first).content_hash == run_spec(network=second).content_hash


@given(spec=networks)
def test_a_network_spec_is_its_own_canonical_form(spec):
    assert NetworkSpec(**spec.model_dump()) == spec
    assert "" not in spec.model_dump().values()


@given(spec=runs)
def test_toml_round_trip(spec):
    again = RunSpec.from_toml(spec.to_toml())
    assert again == spec
    assert again.content_hash == spec.content_hash
    assert again.canonical_json() == spec.canonical_json()


@given(one=runs, other=runs)
def test_hashes_are_equal_exactly_where_the_numbers_are(one, other):
    def determines(spec):
        return spec.model_copy(update={"data": ""}) if spec.data_digest else spec

    assert (one.content_hash == other.content_hash) == (determines(one) == determines(other))


def test_hash_ignores_the_path_of_data_with_a_digest():
    def digest(data, data_digest):
        return run_spec(data=data, data_digest=data_digest).content_hash

    assert digest("/a/x.npz", "ab" * 32) == digest("/b/y.npz", "ab" * 32)
    assert digest("/a/x.npz", "ab" * 32) != digest("/a/x.npz", "cd" * 32)
    assert digest("shapeset", "") != digest("mnist", "")


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (" shapeset ( test = 02000 ) ", "shapeset(test=2000)"),
        ("shapeset(test=20, validation=1000000)", "shapeset(validation=1000000, test=20)"),
        ("shapeset(validation=10000,test=1)", "shapeset(test=1)"),
        ("shapeset(test=10000, validation=10000)", "shapeset"),
        ("shapeset()", "shapeset"),
        ("shapeset(train=endless)", "shapeset"),
        ("shapeset(test=5, train=0100)", "shapeset(train=100, test=5)"),
        ("shapeset(test=2).npz", "shapeset(test=2).npz"),
        ("mine(test=2)", "mine(test=2)"),
    ],
)
def test_data_have_one_name(written, canonical):
    spec = run_spec(data=written)
    assert spec.data == canonical
    assert spec.content_hash == run_spec(data=canonical).content_hash
    assert (spec.content_hash == run_spec(data="shapeset").content_hash) == (canonical == "shapeset")
    assert RunSpec.from_toml(spec.to_toml()) == spec


@pytest.mark.parametrize(
    ("bracket", "message"),
    [
        *((f"test={size}", f"test {size!r:.60}: allowed are whole numbers from 1 to 1,000,000") for size in
          ("0", "-1", "1000001", "2.5", "2e3", "2_000", "nan", "", "\uff12", "9" * 150)),
        ("test", "test '': allowed are whole"),
        ("tests=5", "unknown parameter 'tests'; allowed are train, validation, test"),
        ("train=0", "train '0': allowed are whole numbers from 1 to 1,000,000, or endless"),
        ("train=inf", "train 'inf': allowed are whole numbers from 1 to 1,000,000, or endless"),
        ("test=endless", "test 'endless': allowed are whole numbers from 1 to 1,000,000"),
        ("5", "unknown parameter '5'"),
        ("test=1, test=2", "'test' is given twice"),
    ],
)  # fmt: skip
def test_bad_numbers_of_examples(bracket, message):
    with pytest.raises(InvalidValueError) as caught:
        run_spec(data=f"shapeset({bracket})")
    assert str(caught.value).startswith(f"dataset 'shapeset({bracket})': {message}")
    assert one_line(caught)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"dtype": "float64"},
        {"data": "mnist"},
        {"data": "shapeset(test=9999)"},
        {"network": NetworkSpec.parse("4,3x2,2")},
        {"network": NetworkSpec.parse("4,3,2", activation="relu")},
        {"training": TrainingSpec(updates=11)},
        {"training": TrainingSpec(updates=10, l2=1e-9)},
    ],
)
def test_hash_covers_what_determines_the_numbers(change):
    assert run_spec(**change).content_hash != run_spec().content_hash


def test_equal_numbers_have_one_hash():
    for one, other in ((0.0, -0.0), (1, 1.0)):
        first = run_spec(training=TrainingSpec(updates=1, learning_rate=one))
        second = run_spec(training=TrainingSpec(updates=1, learning_rate=other))
        assert first == second
        assert first.content_hash == second.content_hash


def test_frozen():
    for spec, field in ((NetworkSpec.parse("4,2"), "activation"), (run_spec(), "seed")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(spec, field, "tanh")
    assert hash(run_spec()) == hash(run_spec())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layer_sizes": (784, 0, 10)}, "layer size 0: allowed are whole numbers from 1"),
        ({"layer_sizes": (784, 2**24 + 1, 10)}, "layer size 16777217"),
        ({"layer_sizes": (784,)}, r"layer_sizes \(784,\)"),
        ({"layer_sizes": (784, 2.5, 10)}, r"layer_sizes\.1 2\.5"),
        ({"layer_sizes": (784, math.nan, 10)}, r"layer_sizes\.1 nan"),
        ({"layer_sizes": "784"}, "layer_sizes '784'"),
        ({}, "missing field 'layer_sizes'"),
        ({"layer_sizes": (3, 1)}, "1 softmax output: allowed are 2"),
        ({"layer_sizes": (3, 2), "activation": "swish"}, "unknown activation 'swish': allowed are .*tanh"),
        ({"layer_sizes": (3, 2), "activation": None}, "unknown activation 'None'"),
        ({"layer_sizes": (3, 2), "initializer": "glorot"}, "unknown initializer 'glorot': allowed are"),
        ({"layer_sizes": (3, 2), "bias": "ones"}, "unknown bias 'ones': allowed are zeros"),
        ({"layer_sizes": (3, 2), "output": "argmax"}, "unknown output 'argmax': allowed are softmax"),
        ({"layer_sizes": (3, 2), "cost": "hinge"}, "cost 'hinge' with output 'softmax': allowed are"),
        ({"layer_sizes": (3, 2), "width": 3}, "unknown field 'width': allowed are layer_sizes"),
        ({"layer_sizes": (3, 2), "self": 3}, "unknown field 'self': allowed are layer_sizes"),
    ],
)
def test_bad_networks(fields, message):
    with pytest.raises(InvalidValueError, match=message) as caught:
        NetworkSpec(**fields)
    assert one_line(caught)


def test_layers_come_one_way():
    with pytest.raises(InvalidValueError, match="layers '3,2' together with layer_sizes"):
        NetworkSpec.parse("3,2", layer_sizes=(3, 2))


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, "fast", None, 1e7])
def test_bad_learning_rates(value):
    with pytest.raises(InvalidValueError, match=f"learning_rate {value!r}: input should be") as caught:
        TrainingSpec(updates=1, learning_rate=value)
    assert one_line(caught)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("updates", -1),
        ("updates", 1.5),
        ("batch_size", 0),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("l2", -1.0),
        ("l2", math.nan),
        ("batch_order", "random"),
        ("validation_every", -1),
        ("monitor_every", "x"),
    ],
)
def test_bad_training(field, value):
    with pytest.raises(InvalidValueError, match=f"{field} {value!r}: input should be") as caught:
        TrainingSpec(**{"updates": 1} | {field: value})
    assert one_line(caught)


def test_nesterov_needs_a_momentum():
    assert TrainingSpec(updates=1, momentum=0.5, nesterov=True).nesterov
    with pytest.raises(InvalidValueError, match=r"nesterov True with momentum 0\.0: allowed is True with"):
        TrainingSpec(updates=1, nesterov=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", -1),
        ("seed", 2**64),
        ("seed", 0.5),
        ("dtype", "float16"),
        ("data", 3),
        ("training", 5),
        ("network", 5),
        ("network", "3,2"),
        ("network", {}),
        ("training", {}),
    ],
)
def test_bad_runs(field, value):
    with pytest.raises(InvalidValueError, match=field if value else "missing field") as caught:
        run_spec(**{field: value})
    assert one_line(caught)


HEAD = '[network]\nlayers = "4,3,2"\n[training]\nupdates = 5\n'


def test_toml_by_hand():
    expected = run_spec(training=TrainingSpec(updates=5))
    assert RunSpec.from_toml(HEAD) == expected
    assert RunSpec.from_toml(HEAD.replace('layers = "4,3,2"', "layer_sizes = [4, 3, 2]")) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("network = ", "here.toml: not TOML: "),
        ("", "here.toml: missing field 'network'"),
        ("network = 5\n[training]\nupdates = 5", "here.toml: network '5'"),
        (HEAD + "learning_rate = nan", "here.toml: learning_rate nan"),
        (HEAD + "learning_rate = -0.1", "here.toml: learning_rate -0.1"),
        (HEAD + "learning_rat = 0.1", "here.toml: unknown field 'learning_rat': allowed are updates"),
        (HEAD + "self = 1", "here.toml: unknown field 'self'"),
        ("cls = 1\n" + HEAD, "here.toml: unknown field 'cls'"),
        (HEAD.replace("4,3,2", "784,0,10"), "here.toml: layers '784,0,10': '0' is not a size"),
        (HEAD.replace("[training]", "layer_sizes = [4, 2]\n[training]"), "here.toml: layers '4,3,2' together"),
        (HEAD.replace("[training]", "cls = 1\n[training]"), "here.toml: unknown field 'cls'"),
        (HEAD.replace("[training]", "activation = 'x\\ny'\n[training]"), "here.toml: "),
    ],
)
def test_bad_toml(text, message):
    with pytest.raises(InvalidValueError, match=message) as caught:
        RunSpec.from_toml(text, origin="here.toml")
    assert one_line(caught)


def test_numpy_numbers_are_numbers():
    assert NetworkSpec(layer_sizes=(np.int64(4), np.int32(2))) == NetworkSpec.parse("4,2")
    assert TrainingSpec(updates=np.int64(5), learning_rate=np.float64(0.1)).learning_rate == 0.1


def test_every_error_is_one_of_ours():
    assert issubclass(InvalidValueError, GlorotlabError)
    assert not dataclasses.is_dataclass(NetworkSpec)


def test_records_are_those_of_the_names_and_no_part_of_the_spec():
    spec = NetworkSpec.parse("4,3,2", activation="x*exp(-x**2)", initializer="nielsen_default", output="sigmoid")
    untouched = NetworkSpec(**spec.model_dump())
    assert spec.activation_record == activations.get(spec.activation)
    assert spec.output_activation == spec.layer_activation(1) == activations.get("sigmoid")
    assert spec.weight_initializer == initializers.get(spec.initializer)
    assert spec.bias_initializer == initializers.get_bias("normal(std=1)")
    assert spec.cost_record == costs.get("sigmoid", "cross_entropy")
    assert spec == untouched
    assert hash(spec) == hash(untouched)
    assert spec.model_dump() == untouched.model_dump()
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301
    assert spec.model_copy(update={"activation": "relu"}).activation_record == activations.get("relu")
    assert NetworkSpec.parse("4,2").output_activation is None
