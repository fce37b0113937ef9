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
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
from pydantic import ConfigDict, Field

from glorotlab import __version__, files
from glorotlab.archives import Archive
from glorotlab.documents import parse_json
from glorotlab.errors import InvalidValueError, RunError
from glorotlab.spec.run import RunSpec
from glorotlab.training.runs import provenance
from glorotlab.training.runs.layout import check_forms, check_values
from glorotlab.training.runs.records import Count, Record, Seconds, Session, Text
from glorotlab.training.runs.status import ENDED, FINISHED, Status
from glorotlab.training.state import Arrays

FILE = "checkpoint.npz"
FORMAT = 1
"""Version of the file's content; the module's docstring says what may change within one version."""

HEADER = "header"
"""Name of the array with the header, which is JSON in bytes."""

PARAMETERS = ("weight_", "bias_")
"""Beginnings of the names of weights, biases, their velocities and their factors of the learning rate."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run between two updates.

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
        """Replace the previous checkpoint; RunError if the disk fails, which leaves the previous one intact."""
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
        files.write_arrays(folder / FILE, {HEADER: text} | self.arrays, sync=False)  # see RunFolder.sync

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """Return the checkpoint of a run folder; RunError if it cannot be read."""
        return files.read_file(folder / FILE, cls._parse)

    @classmethod
    def _parse(cls, file: BinaryIO) -> Checkpoint:
        """Return the checkpoint in an open file; only arrays that a run may have are read into memory."""
        with Archive(file, largest=os.fstat(file.fileno()).st_size) as archive:
            header = _read_header(archive)
            spec = RunSpec(**header["spec"])
            names = [name for name in archive.names if name != HEADER]
            check_forms({name: archive.form(name) for name in names}, spec)
            arrays = {name: archive.read(name) for name in names}
        status, updates, in_all = header["status"], header["updates"], spec.training.updates
        if updates > in_all or (status == FINISHED and updates < in_all):
            raise InvalidValueError(f"it is {status} after {updates} updates of {in_all}")
        if header["content_hash"] != spec.content_hash:
            raise InvalidValueError("its spec is not the one of its content hash")
        check_values(arrays, spec, updates)
        return cls(spec, status, updates, header["seconds"], header["examples"], header["sessions"], arrays)


class _Examples(Record):
    model_config = ConfigDict(extra="forbid")

    examples: Count
    inputs_digest: Text
    labels_digest: Text


class _Header(Record):
    """The header of a checkpoint."""

    spec: dict[str, Any]
    content_hash: Text
    status: Status
    updates: Count
    seconds: Seconds
    examples: _Examples
    sessions: Annotated[list[Session], Field(min_length=1)]


def _read_header(archive: Archive) -> dict[str, Any]:
    """Return the checked header of an archive; RunError if it has another format."""
    if archive.form(HEADER).dtype != np.uint8:
        raise InvalidValueError(f"array {HEADER} is no text")
    header = parse_json(archive.read(HEADER).tobytes(), provenance.LIMITS)
    if isinstance(header, dict) and header.get("format") != FORMAT:
        raise RunError(
            f"run format {header.get('format')!r:.20}, of glorotlab {header.get('glorotlab')!s:.20}; "
            f"this version reads {FORMAT}"
        )
    _Header.check(header, HEADER)
    return header  # type: ignore[no-any-return]
