"""Networks in the JSON of Nielsen's network2: read and written to the bit, and all else refused in one line."""

import gzip
import json
import os

import numpy as np
import pytest
from nielsen_network import NielsenNetwork, columns, sigmoid

import glorotlab as gl
from glorotlab.bridge import nielsen
from glorotlab.errors import DataError, InvalidValueError, RunError

HIS = {
    "sizes": [2, 3, 1],
    "weights": [[[0.5, -1.25], [2.0, 3], [1e-3, 0.1]], [[1.5, -0.5, 0.25]]],
    "biases": [[[0.1], [0.2], [-0.3]], [[0.7]]],
    "cost": "QuadraticCost",
}
"""A file of his, by hand; one of its numbers is written without a point."""


def network(layers="4,5,3,2", **fields):
    fields = {"activation": "sigmoid", "initializer": "nielsen_default", "output": "sigmoid"} | fields
    return gl.Network(gl.NetworkSpec.parse(layers, **fields), seed=7, dtype="float64")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.json"


def test_a_file_of_his_is_his_network(path):
    path.write_text(json.dumps(HIS))
    ours = gl.load_nielsen(path)
    assert (ours.spec.layer_sizes, ours.dtype) == ((2, 3, 1), np.float64)
    fields = ("activation", "output", "initializer", "cost")
    assert [getattr(ours.spec, name) for name in fields] == ["sigmoid", "sigmoid", "nielsen_default", "quadratic"]
    for own, his in zip(ours.weights, HIS["weights"], strict=True):
        np.testing.assert_array_equal(own, np.array(his).T)
    for own, his in zip(ours.biases, HIS["biases"], strict=True):
        np.testing.assert_array_equal(own, np.array(his)[:, 0])
    x = a = np.array([[0.3], [0.9]])
    for w, b in zip(HIS["weights"], HIS["biases"], strict=True):
        a = sigmoid(np.array(w) @ a + b)
    np.testing.assert_allclose(ours.forward(x.T).activations[-1], a.T, rtol=1e-14)


@pytest.mark.parametrize("cost", ["cross_entropy", "quadratic"])
@pytest.mark.parametrize("layers", ["4,5,3,2", "3,1", "1,1,1"])
def test_what_is_saved_comes_back_to_the_bit(path, layers, cost):
    saved = network(layers, cost=cost)
    saved.weights[0][0, 0] = 5e-324
    saved.biases[0][0] = -0.0
    gl.save_nielsen(saved, path)
    loaded = gl.load_nielsen(str(path))
    assert loaded.spec == saved.spec
    for before, after in zip(saved.state().values(), loaded.state().values(), strict=True):
        assert before.tobytes() == after.tobytes()


def test_float32_comes_back_to_the_bit(path):
    saved = gl.Network(network().spec, seed=1)
    gl.save_nielsen(saved, path)
    loaded = gl.load_nielsen(path, dtype="float32")
    assert loaded.dtype == np.float32
    for before, after in zip(saved.state().values(), loaded.state().values(), strict=True):
        assert before.tobytes() == after.tobytes()


def test_the_file_has_his_layout(path):
    saved = network("4,3,2")
    gl.save_nielsen(saved, path)
    content = json.loads(path.read_text())
    assert list(content) == ["sizes", "weights", "biases", "cost"]
    assert (content["sizes"], content["cost"]) == ([4, 3, 2], "CrossEntropyCost")
    assert [np.shape(weight) for weight in content["weights"]] == [(3, 4), (2, 3)]
    assert [np.shape(bias) for bias in content["biases"]] == [(3, 1), (2, 1)]
    assert content["weights"][1][0][2] == saved.weights[1][2, 0]


def test_a_loaded_network_trains_on_as_his(path):
    path.write_text(json.dumps(HIS))
    ours = gl.load_nielsen(path)
    his, x, y = NielsenNetwork(ours), np.array([[0.1, 0.8], [0.4, 0.2]]), [0, 0]
    ours.train_step(x, [1, 1], 0.5, l2=0.1 / 2)  # a single output is to reach the label; his is to reach 1
    his.update(columns(x, y, 1), 0.5, 0.1, 2)
    for own, theirs in zip(ours.weights, his.weights, strict=True):
        np.testing.assert_allclose(own, theirs.T, rtol=1e-14)


def changed(**fields):
    return json.dumps(HIS | fields)


