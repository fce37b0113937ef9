"""Run: a training run, in memory or read from its folder, at any moment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    """A training run.

    Parameters
    ----------
    spec : RunSpec
    statistics : xarray.Dataset
        LayerStatistics of 300 fixed test examples over dimension ``step``.
    histograms : xarray.Dataset
        Histograms of the first and the last record.
    curves : xarray.Dataset
        ``training_cost``, ``validation_error`` and ``test_error`` over ``step``.
    status : str
        ``finished``, ``diverged`` (the cost stopped being finite), ``interrupted`` or, while a process trains it,
        ``running``.
    updates : int
        Updates done.
    weights : dict of str to array
        ``weight_1``, ``bias_1``, ... as the run left them, or at its last checkpoint.
    folder : Path or None
    provenance : list of dict
        What each session that trained it ran on: versions, git state, machine, threads.
    seconds : float
        Time used, over all sessions.
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

    @classmethod
    def of(cls, found: Checkpoint, folder: RunFolder | None = None) -> Run:
        """Return the run of a checkpoint."""
        return cls(
            found.spec,
            datasets.statistics(found),
            datasets.histograms(found),
            datasets.curves(found),
            found.status if folder is None else folder.status(found),
            found.updates,
            {name: array for name, array in found.parameters.items() if "velocity" not in name},
            None if folder is None else folder.path,
            found.sessions,
            found.seconds,
        )

    def network(self) -> Network:
        """Return the network with the weights the run left."""
        network = Network(self.spec.network, seed=self.spec.seed, dtype=self.spec.dtype)
        network.load_state(self.weights)
        return network

    def _repr_html_(self) -> str:
        last = self.curves.isel(step=-1)
        return (
            f"<b>Run</b> {self.spec.network.layers} {self.spec.network.activation} "
            f"{self.spec.network.initializer}: {self.status} after {self.updates} updates, "
            f"test error {float(last.test_error):.2%}"
        )


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Open a run folder, also while the run goes on: as of its last checkpoint.

    Raises
    ------
    RunError
        Where it is not one, or its checkpoint is damaged or of a format this version does not read.
    """
    opened = RunFolder(folder)
    found = opened.read()
    if found is None:
        raise RunError(f"{str(opened.path)!r} holds no run: there is nothing in it, or not yet")
    return Run.of(found, opened)
