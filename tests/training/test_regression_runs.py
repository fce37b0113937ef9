"""Runs of regression and of single outputs: arrays, files, folders, sweeps, command line; outputs nobody asked for."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import typer.testing
from training_fixtures import bits, finite, run_spec, stop_after

import glorotlab as gl
from glorotlab.cli.app import app
from glorotlab.data.dataset import Dataset
from glorotlab.errors import DataError, InvalidValueError
from glorotlab.training.error_curves import held_out_error
from glorotlab.training.loop import train
from glorotlab.training.runs.folder import RunFolder

LINEAR = {"output": "linear"}


def arrays(count=60, outputs=1, seed=0):
    """A linear map of the inputs around 5, and a little noise."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 6))
    return x, 5 + x @ np.linspace(-1, 1, 6 * outputs).reshape(6, outputs) + 0.01 * random.normal(size=(count, outputs))


def data(outputs=1):
    return Dataset.from_arrays(*arrays(outputs=outputs), name="line")


@pytest.fixture(name="line_file")
def _line_file(tmp_path):
    x, y = arrays()
    np.savez(tmp_path / "line.npz", x=x, y=y[:, 0])
    return tmp_path / "line.npz"


def run(*arguments):
    return typer.testing.CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.usefixtures("each_update_reported")
@pytest.mark.parametrize("options", [{}, {"learning_rates": "hessian", "curvature_every": 4, "learning_rate": 0.01}])
def test_runs_reach_their_targets_and_resume_to_the_same_bits(tmp_path, options):
    spec = run_spec("6,12,2", updates=60, network=LINEAR, **({"learning_rate": 0.02} | options))
    whole = train(spec, dataset=data(2))
    assert (whole.spec.regression, whole.status) == (True, "finished")
    curves = whole.curves
    assert float(curves.test_error[-1]) == pytest.approx(held_out_error(whole.network(), data(2).test), rel=1e-12)
    assert curves.test_error[-1] < 0.1 * curves.test_error[0]
    assert curves.test_error.attrs["long_name"].startswith("mean over test examples of the squared distance of outputs")
    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path, dataset=data(2), progress=stop_after(9))
    assert bits(train(spec, tmp_path, dataset=data(2))) == bits(whole)
    assert gl.load_run(tmp_path).spec.regression


def test_a_first_step_is_that_of_the_network(line_file):
    """The run's batches are rows of the file, its targets those of the rows."""
    spec = run_spec("6,9,1", updates=1, batch_size=40, network=LINEAR, data=str(line_file), dtype="float64")
    trained = train(
        spec.model_copy(update={"training": spec.training.model_copy(update={"batch_order": "sequential"})})
    )
    source = Dataset.from_npz(line_file).train
    network = gl.Network(spec.network, seed=0, dtype="float64")
    cost = network.train_step(source.x[:40], source.y[:40], 0.1)
    assert float(trained.curves.training_cost[-1]) == pytest.approx(cost, rel=1e-12)
    for name, array in network.state().items():
        np.testing.assert_allclose(trained.weights[name], array, rtol=1e-12)


def test_a_single_sigmoid_tells_two_classes(tmp_path):
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 200)
    x = random.normal(size=(200, 6)) + 4 * y[:, np.newaxis]
    spec = run_spec("6,8,1", updates=80, network={"output": "sigmoid"})
    trained = train(spec, tmp_path, dataset=Dataset.from_arrays(x, y))
    assert not trained.spec.regression
    assert float(trained.curves.test_error[-1]) < 0.1
    assert "misclassified" in trained.curves.test_error.attrs["long_name"]


def test_a_sweep_of_regression(tmp_path, line_file):
    spec = gl.SweepSpec(
        run={
            "network": {"layers": "6,8,1", "output": "linear"},
            "training": {"updates": 5, "batch_size": 10},
            "data": str(line_file),
        },
        grid={"learning_rate": [0.01, 0.02]},
    )
    with ThreadPoolExecutor(1) as executor:
        results = gl.sweep(spec, tmp_path / "out", executor=executor)
        again = gl.sweep(spec, tmp_path / "out", executor=executor)
    assert results.errors == {}
    assert float(results.final().test_error.min()) > 0.1
    assert results.final().identical(again.final())
    assert all(RunFolder(folder).read().spec.regression for folder in (tmp_path / "out").iterdir() if folder.is_dir())


