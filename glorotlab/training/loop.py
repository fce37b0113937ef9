"""train: the loop over mini-batch updates, its monitors on their schedule, and the folder it leaves."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from glorotlab.data.catalogue import load_dataset
from glorotlab.data.dataset import Dataset
from glorotlab.errors import DataError, DivergedError, InvalidValueError, RunError
from glorotlab.network.mlp import Network
from glorotlab.schema import Progress
from glorotlab.spec.run import RunSpec
from glorotlab.threads import single_threaded_blas
from glorotlab.training.batches import Batches
from glorotlab.training.files import is_free, make_folder, user_path, write_whole
from glorotlab.training.interrupts import held_interrupts
from glorotlab.training.monitors import (
    ErrorCurves,
    StatisticsMonitor,
    classification_error,
    on_schedule,
)
from glorotlab.training.run import (
    DIVERGED,
    FINISHED,
    INTERRUPTED,
    RUNNING,
    Run,
    load_run,
    provenance,
    read_spec,
    read_status,
    weights_of,
    write_status,
)

PROGRESS_CALLS = 500
"""How often at most a run reports its progress."""


def train(
    spec: RunSpec,
    out: str | os.PathLike[str] | None = None,
    *,
    dataset: Dataset | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train a network as its spec says.

    Parameters
    ----------
    spec : RunSpec
    out : path-like, optional
        Run folder; without it nothing is written. A run of the same spec that finished or diverged is loaded,
        not repeated; an interrupted one is refused.
    dataset : Dataset, optional
        In place of the one ``spec.data`` names; the run's spec then names this one.
    progress : callable, optional
        Called with (updates done, updates in all).

    Returns
    -------
    Run
        Of status ``finished``, or ``diverged`` where the cost stopped being finite: it then holds what was finite.

    Raises
    ------
    InvalidValueError
        Where network and data do not fit.
    DataError
        Where the data are not those whose digest the spec holds.
    DivergedError
        Where the network is not finite before the first update; nothing is then written.
    RunError
        Where the folder holds another spec, is no run folder, or cannot be written.
    KeyboardInterrupt
        After what was done, whole updates, has been written with status ``interrupted``.
    """
    data = dataset if dataset is not None else load_dataset(spec.data, seed=spec.seed)
    spec = _identified(spec, data, own=dataset is not None)
    _check_fit(spec, data)
    folder = user_path(out) if out is not None else None
    if folder is not None and _already_ended(folder, spec):
        return load_run(folder)
    loop = _Loop(spec, data, progress)
    with held_interrupts() as release:
        if folder is not None:
            make_folder(folder)
            write_whole(folder / "spec.toml", spec.to_toml())
            write_status(folder, RUNNING, 0)
        try:
            status = loop.run(release)
        except KeyboardInterrupt:
            if folder is not None:
                loop.result(INTERRUPTED).save(folder)
            raise
        run = loop.result(status)
        if folder is not None:
            run.save(folder)
    return run


def _identified(spec: RunSpec, data: Dataset, own: bool) -> RunSpec:
    """Return the spec with the name, and of the user's own arrays the digest, of the data it is trained on."""
    from_file = spec.data.endswith(".npz")
    digest = (data.digest or "") if own or from_file else ""
    if spec.data_digest and spec.data_digest != digest:
        raise DataError(
            f"dataset {data.name!r} is not the data of this spec: "
            f"its digest is {digest or 'none'}, the spec says {spec.data_digest}"
        )
    return spec.model_copy(update={"data": data.name if own and not from_file else spec.data, "data_digest": digest})


def _check_fit(spec: RunSpec, data: Dataset) -> None:
    data.check_fits(spec.network)
    if math.isinf(max(data.validation.length, data.test.length)):
        raise InvalidValueError(
            f"dataset {data.name!r} has an endless test or validation part: allowed are finite ones"
        )


def _already_ended(folder: Path, spec: RunSpec) -> bool:
    """Whether the folder holds this very run, ended; RunError where it holds something worth keeping instead."""
    if is_free(folder):
        return False
    if read_spec(folder).content_hash != spec.content_hash:
        raise RunError(f"{str(folder)!r} holds a run of another spec: choose another folder, or remove it")
    try:
        status, updates = read_status(folder)
    except RunError:  # killed before its first status
        return False
    if status == INTERRUPTED:
        raise RunError(
            f"{str(folder)!r} holds this run, interrupted after {updates} of {spec.training.updates} updates: "
            "load it, choose another folder, or remove it to train again"
        )
    return status in (FINISHED, DIVERGED)


class _Loop:
    """State of a run between two updates, from the record before the first one on."""

    def __init__(self, spec: RunSpec, data: Dataset, progress: Progress | None) -> None:
        self.spec, self.data, self.progress = spec, data, progress
        self.network = Network(spec.network, seed=spec.seed, dtype=spec.dtype)
        self.batches = Batches(data.train, spec.training, spec.seed)
        self.monitor, self.curves = StatisticsMonitor(data.test), ErrorCurves()
        self.step = 0
        self.started = time.time()
        if not self._record():
            raise DivergedError(
                f"the network of {spec.network.initializer} is not finite before the first update: "
                "nothing can be trained from there"
            )

    @np.errstate(over="ignore", invalid="ignore")  # a network that diverges is a result, not a warning
    def run(self, release: Callable[[], None]) -> str:
        """Make every update and every record; return how it ended. ``release`` is called between two updates."""
        training = self.spec.training
        stride = max(1, training.updates // PROGRESS_CALLS)
        with single_threaded_blas():
            while self.step < training.updates:
                release()
                x, y = self.batches.batch(self.step)
                cost = self.network.train_step(x, y, training.learning_rate, momentum=training.momentum, l2=training.l2)
                self.step += 1
                if not math.isfinite(cost):
                    return DIVERGED
                self.curves.add_cost(cost)
                if not self._record():
                    return DIVERGED
                if self.progress and (self.step % stride == 0 or self.step == training.updates):
                    self.progress(self.step, training.updates)
        return FINISHED

    @np.errstate(over="ignore", invalid="ignore")
    def _record(self) -> bool:
        """Take what is due after this many updates; return False where the network is no longer finite."""
        training = self.spec.training
        if on_schedule(self.step, training.monitor_interval, training.updates) and not self.monitor.record(
            self.step, self.network
        ):
            return False
        if on_schedule(self.step, training.validation_interval, training.updates):
            errors = [classification_error(self.network, part) for part in (self.data.validation, self.data.test)]
            if not np.isfinite(errors).all():
                return False
            self.curves.record(self.step, *errors)
        return True

    def result(self, status: str) -> Run:
        """Return the run as it stands."""
        seconds = time.time() - self.started
        return Run(
            self.spec,
            self.monitor.statistics(self.spec),
            self.monitor.histogram_dataset(self.spec),
            self.curves.dataset(),
            status,
            self.step,
            weights_of(self.network),
            provenance=provenance() | {"started": self.started, "seconds": round(seconds, 3)},
        )
