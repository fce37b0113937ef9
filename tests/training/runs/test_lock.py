"""One owner of a run folder, whoever else comes, dies or stops."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from training_fixtures import ENVIRONMENT, finite, run_spec

from glorotlab.errors import RunError, RunInUseError
from glorotlab.training.loop import train
from glorotlab.training.runs import lock
from glorotlab.training.runs.lock import Lock, Owner, living_owner
from glorotlab.training.runs.run import load_run
from glorotlab.training.runs.status import read_status

HOLD = """
import sys, time
from pathlib import Path
from glorotlab.training.runs.lock import Lock
Lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""

RACE = """
import sys, time
from pathlib import Path
from glorotlab.errors import RunInUseError
from glorotlab.training.runs.lock import Lock
folder, found = Path(sys.argv[1]), []
print("ready", flush=True)
for place in sys.stdin:
    try:
        lock = Lock(folder / place.strip())
        found.append("won")
    except RunInUseError as error:
        print(error, flush=True)
        continue
    print("won", flush=True)
print(end="", flush=True)
"""


def process(program, *arguments):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)  # noqa: S603


@pytest.fixture
def other(tmp_path):
    """A process that owns tmp_path."""
    with process(HOLD, tmp_path) as started:
        assert started.stdout.readline() == "held\n"
        yield started
        started.kill()


def elsewhere(**fields):
    """An owner on another machine."""
    return replace(Owner.this_process(), host="far", kernel="another boot", pid=7, **fields)


def leave(folder, owner, age=0.0):
    """Leave a lock file as an owner would, silent for some seconds."""
    path = folder / lock.FILE
    path.write_bytes(owner.to_bytes())
    os.utime(path, (time.time() - age,) * 2)


def test_the_second_is_refused_and_told_who_is_first(tmp_path, other):
    before = (tmp_path / lock.FILE).read_bytes()
    for _ in range(2):
        with pytest.raises(RunInUseError) as caught:
            train(run_spec(), tmp_path, dataset=finite())
        assert str(caught.value) == (
            f"run folder '{tmp_path}' is in use by process {other.pid} on host {Owner.this_process().host}"
        )
    assert living_owner(tmp_path).pid == other.pid
    assert [path.name for path in tmp_path.iterdir()] == [lock.FILE]
    assert (tmp_path / lock.FILE).read_bytes() == before


@pytest.mark.parametrize("reaped", [True, False])
def test_the_lock_of_a_killed_process_is_stale(tmp_path, other, reaped):
    """At once, also while its parent has not taken notice of its end."""
    other.send_signal(signal.SIGKILL)
    if reaped:
        other.wait(60)
    else:
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    assert (tmp_path / lock.FILE).exists()
    assert living_owner(tmp_path) is None
    assert train(run_spec(), tmp_path, dataset=finite()).status == "finished"
    assert not (tmp_path / lock.FILE).exists()


def test_a_stopped_process_still_owns(tmp_path, other):
    other.send_signal(signal.SIGSTOP)
    with pytest.raises(RunInUseError, match=f"process {other.pid}"):
        Lock(tmp_path)
    assert living_owner(tmp_path).pid == other.pid


def test_two_threads_of_one_process_are_two(tmp_path):
    first = Lock(tmp_path)
    with pytest.raises(RunInUseError, match=f"process {os.getpid()} "):
        Lock(tmp_path)
    first.release()
    Lock(tmp_path).release()
    assert list(tmp_path.iterdir()) == []


def test_a_process_of_the_same_number_is_another(tmp_path, monkeypatch):
    """The number of a dead process was given to a new one, this one: its start tells them apart."""
    leave(tmp_path, replace(Owner.this_process(), started="1"))
    assert living_owner(tmp_path) is None
    Lock(tmp_path).release()


def test_of_many_that_find_a_stale_lock_one_gets_it(tmp_path):
    """Four processes race for 60 folders with a lock of a dead process; each is won once, and the others know by whom.

    Every other folder has a lock that its owner unlinks meanwhile.
    """
    racers = [process(RACE, tmp_path) for _ in range(4)]
    try:
        for racer in racers:
            assert racer.stdout.readline() == "ready\n"
        for place in range(60):
            folder = tmp_path / str(place)
            folder.mkdir()
            mine = None
            if place % 2:
                mine = Lock(folder)
            else:
                leave(folder, replace(Owner.this_process(), pid=2**22 + 1))
            for racer in racers:
                racer.stdin.write(f"{place}\n")
                racer.stdin.flush()
            if mine:
                mine.release()
            said = {racer.pid: racer.stdout.readline() for racer in racers}
            winners = [pid for pid, line in said.items() if line == "won\n"]
            assert len(winners) == 1 or (mine and not winners), said
            allowed = {*winners, os.getpid()} if mine else set(winners)
            assert all(
                any(f"process {pid} " in line for pid in allowed) for line in said.values() if line != "won\n"
            ), said
            if winners:
                assert living_owner(folder).pid == winners[0]
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()


def test_a_file_that_is_unlinked_between_open_and_flock_is_not_the_lock(tmp_path, monkeypatch):
    inner, calls = lock.fcntl.flock, []

    def unlink_first(descriptor, how):
        calls.append(descriptor)
        if len(calls) == 1:
            (tmp_path / lock.FILE).unlink()
        inner(descriptor, how)

    monkeypatch.setattr(lock.fcntl, "flock", unlink_first)
    held = Lock(tmp_path)
    assert len(calls) == 2
    assert living_owner(tmp_path) == held.owner
    held.release()


# other machines


