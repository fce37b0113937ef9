"""Fuzz target checkpoint: whole archives with right checksums whose header or arrays are not those of a run.

Damaged bytes are the run folder's target: here a program has written something else, or somebody on purpose.
"""

import io
import json
import random
import zipfile
from typing import Any

import numpy as np
from harness import Target, Wrong
from mutations import VALUES, json_text, mutate_tree
from runs import make_run, run_spec, write_dataset

from glorotlab.training.loop import train
from glorotlab.training.runs.checkpoint import FILE, HEADER
from glorotlab.training.runs.run import load_run

DTYPES = ("f4", "f8", ">f4", ">f8", "i8", "u1", "?", "c8", "U3", "S4", "M8[s]", "V3", "f4,i4", "f2")
NUMBERS = (0.0, -1.0, 1e-320, 1e30, 1e308, np.inf, -np.inf, np.nan, 0.5, 2.0**53, 2.0**70)

Parts = dict[str, bytes]


class Checkpoints(Target):
    """A checkpoint is loaded, looked at and resumed."""

    name = "checkpoint"

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        data = write_dataset(self.folder / "data.npz")
        self.specs = (
            run_spec(data),
            run_spec(data, momentum=0.5, network={"layers": "4,5,5,3", "activation": "relu"}, dtype="float64"),
            run_spec(data, pretraining_updates=2, learning_rates="hessian"),
        )
        self.samples = [
            _parts(make_run(spec, self.folder / f"made-{number}")[FILE]) for number, spec in enumerate(self.specs)
        ]
        self.run_folder = self.folder / "run"
        self.run_folder.mkdir()

    def make(self, rng: random.Random) -> tuple[int, bytes, bool]:
        """Return the number of a spec, an archive, and whether it is resumed."""
        number = rng.randrange(len(self.samples))
        header, members = self.samples[number]
        members = dict(members)
        resumed = rng.random() < 0.08
        if resumed or rng.random() < 0.2:
            header = header | {"status": rng.choice(("running", "interrupted")), "updates": rng.randrange(3)}
        if rng.random() < 0.5:
            header = mutate_tree(rng, header)
        if rng.random() < 0.6:
            for _ in range(rng.choice((1, 1, 2))):
                _mutate_members(rng, members)
        text = json_text(header).encode("utf-8", "surrogatepass")
        content = _npy(np.frombuffer(text, np.uint8)) if rng.random() < 0.98 else _npy(_other_array(rng, text))
        return number, _archive({HEADER: content} | members), resumed

    def run(self, made: tuple[int, bytes, bool]) -> None:
        """Load the run, look at all of it, and resume it where that is asked for."""
        number, content, resumed = made
        for path in self.run_folder.iterdir():
            path.unlink()
        (self.run_folder / FILE).write_bytes(content)
        run = load_run(self.run_folder)
        run.network().forward(np.zeros((1, 4), run.spec.dtype)[:, : run.spec.network.layer_sizes[0]])
        if "<b>" not in run._repr_html_() or not 0 <= run.updates <= run.spec.training.updates:
            raise Wrong(f"a run of {run.updates} updates")
        if resumed:
            ended = train(self.specs[number], self.run_folder)
            if ended.status not in ("finished", "diverged"):
                raise Wrong(f"status {ended.status!r} after all updates")


def _parts(content: bytes) -> tuple[dict[str, Any], Parts]:
    """Return the header of a checkpoint, and its other arrays as they stand in the archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}
    header = json.loads(np.load(io.BytesIO(members.pop(HEADER))).tobytes())
    return header, members


def _archive(members: Parts) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content)
    return buffer.getvalue()


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=True)
    return buffer.getvalue()


def _mutate_members(rng: random.Random, members: Parts) -> None:
    name = rng.choice(list(members))
    match rng.randrange(8):
        case 0:
            del members[name]
        case 1:
            members[rng.choice((f"{name}_", "weight_9", "bias_velocity_1", "statistics/x", "a/b/c", ""))] = members.pop(
                name
            )
        case 2:
            members[name] = members[rng.choice(list(members))]
        case 3:
            members[rng.choice(("weight_velocity_1", "x", "statistics/", "recent_costs", "since_point"))] = members[
                name
            ]
        case _:
            array = np.load(io.BytesIO(members[name]))
            members[name] = _npy(_other_array(rng, array))


def _other_array(rng: random.Random, array: Any) -> Any:
    """Return an array of another shape or type, or with other values; one that would be pickled is never read."""
    if isinstance(array, bytes):
        return np.array(array.decode("latin-1"))
    array = array.copy()
    match rng.randrange(9):
        case 0:
            return array.ravel()
        case 1:
            return array[None]
        case 2:
            return array[:0]
        case 3:
            return array[:-1] if array.ndim and len(array) else array
        case 4:
            return np.concatenate([array, array]) if array.ndim else np.array(rng.choice(VALUES[:6]), dtype=object)
        case 5:
            return array.T
        case 6 if array.size:
            flat = array.reshape(-1)
            with np.errstate(all="ignore"):
                flat[rng.randrange(flat.size)] = np.array(rng.choice(NUMBERS)).astype(flat.dtype)
            return array
        case 7:
            return np.full(array.shape, rng.choice(NUMBERS))
    with np.errstate(all="ignore"):
        return array.astype(rng.choice(DTYPES))