def with_number(text):
    """Return the file with a number of the first weight matrix replaced by a text."""
    return json.dumps(HIS).replace("-1.25", text)


NESTED = 100_000
BAD = {
    "nothing": ("", "not JSON"),
    "text": ("weights", "not JSON"),
    "half a file": (json.dumps(HIS)[:-20], "not JSON"),
    "two files": (json.dumps(HIS) * 2, "not JSON"),
    "a pickle": (b"\x80\x04K\x01.", "not a text in UTF-8"),
    "a number of 5000 digits": (with_number("1" * 5000), "has 5,000 characters: allowed are 1000"),
    "a list": ("[1, 2]", "holds a list of 2: allowed is an object with sizes, weights, biases, cost"),
    "a number alone": ("3", "holds 3: allowed is an object"),
    "nested lists": ("[" * NESTED + "]" * NESTED, "nested too deeply"),
    "nested tables": ('{"a":' * NESTED + "1" + "}" * NESTED, "nested too deeply"),
    "nested sizes": (changed(sizes=[2, json.loads("[" * 900 + "]" * 900), 1]), "nested too deeply"),
    "no cost": (json.dumps({key: HIS[key] for key in ("sizes", "weights", "biases")}), "no key 'cost'"),
    "an unknown key": (changed(momentum=0.9), "unknown key 'momentum': allowed are sizes, weights"),
    "a key twice": (json.dumps(HIS)[:-1] + ', "sizes": [1, 1]}', "key 'sizes' twice"),
    "an unknown cost": (changed(cost="LogLikelihoodCost"), 'cost "LogLikelihoodCost": allowed are CrossEntropyCost, Q'),
    "a cost that is a list": (changed(cost=[]), "cost a list of 0: allowed are"),
    "no cost at all": (changed(cost=None), "cost null: allowed are"),
    "sizes that are a number": (changed(sizes=3), "sizes 3: allowed is a list of two whole numbers or more"),
    "one size": (changed(sizes=[2]), "sizes a list of 1: allowed"),
    "a size of 0": (changed(sizes=[2, 0, 1]), "size 0: allowed are whole numbers from 1"),
    "a negative size": (changed(sizes=[2, -3, 1]), "size -3: allowed"),
    "a size with a point": (changed(sizes=[2, 3.0, 1]), "size 3.0: allowed"),
    "a size that is a text": (changed(sizes=[2, "3", 1]), 'size "3": allowed'),
    "a size that is true": (changed(sizes=[2, 3, True]), "size true: allowed"),
    "a huge size": (changed(sizes=[2, 3, 10**30]), "size 1000000000000000000000000000000: allowed"),
    "sizes without their weights": (
        changed(sizes=[2, 2**24, 2**24, 1]),
        "weights: 2 matrices: allowed are 3, as sizes",
    ),
    "a wide size without its weights": (
        changed(sizes=[2**24, 2**24, 1]),
        "weights of layer 1: 3 rows: allowed are 1677",
    ),
    "transposed weights": (changed(sizes=[3, 2, 1]), "weights of layer 1: 3 rows: allowed are 2, as sizes say"),
    "a short row": (
        changed(weights=[[[1.0, 2], [1], [1, 2]], HIS["weights"][1]]),
        "weights of layer 1, row 1: 1 numbers",
    ),
    "flat biases": (
        changed(biases=[[0.1, 0.2, 0.3], [0.7]]),
        "biases of layer 1, row 0: 0.1: allowed is a list of 1 n",
    ),
    "missing biases": (changed(biases=HIS["biases"][:1]), "biases: 1 matrices: allowed are 2, as sizes say"),
    "weights that are a table": (changed(weights={}), "weights: a table of 0: allowed is a list of 2 matrices"),
    "NaN": (with_number("NaN"), "number NaN: allowed are finite numbers"),
    "infinity": (with_number("-Infinity"), "number -Infinity: allowed are finite numbers"),
    "an overflow": (with_number("1e999"), "number 1e999: allowed are finite numbers"),
    "a long whole number": (with_number("1" * 400), "weights of layer 1: a number beyond float64"),
    "true as a number": (with_number("true"), "weights of layer 1, row 0: true: allowed are finite numbers"),
    "text as a number": (with_number('"1.5"'), 'weights of layer 1, row 0: "1.5": allowed are finite numbers'),
    "null as a number": (with_number("null"), "weights of layer 1, row 0: null: allowed are finite numbers"),
    "a list as a number": (with_number("[1.5]"), "weights of layer 1, row 0: a list of 1: allowed are finite numbers"),
}


