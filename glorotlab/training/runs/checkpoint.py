"""Checkpoint: all that a run is and needs to go on, in one file.

How the data of a run travel:

1. What is random is a function of seed and index (``streams``): image i of a stream, the order of epoch e, the weights
   of layer l. The number of updates is the position in all of them; no generator has a state to keep.
2. Between two updates a run is: the weights and biases, their velocities once a step had momentum, their factors of the
   learning rate where they have their own, the number of updates, how far a pre-training is and the biases of the
   reconstruction in hand, what the monitors recorded (statistics, first and last histogram, points of the curves, costs
   of the last mini-batches), the time used and the sessions that trained it (provenance). All of it goes into
   ``checkpoint.npz``, the spec included: plain arrays, each with a CRC, and a header in JSON.
3. The file is written beside its place, flushed to disk, renamed into place, and the folder is flushed. Whoever looks,
   at any moment and after a kill at any moment, finds the checkpoint before or the one after, whole. So one generation
   is enough: the last good one goes only by the rename that brings the next, and a full disk stops what is beside it.
4. Everything else in a run folder is derived from it for other programs (``folder``), and made again where a kill
   left it behind. ``load_run`` and a resume read this file alone.

Fields may be added to format 1, never changed: a spec without a field of today has that field's default.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from glorotlab import __version__, files
from glorotlab.errors import RunError
from glorotlab.network.checks import check_state
from glorotlab.spec.run import RunSpec
from glorotlab.training.runs.status import ENDED, STATUSES
from glorotlab.training.state import Arrays, without_prefix

FILE = "checkpoint.npz"
FORMAT = 1
"""Version of the file's content; see above what may change within one."""

HEADER = "header"
"""Array that holds the header, JSON in bytes."""

PARAMETERS = ("weight_", "bias_")
"""How the names of weights, biases, their velocities and their factors of the learning rate begin."""


@dataclass(frozen=True)
class Checkpoint:
    """A run between two updates.

    Parameters
    ----------
    spec : RunSpec
    status : str
        ``finished``, ``diverged``, or of a run that has not ended ``interrupted`` or ``running``.
    updates : int
        Updates done.
    seconds : float
        Time used, over all sessions.
    examples : dict
        Which examples the statistics are of: their number and digests.
    sessions : list of dict
        Provenance, a record for each session.
    arrays : dict of str to array
        States of the network and the monitors.
    """

    spec: RunSpec
    status: str
    updates: int
    seconds: float
    examples: dict[str, Any]
    sessions: list[dict[str, Any]]
    arrays: Arrays = field(repr=False)

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to train."""
        return self.status in ENDED

    @property
    def parameters(self) -> Arrays:
        """Weights, biases, velocities and factors of the learning rate, as ``Network.load_state`` takes them."""
        return {name: array for name, array in self.arrays.items() if name.startswith(PARAMETERS)}

    @property
    def weights(self) -> Arrays:
        """Weights and biases alone."""
        return {name: array for name, array in self.parameters.items() if name.count("_") == 1}

    def write(self, folder: Path) -> None:
        """Put the checkpoint in place of the one before; RunError where the disk refuses, that one being intact."""
        header = {
            "format": FORMAT,
            "glorotlab": __version__,
            "spec": self.spec.model_dump(mode="json"),
            "content_hash": self.spec.content_hash,
            "status": self.status,
            "updates": self.updates,
            "seconds": self.seconds,
            "examples": self.examples,
            "sessions": self.sessions,
        }
        text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
        files.write_arrays(folder / FILE, {HEADER: text} | self.arrays)

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """Return the checkpoint of a run folder; RunError, in one line, where it cannot be read."""
        return files.read_whole(folder / FILE, cls._parse)

    @classmethod
    def _parse(cls, content: bytes) -> Checkpoint:
        arrays = files.parse_arrays(content)
        header = json.loads(arrays.pop(HEADER).tobytes())
        if header["format"] != FORMAT:
            raise RunError(
                f"it has run format {header['format']}, of glorotlab {header['glorotlab']}; this version reads {FORMAT}"
            )
        checkpoint = cls(
            RunSpec(**header["spec"]),
            STATUSES[STATUSES.index(header["status"])],
            int(header["updates"]),
            float(header["seconds"]),
            dict(header["examples"]),
            list(header["sessions"]),
            arrays,
        )
        checkpoint._check()
        return checkpoint

    def _check(self) -> None:
        check_state(self.parameters, self.spec.network, self.spec.dtype)
        records = len(self.arrays["steps"])
        statistics = without_prefix("statistics", self.arrays)
        if not records or {len(values) for values in statistics.values()} != {records}:
            raise ValueError("its statistics are not of one length")
        if "recent_costs" in self.arrays:
            costs_fit = self.arrays["recent_costs"].ndim == 1
        else:  # written before the training cost was the mean of a window
            costs_fit = self.arrays["since_point"].shape == (2,)
        if self.arrays["curves"].shape[1:] != (4,) or not costs_fit:
            raise ValueError("its curves have another shape")
        if not 0 <= self.updates <= self.spec.training.updates:
            raise ValueError(f"{self.updates} updates of {self.spec.training.updates}")