def test_an_owner_on_another_machine_is_believed_for_two_minutes(tmp_path, monkeypatch):
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: None)
    leave(tmp_path, elsewhere(), age=lock.FORGOTTEN_AFTER - 30)
    with pytest.raises(RunInUseError, match=r"process 7 on host far .*counts as gone after 120 s of silence"):
        Lock(tmp_path)
    assert living_owner(tmp_path) == elsewhere(since=living_owner(tmp_path).since)
    leave(tmp_path, elsewhere(), age=lock.FORGOTTEN_AFTER + 1)
    assert living_owner(tmp_path) is None
    held = Lock(tmp_path)
    assert living_owner(tmp_path) == held.owner
    held.release()


@pytest.mark.parametrize("ahead", [5.0, 86400.0])
def test_a_lock_that_is_dated_ahead_is_gone_after_two_minutes_of_silence(tmp_path, monkeypatch, ahead):
    """Whoever wants the folder dates the touch anew: no owner blocks for as long as its clock is wrong."""
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: None)
    leave(tmp_path, elsewhere(), age=-ahead)
    assert (living_owner(tmp_path) is None) == (ahead > lock.FORGOTTEN_AFTER), "readers change nothing"
    with pytest.raises(RunInUseError, match=r"process 7 on host far .*counts as gone after 120 s of silence"):
        Lock(tmp_path)
    assert abs((tmp_path / lock.FILE).stat().st_mtime - time.time()) < 60
    for silent, taken in ((lock.FORGOTTEN_AFTER - 30, False), (lock.FORGOTTEN_AFTER + 1, True)):
        os.utime(tmp_path / lock.FILE, (time.time() - silent,) * 2)
        if taken:
            Lock(tmp_path).release()
        else:
            with pytest.raises(RunInUseError):
                Lock(tmp_path)


def test_of_two_machines_that_take_over_the_last_to_write_has_it(tmp_path, monkeypatch):
    leave(tmp_path, elsewhere(), age=1000)
    waited = []

    def meanwhile(seconds):
        waited.append(seconds)
        leave(tmp_path, elsewhere(since=1.0))

    monkeypatch.setattr(lock.time, "sleep", meanwhile)
    with pytest.raises(RunInUseError, match="process 7 on host far"):
        Lock(tmp_path)
    assert waited == [lock.SETTLE]
    assert json.loads((tmp_path / lock.FILE).read_bytes())["pid"] == 7, "the winner's claim stands"


@pytest.mark.parametrize("number", lock.WITHOUT_FLOCK, ids=errno.errorcode.get)
def test_a_file_system_without_flock(tmp_path, monkeypatch, number):
    """What the file says decides, looked at again after a while."""
    waited = []

    def refuse(descriptor, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    monkeypatch.setattr(lock.time, "sleep", waited.append)
    held = Lock(tmp_path)
    with pytest.raises(RunInUseError, match=f"process {os.getpid()} "):
        Lock(tmp_path)
    held.release()
    leave(tmp_path, replace(Owner.this_process(), pid=2**22 + 1))
    Lock(tmp_path).release()
    assert waited == [lock.SETTLE] * 2


def test_a_run_that_was_taken_over_writes_nothing_more(tmp_path):
    """As one that slept for hours finds its folder."""

    def taken(done, total):
        if done == 3:
            leave(tmp_path, elsewhere())

    with pytest.raises(RunInUseError, match="process 7 on host far"):
        train(run_spec(), tmp_path, dataset=finite(), progress=taken, checkpoint_every=0)
    assert (load_run(tmp_path).status, load_run(tmp_path).updates) == ("running", 2)
    assert read_status(tmp_path)["status"] == "running"
    assert json.loads((tmp_path / lock.FILE).read_bytes())["pid"] == 7, "the other's lock is gone"


def test_the_owner_shows_that_it_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT", 0.001)
    beats, enough, utime = [], threading.Event(), os.utime

    def beat(descriptor):
        utime(descriptor)
        beats.append(descriptor)
        if len(beats) == 3:
            enough.set()

    monkeypatch.setattr(lock.os, "utime", beat)
    held = Lock(tmp_path)
    assert enough.wait(60)
    held.release()
    assert threading.active_count() == 1 or not any("lock" in thread.name for thread in threading.enumerate())


# a file that cannot be read or written


@pytest.mark.parametrize("content", [b"", b"\0" * lock.LENGTH, b"{}", b'{"pid": "7"}', b'{"host": "a'], ids=len)
def test_a_lock_that_names_nobody_is_stale(tmp_path, content):
    """What a power failure, or another version, leaves."""
    (tmp_path / lock.FILE).write_bytes(content)
    assert living_owner(tmp_path) is None
    held = Lock(tmp_path)
    assert living_owner(tmp_path) == held.owner
    held.release()


def test_no_room_for_the_lock(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lock.os, "pwrite", full)
    with pytest.raises(RunError, match=r"cannot write '.*lock': No space left on device"):
        Lock(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_proc_a_process_is_known_by_its_number(tmp_path, monkeypatch):
    """As on macOS."""
    inner = Path.read_text

    def read_text(self, *arguments, **options):
        if str(self).startswith("/proc"):
            raise FileNotFoundError(errno.ENOENT, "no /proc")
        return inner(self, *arguments, **options)

    monkeypatch.setattr(lock.Path, "read_text", read_text)
    monkeypatch.setattr(lock.Path, "exists", lambda self: False)
    held = Lock(tmp_path)
    assert (held.owner.started, held.owner.processes) == ("", "")
    assert living_owner(tmp_path) == held.owner
    with pytest.raises(RunInUseError):
        Lock(tmp_path)
    held.release()
    leave(tmp_path, replace(held.owner, pid=2**22 + 1))
    assert living_owner(tmp_path) is None
