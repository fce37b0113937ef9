"""Run: a training run, in memory or read from its folder, at any moment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glorotlab import notebook
from glorotlab.errors import RunError
from glorotlab.network.mlp import Network
from glorotlab.spec.run import RunSpec
from glorotlab.training.runs import datasets
from glorotlab.training.runs.checkpoint import Checkpoint
from glorotlab.training.runs.folder import RunFolder
from glorotlab.training.state import Arrays

if TYPE_CHECKING:
    import xarray as xr


@dataclass
class Run:
    """A training run as it stands: what was measured on the way, and the weights.

    Parameters
    ----------
    spec : RunSpec
        Everything that determines the run.
    statistics : xarray.Dataset
        LayerStatistics of 300 fixed test examples over dimension ``step``.
    histograms : xarray.Dataset
        Histograms of the first and the last record.
    curves : xarray.Dataset
        ``training_cost`` (mean of the last 100 mini-batches), ``validation_error`` and ``test_error`` over ``step``.
    status : str
        ``finished``, ``diverged`` (the cost stopped being finite), ``interrupted`` or, while a process trains it,
        ``running``.
    updates : int
        Updates done.
    weights : dict of str to ndarray
        ``weight_1``, ``bias_1``, ... as the run left them, or at its last checkpoint.
    folder : Path or None
        Where it is kept; None where nothing was written.
    provenance : list of dict
        What each session that trained it ran on: versions, git state, machine, threads.
    seconds : float
        Time used, over all sessions.

    Examples
    --------
    >>> import glorotlab as gl
    >>> x = [[i / 50 - 1] for i in range(100)]
    >>> data = gl.Dataset.from_arrays(x, [int(row[0] > 0) for row in x])
    >>> training = gl.TrainingSpec(updates=200, learning_rate=0.5)
    >>> run = gl.train(gl.RunSpec(network=gl.NetworkSpec.parse("1,5,2"), training=training), dataset=data)
    >>> float(run.curves["training_cost"][-1]) < 0.69  # a guess costs ln 2
    True
    >>> int(run.network().forward([[0.9]]).activations[-1].argmax())
    1
    """

    spec: RunSpec
    statistics: xr.Dataset
    histograms: xr.Dataset
    curves: xr.Dataset
    status: str
    updates: int
    weights: Arrays = field(repr=False)
    folder: Path | None = None
    provenance: list[dict[str, Any]] = field(default_factory=list, repr=False)
    seconds: float = 0.0

    def network(self) -> Network:
        """Return the network with the weights that the run left."""
        network = Network(self.spec.network, seed=self.spec.seed, dtype=self.spec.dtype)
        network.load_state(self.weights)
        return network

    def _repr_html_(self) -> str:
        network, last = self.spec.network, self.curves.isel(step=-1)
        title = (
            f"Run {network.layers} {network.activation} {network.initializer}: "
            f"{self.status} after {self.updates} updates"
        )
        ending = {name.replace("_", " "): float(last[name]) for name in map(str, self.curves.data_vars)}
        return notebook.form(
            title, notebook.fields(ending | {"seconds": self.seconds, "folder": self.folder, "seed": self.spec.seed})
        )


def run_of(checkpoint: Checkpoint, folder: RunFolder | None = None) -> Run:
    """Return the run of a checkpoint."""
    return Run(
        checkpoint.spec,
        datasets.statistics(checkpoint),
        datasets.histograms(checkpoint),
        datasets.curves(checkpoint),
        checkpoint.status if folder is None else folder.current_status(checkpoint),
        checkpoint.updates,
        checkpoint.weights,
        None if folder is None else folder.path,
        checkpoint.sessions,
        checkpoint.seconds,
    )


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Open a run folder as of the run's last checkpoint, also while it is being trained.

    Parameters
    ----------
    folder : path-like
        What ``train`` was given as ``out``; ``~`` is the home folder.

    Returns
    -------
    Run

    Raises
    ------
    RunError
        Where it is no run folder, or its checkpoint is damaged or of a format this version does not read.
    InvalidValueError
        Where it is no path.

    Examples
    --------
    >>> import glorotlab as gl
    >>> from tempfile import TemporaryDirectory
    >>> data = gl.Dataset.from_arrays([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> spec = gl.RunSpec(network=gl.NetworkSpec.parse("1,5,2"), training=gl.TrainingSpec(updates=10, batch_size=1))
    >>> with TemporaryDirectory() as folder:
    ...     run = gl.train(spec, folder, dataset=data)
    ...     loaded = gl.load_run(folder)
    >>> loaded.status, loaded.updates, bool((loaded.weights["weight_1"] == run.weights["weight_1"]).all())
    ('finished', 10, True)
    """
    run_folder = RunFolder(folder)
    checkpoint = run_folder.read()
    if checkpoint is None:
        raise RunError(f"{str(run_folder.path)!r} holds no run: there is nothing in it, or not yet")
    return run_of(checkpoint, run_folder)
