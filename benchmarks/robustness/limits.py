"""What one input may take and touch: time, memory, files below one folder; and no warning, pickle, program or socket.

Time is that of the CPU, so that a busy machine makes no findings, and ten times as long on the clock, for what waits.
Files are watched by an audit hook of Python, which sees every name that is opened for writing, made, moved or removed.
"""

import os
import resource
import signal
import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 1.0
"""CPU time that an input may take."""

PATIENCE = 10
"""How many times as long an input may take on the clock: most of it is other programs'."""

MEGABYTES = 1024
"""Address space that inputs may take, beside what is there before the first."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

CHANGES = {
    "os.chmod": 1,
    "os.chown": 1,
    "os.link": 2,  # the first, too: what is written to one name changes the other
    "os.mkdir": 1,
    "os.remove": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.symlink": 2,  # where the link lies, and not where it leads
    "os.truncate": 1,
    "os.utime": 1,
}
"""Audit events of changes to a file system, and how many of their first arguments are paths."""

FORBIDDEN = ("pickle.find_class", "socket.connect", "socket.getaddrinfo", "os.system", "os.exec", "os.posix_spawn")
"""Audit events of what no input may bring about."""


class Hang(BaseException):
    """An input has taken longer than it may."""


@dataclass
class Watch:
    """What the input in hand has done that it may not do, in words."""

    folder: Path
    seen: list[str] = field(default_factory=list)

    def changed(self, path: object, follow: bool) -> None:
        """Note a change to a path outside the folder; where it does not follow a link, of the link itself."""
        if not isinstance(path, str | bytes | os.PathLike):
            return  # an open file
        text = os.fsdecode(path)
        place = os.path.realpath(text if follow else os.path.dirname(text) or ".")
        if place != str(self.folder) and not place.startswith(f"{self.folder}{os.sep}") and place != os.devnull:
            self.seen.append(f"touched {text!r}, outside its folder")


_watch: Watch | None = None


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if _watch is None:
        return
    if event == "open":
        path, _, flags = arguments
        if isinstance(flags, int) and flags & WRITING:
            _watch.changed(path, follow=not flags & os.O_NOFOLLOW)
    elif event in CHANGES:
        if not any(isinstance(argument, int) and argument >= 0 for argument in arguments[CHANGES[event] :][-2:]):
            for path in arguments[1:2] if event == "os.symlink" else arguments[: CHANGES[event]]:
                _watch.changed(path, follow=event in ("os.chmod", "os.truncate", "os.utime"))
    elif event in FORBIDDEN:
        _watch.seen.append(f"{event} {arguments!r:.200}")


_installed: list[str] = []


@contextmanager
def limited(folder: Path, seconds: float = SECONDS, megabytes: int | None = MEGABYTES) -> Iterator[Watch]:
    """Limit what inputs may do inside the block; only in the main thread of a process.

    Parameters
    ----------
    folder : Path
        The only folder in which files may change.
    seconds : float
        CPU time for each input.
    megabytes : int or None
        Address space for all; None leaves it as it is.
    """
    if not _installed:  # a hook stays for as long as its process
        sys.addaudithook(_audit)
        _installed.append("audit")
    watch = Watch(folder.resolve())
    handlers = {number: signal.signal(number, _hang) for number in (signal.SIGPROF, signal.SIGALRM)}
    memory = resource.getrlimit(resource.RLIMIT_AS)
    if megabytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + (megabytes << 20), memory[1]))
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, category, *place: watch.seen.append(
                f"{category.__name__}: {message}"
            )
            yield watch
    finally:
        sys.dont_write_bytecode = bytecode
        resource.setrlimit(resource.RLIMIT_AS, memory)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def one_input(watch: Watch, seconds: float = SECONDS) -> Iterator[None]:
    """Hold one input to its limits; Hang is raised, again and again, once its time is over."""
    global _watch
    watch.seen.clear()
    signal.setitimer(signal.ITIMER_PROF, seconds, seconds)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds, PATIENCE * seconds)
    _watch = watch
    try:
        yield
    finally:
        _watch = None
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def empty(folder: Path) -> None:
    """Remove everything in a folder, whatever an input has made of it, and follow no link."""
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, stat.S_IRWXU)
                empty(Path(entry.path))
                os.rmdir(entry.path)
            else:
                os.unlink(entry.path)


def _hang(number: int, frame: object) -> None:
    raise Hang


def _address_space() -> int:
    """Return the bytes of address space that the process has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
