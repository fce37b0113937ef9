"""Every public entry refuses the same arrays, numbers and networks, in one line that names the value."""

import inspect
import re
import warnings

import numpy as np
import pytest

import glorotlab as gl
from glorotlab.bridge.nielsen import save_nielsen
from glorotlab.data.source import ArraySource
from glorotlab.errors import InvalidValueError
from glorotlab.measurement.jacobian import jacobian_singular_values
from glorotlab.network.autoencoder import DenoisingAutoencoder
from glorotlab.spec.training import UpdateRule
from glorotlab.training.batches import Batches

SPEC = gl.NetworkSpec.parse("6,20x2,3")
X, Y = np.random.default_rng(0).normal(size=(8, 6)), np.arange(8) % 3
TRAINING = gl.TrainingSpec(updates=1, batch_size=2)


def network(dtype="float32"):
    return gl.Network(SPEC, dtype=dtype)


IN_FLOAT32 = {
    "forward": lambda x: network().forward(x),
    "gradients": lambda x: network().gradients(x, Y),
    "backpropagate": lambda x: network().backpropagate(x, Y),
    "train_step": lambda x: network().train_step(x, Y, 0.1),
    "train_steps": lambda x: network().train_steps(x, Y, 0.1, batch_size=2),
    "train_steps in an order": lambda x: network().train_steps(x, Y, 0.1, batch_size=2, order=[0, 1]),
    "rows": lambda x: network().rows(x, Y),
    "measure": lambda x: gl.measure(SPEC, x, Y, 1),
    "autoencoder": lambda x: DenoisingAutoencoder(network(), 0).below(x),
    "jacobian_singular_values": lambda x: jacobian_singular_values(network(), x, 1),
}
"""Entries that use their inputs in float32."""

IN_FLOAT64 = {
    "float64": lambda x: network("float64").train_step(x, Y, 0.1),
    "predict": lambda x: gl.predict(SPEC, x, Y),
    "predict_distributions": lambda x: gl.predict_distributions(SPEC, x, Y),
    "advise": lambda x: gl.advise(SPEC, x, Y),
    "trainability": lambda x: gl.trainability(SPEC, x, Y),
    "jacobian_spectrum": lambda x: gl.jacobian_spectrum(SPEC, x, layer=1),
    "coordinate_check": lambda x: gl.coordinate_check(SPEC, x, Y, widths=(4, 8, 16), steps=1, seeds=2),
    "Dataset": lambda x: gl.Dataset.from_arrays(x, Y),
    "Dataset, held out": lambda x: gl.Dataset.from_arrays(X, Y, test=(x, Y)),
    "ArraySource": lambda x: ArraySource(x, Y),
}
"""Entries that use them as they are given, or in float64."""


def with_value(value, dtype=np.float64):
    x = X.astype(dtype)
    x[2, 4] = value
    return x


MASKED = np.ma.array(X, mask=False)
MASKED[2, 4] = np.ma.masked
BAD_INPUTS = {
    "NaN": (with_value(np.nan), r"\[2, 4\] is nan: allowed are finite float"),
    "inf": (with_value(np.inf, np.float32), r"\[2, 4\] is inf: allowed are finite float\d\d numbers, up to"),
    "-inf in a list": (with_value(-np.inf).tolist(), r"\[2, 4\] is -inf"),
    "masked": (MASKED, "1 of 48 elements are masked: allowed are arrays without"),
    "a masked row in a list": ([*MASKED], "1 of 6 elements are masked"),
    "too large a long double": (with_value(np.longdouble("1e400"), np.longdouble), r"\[2, 4\] is 1e\+400"),
    "complex": (X + 0j, "dtype complex128"),
    "texts": (X.astype(str), "dtype <U32"),
    "objects": (X.astype(object), "dtype object"),
    "unequal rows": ([[1.0] * 6, [1.0]], "allowed is an array"),
}


