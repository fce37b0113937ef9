"""Hashes of what must keep its bits from version to version: images, first weights, specs and short trainings.

``hashes.json`` beside this file, and the run folder ``interrupted_run``, were made with an older version::

    PYTHONPATH=OLD_CHECKOUT python hashes.py write

which makes both anew with whatever version Python finds. Only names that are public in every version are used.

The bits of a training belong to a SIMD level, so there is a table for each level. Nothing else of the machine enters:
the kernels fix the order of every sum, the arrays of the trainings are rational numbers, the user's expression is
rational too, because NumPy's exponential differs from CPU to CPU. What other versions of NumPy, SciPy, LAPACK and
libm could change are the normal numbers of NumPy's generator (its streams have been stable since 1.17, which NumPy
does not promise), the exponential and logarithm of the costs of sigmoid outputs (glibc), and what goes through LAPACK,
BLAS and SciPy: ``orthogonal`` and ``truncated_normal`` weights and the learning speed, which are therefore rounded
before they are hashed. The trainings in float64 with softmax outputs were hashed anew when its exponentials became the
kernels' own, that in sequential order when batches began to run over the end of the data, statistics and histograms of
the expression when its bound became known, those of tanh in float32 when it began to be computed in float.
"""

import hashlib
import itertools
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import glorotlab as gl
from glorotlab.data.shapeset import ShapesetSource
from glorotlab.streams import Purpose

HERE = Path(__file__).parent
FILE = HERE / "hashes.json"
INTERRUPTED_RUN = HERE / "interrupted_run"
LEVELS = ("sse2", "avx2", "avx512")

