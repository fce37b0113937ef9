"""Bad input on the command line: one line on standard error, exit code 2, no file left."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from idx_fixtures import idx_bytes, tiny_files, tiny_mnist

import glorotlab
from glorotlab.cli.main import main
from glorotlab.data import mnist
from glorotlab.errors import DivergedError

SHAPESET = ("--dataset", "shapeset")
TRAIN = ("train", "1024,4,9", *SHAPESET, "--updates", "3", "--out", "run")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Each test runs in an empty folder and finds no data but its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLOROTLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def refused(folder, capsys):
    """Return a caller of ``main`` that gives the one line it complains in."""

    def call(*arguments, code=2):
        before = sorted(folder.rglob("*"))
        found = main(list(map(str, arguments)))
        captured = capsys.readouterr()
        assert (found, captured.out) == (code, "")
        assert captured.err.startswith("glorotlab: error: ")
        assert captured.err.count("\n") == 1
        assert sorted(folder.rglob("*")) == before
        return captured.err

    return call


CASES = {
    "unknown command": (["predicct"], "predicct"),
    "no layers": (["predict"], "LAYERS"),
    "unknown option": (["predict", "10,5", "--gain", "2"], "--gain"),
    "unknown activation": (["predict", "10,5", "-a", "tanhh"], "unknown activation 'tanhh': allowed are"),
    "unknown initializer": (["predict", "10,5", "-i", "glorott"], "glorott"),
    "unknown cost": (["predict", "10,5", "--cost", "hinge"], "hinge"),
    "a layer of no units": (["predict", "784,0,10"], "'0' is not a size"),
    "layers that are words": (["measure", "abc", *SHAPESET], "abc"),
    "a level above 1": (["predict", "10,5", "--level", "95"], "level 95.0: allowed are numbers between 0 and 1"),
    "a seed below 0": (["predict", "10,5", "--seed", "-1"], "seed -1"),
    "a seed that is a word": (["predict", "10,5", "--seed", "x"], "--seed"),
    "seeds beyond the last": (
        ["measure", "1024,9", *SHAPESET, "--seed", str(2**64 - 1), "--seeds", "2"],
        str(2**64),
    ),
    "no seeds": (["compare", "1024,9", *SHAPESET, "--seeds", "0"], "--seeds 0"),
    "no examples": (["measure", "1024,9", *SHAPESET, "--examples", "0"], "--examples 0"),
    "too many examples": (["measure", "1024,9", *SHAPESET, "--examples", "10001"], "allowed are 1 to 10000"),
    "more examples than theory takes": (["predict", "1024,9", *SHAPESET, "--batch", "5000"], "5000 examples"),
    "unknown dtype": (["predict", "10,5", "--dtype", "float16"], "float16"),
    "no threads": (["predict", "10,5", "--threads", "0"], "threads 0"),
    "NaN input moment": (["predict", "10,5", "--input-moment", "nan"], "nan"),
    "two sources": (["predict", "1024,9", *SHAPESET, "--input-moment", "1"], "--input-moment"),
    "a batch without data": (["predict", "10,5", "--batch", "3"], "--batch 3"),
    "advice without hidden layers": (["advise", "10,5"], "0 hidden layers: allowed are 1 to 1000"),
    "advice from two sources": (["advise", "1024,8,9", *SHAPESET, "--input-moment", "1"], "--input-moment"),
    "advice for a batch without data": (["advise", "10,8,5", "--batch", "3"], "--batch 3"),
    "advice from one class": (["advise", "1024,8,9", *SHAPESET, "--batch", "1"], "1 examples, all of class"),
    "NaN moment of advice": (["advise", "10,8,5", "--input-moment", "nan"], "nan"),
    "no dataset": (["measure", "10,5"], "--dataset"),
    "unknown dataset": (["measure", "10,5", "--dataset", "mnits"], "unknown dataset 'mnits'"),
    "wrong first size": (["compare", "784,10", *SHAPESET], "needs 1024 inputs and 9 outputs"),
    "too few outputs": (["compare", "1024,5", *SHAPESET], "needs 1024 inputs and 9 outputs"),
    "data not fetched": (["measure", "784,10", "--dataset", "mnist"], "glorotlab data fetch mnist"),
    "no such npz": (["measure", "784,10", "--dataset", "none.npz"], "none.npz"),
    "negative learning rate": ([*TRAIN, "--lr", "-0.1"], "learning_rate -0.1"),
    "NaN learning rate": ([*TRAIN, "--lr", "nan"], "learning_rate nan"),
    "infinite learning rate": ([*TRAIN, "--lr", "inf"], "learning_rate inf"),
    "momentum of 1": ([*TRAIN, "--momentum", "1"], "momentum 1.0"),
    "empty mini-batch": ([*TRAIN, "--batch", "0"], "batch_size 0"),
    "negative decay": ([*TRAIN, "--l2", "-1"], "l2 -1.0"),
    "wrong width to train": (["train", "784,4,9", *TRAIN[2:]], "1024 inputs"),
    "nothing to train": (["train", "--out", "run"], "give SPEC.toml, LAYERS, or --resume"),
    "resume without a folder": (["train", "--resume"], "--out DIR"),
    "resume of nothing": (["train", "--resume", "--out", "run"], "there is no run in 'run'"),
    "checkpoints before now": ([*TRAIN, "--checkpoint-every", "-1"], "checkpoint_every -1.0: allowed are"),
    "nothing to train on": (["train", "1024,9", "--updates", "3"], "missing --dataset"),
    "no updates given": (["train", "1024,9", *SHAPESET], "missing --updates"),
    "no such spec": (["train", "none.toml"], "none.toml: No such file"),
    "unknown derivation": (["derive", "nope"], "unknown derivation 'nope'"),
    "unknown format": (["derive", "compromise", "--format", "html"], "html"),
    "nothing to fetch": (
        ["data", "fetch", "shapeset"],
        "dataset 'shapeset' is not fetched: allowed are mnist",
    ),
    "unknown to fetch": (["data", "fetch", "cifar"], "unknown dataset 'cifar'"),
    "nowhere": (["data", "path", "shapeset"], "generated"),
    "not here": (["data", "path", "mnist"], "glorotlab data fetch mnist"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_gets_one_line(refused, case):
    arguments, said = CASES[case]
    assert said in refused(*arguments)


def test_one_line_by_the_program_itself(folder):
    command = [sys.executable, "-m", "glorotlab", "predict", "784,0,10"]
    environment = os.environ | {"PYTHONPATH": str(Path(glorotlab.__file__).parents[1])}
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)  # noqa: S603
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("glorotlab: error: layers '784,0,10': '0' is not a size")
    assert found.stderr.count("\n") == 1


# Words of no digit cannot be layers; whatever else they are must be refused, in one line.
words = st.text(st.characters(exclude_categories=["Nd", "Cs"]), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(layers=words.filter(lambda word: word != "--"), name=words)
def test_any_words_are_refused_in_one_line(refused, layers, name):
    refused("predict", layers, "-a", name)


# The user's own arrays

X = np.linspace(-1, 1, 60, dtype=np.float64).reshape(20, 3)
Y = np.arange(20) % 4
ARRAYS = {
    "NaN in the inputs": ({"x": np.where(X[7, 2] == X, np.nan, X), "y": Y}, "nan"),
    "infinity in the inputs": ({"x": np.where(X[7, 2] == X, np.inf, X), "y": Y}, "inf"),
    "negative label": ({"x": X, "y": Y - 1}, "-1"),
    "labels of another length": ({"x": X, "y": Y[:-1]}, "19"),
    "labels that are not whole": ({"x": X, "y": Y + 0.5}, "labels that are floats"),
    "complex inputs": ({"x": X + 1j, "y": Y}, "complex128"),
    "pickled objects": ({"x": X, "y": np.array([object()] * 20)}, "pickle"),
    "label beyond the outputs": ({"x": X, "y": np.where(Y == 3, 4, Y)}, "3 inputs and 5 "),
    "inputs of the wrong width": ({"x": X[:, :2], "y": Y}, "2 inputs and 4 "),
    "no labels": ({"x": X}, "no array y"),
}


@pytest.mark.parametrize("command", ["measure", "compare", "train"])
@pytest.mark.parametrize("case", ARRAYS)
def test_bad_arrays_get_one_line(refused, case, command):
    arrays, said = ARRAYS[case]
    np.savez("own.npz", **arrays)
    rest = ["--updates", "2", "--out", "run"] if command == "train" else []
    assert said in refused(command, "3,4,4", "--dataset", "own.npz", *rest)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 truncated", b"\x80\x04K\x01.", b"text"])
def test_a_file_that_is_no_npz_gets_one_line(refused, folder, content):
    (folder / "own.npz").write_bytes(content)
    assert "own.npz" in refused("measure", "3,4,4", "--dataset", "own.npz")


# MNIST's files


@pytest.fixture
def mnist_of(folder, monkeypatch):
    """Return a writer of four small idx files; ``trusted`` makes their checksums the right ones."""

    def write(contents, trusted):
        place = folder / "data" / "mnist"
        place.mkdir(parents=True)
        for file, content in zip(mnist.MNIST_FILES, contents, strict=True):
            (place / file.name).write_bytes(content)
        if trusted:
            monkeypatch.setattr(mnist.load_mnist, "__defaults__", (None, tiny_files(contents), 2))

    return write


CONTENTS = tuple(map(idx_bytes, tiny_mnist()))
DAMAGED = {
    "truncated": CONTENTS[0][:-1],
    "wrong magic": b"\x00\x01" + CONTENTS[0][2:],
    "no header": CONTENTS[0][:3],
}
ON_MNIST = ("measure", "784,4,10", "--dataset", "mnist", "--examples", "2", "--seeds", "2")


def test_the_small_mnist_is_measured_where_it_is_whole(mnist_of, capsys):
    mnist_of(CONTENTS, trusted=True)
    assert main(list(ON_MNIST)) == 0
    assert "Measured" in capsys.readouterr().out


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_idx_file_gets_one_line(refused, mnist_of, case):
    mnist_of((DAMAGED[case], *CONTENTS[1:]), trusted=True)
    assert mnist.MNIST_FILES[0].name in refused(*ON_MNIST)


def test_a_checksum_mismatch_gets_one_line(refused, mnist_of):
    mnist_of(CONTENTS, trusted=False)
    assert "SHA-256" in refused(*ON_MNIST)


# Output folders, specs, and what else can happen


def test_a_folder_that_cannot_be_written_gets_one_line(refused, folder):
    (folder / "file").write_text("")
    assert "file/run" in refused(*TRAIN[:-1], "file/run")


def test_a_folder_of_another_run_is_refused(refused, folder, capsys):
    assert main([*TRAIN, "--quiet"]) == 0
    capsys.readouterr()
    assert "'run' holds a run of another spec" in refused(*TRAIN, "--lr", "0.2")


def test_options_beside_a_spec_are_refused(refused, folder):
    (folder / "a.toml").write_text('[network]\nlayers = "1024,4,9"\n[training]\nupdates = 2\n')
    line = refused("train", "a.toml", "--lr", "0.05", "-a", "tanh", "--out", "run", "--quiet")
    assert "--activation, --lr beside a.toml" in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"layers = ", "not TOML"),
        (b"\xff\xfe", "UTF-8"),
        (b"[network]\nlayers = '1024,9'\n", "missing field 'training'"),
        (b"[network]\nlayers = '1024,9'\n[training]\nupdates = 1\nlearning_rate = nan\n", "learning_rate nan"),
        (b"[network]\nlayers = '1024,9'\ngain = 2\n[training]\nupdates = 1\n", "gain"),
    ],
)
def test_a_bad_spec_gets_one_line(refused, folder, text, said):
    (folder / "a.toml").write_bytes(text)
    line = refused("train", "a.toml", "--out", "run")
    assert "a.toml" in line
    assert said in line


RAISED = {
    "memory": (MemoryError("Unable to allocate 9. GiB"), 2, "error: not enough memory: Unable to allocate 9. GiB"),
    "disk": (OSError(28, "No space left on device", "run/weights.npz"), 1, "error: run/weights.npz: No space left"),
    "diverged": (DivergedError("the cost is not finite"), 1, "error: the cost is not finite"),
    "Ctrl-C": (KeyboardInterrupt(), 130, "interrupted: before the first update, so that there is nothing to save"),
}


@pytest.mark.parametrize("case", RAISED)
def test_what_is_raised_below_becomes_a_line_and_a_code(case, monkeypatch, capsys):
    error, code, said = RAISED[case]

    def train(*arguments, **options):
        raise error

    monkeypatch.setattr("glorotlab.training.loop.train", train)
    assert main(list(TRAIN)) == code
    captured = capsys.readouterr()
    assert captured.err.startswith(f"glorotlab: {said}")
    assert (captured.err.count("\n"), captured.out) == (1, "")


def test_a_bug_is_not_hidden(monkeypatch):
    def train(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr("glorotlab.training.loop.train", train)
    with pytest.raises(ZeroDivisionError):
        main(list(TRAIN))


def test_no_control_character_of_a_message_reaches_the_terminal(refused):
    line = refused("measure", "10,5", "--dataset", "a\x1b[2J\nb.npz")
    assert "a?[2J b.npz" in line
    assert line.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs", "list", "~nobody-of-this-name/runs"),
        ("predict", "4,3,2", "--dataset", "a\0.npz"),
        ("predict", "4,3,2", "--dataset", "\ud800.npz"),
    ],
    ids=["no home", "a null byte", "half a character"],
)
def test_what_is_no_path_is_refused_in_one_line(arguments, capsys):
    from glorotlab.cli.main import main

    assert main(list(arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("glorotlab: error: ")
