"""Run: a training run in memory or in its folder.

A folder holds ``spec.toml``, ``statistics.nc``, ``histograms.nc``, ``curves.nc``, ``weights.npz``,
``provenance.json`` and ``status.json``; the status is written last and names a run whose other files are whole.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from glorotlab import __version__
from glorotlab.errors import RunError
from glorotlab.network.mlp import Network
from glorotlab.spec.run import RunSpec
from glorotlab.threads import num_threads
from glorotlab.training import files

if TYPE_CHECKING:
    import xarray as xr

FINISHED, DIVERGED, INTERRUPTED, RUNNING = "finished", "diverged", "interrupted", "running"
STATUSES = (FINISHED, DIVERGED, INTERRUPTED, RUNNING)


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
        ``finished``, ``diverged`` (the cost stopped being finite), ``interrupted`` or ``running``.
    updates : int
        Updates done.
    weights : dict of str to array
        ``weight_1``, ``bias_1``, ... as the run left them.
    folder : Path or None
    provenance : dict
    """

    spec: RunSpec
    statistics: xr.Dataset
    histograms: xr.Dataset
    curves: xr.Dataset
    status: str
    updates: int
    weights: dict[str, npt.NDArray[Any]] = field(repr=False)
    folder: Path | None = None
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)

    def network(self) -> Network:
        """Return the network with the weights the run left."""
        network = Network(self.spec.network, seed=self.spec.seed, dtype=self.spec.dtype)
        for layer in range(len(network.weights)):
            np.copyto(network.weights[layer], self.weights[f"weight_{layer + 1}"], casting="no")
            np.copyto(network.biases[layer], self.weights[f"bias_{layer + 1}"], casting="no")
        return network

    def save(self, folder: Path) -> None:
        """Write every file of the run; the status is taken back first and given last."""
        write_status(folder, RUNNING, 0)
        files.write_whole(folder / "spec.toml", self.spec.to_toml())
        files.write_dataset(folder / "statistics.nc", self.statistics)
        files.write_dataset(folder / "histograms.nc", self.histograms)
        files.write_dataset(folder / "curves.nc", self.curves)
        files.write_arrays(folder / "weights.npz", self.weights)
        files.write_whole(folder / "provenance.json", json.dumps(self.provenance, indent=2))
        write_status(folder, self.status, self.updates)
        self.folder = folder

    def _repr_html_(self) -> str:
        last = self.curves.isel(step=-1)
        return (
            f"<b>Run</b> {self.spec.network.layers} {self.spec.network.activation} "
            f"{self.spec.network.initializer}: {self.status} after {self.updates} updates, "
            f"test error {float(last.test_error):.2%}"
        )


def weights_of(network: Network) -> dict[str, npt.NDArray[Any]]:
    """Return copies of a network's weights and biases under the names of ``weights.npz``."""
    found: dict[str, npt.NDArray[Any]] = {}
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True), start=1):
        found[f"weight_{layer}"], found[f"bias_{layer}"] = weight.copy(), bias.copy()
    return found


def provenance() -> dict[str, Any]:
    """Return what the numbers of a run rest on besides its spec: versions, machine, threads."""
    packages = ("numpy", "scipy", "xarray")
    return {
        "glorotlab": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": num_threads(),
    } | {name: _version(name) for name in packages}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def write_status(folder: Path, status: str, updates: int) -> None:
    """Write ``status.json``."""
    files.write_whole(folder / "status.json", json.dumps({"status": status, "updates": updates}))


def read_spec(folder: Path) -> RunSpec:
    """Return the spec of a run folder; RunError where it is none."""
    path = folder / "spec.toml"
    try:
        return files.read_whole(path, lambda content: RunSpec.from_toml(content.decode(), origin="spec"))
    except RunError as error:
        raise RunError(f"{str(folder)!r} is not a run folder: {error}") from None


def read_status(folder: Path) -> tuple[str, int]:
    """Return status and updates of a run folder; RunError where they cannot be read."""

    def parse(content: bytes) -> tuple[str, int]:
        found = json.loads(content)
        return STATUSES[STATUSES.index(found["status"])], int(found["updates"])

    return files.read_whole(folder / "status.json", parse)


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Open a run folder.

    Raises
    ------
    RunError
        Where it is not one, or a file of it is missing or damaged.
    """
    path = files.user_path(folder)
    spec = read_spec(path)
    status, updates = read_status(path)
    if status == RUNNING:
        raise RunError(f"the run in {str(path)!r} has saved nothing yet: it is running, or was killed")
    weights = files.read_arrays(path / "weights.npz")
    if _shapes(weights) != _spec_shapes(spec):
        raise RunError(f"{str(path / 'weights.npz')!r} does not hold the {spec.dtype} weights of {spec.network.layers}")
    origin = files.read_whole(path / "provenance.json", json.loads)
    statistics, histograms, curves = (
        files.read_dataset(path / f"{name}.nc") for name in ("statistics", "histograms", "curves")
    )
    return Run(spec, statistics, histograms, curves, status, updates, weights, path, origin)


def _shapes(weights: dict[str, npt.NDArray[Any]]) -> dict[str, tuple[tuple[int, ...], str]]:
    return {name: (array.shape, str(array.dtype)) for name, array in weights.items()}


def _spec_shapes(spec: RunSpec) -> dict[str, tuple[tuple[int, ...], str]]:
    layers = list(enumerate(spec.network.fans, start=1))
    weights = {f"weight_{layer}": (fans, spec.dtype) for layer, fans in layers}
    return weights | {f"bias_{layer}": (fans[1:], spec.dtype) for layer, fans in layers}
