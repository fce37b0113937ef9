"""Lock: one owner of a run folder, by the file ``lock``, there for as long as a process trains in the folder.

The owner holds ``flock`` on it and has written in it who it is. Who may take the folder:

1. The kernel gives ``flock`` to one open file at a time and takes it back when its process ends, however it ends.
   On one kernel that decides: who gets it owns the folder, and what a dead owner left in the file is overwritten. Of
   two that find a stale lock one gets ``flock``. The file is unlinked by its owner, before ``flock`` is given back;
   who then gets ``flock`` on the unlinked file sees that the path no longer leads to it, and begins again.
2. Network file systems may keep ``flock`` to one machine, or lack it. The owner therefore touches the file every
   ``HEARTBEAT`` seconds; an owner on another kernel counts as gone only after ``FORGOTTEN_AFTER`` seconds without, by
   the clock of the file system, which dates the touches of all machines. A touch that lies in its future is dated anew
   by whoever wants the folder: a dead owner is then gone ``FORGOTTEN_AFTER`` seconds later, a living one touches again.
   Two that take over from it at once are told apart as in Fischer's protocol: write who you are, wait longer than a
   write takes to be seen, and look whether it still stands (L. Lamport, A fast mutual exclusion algorithm,
   ACM TOCS 5, 1987, p. 2).
3. Before every checkpoint the owner looks whether it still is (``Lock.check``): one that was stopped for
   longer than ``FORGOTTEN_AFTER`` writes nothing into a folder that has gone to another.

Readers never touch ``flock``: ``living_owner`` asks the process table where it is the owner's own, else the heartbeat.

What has the name of the file and is none of ours (a link, a pipe, a text of somebody's) is refused and stays as it is.

The package filelock does not do this: its native lock leaves the file behind and trusts ``flock`` alone, and its lease
on a marker file gives up what the kernel knows; neither tells a reader who owns the folder, on another host too.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from glorotlab import files
from glorotlab.documents import parse_json
from glorotlab.errors import InvalidValueError, RunError, RunInUseError
from glorotlab.training.runs.records import Text

FILE = "lock"

HEARTBEAT = 15.0
"""Time in seconds between two touches of the file by its owner."""

FORGOTTEN_AFTER = 120.0
"""Time in seconds without a touch after which an owner on another machine counts as gone."""

SETTLE = 2.0
"""Time in seconds for a network file system to show one machine's write to another."""

ATTEMPTS = 100
"""Number of attempts, 10 ms apart, to read the owner who holds ``flock`` but has not yet written its name."""

LENGTH = 512
"""Length of the file in bytes. It is overwritten in one piece, so that no reader sees half of it."""

HELD = (errno.EWOULDBLOCK, errno.EACCES)
"""Errors of ``flock`` if another process holds it."""

WITHOUT_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
"""Errors of ``flock`` if the file system does not support it."""


@dataclass(frozen=True, config=ConfigDict(strict=True, allow_inf_nan=False))
class Owner:
    """A process, identified so that no other is mistaken for it.

    Parameters
    ----------
    host : str
        For people to read: two machines may have one name.
    pid : int
    started : str
        When the process started, as its kernel counts; empty where there is no /proc.
    kernel : str
        The boot of the machine.
    processes : str
        The process table (PID namespace) that ``pid`` is of.
    since : float
        When the folder was taken, seconds since 1970.
    """

    host: Text
    pid: Annotated[int, Field(ge=1, le=2**31)]
    started: Text
    kernel: Text
    processes: Text
    since: float

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        return json.dumps(asdict(self)).encode().ljust(LENGTH - 1) + b"\n"

    @classmethod
    def this_process(cls) -> Owner:
        """Return the current process."""
        host, pid = platform.node()[:200], os.getpid()
        return cls(host, pid, _started(pid) or "", *_machine(), since=time.time())

    def lives(self, heartbeat: float) -> bool:
        """Return whether the process exists, as far as this machine can see.

        Parameters
        ----------
        heartbeat : float
            Time of its last touch of the file, seconds since 1970; it decides where the process is on another machine.
            One that lies as far in the future as a dead owner's in the past is no sign of life either.
        """
        if (self.kernel, self.processes) == _machine():
            return _started(self.pid) == self.started
        return abs(time.time() - heartbeat) < FORGOTTEN_AFTER


def _machine() -> tuple[str, str]:
    """Return the identities of this boot and of this process's process table."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return boot, os.readlink("/proc/self/ns/pid")
    except OSError:
        return platform.node(), ""


def _started(pid: int) -> str | None:
    """Return when a process started, "" if the system does not say, None if there is no such process."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
        return None if state in "ZX" else fields[18]  # field 22 of proc(5); a zombie is gone
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""


