"""The command line: every command called in process, its JSON held against the Python face."""

import json
import math
import os
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
from command_line import ENVIRONMENT, parsed, python

import glorotlab
from glorotlab.cli import json_output
from glorotlab.cli.compare import FIELDS, SLACK, verdict
from glorotlab.cli.main import main
from glorotlab.data.catalogue import load_dataset
from glorotlab.derivations import Derivation, Outcome, Verification, derive
from glorotlab.measurement.compare import SECOND_MOMENTS, Entry
from glorotlab.measurement.compare import compare as set_side_by_side
from glorotlab.measurement.measure import measure
from glorotlab.schema import TENSORS
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.predict import predict

LAYERS = "1024,30,20,9"
EXAMPLES = ["--dataset", "shapeset", "--examples", "12"]


def shapes(n):
    return load_dataset("shapeset", seed=0).test.batch(0, n)


# The whole


def test_runs_as_a_module():
    found = python("-m", "glorotlab", "--version")
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{glorotlab.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["data", "list"], ["info"]])
def test_a_closed_pipe_is_met_quietly(arguments):
    """One command prints by rich, the other plainly."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "glorotlab", *arguments]
        found = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120, env=ENVIRONMENT)  # noqa: S603
    finally:
        os.close(writer)
    assert (found.returncode, found.stderr) == (0, "")


# derive


def test_derive_lists_names_and_titles(run):
    listing = run("derive")
    rows = parsed(run("derive", "--format", "json"))["derivations"]
    assert [row["name"] for row in rows] == list(derive())
    for row in rows:
        assert row["name"] in listing
        assert row["title"] in listing


@pytest.mark.parametrize("format", ["text", "latex", "mathml"])
def test_derive_writes_the_derivation(run, format):
    name = "backward_variance"
    assert run("derive", name, "--format", format) == getattr(derive(name), format)()


def test_derive_shows_printed_and_derived_where_they_differ(run):
    differing = [name for name in derive() if derive(name).printed is not None and derive(name).difference is not None]
    assert differing
    for name in differing:
        text = run("derive", name)
        assert "printed:" in text
        assert "follows:" in text


def test_derive_verifies(run, capsys):
    assert main(["derive", "forward_variance", "--verify"]) == 0
    assert capsys.readouterr().err.startswith("forward_variance: 10 of 10 checks passed\n")
    found = parsed(run("derive", "forward_variance", "--verify", "--format", "json"))
    assert found["verification"]["passed"] is True
    assert found["steps"] == derive("forward_variance").to_dict()["steps"]


def test_a_failed_verification_is_exit_code_1(run, monkeypatch):
    failed = Verification("forward_variance", (Outcome("a statement", False),), ())
    monkeypatch.setattr(Derivation, "verify", lambda self: failed)
    found = parsed(run("derive", "forward_variance", "--verify", "--format", "json", code=1))
    assert found["verification"] == {
        "passed": False,
        "checks": [{"statement": "a statement", "passed": False}],
    }


# predict, measure, compare


def check_layers(records, dataset):
    """Every pooled variable of a LayerStatistics without seeds stands in the records; NaN is null."""
    assert [record["layer"] for record in records] == dataset["layer"].values.tolist()
    for name, values in dataset.data_vars.items():
        column = values.sel(estimator="pooled") if "estimator" in values.dims else values
        for record, row in zip(records, column.values, strict=True):
            shown = list(record[name].values()) if "quantile" in column.dims else [record[name]]
            for value, each in zip(np.atleast_1d(row), shown, strict=True):
                assert each == (pytest.approx(value, rel=1e-12) if math.isfinite(value) else None)


def test_predict_prints_theory_as_json(run):
    spec = NetworkSpec.parse(LAYERS, activation="sigmoid", initializer="normal(std=0.1)", output="linear")
    arguments = ("-a", "sigmoid", "-i", "normal(std=0.1)", "--output", "linear", "--input-moment", 0.3, "--json")
    found = parsed(run("predict", LAYERS, *arguments))
    assert found["schema_version"] == 1
    assert found["spec"] == spec.model_dump(mode="json")
    assert found["data"] == {"input_second_moment": 0.3}
    assert len(found["assumptions"]) >= 3
    check_layers(found["layers"], predict(spec, input_second_moment=0.3))


def test_predict_takes_examples_of_a_dataset(run):
    x, y = shapes(12)
    expected = predict(NetworkSpec.parse(LAYERS), inputs=x, labels=y)
    for option in ("--batch", "--examples"):
        found = parsed(run("predict", LAYERS, "--dataset", "shapeset", option, 12, "--json"))
        check_layers(found["layers"], expected)
    assert found["layers"][-1]["activation_mean"] is None  # softmax mixes units


def test_predict_without_data_takes_second_moment_1(run):
    found = parsed(run("predict", LAYERS, "--json"))
    check_layers(found["layers"], predict(NetworkSpec.parse(LAYERS), input_second_moment=1.0))


def test_predict_prints_a_table_and_its_assumptions(run):
    text = run("predict", LAYERS)
    prediction = predict(NetworkSpec.parse(LAYERS), input_second_moment=1.0)
    for tensor in TENSORS:
        assert tensor in text
        for value in prediction[f"{tensor}_second_moment"].values[:2]:
            assert f"{value:.5g}" in text
    for assumption in json.loads(prediction.attrs["assumptions"]):
        assert assumption in text


def test_predict_prints_singular_values_if_asked(run):
    prediction = predict(NetworkSpec.parse(LAYERS), input_second_moment=1.0)
    value = f"{prediction['jacobian_singular_value_mean'].values[0]:.5g}"
    assert value not in run("predict", LAYERS)
    rows = [line.split() for line in run("predict", LAYERS, "--all").splitlines()]
    assert [row for row in rows if row[:1] == ["1"]][-1][3] == value


def test_predict_prints_its_errors(run):
    text = " ".join(run("predict", LAYERS).split())
    prediction = predict(NetworkSpec.parse(LAYERS), input_second_moment=1.0)
    for name in ("finite_width", "gaussianity"):
        assert f"{prediction.attrs[f'{name}_error']:.1g} for" in text


def test_measure_averages_consecutive_seeds(run):
    x, y = load_dataset("shapeset", seed=5).test.batch(0, 12)
    expected = measure(NetworkSpec.parse(LAYERS), x, y, [5, 6, 7], dtype="float64")
    found = parsed(run("measure", LAYERS, *EXAMPLES, "--seeds", 3, "--seed", 5, "--dtype", "float64", "--json"))
    assert found["data"] == {"dataset": "shapeset", "examples": 12, "seed": 5, "seeds": 3}
    for index, record in enumerate(found["layers"]):
        values = expected["backprop_gradient_second_moment"].values[:, index]
        assert record["backprop_gradient_second_moment"] == pytest.approx(values.mean())
        assert record["backprop_gradient_second_moment_std"] == pytest.approx(values.std(ddof=1))
        assert record["backprop_gradient_second_moment_sem"] == pytest.approx(values.std(ddof=1) / math.sqrt(3))
        pooled = expected["preactivation_variance"].sel(estimator="pooled").values[:, index]
        assert record["preactivation_variance"] == pytest.approx(pooled.mean())
        assert (record["fan_in"], record["fan_out"]) == NetworkSpec.parse(LAYERS).fans[index]
    quantiles = expected["activation_quantile"].mean("seed").values[0]
    assert list(found["layers"][0]["activation_quantile"].values()) == pytest.approx(quantiles.tolist())
    assert list(found["layers"][0]["activation_quantile"]) == ["0.02", "0.25", "0.5", "0.75", "0.98"]


def test_one_network_has_no_standard_error(run):
    (first, *_) = parsed(run("measure", LAYERS, *EXAMPLES, "--seeds", 1, "--json"))["layers"]
    assert first["activation_mean"] is not None
    assert first["activation_mean_sem"] is None
    text = run("compare", LAYERS, *EXAMPLES, "--seeds", 1)
    assert "agrees:" in text  # the rule
    assert text.count("agrees") == 1


def test_threads_change_no_number(run):
    arguments = ("measure", LAYERS, *EXAMPLES, "--seeds", 2, "--json")
    assert run(*arguments, "--threads", 1) == run(*arguments, "--threads", 2)


def test_compare_prints_every_entry_as_json(run):
    x, y = shapes(12)
    spec = NetworkSpec.parse(LAYERS, activation="softsign")
    predicted = predict(spec, inputs=x, labels=y, level=0.95, networks=4)
    expected = set_side_by_side(predicted, measure(spec, x, y, 4))
    entries = {(entry.layer, entry.variable): entry for entry in expected.entries}
    arguments = ("compare", LAYERS, "-a", "softsign", *EXAMPLES, "--seeds", 4, "--json")
    found = parsed(run(*arguments))
    assert parsed(run(*arguments, "--all")) == found
    assert list(found) == ["schema_version", "spec", "assumptions", "layers", "data"]
    variables = {variable for _, variable in entries}
    assert variables > set(SECOND_MOMENTS)
    for record in found["layers"]:
        assert record.keys() == variables | {"layer", "fan_in", "fan_out"}
        for name in variables:
            assert tuple(record[name]) == FIELDS
            entry = entries.get((record["layer"], name))
            for key, value in record[name].items():
                assert value == (None if entry is None else getattr(entry, key))


def test_compare_prints_ratio_error_and_verdict(run):
    text = run("compare", LAYERS, *EXAMPLES, "--seeds", 4, "--no-bands")
    assert "band" not in text
    x, y = shapes(12)
    spec = NetworkSpec.parse(LAYERS)
    found = set_side_by_side(predict(spec, inputs=x, labels=y), measure(spec, x, y, 4))
    for entry in (entry for name in SECOND_MOMENTS for entry in found.select(name)):
        row = [str(entry.layer), f"{entry.predicted:.5g}", f"{entry.measured:.5g}", f"{entry.standard_error:.2g}"]
        row += [f"{entry.ratio:.4f}", "±", f"{entry.ratio_error:.4f}", f"{entry.z_score:.2f}", verdict(entry)]
        assert row in [line.split() for line in text.splitlines()]


def test_bands_are_printed_where_there_are_any(run):
    x, y = shapes(12)
    expected = predict(NetworkSpec.parse(LAYERS), inputs=x, labels=y, level=0.9)
    low, high = (float(expected[f"activation_second_moment_{end}"][0]) for end in ("low", "high"))
    text = run("predict", LAYERS, "--dataset", "shapeset", "--batch", 12, "--level", 0.9)
    assert f"{low:.3g} .. {high:.3g}" in text
    assert "with probability 0.9" in text
    text = run("compare", LAYERS, *EXAMPLES, "--seeds", 3)
    assert "the mean of 3 networks lies inside with probability 0.95" in text
    assert " .. " in text
    text = run("compare", LAYERS, "-i", "orthogonal", *EXAMPLES, "--seeds", 3)
    assert "no bands: bands for initializer orthogonal" in text
    assert " .. " not in text


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("predicted", [-3.0, 0.0, 2.0])
def test_the_verdict_is_the_rule(predicted, sign):
    """Measured values just inside and just outside 2 standard errors + 1.5 % of the prediction."""
    error = 0.01
    edge = 2 * error + SLACK * abs(predicted)
    for factor, said in ((0.999, "agrees"), (1.001, "differs")):
        measured = predicted + sign * factor * edge
        entry = Entry(1, "activation_mean", predicted, measured, error, None, None, None, None, None)
        assert verdict(entry) == said
    assert verdict(Entry(1, "activation_mean", 1.0, 1.0, None, 1.0, None, None, None, None)) == "–"
    assert SLACK == 0.015


def test_json_has_no_number_that_is_not_finite(capsys):
    json_output.print_json({"a": [math.nan, {"b": -math.inf}, 1.5, np.float64("nan")], "c": (1, None, True)})
    found = parsed(capsys.readouterr().out)
    assert found == {"schema_version": 1, "a": [None, {"b": None}, 1.5, None], "c": [1, None, True]}


# train

TRAIN = ("train", "6,12,3", "--dataset", "own.npz", "--updates", 6, "--lr", 0.1, "--batch", 4)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The folder a test runs in, which holds a small dataset."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).standard_normal((60, 6)).astype(np.float32)
    np.savez("own.npz", x=x, y=np.arange(60) % 3)
    return tmp_path


def test_train_makes_the_run_of_its_options(run, own):
    from glorotlab.training.loop import train
    from glorotlab.training.runs.run import load_run

    folder = own / "run"
    options = (
        "--momentum",
        0.5,
        "--nesterov",
        "--l2",
        0.001,
        "--seed",
        3,
        "--dtype",
        "float64",
        "-a",
        "relu",
        "-i",
        "he_normal",
    )
    text = run(*TRAIN, *options, "--out", folder)
    found = load_run(folder)
    spec = found.spec
    assert (spec.training.batch_size, spec.training.learning_rate, spec.training.updates) == (4, 0.1, 6)
    training = spec.training
    assert (training.momentum, training.nesterov, training.l2, spec.seed, spec.dtype) == (
        0.5,
        True,
        0.001,
        3,
        "float64",
    )
    assert (spec.network.layers, spec.network.activation, spec.network.initializer) == (
        "6,12,3",
        "relu",
        "he_normal",
    )
    expected = train(spec)
    for name, values in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], values)
    error = float(expected.curves["test_error"][-1])
    assert text.startswith("finished after 6 updates")
    assert f"test error {error:.2%}; saved in {folder}" in text


def test_train_reads_a_spec(run, own):
    first, second = (parsed(run(*TRAIN, "--json", "--out", own / name)) for name in ("a", "b"))
    third = parsed(run("train", own / "a" / "spec.toml", "--out", own / "c", "--json", "--quiet", "--threads", 1))
    assert first["status"] == "finished"
    assert first["spec"]["training"]["updates"] == 6
    assert [record["layer"] for record in first["layers"]] == [1, 2]
    assert 0 <= first["test_error"] <= 1
    for other in (second, third):
        assert other | {"folder": ""} == first | {"folder": ""}


def test_a_diverged_run_is_exit_code_1(run, own):
    arguments = ("train", "6,12,12,3", "-a", "relu", "--dataset", "own.npz", "--updates", 50, "--lr", 1e6)
    assert run(*arguments, code=1).startswith("diverged after")
    assert parsed(run(*arguments, "--json", code=1))["status"] == "diverged"


def test_ctrl_c_saves_the_run_and_says_so_in_one_line(own):
    """A real signal to a real process, once its folder says that it runs."""
    from glorotlab.training.runs.run import load_run

    folder = own / "run"
    command = [sys.executable, "-m", "glorotlab", *map(str, TRAIN), "--updates", str(10**9), "--out", str(folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=ENVIRONMENT, **pipes) as process:  # noqa: S603
        try:
            deadline = time.monotonic() + 60
            while not (folder / "status.json").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(1.0)  # so that the first record is taken
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out) == (130, "")
    done = load_run(folder)
    assert err == (
        f"glorotlab: interrupted: saved after {done.updates} of 1000000000 updates; "
        f"resume with: glorotlab train --resume --out {folder}\n"
    )
    assert (done.status, done.updates > 0) == ("interrupted", True)


# reproduce: the experiments are stood in for, so that this tests the command alone


@pytest.fixture
def experiments(monkeypatch):
    """Two experiments, one of which fails a claim."""
    calls = []
    item = types.SimpleNamespace
    names = ("figure6", "table1")
    catalogue = {name: item(name=name, title=f"Title of {name}", source="a paper", effort=1) for name in names}

    def reproduce(targets, scale, out, progress):
        calls.append((list(targets), scale, out))
        for name in targets:
            progress(name, 1, 2)
        verdicts, numbers = {"figure6": "pass", "table1": "fail"}, {"ratio": 1.25, "z": math.nan}
        claims = [
            item(experiment=name, sentence=f"{name} holds", verdict=verdict, numbers=numbers, explanation="because")
            for name, verdict in verdicts.items()
            if name in targets
        ]
        return item(claims=claims, page=out / "report.html", seconds=1.5)

    monkeypatch.setitem(sys.modules, "glorotlab.experiments.catalogue", item(CATALOGUE=catalogue))
    monkeypatch.setitem(sys.modules, "glorotlab.report.reproduce", item(reproduce=reproduce))
    return calls


def test_reproduce_runs_every_target_and_prints_the_claims(run, experiments, tmp_path):
    text = run("reproduce", "--out", tmp_path)
    assert experiments == [(["figure6", "table1"], "quick", tmp_path)]
    for part in (
        "figure6 holds",
        "pass",
        "table1 holds",
        "fail",
        "ratio: 1.25",
        "1.5 s",
        str(tmp_path / "report.html"),
    ):
        assert part in text
    assert "1 pass, 1 fail, 0 undecided" in text


def test_reproduce_is_strict_when_asked(run, experiments, tmp_path):
    run("reproduce", "--out", tmp_path, "--strict", code=1)
    run("reproduce", "figure6", "--out", tmp_path, "--strict")
    assert experiments[-1][0] == ["figure6"]


def test_reproduce_as_json(run, experiments, tmp_path):
    found = parsed(run("reproduce", "table1", "--out", tmp_path, "--json"))
    assert found["claims"][0]["numbers"] == {"ratio": 1.25, "z": None}
    assert (found["seconds"], found["page"]) == (1.5, str(tmp_path / "report.html"))


def test_reproduce_lists_its_targets(run, experiments):
    assert "Title of table1" in run("reproduce", "--list")
    assert [row["name"] for row in parsed(run("reproduce", "--list", "--json"))["targets"]] == ["figure6", "table1"]
    assert experiments == []


def test_reproduce_refuses_what_there_is_not(experiments, capsys):
    for arguments, said in ((["figure9"], "unknown target 'figure9'"), (["--scale", "paper"], "unknown scale 'paper'")):
        assert main(["reproduce", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith(f"glorotlab: error: {said}: allowed are")
        assert (captured.err.count("\n"), captured.out) == (1, "")
    assert experiments == []


# data, info


def test_data_list_and_show(run, monkeypatch, tmp_path):
    monkeypatch.setenv("GLOROTLAB_DATA", str(tmp_path))
    assert "shapeset" in run("data", "list")
    shapeset, mnist = parsed(run("data", "list", "--json"))["datasets"]
    assert (shapeset["name"], shapeset["fan_in"], shapeset["train"], shapeset["test"]) == (
        "shapeset",
        1024,
        None,
        10_000,
    )
    assert mnist["name"] == "mnist"
    found = parsed(run("data", "show", "shapeset", "--json"))["first_training_examples"]
    x, y = load_dataset("shapeset").train.batch(0, 1000)
    assert found["second_moment"] == pytest.approx(float((x.astype(np.float64) ** 2).mean()))
    assert found["class_counts"] == np.bincount(y, minlength=9).tolist()
    assert "1024 inputs, 9 classes" in run("data", "show", "shapeset")


def test_data_shows_the_users_own_file(run, tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, x=np.arange(24, dtype=np.float32).reshape(12, 2), y=np.arange(12) % 3)
    assert run("data", "path", path) == f"{path}\n"
    found = parsed(run("data", "show", path, "--json"))
    assert (found["fan_in"], found["classes"], found["train"]) == (2, 3, 8)
    measured = parsed(run("measure", "2,4,3", "--dataset", path, "--examples", 2, "--seeds", 2, "--json"))
    assert measured["data"]["dataset"] == str(path)


def test_data_fetch_prints_the_folder(run, monkeypatch, tmp_path):
    monkeypatch.setattr("glorotlab.data.fetch.fetch_mnist", lambda: tmp_path)
    assert run("data", "fetch", "mnist") == f"{tmp_path}\n"


def test_info_names_the_machine_and_the_build(run):
    found = parsed(run("info", "--json"))
    assert (found["glorotlab"], found["numpy"]) == (glorotlab.__version__, np.__version__)
    assert isinstance(found["openmp"], bool)
    assert found["threads"] >= 1
    assert found["cython"].count(".") == 2
    assert all({"internal_api", "version"} <= blas.keys() for blas in found["blas"])
    text = run("info")
    assert f"openmp        {'on' if found['openmp'] else 'off'}" in text


def test_kernels_that_say_openmp_have_loaded_it():
    program = (
        "from threadpoolctl import threadpool_info\n"
        "import glorotlab.kernels.dense\nfrom glorotlab.kernels.build_info import openmp\n"
        "loaded = any(item['user_api'] == 'openmp' for item in threadpool_info())\nassert loaded or not openmp"
    )
    assert python("-c", program).returncode == 0


@pytest.mark.parametrize("command", ["predict", "compare"])
def test_errors_of_a_prediction_are_printed(run, command):
    text = run(
        command,
        "1024,20,9",
        "--dataset",
        "shapeset",
        "--examples",
        3,
        *(["--seeds", 2] if command == "compare" else []),
    )
    assert "Relative errors: numerical at most" in text
    assert "of the order of 0.2 for finite width" in text
