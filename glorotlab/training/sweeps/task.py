"""Task: one run of a sweep, wherever it is made: a text in, a text out, and a folder that both sides see."""

from __future__ import annotations

import _thread
import json
import multiprocessing
import platform
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from glorotlab import files
from glorotlab.data.catalogue import load_dataset
from glorotlab.data.names import is_stored
from glorotlab.documents import parse_json
from glorotlab.errors import GlorotlabError, RunError, RunInUseError
from glorotlab.interrupts import Terminated
from glorotlab.spec.run import RunSpec
from glorotlab.threads import set_num_threads
from glorotlab.training.loop import train
from glorotlab.training.runs import lock
from glorotlab.training.runs.status import read_status
from glorotlab.training.sweeps.state import FAILED, IN_USE, STOPPED
from glorotlab.training.sweeps.token import claimed

LOOK_EVERY = 0.1
"""Time in seconds between two checks whether the sweep continues."""


@dataclass(frozen=True)
class Task:
    """A worker's task in plain values.

    Parameters
    ----------
    spec : dict
        The run's RunSpec.
    folder : str
        The run's folder.
    token : str
        Path of a file that is there as long as the sweep wants its runs to continue.
    word : str
        Content of that file, which shows that both sides see one folder, not two of one name.
    threads : int or None
        Threads of the kernels; None leaves the worker's own number.
    checkpoint_every : float
        Seconds between checkpoints.
    """

    spec: dict[str, Any]
    folder: str
    token: str
    word: str
    threads: int | None
    checkpoint_every: float

    def to_json(self) -> str:
        """Return the task as text."""
        return json.dumps(asdict(self))


def run_task(text: str) -> str:
    """Make a run, or resume it.

    Parameters
    ----------
    text : str
        A Task in JSON.

    Returns
    -------
    str
        What ``status.json`` then says, or ``status`` ``in use``, ``stopped`` or ``failed`` with the ``error``, in JSON.
        Nothing is raised, except on SIGTERM: an exception of ours might not survive the way back.
    """
    task = Task(**parse_json(text))
    try:
        with claimed(Path(task.token), Path(task.folder).name):
            report = _run(task)
    except Terminated:  # of the process
        raise
    except KeyboardInterrupt:
        report = {"status": STOPPED}
    except RunInUseError as error:
        report = {"status": IN_USE, "error": str(error)}
    except GlorotlabError as error:
        report = {"status": FAILED, "error": str(error)}
    except Exception as error:  # whatever it is, it must not stop the other runs
        report = {"status": FAILED, "error": f"{type(error).__name__}: {error}"}
    return json.dumps(report)


def _run(task: Task) -> dict[str, Any]:
    _check_folder(task)
    if task.threads is not None:
        set_num_threads(task.threads)
    spec = RunSpec(**task.spec)
    with _Watch(Path(task.token)) as watch:
        dataset = load_dataset(spec.data, keep=True) if is_stored(spec.data) else None
        train(spec, task.folder, dataset=dataset, progress=watch.progress, checkpoint_every=task.checkpoint_every)
    return read_status(task.folder)


def _check_folder(task: Task) -> None:
    """Raise RunError if this machine does not see the folder of the sweep."""
    where = f"the worker on host {platform.node()} does not see the sweep's folder"
    hint = "every worker must reach it by this path"
    try:
        word = files.read_bytes(task.token, lock.LENGTH).decode(errors="replace")
    except OSError as error:
        raise RunError(f"{where}: {task.token!r}: {error.strerror or error}; {hint}") from None
    if word != task.word:
        raise RunError(f"{where}: {task.token!r} holds something else; {hint}")


class _Watch:
    """A watch that ends a run, as Ctrl-C would, when its sweep stops or its parent process is gone.

    In the main thread of a process a thread beside it looks; in any other, where Python has no Ctrl-C, the run's
    progress does.

    Parameters
    ----------
    token : Path
    """

    def __init__(self, token: Path) -> None:
        self.token = token
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> _Watch:
        if threading.current_thread() is threading.main_thread():
            self._thread = threading.Thread(target=self._look, name="glorotlab sweep", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            if self._over():
                _thread.interrupt_main()
                return

    def progress(self, done: int, total: int) -> None:
        """Check each time a run reports its progress."""
        if not self._thread and self._over():
            raise KeyboardInterrupt

    def _over(self) -> bool:
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            return True
        try:
            self.token.stat()
        except FileNotFoundError:
            return True
        except OSError:  # a network file system that is out of breath
            pass
        return False