@pytest.fixture(autouse=True)
def _numpy_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def refusal(entry, value):
    with pytest.raises(InvalidValueError) as caught:
        entry(value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", [*IN_FLOAT32, *IN_FLOAT64])
def test_no_entry_takes_bad_inputs(name):
    entry = (IN_FLOAT32 | IN_FLOAT64)[name]
    for kind, (x, message) in BAD_INPUTS.items():
        assert re.search(message, refusal(entry, x)), kind
    if name != "advise":  # which takes a second
        entry(np.ma.array(X, mask=False))  # of which nothing is masked


@pytest.mark.parametrize("name", IN_FLOAT32)
def test_what_float32_cannot_hold_is_named_as_it_was_given(name):
    message = r"\[2, 4\] is 1e\+39: allowed are finite float32 numbers, up to 3\.4e\+38 in size"
    assert re.search(message, refusal(IN_FLOAT32[name], with_value(1e39)))
    assert re.search(r"is -1e\+300", refusal(IN_FLOAT32[name], with_value(-1e300)))


def test_a_dataset_in_float64_is_refused_by_a_training_in_float32():
    data = gl.Dataset.from_arrays(with_value(1e39), Y, validation=(X, Y), test=(X, Y))
    assert "4] is 1e+39" in refusal(lambda data: Batches(data.train, TRAINING, 0, "float32"), data)
    for order in ("shuffled", "sequential"):
        training = gl.TrainingSpec(updates=4, batch_size=2, batch_order=order)
        spec = gl.RunSpec(network=SPEC, training=training)
        assert "inputs[" in refusal(lambda data, spec=spec: gl.train(spec, dataset=data), data)


def test_numbers_whose_squares_overflow_are_finite_all_the_same():
    """The quick look squares and sums; only what fails it is looked at one by one."""
    assert np.isfinite(network().forward(with_value(1e30)).preactivations[0]).all()
    assert ArraySource(with_value(1e308), Y).x.max() == 1e308


LABELLED = {
    "train_step": lambda y: network().train_step(X, y, 0.1),
    "gradients": lambda y: network().gradients(X, y),
    "measure": lambda y: gl.measure(SPEC, X, y, 1),
    "predict": lambda y: gl.predict(SPEC, X, y),
    "predict_distributions": lambda y: gl.predict_distributions(SPEC, X, y),
    "advise": lambda y: gl.advise(SPEC, X, y),
    "trainability": lambda y: gl.trainability(SPEC, X, y),
    "coordinate_check": lambda y: gl.coordinate_check(SPEC, X, y, widths=(4, 8, 16), steps=1, seeds=2),
    "Dataset": lambda y: gl.Dataset.from_arrays(X, y),
}


@pytest.mark.parametrize("name", LABELLED)
def test_no_entry_takes_labels_that_are_masked_or_no_classes(name):
    masked = np.ma.array(Y, mask=Y == 1)
    assert "3 of 8 elements are masked" in refusal(LABELLED[name], masked)
    for wrong in (Y == 1, Y.astype(str), Y.astype(object)):
        assert "dtype" in refusal(LABELLED[name], wrong)


ONE_OUTPUT = gl.NetworkSpec.parse("6,20x2,1", output="linear")
REACHED = {
    "train_step": lambda y: gl.Network(ONE_OUTPUT).train_step(X, y, 0.1),
    "gradients": lambda y: gl.Network(ONE_OUTPUT).gradients(X, y),
    "measure": lambda y: gl.measure(ONE_OUTPUT, X, y, 1),
    "predict": lambda y: gl.predict(ONE_OUTPUT, X, y),
    "Dataset": lambda y: gl.Dataset.from_arrays(X, y),
}


@pytest.mark.parametrize("name", REACHED)
def test_targets_pass_the_gate_of_inputs(name):
    targets = X[:, 0].copy()
    assert "elements are masked" in refusal(REACHED[name], np.ma.array(targets, mask=targets > 0))
    for wrong in (np.nan, np.inf):
        targets[3] = wrong
        assert str(wrong) in refusal(REACHED[name], targets)
    targets[3] = 1e39
    if name in ("train_step", "gradients", "measure"):
        assert "is 1e+39: allowed are finite float32" in refusal(REACHED[name], targets)


NUMBERS = {
    "learning rate": lambda v: network().train_step(X, Y, v),
    "momentum": lambda v: network().train_step(X, Y, 0.1, momentum=v),
    "l2": lambda v: UpdateRule(0.1, l2=v),
    "batch_size": lambda v: network().train_steps(X, Y, 0.1, batch_size=v),
    "updates": lambda v: network().train_on(network().rows(X, Y), v, UpdateRule(0.1), batch_size=2),
    "amount": lambda v: network().move_along_velocities(v),
    "seed": lambda v: gl.Network(SPEC, seed=v),
    "layer size": lambda v: gl.NetworkSpec.parse([6, v, 3]),
    "layer_sizes": lambda v: gl.NetworkSpec(layer_sizes=(6, v, 3)),
    "seeds": lambda v: gl.measure(SPEC, X, Y, v),
    "bins": lambda v: gl.measure(SPEC, X, Y, 1, bins=v),
    "input second moment": lambda v: gl.predict(SPEC, input_second_moment=v),
    "input_second_moment =": lambda v: gl.advise(SPEC, input_second_moment=v),
    "level": lambda v: gl.predict(SPEC, X, level=v),
    "networks": lambda v: gl.predict(SPEC, X, level=0.9, networks=v),
    "second moment q": lambda v: gl.moments("tanh", v),
    "correlation": lambda v: gl.pair_moments("tanh", 1.0, 1.0, v),
    "weight_variance": lambda v: gl.fixed_points("tanh", v),
    "bias_variance": lambda v: gl.critical_points("tanh", v),
    "tolerance": lambda v: gl.fixed_points("tanh", 1.0, tolerance=v),
    "fan_in": lambda v: gl.phase_diagram("tanh", [1.0], [0.0], fan_in=v),
    "input_second_moment": lambda v: gl.phase_diagram("tanh", [1.0], [0.0], input_second_moment=v),
    "layer": lambda v: gl.jacobian_spectrum(SPEC, input_second_moment=1.0, layer=v),
    "probability": lambda v: gl.jacobian_spectrum(SPEC, input_second_moment=1.0).quantile(v),
    "sigma": lambda v: gl.jacobian_spectrum(SPEC, input_second_moment=1.0).cdf(v),
    "test_fraction": lambda v: gl.Dataset.from_arrays(X, Y, test_fraction=v),
    "classes": lambda v: gl.Dataset.from_arrays(X, Y, classes=v),
    "n": lambda v: gl.shapeset(v),
    "number of threads": gl.set_num_threads,
    "checkpoint_every": lambda v: gl.train(gl.RunSpec(network=SPEC, training=TRAINING), checkpoint_every=v),
    "learning_rate": lambda v: gl.TrainingSpec(updates=1, learning_rate=v),
}


@pytest.mark.parametrize("what", NUMBERS)
def test_true_is_no_number_and_neither_is_a_text(what):
    for wrong in (True, np.True_, "1"):
        message = refusal(NUMBERS[what], wrong)
        assert message.startswith(what)
        assert str(wrong) in message


class Model:
    """A model of another framework."""


NETWORKS = {
    "Network": gl.Network,
    "predict": lambda spec: gl.predict(spec, X, Y),
    "measure": lambda spec: gl.measure(spec, X, Y, 1),
    "predict_distributions": lambda spec: gl.predict_distributions(spec, X, Y),
    "advise": lambda spec: gl.advise(spec, X, Y),
    "trainability": lambda spec: gl.trainability(spec, X, Y),
    "coordinate_check": lambda spec: gl.coordinate_check(spec, X, Y, widths=(4, 8, 16), steps=1, seeds=2),
    "jacobian_spectrum": lambda spec: gl.jacobian_spectrum(spec, X),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_a_spec_or_its_layers(name, monkeypatch):
    taken = []
    monkeypatch.setattr("glorotlab.spec.network.NetworkSpec.parse", lambda layers: taken.append(layers) or SPEC)
    for layers in ("6,20x2,3", [6, 20, 20, 3]) if name != "advise" else ([6, 20, 20, 3],):
        NETWORKS[name](layers)
        assert taken.pop() == layers
    monkeypatch.undo()
    assert "network of type Model: allowed is a NetworkSpec" in refusal(NETWORKS[name], Model())
    assert "layer size 'a': allowed are whole numbers" in refusal(NETWORKS[name], [6, "a", 3])
    assert "'20y3' is not a size" in refusal(NETWORKS[name], "6,20y3")


def test_layers_are_text_or_a_list_of_sizes():
    for layers in ([6, 20, 20, 3], (6, 20, 20, 3), np.array([6, 20, 20, 3])):
        assert gl.NetworkSpec.parse(layers) == SPEC
    for wrong in (6, None, b"6,3", np.array(6), [6, 2.5, 3], [6, "20", 3], [[6], [3]], np.eye(3)):
        assert "allowed are" in refusal(gl.NetworkSpec.parse, wrong)


class Lines:
    """An object whose representation has many lines, as a model of torch has."""

    def __repr__(self):
        return "Sequential(\n  (0): Linear(in_features=6, out_features=3)\n)"


FOREIGN = {
    "parse": gl.NetworkSpec.parse,
    "unnamed": gl.NetworkSpec,
    "field": lambda v: gl.TrainingSpec(updates=v),
    "whole number": lambda v: gl.shapeset(v),
    "real number": lambda v: network().train_step(X, Y, v),
    "progress": lambda v: gl.advise(SPEC, X, Y, progress=v),
    "seeds": lambda v: gl.measure(SPEC, X, Y, v),
    "dtype": lambda v: gl.Network(SPEC, dtype=v),
}


@pytest.mark.parametrize("entry", FOREIGN)
def test_an_object_of_many_lines_is_named_in_one(entry):
    assert "Sequential( (0): Linear(" in refusal(FOREIGN[entry], Lines())


def test_a_spec_file_has_layers_as_text_or_as_a_list():
    text = "[network]\nlayers = {}\n[training]\nupdates = 2\n"
    listed, written = (gl.RunSpec.from_toml(text.format(layers)) for layers in ("[6, 20, 20, 3]", "'6,20x2,3'"))
    assert listed == written
    assert listed.content_hash == written.content_hash
    for wrong, message in (
        ("6", "layers 6: allowed"),
        ("[6, true]", "layer size True"),
        ("[6, '3']", "layer size '3'"),
    ):
        assert message in refusal(gl.RunSpec.from_toml, text.format(wrong))


@pytest.mark.parametrize("name", ["learning rate", "l2"])
def test_a_step_is_bounded_as_a_training_is(name):
    """A learning rate of 1e39 is infinite in float32 and leaves weights that are no numbers."""
    largest = {"learning rate": 1e6, "l2": 1e3}[name]
    UpdateRule(**{"learning_rate": 0.1, name.replace(" ", "_"): largest})
    for take in (network().train_step, lambda *args, **rule: network().train_steps(*args, **rule, batch_size=2)):
        rule = {"learning_rate": 0.1, name.replace(" ", "_"): 1e39}
        assert refusal(lambda r, take=take: take(X, Y, **r), rule) == (
            f"{name} 1e+39: allowed are numbers from 0 to {largest:g}"
        )


def test_data_come_in_one_order_everywhere():
    for call in (gl.predict, gl.measure, gl.predict_distributions, gl.advise, gl.trainability):
        assert list(inspect.signature(call).parameters)[:3] == ["spec", "inputs", "labels"]
        assert inspect.signature(call).parameters["labels"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert list(inspect.signature(gl.jacobian_spectrum).parameters)[:2] == ["spec", "inputs"]


SIGMOID = gl.NetworkSpec.parse("6,5,3", activation="sigmoid", output="sigmoid")
SLIPS = {
    "progress of train": lambda: gl.train(gl.RunSpec(network=SPEC, training=TRAINING), progress=True),
    "progress of measure": lambda: gl.measure(SPEC, X, Y, 1, progress=True),
    "progress of advise": lambda: gl.advise(SPEC, X, Y, progress=True),
    "progress of sweep": lambda: gl.sweep(gl.SweepSpec.from_toml(SWEEP), "nowhere", progress=True),
    "run of type NetworkSpec": lambda: gl.train(SPEC),
    "dataset of type tuple": lambda: gl.train(gl.RunSpec(network=SPEC, training=TRAINING), dataset=(X, Y)),
    "dataset of type int": lambda: gl.load_dataset(3),
    "NetworkSpec('6,20,3')": lambda: gl.NetworkSpec("6,20,3"),
    "activation of type int: allowed is a name": lambda: gl.moments(3, 1.0),
    "activation of type list": lambda: gl.phase_diagram(["tanh"]),
    "activation of type NoneType": lambda: gl.fixed_points(None, 1.0, 0.0),
    "initializer of type int": lambda: gl.phase_diagram("tanh", [1.0], [0.0], initializers=[3]),
    "derivation of type int": lambda: gl.derive(3),
    "derivation of type object": lambda: gl.derive(object()),
    "derivation of type list": lambda: gl.derive(["compromise"]),
    "assumptions to drop of type int": lambda: gl.derive("compromise", 3),
    "assumption of type int": lambda: gl.derive("compromise", [3]),
    "path of type NoneType": lambda: gl.load_run(None),
    "path of type bytes": lambda: gl.load_sweep(b"runs"),
    "path of type int: allowed is a text": lambda: gl.load_nielsen(3),
    "network of type int: allowed is a Network": lambda: gl.save_nielsen(3, 4),
    "path of type int": lambda: gl.save_nielsen(gl.Network(SIGMOID), 4),
    "second_moment = 1e+31: allowed": lambda: gl.fixed_points("tanh", 1.0, 0.0).reached(1e31),
    "input_second_moment = 1e+31: allowed": lambda: gl.advise("6,20x2,3", input_second_moment=1e31),
    "sweep of type str": lambda: gl.sweep("sweep.toml", "nowhere"),
}
SWEEP = "[network]\nlayers = '6,5,3'\n[training]\nupdates = 2\n[sweep.grid]\nactivation = ['tanh', 'relu']\n"


@pytest.mark.parametrize("slip", SLIPS)
def test_common_slips_are_one_line(slip):
    message = refusal(lambda _: SLIPS[slip](), None)
    assert message.startswith(slip.partition(" of ")[0] if slip.startswith("progress") else slip)
    assert "allowed " in message


def test_prediction_and_measurement_are_compared_in_either_order():
    prediction, measurement = gl.predict(SPEC, X, Y), gl.measure(SPEC, X, Y, 3)
    assert gl.compare(measurement, prediction) == gl.compare(prediction, measurement)
    assert "two measurements" in refusal(lambda m: gl.compare(m, m), measurement)


def test_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.savez(tmp_path / "own.npz", x=X, y=Y)
    assert gl.load_dataset("~/own.npz").fan_in == gl.Dataset.from_npz("~/own.npz").fan_in == 6
    run = gl.train(gl.RunSpec(network=SPEC, training=TRAINING, data="~/own.npz"), out="~/run")
    assert gl.load_run("~/run").updates == run.updates == 1
    save_nielsen(gl.Network(SIGMOID), "~/net.json")
    assert {path.name for path in tmp_path.iterdir()} == {"own.npz", "run", "net.json"}


THEORY = ("predict", "predict_distributions", "advise", "trainability", "jacobian_spectrum")


@pytest.mark.parametrize("name", THEORY)
def test_an_example_too_large_for_the_theory_is_named(name):
    """NumPy's warnings are errors here: none comes out of the overflow. 1e16 in one of 6 inputs is 1.67e31."""
    for value, moment in ((1e308, "inf"), (-1e308, "inf"), (1e16, "1.67e+31")):
        message = refusal(IN_FLOAT64[name], with_value(value))
        assert message.startswith(f"inputs[2] has second moment {moment}, its largest input being {abs(value):.3g} in")
    both = with_value(1e308)
    both[2, 3] = -1e308  # sums may be infinite on either side
    assert "inputs[2] has second moment inf" in refusal(IN_FLOAT64[name], both)


def test_a_measurement_that_leaves_the_range_of_its_precision_is_refused():
    """Neither infinite statistics nor NumPy's warnings come out; what both precisions hold is measured."""
    exploding = gl.NetworkSpec.parse("6,20x30,3", activation="relu", initializer="normal(std=10)")
    for dtype, x in (("float32", X), ("float64", X * 1e160)):
        message = refusal(lambda x, dtype=dtype: gl.measure(exploding, x, Y, 1, dtype=dtype), x)
        assert f"the network of seed 0 leaves the range of {dtype}: statistics of layer" in message
        assert ("float64" in message.partition("allowed")[2]) == (dtype == "float32")
    assert np.isfinite(gl.measure(exploding, X, Y, 1, dtype="float64").preactivation_second_moment).all()


def test_factors_and_states_that_are_masked_are_refused_and_change_nothing():
    net = network()
    weights, biases = [np.ones_like(w) for w in net.weights], [np.ones_like(b) for b in net.biases]
    masked = np.ma.array(weights[0], mask=weights[0] > 0)
    before = net.state()
    assert "120 of 120 elements are masked" in refusal(lambda w: net.set_rates([w, *weights[1:]], biases), masked)
    assert "weight_1: 120 of 120" in refusal(lambda w: net.load_state(net.state() | {"weight_1": w}), masked)
    assert all((net.state()[name] == array).all() for name, array in before.items())


def test_the_check_of_inputs_is_made_once_for_a_whole_training(monkeypatch):
    """Of 40 updates in 20 calls the inputs are looked at once; each look reads the whole training set."""
    looks = []
    monkeypatch.setattr("glorotlab.checks.refuse_infinite", lambda what, *_: looks.append(what))
    batches, net = Batches(ArraySource(X, Y), TRAINING.model_copy(update={"updates": 40}), 0, "float32"), network()
    for update in range(0, 40, 2):
        batches.train(net, update, 2)
    assert looks == ["training inputs"]
