"""train: the loop over mini-batch updates, its records at their cadence, and the folder that keeps it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable

import numpy as np

from glorotlab.arrays import Progress
from glorotlab.checks import instance_of, progress_function, real_number
from glorotlab.data import places
from glorotlab.data.catalogue import load_dataset
from glorotlab.data.dataset import Dataset
from glorotlab.errors import DataError, DivergedError, InvalidValueError
from glorotlab.interrupts import held_interrupts
from glorotlab.network.mlp import Network
from glorotlab.resources import check_memory
from glorotlab.spec.run import RunSpec
from glorotlab.threads import single_threaded_blas
from glorotlab.training.batches import Batches
from glorotlab.training.cadence import Cadence
from glorotlab.training.error_curves import ErrorCurves, held_out_error
from glorotlab.training.learning_rates import LearningRates
from glorotlab.training.memory import run_bytes
from glorotlab.training.monitors import StatisticsMonitor
from glorotlab.training.pretraining import Pretraining
from glorotlab.training.runs.checkpoint import Checkpoint
from glorotlab.training.runs.folder import RunFolder
from glorotlab.training.runs.provenance import session
from glorotlab.training.runs.run import Run, run_of
from glorotlab.training.runs.saver import CHECKPOINT_EVERY, Saver
from glorotlab.training.runs.status import DIVERGED, FINISHED, INTERRUPTED

ANSWERS_WITHIN = 0.1
"""Largest time in seconds between two checks for Ctrl-C, and least time between two reports.

A call of the compiled loop should take half of it, so that a slow moment stays within the limit and a report that
is due does not wait another tenth of a second.
"""


def train(
    spec: RunSpec,
    out: str | os.PathLike[str] | None = None,
    *,
    dataset: Dataset | None = None,
    progress: Progress | None = None,
    checkpoint_every: float = CHECKPOINT_EVERY,
) -> Run:
    """Train a network as its spec says.

    Parameters
    ----------
    spec : RunSpec
    out : path-like, optional
        Run folder; without it nothing is written. A run of the same spec that is there is resumed from its last
        checkpoint, to the same bits as if it had never stopped; one that has ended is loaded, not repeated.
    dataset : Dataset, optional
        In place of the one ``spec.data`` names; the run's spec then names this one.
    progress : callable, optional
        Called with (updates done, updates in all), those of a pre-training among them, about ten times a second and at
        the end.
    checkpoint_every : float
        Seconds between checkpoints. Fewer are written where they would take more than 1 % of the time; 0 stands for
        one after every update, whatever it costs.

    Returns
    -------
    Run
        Of status ``finished``, or ``diverged`` where the cost stopped being finite: it then holds what was finite.

    Raises
    ------
    InvalidValueError
        Where network and data do not fit, or a number of seconds is negative.
    DataError
        Where the data are not those whose digest the spec holds.
    DivergedError
        Where the network is not finite before the first update; nothing is then written.
    RunError
        Where the folder holds another spec, is no run folder, or cannot be written.
    RunInUseError
        Where another process trains in the folder.
    RunFailedError
        Where the folder can no longer be written: full, read-only, gone. The last checkpoint is intact.
    KeyboardInterrupt
        After what was done, whole updates, has been written with status ``interrupted``.

    Examples
    --------
    >>> import glorotlab as gl
    >>> x = [[i / 50 - 1] for i in range(100)]
    >>> data = gl.Dataset.from_arrays(x, [int(row[0] > 0) for row in x])
    >>> training = gl.TrainingSpec(updates=200, learning_rate=0.5)
    >>> run = gl.train(gl.RunSpec(network=gl.NetworkSpec.parse("1,5,2"), training=training), dataset=data)
    >>> run.status, run.updates
    ('finished', 200)
    """
    instance_of("run", spec, RunSpec, "a RunSpec: RunSpec(network=..., training=TrainingSpec(updates=...), data=...)")
    if dataset is not None:
        instance_of("dataset", dataset, Dataset, "a Dataset: Dataset.from_arrays(x, y), load_dataset(name)")
    checkpoint_every, progress = real_number("checkpoint_every", checkpoint_every, 0), progress_function(progress)
    data = dataset if dataset is not None else _load(spec)
    spec = _identified(spec, data, own=dataset is not None)
    folder = RunFolder(out) if out is not None else None
    checkpoint = folder.read_matching(spec) if folder else None
    _check_fit(spec, data, begun=checkpoint is not None)
    if folder and checkpoint and folder.is_complete(checkpoint):
        return run_of(checkpoint, folder)
    check_memory(f"training layers {spec.network.layers}", run_bytes(spec))
    loop = _Loop(spec, data, progress, ANSWERS_WITHIN if checkpoint_every else 0.0)
    with held_interrupts() as release:
        if not checkpoint:
            loop.begin(release)
        if not folder:
            return run_of(loop.checkpoint(loop.run(release)))
        with folder.owned():
            return run_of(_train_in(folder, loop, release, checkpoint_every), folder)


def _train_in(folder: RunFolder, loop: _Loop, release: Callable[[], None], every: float) -> Checkpoint:
    """Train from the checkpoint of a folder this process owns, or from the start."""
    checkpoint = folder.read_matching(loop.spec)  # again: its owner before may have got further
    if checkpoint and checkpoint.ended:  # killed after its last checkpoint
        folder.write_derived(checkpoint)
        return checkpoint
    if checkpoint:
        loop.resume(checkpoint)
    saver = Saver(folder, loop.checkpoint, every, saved=checkpoint.updates if checkpoint else None)
    saver.begin()
    try:
        status = loop.run(release, saver.save_if_due)
    except KeyboardInterrupt:
        saver.end(INTERRUPTED)
        raise
    return saver.end(status)


def _load(spec: RunSpec) -> Dataset:
    """Load the data of a spec; a user's file also from the path where it was when a run with its digest began."""
    if not spec.data.endswith(".npz"):
        return load_dataset(spec.data, seed=spec.seed)
    paths = [os.path.expanduser(spec.data), places.recall(spec.data_digest)]
    dataset: Dataset | None = None
    reason = ""
    for path in filter(None, paths):
        try:
            dataset = load_dataset(path, seed=spec.seed)
        except DataError as error:
            reason = reason or str(error)
            continue
        if spec.data_digest in ("", dataset.digest):
            places.remember(dataset.digest or "", path)
            return dataset
    if dataset is None:
        hint = "; they are not where this run had them, so start it where they are" if spec.data_digest else ""
        raise DataError(f"{reason}{hint}")
    return dataset  # other data, which are refused by their digest