def test_the_command_line_takes_a_file_of_targets(tmp_path, line_file):
    options = ("--output", "linear", "--dataset", line_file)
    ended = run("train", "6,8,1", *options, "--updates", 30, "--lr", 0.02, "--out", tmp_path / "r", "--quiet")
    assert ended.exit_code == 0, ended.output
    assert "validation error" in ended.output
    assert "%" not in ended.output
    assert "%" not in run("runs", "list", tmp_path).output
    for command in ("predict", "measure", "compare"):
        printed = run(command, "6,40,1", *options, "--json")
        assert printed.exit_code == 0, printed.output
        assert json.loads(printed.output)["layers"][-1]["backprop_gradient_second_moment"]
    shown = run("data", "show", line_file)
    assert "1 targets (regression)" in shown.output
    assert "their targets: mean " in shown.output
    refused = run("data", "show", line_file, "--out", tmp_path / "sheet.png")
    assert "which has targets: allowed are data of classes" in str(refused.exception)


@pytest.mark.parametrize(
    ("layers", "network", "message"),
    [
        ("6,8,2", LINEAR, "dataset 'line' needs 6 inputs and 1 outputs, one a target"),
        ("6,8,2", {}, r"with softmax outputs: dataset 'line' has targets \(labels that are floats\): allowed are sig"),
        ("5,8,1", LINEAR, "dataset 'line' needs 6 inputs and 1 outputs, one a target"),
        (
            "6,8,1",
            {"output": "sigmoid"},
            r"labels from 0\.\d+ to \d\S+ as targets of cross-entropy: allowed are 0 to 1",
        ),
    ],
)
def test_networks_that_cannot_reach_the_targets_are_refused_before_anything_is_written(
    tmp_path, layers, network, message
):
    with pytest.raises(InvalidValueError, match=message):
        train(run_spec(layers, network=network), tmp_path / "r", dataset=data())
    assert not (tmp_path / "r").exists()


def test_a_spec_of_regression_refuses_classes(tmp_path):
    spec = run_spec().model_copy(update={"regression": True})
    with pytest.raises(
        InvalidValueError, match="regression with data 'shapeset', whose labels are classes: allowed are"
    ):
        train(spec, tmp_path / "r", dataset=finite())
    assert not (tmp_path / "r").exists()


def test_a_dataset_has_targets_in_all_its_parts():
    x, y = arrays()
    with pytest.raises(InvalidValueError, match="has 2 targets in validation or test: allowed is 1, as in training"):
        Dataset.from_arrays(x, y, validation=(x, np.hstack([y, y])), test=(x, y))
    with pytest.raises(InvalidValueError, match="has classes 4 in validation or test: allowed is 0"):
        Dataset.from_arrays(x, y, validation=(x, np.arange(60) % 4), test=(x, y))


# Outputs that no class has


def test_more_outputs_than_classes_are_said_on_purpose(tmp_path):
    """50 outputs for three classes: a forgotten output layer is refused, and nothing is written."""
    message = (
        "layers 6,50x2: 50 outputs for the 3 classes of dataset 'clusters': allowed are 3, or more with extra_outputs"
    )
    with pytest.raises(InvalidValueError, match=message):
        train(run_spec("6,50x2"), tmp_path / "r", dataset=finite())
    assert not (tmp_path / "r").exists()
    trained = train(run_spec("6,50x2", network={"extra_outputs": True}), dataset=finite())
    assert trained.status == "finished"
    with pytest.raises(InvalidValueError, match="dataset 'clusters' needs 6 inputs and 3 outputs"):
        train(run_spec("6,5,2", network={"extra_outputs": True}), dataset=finite())
    few = "shapeset(validation=5, test=5)"
    refused = run("train", "1024,50x2", "--dataset", few, "--updates", 1)
    assert refused.exit_code != 0
    assert "50 outputs for the 9 classes" in str(refused.exception or refused.output)
    assert run("predict", "1024,50x2", "--dataset", few, "--extra-outputs").exit_code == 0


def test_extra_outputs_leave_the_hash_of_other_specs_alone():
    spec = run_spec("6,50x2")
    assert "extra_outputs" not in spec.canonical_json()
    assert "regression" not in spec.canonical_json()
    said = run_spec("6,50x2", network={"extra_outputs": True})
    assert said.content_hash != spec.content_hash


@pytest.mark.usefixtures("each_update_reported")
def test_a_run_that_was_begun_with_more_outputs_is_read_and_goes_on(tmp_path, monkeypatch):
    """As an earlier version left it, which asked nothing."""
    spec = run_spec("6,5,4")
    with monkeypatch.context() as before:
        before.setattr("glorotlab.training.loop._check_fit", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path, dataset=finite(), progress=stop_after(9))
        whole = train(spec, dataset=finite())
    assert gl.load_run(tmp_path).status == "interrupted"
    assert bits(train(spec, tmp_path, dataset=finite())) == bits(whole)


def test_a_file_says_what_is_wrong_with_its_targets(tmp_path):
    x, y = arrays()
    y[3] = np.nan
    np.savez(tmp_path / "nan.npz", x=x, y=y)
    with pytest.raises(DataError, match=r"nan\.npz: y\[3, 0\] is nan: allowed are finite float64 numbers"):
        Dataset.from_npz(tmp_path / "nan.npz")
