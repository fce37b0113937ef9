"""A store of runs: each spec's run once, in order, from workers that are opened once."""

import concurrent.futures as cf
import shutil

import pytest
from sweep_fixtures import own_data
from training_fixtures import bits, run_spec

from glorotlab.errors import DataError, InvalidValueError, RunFailedError
from glorotlab.training.loop import train
from glorotlab.training.runs.run import load_run
from glorotlab.training.sweeps import workers as module
from glorotlab.training.sweeps.store import RunStore
from glorotlab.training.sweeps.workers import Workers


@pytest.fixture
def store(tmp_path):
    """A store whose runs are made in a thread of this process."""
    with cf.ThreadPoolExecutor(1) as executor:
        yield RunStore(tmp_path / "runs", Workers(executor=executor))


@pytest.fixture
def specs(tmp_path):
    data = own_data(tmp_path)
    return [run_spec("6,12,3", data=data, seed=seed) for seed in (3, 1, 3, 2)]


def test_runs_come_in_the_order_of_their_specs_and_equal_specs_share_one(store, specs, tmp_path):
    calls = []
    runs = store.get(specs, lambda done, total: calls.append((done, total)))
    assert [run.spec.seed for run in runs] == [3, 1, 3, 2]
    assert runs[0] is runs[2]
    assert calls[-1] == (3 * 23, 3 * 23)
    assert sorted(path.name for path in store.folder.iterdir()) == sorted({run.folder.name for run in runs})
    alone = train(specs[1], tmp_path / "alone")
    assert bits(runs[1]) == bits(load_run(tmp_path / "alone")) == bits(alone)


def test_runs_that_have_ended_are_not_made_again(store, specs, monkeypatch):
    store.get(specs)
    monkeypatch.setattr(store.workers, "_open", lambda count: pytest.fail("there was nothing to make"))
    assert [run.spec.seed for run in store.get(specs[::-1])] == [2, 3, 1, 3]


def test_a_derived_file_that_is_empty_or_missing_is_made_again(store, specs):
    """By the workers, as a run that has not ended: the checkpoint has all of it."""
    (run,) = store.get(specs[:1])
    whole = (run.folder / "statistics.nc").read_bytes()
    for harm in (lambda path: path.write_bytes(b""), lambda path: path.unlink()):
        harm(run.folder / "statistics.nc")
        (again,) = store.get(specs[:1])
        assert (run.folder / "statistics.nc").read_bytes() == whole
        assert len(again.provenance) == 1, "nothing was trained"


def test_a_run_of_another_spec_under_that_name_is_not_taken_for_it(store, specs):
    theirs, mine = store.get(specs[:2])
    shutil.rmtree(mine.folder)
    shutil.copytree(theirs.folder, mine.folder)
    with pytest.raises(RunFailedError, match=mine.folder.name):
        store.get(specs[:2])


def test_workers_are_opened_once_and_again_where_they_broke(tmp_path, specs, monkeypatch):
    opened = []

    class Pool(cf.ThreadPoolExecutor):
        broken = False

        def submit(self, *args, **kwargs):
            if self.broken:
                raise cf.BrokenExecutor
            return super().submit(*args, **kwargs)

    def pool(count):
        opened.append(Pool(1))
        return opened[-1]

    monkeypatch.setattr(module, "processes", pool)
    with Workers(workers=1) as makers:
        store = RunStore(tmp_path / "runs", makers)
        store.get(specs[:1])
        store.get(specs[1:2])
        assert len(opened) == 1
        opened[0].broken = True
        assert store.get(specs)[3].spec.seed == 2
        assert len(opened) == 2
    assert all(executor._shutdown for executor in opened)


def test_a_run_that_fails_is_named_and_the_others_are_kept(store, specs, tmp_path):
    bad = run_spec("6,12,3", data=specs[0].data, batch_size=59)  # more than its training examples
    with pytest.raises(
        RunFailedError,
        match=r"run activation=tanh,.*,seed=0-[0-9a-f]{12} in '.*runs': batch_size 59: allowed are 1 to 40",
    ):
        store.get([specs[0], bad])
    assert len([path for path in store.folder.iterdir() if (path / "status.json").exists()]) == 1


def test_bad_input_is_refused_before_any_run(store, tmp_path):
    with pytest.raises(DataError, match="missing"):
        store.get([run_spec("6,12,3", data=str(tmp_path / "missing.npz"))])
    for layers in ("6,12,9", "1024,12,8"):
        with pytest.raises(InvalidValueError, match=f"layers {layers}: dataset 'shapeset' needs 1024 inputs and 9 out"):
            store.get([run_spec(layers, data="shapeset")])
    with pytest.raises(InvalidValueError, match="allowed is one of them"):
        Workers(workers=2, scheduler="tcp://nowhere:1")
    assert not store.folder.exists()