def _identified(spec: RunSpec, data: Dataset, own: bool) -> RunSpec:
    """Return the spec with the name of its data, and with their digest if the name does not identify them.

    The name of a user's file tells nothing of the user's machine.
    """
    from_file = spec.data.endswith(".npz")
    digest = "" if data.published and not spec.data_digest else data.digest or ""
    if spec.data_digest and spec.data_digest != digest:
        raise DataError(
            f"dataset {data.name!r} is not the data of this spec: "
            f"its digest is {digest or 'none'}, the spec says {spec.data_digest}"
        )
    name = data.name if own and not from_file else places.public_name(spec.data) if from_file else spec.data
    return spec.model_copy(update={"data": name, "data_digest": digest, "regression": spec.is_regression(data.targets)})


def _check_fit(spec: RunSpec, data: Dataset, *, begun: bool) -> None:
    """Refuse data that do not fit; a run that has begun may have more outputs than classes."""
    data.check_fits(spec.network.model_copy(update={"extra_outputs": True}) if begun else spec.network)
    _check_targets(spec, data)
    if math.isinf(max(data.validation.length, data.test.length)):
        raise InvalidValueError(
            f"dataset {data.name!r} has an endless test or validation part: allowed are finite ones"
        )


def _check_targets(spec: RunSpec, data: Dataset) -> None:
    """Refuse inputs or targets that cannot be compared with the outputs, before the first update.

    Of an endless stream the first mini-batch is looked at.
    """
    if spec.squared_errors:
        for part in (data.train, data.validation, data.test):
            size = spec.training.batch_size if math.isinf(part.length) else part.length
            x, y = part.batch(0, int(size))
            spec.network.check_targets(x)
            spec.network.check_labels(y, len(x))