def read_owner(path: Path) -> Owner | None:
    """Read the owner in the file; None if it names none, is not a regular file, or does not exist."""
    try:
        return _parse_owner(files.read_bytes(path, LENGTH))
    except OSError:
        return None


def _parse_owner(content: bytes) -> Owner | None:
    try:
        return Owner(**parse_json(content))
    except (InvalidValueError, ValidationError, TypeError):
        return None


def _is_ours(content: bytes) -> bool:
    """Return whether a file may be overwritten: it has a JSON table, or is empty after a power failure."""
    begun = content.strip(b"\0 \n")
    return len(content) <= LENGTH and (not begun or begun.startswith(b"{"))


def living_owner(folder: Path) -> Owner | None:
    """Return the process that is training in a folder, or None."""
    path = folder / FILE
    owner = read_owner(path)
    try:
        return owner if owner and owner.lives(path.lstat().st_mtime) else None
    except OSError:
        return None


class Lock:
    """Ownership of a folder, from construction to ``release``.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    RunInUseError
        Where another process owns it: names its host and process id.
    RunError
        Where the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path, self.owner = folder, folder / FILE, Owner.this_process()
        try:
            self._descriptor = self._take()
        except OSError as error:
            raise RunError(f"cannot write {str(self.path)!r}: {error.strerror or error}") from None
        self._released = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="glorotlab lock", daemon=True)
        self._heart.start()

    def _take(self) -> int:
        for _ in range(ATTEMPTS):
            descriptor = files.open_regular(self.path, os.O_RDWR | os.O_CREAT)
            try:
                if self._owns(descriptor):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
            time.sleep(0.01)
        raise self._in_use(read_owner(self.path))

    def _owns(self, descriptor: int) -> bool:
        """Own the folder through an open file, or refuse; return False if another owner is just beginning or ending."""
        locked = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in HELD:
                owner = living_owner(self.folder)
                if owner:
                    raise self._in_use(owner) from None
                return False
            if error.errno not in WITHOUT_FLOCK:
                raise
            locked = False
        if not self._leads_to(descriptor):
            return False
        self._write(descriptor, locked)
        return True

    def _leads_to(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.lstat(self.path), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def _write(self, descriptor: int, locked: bool) -> None:
        """Write the owner of the folder over the previous one."""
        content = os.pread(descriptor, LENGTH + 1, 0)
        if not _is_ours(content) or os.fstat(descriptor).st_nlink > 1:
            raise OSError(errno.EEXIST, "it is no lock that a run left: move it elsewhere")
        before = _parse_owner(content)
        decided = locked and (before is None or before.kernel == self.owner.kernel)
        if not decided and before and before.lives(self._last_touch(descriptor)):
            raise self._in_use(before)
        try:
            os.pwrite(descriptor, self.owner.to_bytes(), 0)
            os.ftruncate(descriptor, LENGTH)  # of whatever was there
            os.fsync(descriptor)
        except OSError:
            self.path.unlink(missing_ok=True)
            raise
        if not decided:
            time.sleep(SETTLE)
            self.check()

    def _last_touch(self, descriptor: int) -> float:
        """Return when the file was last touched, by the file system's clock.

        A touch in the future of that clock is none: the file is touched now, and silence counts from here.
        """
        touched = os.fstat(descriptor).st_mtime
        with tempfile.TemporaryFile(dir=self.folder) as file:
            now = os.fstat(file.fileno()).st_mtime
        if touched > now:
            os.utime(descriptor)
        return time.time() - max(0.0, now - touched)

    def _in_use(self, owner: Owner | None) -> RunInUseError:
        who = f"process {owner.pid} on host {owner.host}" if owner else "another process"
        message = f"run folder {str(self.folder)!r} is in use by {who}"
        if owner and owner.kernel != self.owner.kernel:
            message += f" (an owner on another machine counts as gone after {FORGOTTEN_AFTER:.0f} s of silence)"
        return RunInUseError(message)

    def _beat(self) -> None:
        while not self._released.wait(HEARTBEAT):
            with suppress(OSError):
                os.utime(self._descriptor)

    def check(self) -> None:
        """Raise RunError if the folder is gone or has another owner."""
        owner = read_owner(self.path)
        if owner == self.owner:
            return
        if owner is not None:
            raise self._in_use(owner)
        if not self.folder.is_dir():
            raise RunError(f"{str(self.folder)!r} is gone")
        raise RunError(f"{str(self.path)!r} is gone, so that another process may train there")

    def release(self) -> None:
        """Release the folder."""
        self._released.set()
        self._heart.join()
        with suppress(OSError):
            if read_owner(self.path) == self.owner:
                self.path.unlink()
        os.close(self._descriptor)