INITIALIZERS = (
    *("standard_uniform", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform"),
    *("lecun_normal", "orthogonal", "nielsen_default", "nielsen_large", "normal(std=0.2)", "truncated_normal(std=0.2)"),
    *("uniform(bound=0.3)", "sparse(k=3)", "variance_scaling(scale=2, mode=fan_in, distribution=uniform)"),
)

PLAIN = {"updates": 12, "learning_rate": 0.05, "validation_every": 5, "monitor_every": 4}
NESTEROV = {"momentum": 0.9, "nesterov": True, "l2": 0.01}

TRAININGS = {
    "tanh 10": ("24,37,20,7", {}, {"batch_size": 10}, "float32"),
    "tanh 10 double": ("24,37,20,7", {}, {"batch_size": 10}, "float64"),
    "tanh 10 l2": ("24,37,20,7", {}, {"batch_size": 10, "l2": 0.01}, "float32"),
    "tanh 33 momentum": ("24,37,20,7", {}, {"batch_size": 33, "momentum": 0.9}, "float32"),
    "tanh 33 momentum double": ("24,37,20,7", {}, {"batch_size": 33, "momentum": 0.9}, "float64"),
    "relu 1": ("24,37,20,7", {"activation": "relu"}, {"batch_size": 1}, "float32"),
    "relu 1 double": ("24,37,20,7", {"activation": "relu"}, {"batch_size": 1} | NESTEROV, "float64"),
    "relu 130": ("24,37,20,7", {"activation": "relu"}, {"batch_size": 130}, "float32"),
    "sigmoid 10 nesterov": (
        "24,131,7",
        {"activation": "sigmoid", "output": "sigmoid", "cost": "quadratic"},
        {"batch_size": 10} | NESTEROV,
        "float32",
    ),
    "sigmoid 33 cross-entropy": (
        "24,20,131,7",
        {"activation": "sigmoid", "output": "sigmoid", "cost": "cross_entropy", "initializer": "nielsen_default"},
        {"batch_size": 33, "batch_order": "sequential"},
        "float64",
    ),
    "gelu 130 nesterov": ("24,37,20,7", {"activation": "gelu"}, {"batch_size": 130} | NESTEROV, "float32"),
    "gelu 10 double": ("24,140,20,7", {"activation": "gelu"}, {"batch_size": 10, "momentum": 0.5}, "float64"),
    "expression 10": ("24,37,20,7", {"activation": "x/(1 + x**2)"}, {"batch_size": 10} | NESTEROV, "float32"),
    "expression 33 double": ("24,37,20,7", {"activation": "x/(1 + x**2)"}, {"batch_size": 33}, "float64"),
    "shapeset 1": ("1024,40,17,9", {}, {"batch_size": 1}, "float32"),
    "shapeset 10 relu": ("1024,40,17,9", {"activation": "relu"}, {"batch_size": 10} | NESTEROV, "float32"),
    "shapeset 33 double": ("1024,140,9", {}, {"batch_size": 33, "l2": 0.01}, "float64"),
    "shapeset 130": ("1024,40,17,9", {}, {"batch_size": 130}, "float32"),
}
"""Layers, other fields of the network, fields of the training, dtype."""


NEWER = [
    *("backprop_gradient_zero", "backprop_gradient_subnormal"),
    *("batch_weight_gradient_zero", "batch_weight_gradient_subnormal"),
]
"""Variables of LayerStatistics that came after the hashes and the run folder were made."""


def digest(*arrays):
    """Return the SHA-256 of the dtypes, shapes and bytes of arrays."""
    content = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        content.update(f"{array.dtype} {array.shape}\n".encode())
        content.update(array.tobytes())
    return content.hexdigest()


def table_digest(dataset):
    """Return the SHA-256 of every numeric variable of an xarray.Dataset with its name and dimensions."""
    names = [name for name in sorted(map(str, dataset.variables)) if dataset[name].dtype.kind in "fiu"]
    text = " ".join(f"{name}{dataset[name].dims}" for name in names)
    return digest(np.frombuffer(text.encode(), np.uint8), *(stable(name, dataset[name].values) for name in names))


def stable(name, values):
    """Return values as they are hashed.

    The learning speed is a BLAS norm, whose last digit depends on the CPU; steps were of float64 when this began.
    """
    if name == "step":
        return values.astype(np.float64)
    return np.array([float(f"{value:.6e}") for value in values.flat]) if name == "learning_speed" else values


def examples(count, fan_in, classes, first=0):
    """Return inputs that are quotients of whole numbers, and labels that follow from them in part."""
    i = np.arange(first, first + count)[:, np.newaxis]
    x = ((i * 7919 + np.arange(fan_in) * 104729 + i * i * 31) % 1009 - 504) / 256
    return x.astype(np.float32), (np.arange(first, first + count) * 5 + (x[:, 0] > 0)) % classes


def data(layers):
    """Return Shapeset where the network has its size, else arrays, with 320 examples to validate and to test on."""
    fan_in, classes = layers[0], layers[-1]
    if fan_in == 1024:
        held_out = [ShapesetSource(3, Purpose[f"SHAPESET_{part}"], 320) for part in ("VALIDATION", "TEST")]
        return gl.Dataset("shapeset", ShapesetSource(3), *held_out)
    validation, test = (examples(320, fan_in, classes, first) for first in (1000, 2000))
    return gl.Dataset.from_arrays(*examples(150, fan_in, classes), validation=validation, test=test, classes=classes)


def run_spec(layers, network, training, dtype):
    """Return the spec of one training."""
    return gl.RunSpec(
        network=gl.NetworkSpec.parse(layers, **network),
        training=gl.TrainingSpec(**PLAIN | training),
        seed=5,
        dtype=dtype,
    )


def run_digests(run):
    """Return the hashes of what a run found out.

    How many mini-batches a training cost is the mean of is left open, and so are variables that old runs do not have.
    """
    return {
        "weights": digest(*(run.weights[name] for name in sorted(run.weights))),
        "statistics": table_digest(run.statistics.drop_vars(NEWER, errors="ignore")),
        "histograms": table_digest(run.histograms),
        "curves": table_digest(run.curves.drop_vars("training_cost")),
    }


def trainings():
    """Return the hashes of every training, at the SIMD level of this process."""
    return {
        name: run_digests(gl.train(spec := run_spec(*case), dataset=data(spec.network.layer_sizes)))
        for name, case in TRAININGS.items()
    }


def images():
    """Return the hashes of images: the beginning of some streams, and places far into them."""
    found = {f"shapeset {seed}": digest(*gl.shapeset(200, seed=seed)) for seed in (0, 1, 7, 2**64 - 1)}
    for purpose in ("TRAIN", "VALIDATION", "TEST"):
        for start in (10**6, 2**40 + 3):
            batch = ShapesetSource(11, Purpose[f"SHAPESET_{purpose}"]).batch(start, 100)
            found[f"{purpose.lower()} from {start}"] = digest(*batch)
    return found


def first_weights():
    """Return the hashes of networks before training, for every initialiser."""
    found = {}
    for name in INITIALIZERS:
        for dtype in ("float32", "float64"):
            network = gl.Network(gl.NetworkSpec.parse("17,30,8,5", initializer=name), seed=2, dtype=dtype)
            arrays = [*network.weights, *network.biases]
            if name.startswith(("orthogonal", "truncated_normal")):
                arrays = [np.round(np.asarray(array, np.float64), 9 if dtype == "float64" else 4) for array in arrays]
            found[f"{name} {dtype}"] = digest(*arrays)
    return found


def specs():
    """Return the content hashes of runs, and the names of the run folders of a sweep."""
    found = {name: run_spec(*case).content_hash for name, case in TRAININGS.items()}
    defaults = gl.RunSpec(network=gl.NetworkSpec.parse("784,1000x5,10"), training={"updates": 20_000})
    found["defaults"] = defaults.content_hash
    found["own data"] = defaults.model_copy(update={"data": "a/b.npz", "data_digest": "0" * 64}).content_hash
    sweep = gl.SweepSpec(
        run=run_spec(*TRAININGS["tanh 10"]),
        grid={
            "activation": ["tanh", "softsign"],
            "learning_rate": {"low": 0.01, "high": 1, "scale": "log", "points": 3},
        },
        random={"l2": {"low": 1e-4, "high": 1e-2, "scale": "log"}},
        draws=2,
        repeats=2,
    )
    for place, (_labels, spec) in enumerate(sweep.points()):
        found[f"run {place} of a sweep"] = spec.content_hash
    return found


def interrupted_run():
    """Return the spec of the run of the folder, and its data."""
    spec = run_spec("4,5,3", {"activation": "softsign"}, {"batch_size": 7, "momentum": 0.9, "updates": 40}, "float32")
    return spec, data(spec.network.layer_sizes)


def write_interrupted_run():
    """Write the folder of a run of 40 updates that was stopped after the first half; the host is not named."""
    platform.node, platform.platform = lambda: "elsewhere", lambda: "Linux"
    clock = itertools.count()
    time.monotonic = lambda: float(next(clock))  # a second passes at every look, so progress is told at every record

    def stop(done, total):
        if done >= total // 2:
            raise KeyboardInterrupt

    spec, dataset = interrupted_run()
    shutil.rmtree(INTERRUPTED_RUN, ignore_errors=True)
    try:
        gl.train(spec, INTERRUPTED_RUN, dataset=dataset, progress=stop)
    except KeyboardInterrupt:
        return
    raise AssertionError("the run was not interrupted")


def at_level(level, task):
    """Return what ``python hashes.py TASK`` prints at one SIMD level; None where the machine has no such level."""
    environment = os.environ | {"GLOROTLAB_SIMD": level}
    program = [sys.executable, __file__, task]
    process = subprocess.run(program, env=environment, capture_output=True, text=True)  # noqa: S603
    if process.returncode and "SIMD level" in process.stderr:
        return None
    if process.returncode:
        raise RuntimeError(process.stderr)
    return json.loads(process.stdout)


TASKS = {
    "everything": lambda: {"images": images(), "first weights": first_weights(), "specs": specs()},
    "trainings": trainings,
    "interrupted run": write_interrupted_run,
}


def write():
    """Write the file of hashes and the run folder."""
    hashes = at_level("sse2", "everything")
    tables = {level: at_level(level, "trainings") for level in LEVELS}
    hashes["trainings"] = {level: table for level, table in tables.items() if table}
    FILE.write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")
    at_level("sse2", "interrupted run")


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write()
    else:
        print(json.dumps(TASKS[sys.argv[1]]()))