class _Loop:
    """State of a run between two updates, from ``begin`` or ``resume`` on.

    Parameters
    ----------
    spec : RunSpec
    data : Dataset
    progress : callable or None
        As of ``train``.
    seconds : float
        Updates are taken for half of it without a look at anything else; with 0 one by one, each reported.
    """

    def __init__(
        self, spec: RunSpec, data: Dataset, progress: Progress | None, seconds: float = ANSWERS_WITHIN
    ) -> None:
        self.spec, self.data, self.progress, self.seconds = spec, data, progress, seconds
        self._within = 1  # updates that take half of the seconds, as far as is known
        self._reported = time.monotonic()
        self.network = Network(spec.network, seed=spec.seed, dtype=spec.dtype)
        self.batches = Batches(data.train, spec.training, spec.seed, spec.dtype)
        self.learning_rates = LearningRates(spec.training, self.batches)
        self.pretraining = Pretraining(spec, self.network, self.batches)
        self.monitor, self.curves = StatisticsMonitor(data.test), ErrorCurves()
        held_out = int(data.validation.length + data.test.length)
        self.cadence = Cadence.of(spec.training, held_out, len(self.monitor.x))
        self.step, self.seconds_before, self.started = 0, 0.0, time.monotonic()
        self.sessions = [session(0)]

    def begin(self, release: Callable[[], None]) -> None:
        """Record the statistics before the first update."""
        if not self._record(release):
            raise DivergedError(
                f"the network of {self.spec.network.initializer} is not finite before the first update: "
                "nothing can be trained from there"
            )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Load the state of a checkpoint."""
        self.network.load_state(checkpoint.parameters)
        self.monitor.load_state(checkpoint.arrays)
        self.curves.load_state(checkpoint.arrays)
        self.pretraining.load_state(checkpoint.arrays)
        self.step, self.seconds_before = checkpoint.updates, checkpoint.seconds
        self.sessions = [*checkpoint.sessions, session(checkpoint.updates)]

    def checkpoint(self, status: str) -> Checkpoint:
        """Return the checkpoint of the current state."""
        return Checkpoint(
            self.spec,
            status,
            self.step,
            self.seconds_before + time.monotonic() - self.started,
            self.monitor.examples,
            self.sessions,
            self.network.state() | self.monitor.state() | self.curves.state() | self.pretraining.state(),
        )

    def run(self, release: Callable[[], None], save_if_due: Callable[[], None] = lambda: None) -> str:
        """Make the remaining updates and records; return the final status.

        Calls ``release``, which raises where Ctrl-C was pressed, between two updates and within a record: what is
        left of that is made when the run is resumed. ``save_if_due`` is called between two updates.
        """
        updates = self.spec.training.updates
        with single_threaded_blas():
            if not (self._pretrain(release, save_if_due) and self._record(release)):  # of a run stopped in a record
                return DIVERGED
            while self.step < updates:
                release()
                save_if_due()
                if not (self._take_steps() and self._record(release)):
                    return DIVERGED
                self._report(always=self.step == updates)
        return FINISHED

    def _pretrain(self, release: Callable[[], None], save_if_due: Callable[[], None]) -> bool:
        """Make the remaining updates of the pre-training and its records; return whether all is finite."""
        while self.pretraining.done < self.pretraining.updates:
            release()
            save_if_due()
            if not self.pretraining.take_step():
                return False
            self._report()
        if self.pretraining.updates and not self.pretraining.recorded:
            self.pretraining.recorded = self._record_anew(release)
            return self.pretraining.recorded
        return True

    def _record_anew(self, release: Callable[[], None]) -> bool:
        """Replace the records before the first update by those of the pre-trained network, if they are finite."""
        before, recorded = (self.monitor, self.curves), False
        self.monitor, self.curves = StatisticsMonitor(self.data.test), ErrorCurves()
        try:
            recorded = self._record(release)
        finally:
            if not recorded:  # a checkpoint has records
                self.monitor, self.curves = before
        return recorded

    def _report(self, always: bool = False) -> None:
        """Call ``progress``, unless that has just been done."""
        now = time.monotonic()
        if self.progress and (always or now - self._reported >= self.seconds):
            self._reported = now
            before = self.pretraining.updates
            self.progress(self.pretraining.done + self.step, before + self.spec.training.updates)

    def _take_steps(self) -> bool:
        """Make the updates up to the next record or estimate, or for half of ``seconds``; return whether all is finite.

        No longer than twice as many as ``_within`` was, so that one moment's speed cannot make a call too long.
        """
        if not self.learning_rates.estimate_if_due(self.step, self.network):
            return False
        started = time.monotonic()
        updates_left = self.cadence.updates_left(self.step), self.learning_rates.updates_left(self.step)
        most = int(min(*updates_left, self._within))
        costs = self.batches.train(self.network, self.step, most)
        able = int(len(costs) * self.seconds / 2 / max(time.monotonic() - started, 1e-9))
        self._within = max(1, min(able, 2 * self._within))
        self.step += len(costs)
        finite = math.isfinite(costs[-1])
        self.curves.add_costs(costs.tolist()[: None if finite else -1])
        return finite

    @np.errstate(over="ignore", invalid="ignore")
    def _record(self, release: Callable[[], None]) -> bool:
        """Make the records that are due after this many updates; return False if the network is not finite."""
        step = self.step

        def look() -> None:
            release()
            if self.seconds:
                self._report()

        monitor_due = self.cadence.monitor_due(step) and self.monitor.step != step
        if monitor_due and not self.monitor.record(step, self.network, look):
            return False
        if self.cadence.validation_due(step) and self.curves.step != step:
            errors = [held_out_error(self.network, part, look) for part in (self.data.validation, self.data.test)]
            if not np.isfinite(errors).all():
                return False
            self.curves.record(step, *errors)
        return True
