"""Pickles of data are refused by their names, wherever data are named, and nothing of them is read."""

import gzip
import pickle
from pathlib import Path

import pytest

from glorotlab.cli.main import main
from glorotlab.data.catalogue import describe_dataset, load_dataset
from glorotlab.data.dataset import Dataset
from glorotlab.errors import DataError, UnknownNameError
from glorotlab.spec.run import RunSpec
from glorotlab.spec.sweep import SweepSpec
from glorotlab.training.loop import train
from glorotlab.training.sweeps.plan import plan

NAMES = ["mnist.pkl.gz", "MNIST.PKL.GZ", "../data/mnist.pkl.gz", "a.pkl", "a.Pickle", "a.pickle.gz", ".pkl"]
LINE = r"^{}: a pickle can run code when it is read, .* allowed are .*\.npz; .*'glorotlab data fetch mnist'[^\n]*$"
SPEC = 'data = "mnist.pkl.gz"\n[network]\nlayers = "784,4,10"\n[training]\nupdates = 2\n'
SWEEP = f"{SPEC}[sweep.grid]\nlearning_rate = [0.1, 0.2]\n"


class Bomb:
    """Reading its pickle leaves a file."""

    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Return an empty folder but for a pickle that would show that it was read."""
    monkeypatch.chdir(tmp_path)
    Path("mnist.pkl.gz").write_bytes(gzip.compress(pickle.dumps(Bomb())))
    yield tmp_path
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".toml"] == ["mnist.pkl.gz"]


def says(name):
    return pytest.raises(DataError, match=LINE.format(name.replace(".", r"\.")))


@pytest.mark.parametrize("name", [*NAMES, Path("mnist.pkl.gz")])
@pytest.mark.parametrize("read", [load_dataset, describe_dataset, Dataset.from_npz])
def test_a_pickle_is_refused(read, name):
    with says(str(name)):
        read(name)


@pytest.mark.parametrize("name", ["pkl", "mnistpkl", "a.pkl.txt", "mnist.pkl.gz.d"])
def test_other_names_are_names(name):
    with pytest.raises(UnknownNameError, match="allowed are shapeset, mnist"):
        load_dataset(name)


def test_a_run_says_so():
    with says("mnist.pkl.gz"):
        train(RunSpec.from_toml(SPEC))


def test_a_sweep_says_so():
    with says("mnist.pkl.gz"):
        plan(SweepSpec.from_toml(SWEEP))


COMMANDS = [
    ("train", "784,4,10", "--dataset", "mnist.pkl.gz", "--updates", "2", "--out", "run"),
    ("train", "spec.toml", "--out", "run"),
    ("sweep", "sweep.toml", "--out", "study"),
    ("measure", "784,4,10", "--dataset", "mnist.pkl.gz"),
    ("predict", "784,4,10", "--dataset", "mnist.pkl.gz"),
    ("advise", "784,4,10", "--dataset", "mnist.pkl.gz"),
    *(("data", command, "mnist.pkl.gz") for command in ("show", "path", "fetch")),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_the_command_line_says_so_in_one_line(arguments, capsys):
    Path("spec.toml").write_text(SPEC)
    Path("sweep.toml").write_text(SWEEP)
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("glorotlab: error: mnist.pkl.gz: a pickle can run code when it is read")
    assert captured.err.count("\n") == 1
