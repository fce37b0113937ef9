"""When a run is written, and what that may cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from glorotlab.errors import RunError, RunFailedError, RunInUseError
from glorotlab.training.runs.checkpoint import RUNNING, Checkpoint
from glorotlab.training.runs.folder import RunFolder

CHECKPOINT_EVERY = 60.0
"""Seconds between two checkpoints."""

DERIVE_EVERY = 60.0
"""Seconds, at least, between two writings of the files that are derived from the checkpoint."""

DERIVE_TAKES = 1.0
"""Seconds the first of them is expected to take, most of it for importing xarray."""

SHARE = 0.005
"""Share of a run's time that writing may take: this much for checkpoints, as much for the files derived from them."""


class Timer:
    """Says when something is due: ``every`` seconds after the last time, later where that took long.

    It then waits until what the last time took (before the first, ``expected`` seconds) is at most ``SHARE`` of the
    time since. With ``every`` 0 it always is due.
    """

    def __init__(self, every: float, expected: float = 0.0) -> None:
        self.every, self._last = every, time.monotonic()
        self._pause = self._pause_after(expected)

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() - self._last >= self._pause

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Note how long the block takes, and begin to wait anew."""
        started = time.monotonic()
        yield
        self._last = time.monotonic()
        self._pause = self._pause_after(self._last - started)

    def _pause_after(self, seconds: float) -> float:
        return max(self.every, seconds / SHARE) if self.every else 0.0


class Saver:
    """Writes a run into the folder its process owns.

    Parameters
    ----------
    folder : RunFolder
    take : callable
        Returns the checkpoint of this moment, given a status.
    every : float
        Seconds between checkpoints, the share of time allowing; 0: after every update, whatever it costs.
    saved : int or None
        Updates of the checkpoint that is there.
    """

    def __init__(self, folder: RunFolder, take: Callable[[str], Checkpoint], every: float, saved: int | None) -> None:
        self.folder, self.take, self.saved = folder, take, saved
        self._checkpoints, self._derived = Timer(every), Timer(max(every, DERIVE_EVERY), DERIVE_TAKES)

    def begin(self) -> None:
        """Say that the run goes on; a new one writes a checkpoint, so that a folder that cannot hold it fails now."""
        with self._failing(), self._checkpoints.timed():
            found = self.take(RUNNING)
            if self.saved is None:
                self._commit(found)
            self.folder.describe(found)
            self.folder.say(found)

    def save_if_due(self) -> None:
        """Write a checkpoint where it is time, between two updates."""
        if not self._checkpoints.due():
            return
        with self._failing():
            with self._checkpoints.timed():
                found = self.take(RUNNING)
                self._commit(found)
                self.folder.say(found)
            if self._derived.due():
                with self._derived.timed():
                    self.folder.derive(found)

    def end(self, status: str) -> Checkpoint:
        """Write everything."""
        found = self.take(status)
        with self._failing():
            self._commit(found)
            self.folder.derive(found)
        return found

    def _commit(self, found: Checkpoint) -> None:
        self.folder.commit(found)
        self.saved = found.updates
        self.folder.sync()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Say of a run that cannot be written what is left of it."""
        try:
            yield
        except RunInUseError:
            raise
        except RunError as error:
            left = "nothing is saved"
            if self.saved is not None and self.folder.path.is_dir():
                left = (
                    f"its last checkpoint, after {self.saved} updates, is untouched; "
                    "the same command goes on from there once the folder can be written"
                )
            raise RunFailedError(f"the run in {str(self.folder.path)!r} stopped: {error}; {left}") from None