def refusal(path, **options):
    """Return the one line in which a file is refused, which begins with its path."""
    with pytest.raises(DataError) as caught:
        gl.load_nielsen(path, **options)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: ")
    assert len(line) < len(str(path)) + 250
    return line


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_network_of_his_is_refused(case, path):
    content, said = BAD[case]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert said in refusal(path)


def test_a_number_beyond_float32_is_refused_there_alone(path):
    path.write_text(with_number("1e300"))
    assert gl.load_nielsen(path).weights[0][1, 0] == 1e300
    assert "weights of layer 1: 1e+300: allowed are finite numbers of float32" in refusal(path, dtype="float32")


def test_a_huge_file_is_not_read(path, monkeypatch):
    path.write_text(json.dumps(HIS))
    monkeypatch.setattr(nielsen, "MAX_BYTES", path.stat().st_size)
    gl.load_nielsen(path)
    path.write_text(json.dumps(HIS) + " ")
    assert f"larger than {path.stat().st_size - 1:,} bytes" in refusal(path)


def test_missing_files_and_folders(path, tmp_path):
    assert "No such file" in refusal(path)
    assert "directory" in refusal(tmp_path)
    for call in (gl.load_nielsen, lambda place: gl.save_nielsen(network(), place)):
        with pytest.raises(InvalidValueError, match="null byte"):
            call("a\0b")


def test_an_unknown_dtype_is_refused(path):
    path.write_text(json.dumps(HIS))
    with pytest.raises(InvalidValueError, match="dtype 'float16': allowed are float32, float64"):
        gl.load_nielsen(path, dtype="float16")


def test_the_home_folder(path, monkeypatch):
    monkeypatch.setenv("HOME", str(path.parent))
    gl.save_nielsen(network(), "~/network.json")
    assert path.exists()
    assert gl.load_nielsen("~/network.json").spec == network().spec


OTHERS = {
    "a tanh network": ({"activation": "tanh"}, "network of tanh and sigmoid: allowed is sigmoid in hidden and output"),
    "a softmax output": (
        {"output": "softmax"},
        "network of sigmoid and softmax: allowed is sigmoid in hidden and output",
    ),
    "a linear output": ({"output": "linear"}, "network of sigmoid and linear: allowed is"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_network_that_his_program_has_not_is_not_saved(case, path):
    fields, said = OTHERS[case]
    with pytest.raises(InvalidValueError, match=said):
        gl.save_nielsen(network(**fields), path)
    assert os.listdir(path.parent) == []


def test_an_autoencoder_is_not_saved(path):
    spec = gl.NetworkSpec.parse("5,3,5", activation="sigmoid", output="sigmoid", autoencoder=True)
    with pytest.raises(InvalidValueError, match="an autoencoder: allowed are networks with labels"):
        gl.save_nielsen(gl.Network(spec), path)
    assert not path.exists()


def test_another_cost_is_not_saved(path, monkeypatch):
    monkeypatch.setattr(nielsen, "COSTS", {"QuadraticCost": "quadratic"})
    with pytest.raises(InvalidValueError, match="network of cost 'cross_entropy': allowed are quadratic"):
        gl.save_nielsen(network(), path)


@pytest.mark.parametrize("kind", ["weights", "biases"])
def test_numbers_that_are_not_finite_are_not_saved(kind, path):
    diverged = network()
    getattr(diverged, kind)[1][0] = np.nan
    with pytest.raises(InvalidValueError, match="weights that are not finite"):
        gl.save_nielsen(diverged, path)
    assert os.listdir(path.parent) == []


def test_a_file_is_written_whole_or_not_at_all(path, monkeypatch):
    gl.save_nielsen(network(), path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(RunError, match=r"cannot write .*No space left"):
        gl.save_nielsen(network("4,2"), path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_is_not_there(path):
    with pytest.raises(RunError, match=r"cannot write .*No such file"):
        gl.save_nielsen(network(), path.parent / "missing" / "network.json")


def test_a_compressed_file_is_no_json(path):
    path.write_bytes(gzip.compress(json.dumps(HIS).encode()))
    assert "not a text in UTF-8" in refusal(path)
