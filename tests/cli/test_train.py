"""glorotlab train, called in process. A real signal interrupts it in test_interrupts.py."""

import numpy as np
import pytest
from command_line import parsed

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
        "--learning-rates",
        "gradient_variance",
        "--damping",
        0.2,
        "--curvature-every",
        3,
        "--curvature-examples",
        50,
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
    rates = training.learning_rates, training.damping, training.curvature_every, training.curvature_examples
    assert rates == ("gradient_variance", 0.2, 3, 50)
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
    assert "training cost " in text
    assert " (mean of the last 6 mini-batches), validation error" in text
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
