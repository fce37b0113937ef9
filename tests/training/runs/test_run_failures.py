"""A folder that fails while a run is written: one clear error, the last good checkpoint, nothing half-written."""

import contextlib
import errno
import functools
import itertools
import os
import resource
import shutil
import subprocess

import numpy as np
import pytest
from training_fixtures import arrays, bits, finite, run_spec, stop_after

from glorotlab import files
from glorotlab.cli.main import main
from glorotlab.errors import RunError, RunFailedError
from glorotlab.training import loop
from glorotlab.training.loop import train
from glorotlab.training.runs import checkpoint, folder, lock
from glorotlab.training.runs.run import load_run

pytestmark = pytest.mark.usefixtures("each_update_reported")

FILES = {checkpoint.FILE, *folder.DERIVED}


def trained(out, **options):
    return train(run_spec(updates=3), out, dataset=finite(), checkpoint_every=0, **options)


@functools.cache
def expected():
    return bits(train(run_spec(updates=3), dataset=finite()))


def fail_at(nth, inner, error):
    """Return a function that fails at its nth call and, as a full disk does, from then on."""
    calls = itertools.count(1)

    def failing(*arguments):
        if next(calls) >= nth:
            raise error
        return inner(*arguments)

    return failing


@pytest.mark.parametrize(("failing", "number"), [("fsync", errno.EIO), ("replace", errno.ENOSPC)], ids=str)
def test_a_failing_disk_is_one_line_and_the_run_goes_on_later(tmp_path, monkeypatch, failing, number):
    """At the first write, the second, ... until none fails."""
    last = -1
    for nth in itertools.count(1):
        out = tmp_path / str(nth)
        with monkeypatch.context() as patch:
            patch.setattr(files.os, failing, fail_at(nth, getattr(os, failing), OSError(number, os.strerror(number))))
            try:
                trained(out)
            except RunError as error:
                message = str(error)
            else:
                break
        assert os.strerror(number) in message
        assert str(out) in message
        assert len(message.splitlines()) == 1
        assert {path.name for path in out.iterdir()} <= FILES, "a temporary file or a lock is left"
        if (out / checkpoint.FILE).exists():
            found = load_run(out)
            assert found.status in ("interrupted", "finished")
            if "untouched" in message:
                assert f"after {found.updates} updates" in message
            assert found.updates >= last
            last = found.updates
        assert bits(trained(out)) == expected()
    assert nth > 17, "three updates are 5 checkpoints and 12 files beside them"
    assert last == 3


def test_a_folder_that_is_gone(tmp_path):
    """Removed while the run goes on: it is not made again, and nothing else is written."""

    def remove(done, total):
        if done == 2:
            shutil.rmtree(tmp_path / "run")

    with pytest.raises(RunFailedError, match=r"run' stopped: .*run' is gone; nothing is saved") as caught:
        trained(tmp_path / "run", progress=remove)
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_is_gone(tmp_path):
    """Somebody removed it by hand: another process may be training there."""

    def remove(done, total):
        if done == 2:
            (tmp_path / lock.FILE).unlink()

    with pytest.raises(RunFailedError, match=r"lock' is gone.*after 1 updates, is untouched"):
        trained(tmp_path, progress=remove)
    assert bits(trained(tmp_path)) == expected()


def test_a_failure_while_an_interrupted_run_is_saved(tmp_path, monkeypatch):
    """The error, not the interrupt, is what there is to know."""
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", fail_at(4 + 3, os.replace, OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(RunFailedError, match="No space left on device"):
            train(run_spec(), tmp_path, dataset=finite(), progress=stop_after(9))
    assert load_run(tmp_path).updates == 9


# a small file system


@pytest.fixture
def own(tmp_path, monkeypatch):
    x, y = arrays(60)
    np.savez(tmp_path / "own.npz", x=x, y=y)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small(own):
    """A file system of 2 MiB; a function to resize it."""
    place = own / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", place], capture_output=True)  # noqa: S603, S607
    if done.returncode:
        pytest.skip("mounting a file system is not permitted here; the limit of a file's size stands in for it")

    def resize(size):
        subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)  # noqa: S603, S607

    yield place, resize
    subprocess.run(["umount", place], check=True)  # noqa: S603, S607


LAYERS = "6,545,545,3"
"""302,000 weights: a checkpoint of 1.3 MB."""

COMMAND = ["train", LAYERS, "--dataset", "own.npz", "--updates", "6", "--checkpoint-every", "0"]


def test_room_for_one_checkpoint_and_not_for_two(small, capsys):
    place, resize = small
    out = place / "run"
    command = [*COMMAND, "--out", str(out)]
    assert main(command) == 1
    line = capsys.readouterr().err
    assert line.startswith(f"glorotlab: error: the run in '{out}' stopped: cannot write")
    assert "No space left on device; its last checkpoint, after 0 updates, is untouched" in line
    assert line.count("\n") == 1
    assert {path.name for path in out.iterdir()} <= FILES
    assert (load_run(out).status, load_run(out).updates) == ("interrupted", 0)
    assert (out / checkpoint.FILE).stat().st_size > 2**20
    assert main(command) == 1, "as long as there is no room"
    resize("8m")
    assert main(command) == 0
    assert "finished after 6 updates" in capsys.readouterr().out
    found = load_run(out)
    assert bits(found) == bits(train(found.spec))


@contextlib.contextmanager
def file_size_limit(size):
    """Let no file grow beyond a size, which the kernel enforces on every file system and for every user."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_checkpoint_that_no_longer_fits(own, capsys, monkeypatch):
    """After two updates of a run with room enough."""
    inner = loop._Loop.run
    command = [*COMMAND, "--out", "run"]
    with monkeypatch.context() as patch:
        patch.setattr(loop._Loop, "run", lambda self, *between: inner(_stopping(self, 2), *between))
        assert main(command) == 130
    assert "resume with: glorotlab train --resume --out run" in capsys.readouterr().err
    with file_size_limit(2**20):
        assert main(command) == 1
    assert "File too large; its last checkpoint, after 2 updates, is untouched" in capsys.readouterr().err
    assert {path.name for path in (own / "run").iterdir()} <= FILES
    assert load_run("run").updates == 2
    assert main(["train", "--resume", "--out", "run", "--lr", "3"]) == 2
    assert "--lr beside --resume: the spec already defines the run" in capsys.readouterr().err
    assert main(["train", "--resume", "--out", "run"]) == 0
    assert "finished after 6 updates (resumed after 2)" in capsys.readouterr().out
    found = load_run("run")
    assert bits(found) == bits(train(found.spec))


def _stopping(loop_, step):
    loop_.progress = stop_after(step)
    return loop_
