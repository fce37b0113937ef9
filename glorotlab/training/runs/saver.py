"""Saver: when a run is written, within a share of its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from glorotlab.errors import RunError, RunFailedError, RunInUseError
from glorotlab.training.runs.checkpoint import Checkpoint
from glorotlab.training.runs.folder import RunFolder
from glorotlab.training.runs.status import RUNNING

CHECKPOINT_EVERY = 60.0
"""Time in seconds between two checkpoints."""

DERIVE_EVERY = 60.0
"""Least time in seconds between two updates of the files derived from the checkpoint."""

DERIVE_TAKES = 1.0
"""Expected time in seconds of the first such update, mostly for importing xarray."""

SHARE = 0.005
"""Largest share of a run's time for writing checkpoints, and again for the files derived from them."""


class Timer:
    """A timer that says when something is due: ``every`` seconds after the last time, later if that took long.

    It waits until what the last time took (before the first, ``expected`` seconds) is at most ``SHARE`` of the time
    since.

    Parameters
    ----------
    every : float
        Seconds; with 0 it always is due.
    expected : float
        Seconds.
    """

    def __init__(self, every: float, expected: float = 0.0) -> None:
        self.every, self._last = every, time.monotonic()
        self._pause = self._pause_after(expected)

    def due(self) -> bool:
        """Return whether it is time."""
        return time.monotonic() - self._last >= self._pause

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure the time of the block, and start waiting again."""
        started = time.monotonic()
        yield
        self._last = time.monotonic()
        self._pause = self._pause_after(self._last - started)

    def _pause_after(self, seconds: float) -> float:
        return max(self.every, seconds / SHARE) if self.every else 0.0


class Saver:
    """A saver that writes a run into the folder that its process owns.

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
        self._checkpoint_timer, self._derived_timer = Timer(every), Timer(max(every, DERIVE_EVERY), DERIVE_TAKES)

    def begin(self) -> None:
        """Write the status of a run that begins; a new run writes a checkpoint too, so that a full folder fails now."""
        with self._explaining_failures(), self._checkpoint_timer.timed():
            checkpoint = self.take(RUNNING)
            if self.saved is None:
                self._write_checkpoint(checkpoint)
            self.folder.write_spec(checkpoint)
            self.folder.write_status(checkpoint)

    def save_if_due(self) -> None:
        """Write a checkpoint between two updates if it is due."""
        if not self._checkpoint_timer.due():
            return
        with self._explaining_failures():
            with self._checkpoint_timer.timed():
                checkpoint = self.take(RUNNING)
                self._write_checkpoint(checkpoint)
                self.folder.write_status(checkpoint)
            if self._derived_timer.due():
                with self._derived_timer.timed():
                    self.folder.write_derived(checkpoint)

    def end(self, status: str) -> Checkpoint:
        """Write everything, and return the checkpoint."""
        checkpoint = self.take(status)
        with self._explaining_failures():
            self._write_checkpoint(checkpoint)
            self.folder.write_derived(checkpoint)
        return checkpoint

    def _write_checkpoint(self, checkpoint: Checkpoint) -> None:
        self.folder.write_checkpoint(checkpoint)
        self.saved = checkpoint.updates
        self.folder.sync()

    @contextmanager
    def _explaining_failures(self) -> Iterator[None]:
        """Raise RunFailedError, with what is saved of the run, if it cannot be written."""
        try:
            yield
        except RunInUseError:
            raise
        except RunError as error:
            left = "nothing is saved"
            if self.saved is not None and self.folder.path.is_dir():
                left = (
                    f"its last checkpoint, after {self.saved} updates, is untouched; "
                    "the same command resumes from there once the folder can be written"
                )
            raise RunFailedError(f"the run in {str(self.folder.path)!r} stopped: {error}; {left}") from None
