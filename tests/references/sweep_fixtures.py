"""Small sweeps over the user's own data, and what they left."""

import json

import numpy as np
from training_fixtures import arrays, bits

from glorotlab.spec.sweep import SweepSpec
from glorotlab.training.runs.run import load_run


def own_data(folder):
    """Write a dataset of 60 examples, which every sweep of the tests is trained on."""
    x, y = arrays(60)
    np.savez(folder / "own.npz", x=x, y=y)
    return str(folder / "own.npz")


def sweep_spec(data, updates=12, **fields):
    run = {"data": data, "network": {"layers": "6,12,3"}, "training": {"updates": updates, "batch_size": 5}}
    return SweepSpec(run=run, **fields)


def toml(data, updates, sweep):
    return f'data = "{data}"\n[network]\nlayers = "6,12,3"\n[training]\nupdates = {updates}\nbatch_size = 5\n{sweep}'


def everything(results):
    """All runs found out, as bytes, by the name of their folder."""
    return {name: bits(load_run(results.folder / name)) for name in set(results.runs)}


def sessions(results):
    """From which updates each run was trained, by the name of its folder."""
    return {
        name: [
            session["from_update"] for session in json.loads((results.folder / name / "provenance.json").read_text())
        ]
        for name in set(results.runs)
    }
