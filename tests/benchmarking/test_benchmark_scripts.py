"""The scripts of benchmarks/ run, in small; what they share holds. The benchmark itself: test_bench.py."""

import gc
import json
import math
import mmap
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from benchmark_scripts import BENCHMARKS, benchmark
from optional import optional

from glorotlab import activations
from glorotlab.benchmarking.cases import Case
from glorotlab.benchmarking.step import batch_of
from glorotlab.kernels.network.buffers import HUGE_PAGE
from glorotlab.machine import machine_line
from glorotlab.network.mlp import Network
from glorotlab.spec import generated_data

RESIDENT = Path("/proc/self/clear_refs").exists()


SMALLER = {
    "busy_machine": {"SETTINGS": {"as shipped": {}}},
    "advice": {"HELD_OUT": (("shapeset", "1024,10,9", "tanh", "standard"),), "UPDATES": 5, "STREAM": 50},
    "distribution_error": {
        "LAYERS": "1024,60x2,9",
        "HIDDEN": 2,
        "EXAMPLES": 20,
        "BINS": 24,
        "INITIALIZERS": ("standard",),
    },
    "band_coverage": {
        "ACTIVATIONS": {"tanh": "fan_avg", "relu": "fan_in"},
        "DEPTHS": (1,),
        "DISTRIBUTIONS": ("normal",),
        "EXAMPLES": 4,
        "CHUNK": 4,
    },
    "checkpoint_cost": {"NETWORKS": ("1024,12,9",)},
    "interrupt_latency": {"NETWORKS": ("1024,12,9", "10,5,10"), "EXAMPLES": 700, "WAIT": (0.0, 0.05)},
    "jacobian_spectra": {
        "FAMILIES": [("1024,60x2,9", "orthogonal", "tanh"), ("1024,60x2,9", "uniform", "relu")],
        "JACOBIANS": {"1024,60x2,9": (2, None)},
        "CHUNK": 2,
    },
    "memory": {"CASES": (Case("20,30,5", 4),), "MOMENTA": (0.9,)},
    "monitor_cost": {"NETWORKS": {"1024,12,9": "shapeset"}},
    "nielsen_epoch": {},
    "run_listing": {"REPEATS": 1},
    "shapeset_rate": {},
    "subnormals": {},
    "coordinate_check": {},
    "tangent_kernel": {"CELLS": (("tanh", 1.0, "normal"),)},
    "sweep_speed": {
        "NETWORKS": {"1024,10,9": 20},
        "RUNS": 2,
        "ROUNDS": 1,
        "num_threads": lambda: 1,
        "processes": ThreadPoolExecutor,
        "warm": lambda executor, workers: None,
    },
}
"""Values in the place of a script's own, by script; no other script is run."""

ARGUMENTS = {
    "busy_machine": (1, "1024,20,9", 2),
    "distribution_error": ("--networks", "2"),
    "band_coverage": ("--draws", "4"),
    "checkpoint_cost": (1, 1),
    "interrupt_latency": (2,),
    "jacobian_spectra": ("--networks", "2", "--draws", "2"),
    "monitor_cost": (2, 5),
    "nielsen_epoch": (1, 20),
    "run_listing": (10,),
    "shapeset_rate": (200, 50),
    "subnormals": ("20,30,5", 1),
    "coordinate_check": ("--checks", "1", "--seeds", "2", "--only", "output from 0"),
    "tangent_kernel": ("--networks", "500", "--width", "10"),
}


def _small_model():
    import torch

    return torch.nn.Sequential(torch.nn.Linear(5, 10)), torch.randn(3, 5)


WITH_TORCH = {
    "against_anyinit": (
        {"LAYERS": 3, "SHOWN": (1, 2, 3), "WIDTH": 40, "EXAMPLES": 3, "HEALTHY": (("relu", 3, 40),)},
        ("--networks", "2"),
    ),
    "monitor": ({"MODELS": (_small_model,)}, (2, 2)),
}
"""The same of scripts that need PyTorch, with their arguments."""


def test_every_benchmark_is_tested():
    calibration = {"trainability", "trainability_networks", "trainability_runs", "logistic_regression"}
    tested = {
        *SMALLER,
        *calibration,
        "prediction_error",
        "infinite_width",
        "holm",
        "oracle",
        "audit",
        "graphs",
        "graph_draws",
        "graph_models",
        *WITH_TORCH,
    }
    assert {path.stem for folder in ("accuracy", "speed") for path in (BENCHMARKS / folder).glob("*.py")} == tested
    assert "glorotlab" in sys.modules


@pytest.mark.torch
@pytest.mark.parametrize("name", WITH_TORCH)
def test_a_script_of_torch_runs_in_small(name, capsys, monkeypatch):
    optional("torch", "TORCH")
    constants, arguments = WITH_TORCH[name]
    module = benchmark(name)
    for constant, value in constants.items():
        monkeypatch.setattr(module, constant, value)
    module.main(*arguments)
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith(machine_line())
    assert others


@pytest.mark.parametrize("name", [name for name in SMALLER if name != "memory" or RESIDENT])
def test_a_script_runs_in_small(name, capsys, monkeypatch, tmp_path):
    """Each prints the machine, then numbers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(generated_data.DEFAULTS, "shapeset", {"train": math.inf, "validation": 500, "test": 500})
    module = benchmark(name)
    for constant, value in SMALLER[name].items():
        monkeypatch.setattr(module, constant, value)
    module.main(*ARGUMENTS.get(name, ()))
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith(machine_line())
    assert others


@pytest.fixture
def pages(monkeypatch):
    """Memory of huge pages, which tracemalloc does not see: ``peak`` bytes, without what only aligns it.

    A class of its own for each test: what is left of another's is freed at some time, and does not count here.
    """

    class Counted(mmap.mmap):
        held = peak = 0

        def __new__(cls, file, length, **options):
            cls.held += length - HUGE_PAGE
            cls.peak = max(cls.peak, cls.held)
            return super().__new__(cls, file, length, **options)

        def __del__(self):
            type(self).held -= len(self) - HUGE_PAGE

    monkeypatch.setattr(mmap, "mmap", Counted)
    return Counted


@pytest.mark.parametrize(("batch", "momentum"), [(10, 0.9), (512, 0.0)])
def test_training_holds_at_most_a_fifth_more_than_it_needs(batch, momentum, pages):
    """Of the paper's network, at the peak of three steps, by NumPy's report and pages; the kernels allocate none.

    A second peak counts where the first is too high: what another thread takes meanwhile is not the network's.
    """
    needed, case = benchmark("memory").needed, Case("1024,1000x5,10", batch)
    parameters, rows = needed(case, momentum)
    assert (parameters, rows) == (4 * 5_039_010 * (1 + (momentum > 0)), 4 * batch * (1024 + 3 * 5010))
    x, labels = batch_of(case.spec, batch, case.dtype)
    order = np.tile(np.arange(batch), 3)

    def peak(layers):
        gc.collect()
        before, pages.peak = pages.held, pages.held
        tracemalloc.start()
        try:
            network = Network(layers)
            gc.collect()
            tracemalloc.reset_peak()
            network.train_steps(x, labels, 0.01, batch_size=batch, order=order, momentum=momentum)
            return tracemalloc.get_traced_memory()[1] + pages.peak - before
        finally:
            tracemalloc.stop()

    peak(Case("1024,10,10").spec)  # imports
    assert any(parameters < peak(case.spec) <= 1.2 * parameters + rows for _ in range(2))


def test_prediction_error_goes_on_where_it_stopped(monkeypatch, tmp_path, capsys):
    module = benchmark("prediction_error")
    monkeypatch.delenv("GLOROTLAB_DATA", raising=False)
    tiny = {"ACTIVATIONS": ("tanh",), "NETWORKS": {"shapeset": "1024,200,9"}, "EXAMPLES": 10, "CHUNK": 12}
    for name, value in tiny.items():
        monkeypatch.setattr(module, name, value)
    kept = tmp_path / "kept.jsonl"
    for initializers in (("standard",), ("standard", "he_normal")):
        monkeypatch.setattr(module, "INITIALIZERS", initializers)
        module.main("--seeds", "12", "--out", str(kept))
    cells = [json.loads(line)["cell"] for line in kept.read_text().splitlines()]
    assert cells == ["shapeset tanh standard", "shapeset tanh he_normal"]
    assert "shapeset tanh standard" in capsys.readouterr().out
    assert module.Row("v", 1, 1.05, 0.01).beyond == pytest.approx(0.03)


def test_holm_stops_at_the_first_that_is_too_large():
    holm = benchmark("holm").holm
    rejected = holm(np.array([[0.9, 0.001], [0.004, 0.0049]]), 0.01)  # .001 <= .01/4, .004 > .01/3, .0049 < .01/2
    assert rejected.tolist() == [[False, True], [False, False]]
    assert holm(np.array([0.001, 0.002]), 0.01).all()


def test_controls_of_mean_0_leave_the_mean_and_take_out_the_scatter():
    """The standard error of 4,000 values falls from 1 / 63 to a tenth of that; 5 of these are allowed: 6e-7."""
    module, random = benchmark("prediction_error"), np.random.default_rng(0)
    controls = random.normal(size=(4000, 3)) * [1.0, 50.0, 1e-3]
    values = 2 + controls @ [1.0, 0.01, 100.0] + 0.1 * random.normal(size=4000)
    mean, error = module.mean_and_error(values, controls)
    assert error == pytest.approx(0.1 / 4000**0.5, rel=0.1)
    assert abs(mean - 2) < 5 * error


@pytest.mark.parametrize(("law", "name"), [("normal", "tanh"), ("uniform", "gelu"), ("orthogonal", "gelu")])
def test_slopes_are_drawn_as_networks_have_them(law, name):
    """Mean singular values of free products of the slopes of 40 networks and of 40 pairs drawn.

    The difference in units of its standard error, 1 to 3 % of the mean, is Student's t with at least 39 degrees of
    freedom: |t| > 6 has probability 5e-7. Differences of twice that, 15 to 40 %, are found as surely.
    """
    module, layers, x = benchmark("jacobian_spectra"), "30,60,40,60,9", np.random.default_rng(3).normal(size=(1, 30))
    given = module.spec_of(layers, law, name)
    networks, drawn, random = [], [], np.random.default_rng(4)
    for seed in range(40):
        s = Network(given, seed=seed, dtype="float64").forward(x).preactivations[:-1]
        own = [activations.get(name).derivative(each[0].astype(np.float64)) for each in s]
        networks.append(module.own_mean(module.own_product(given, own, None, 10)))
        (pair,) = module.slopes_of(random, layers, law, [name], x)
        drawn.append(np.mean([module.own_mean(module.own_product(given, each, None, 10)) for each in pair]))
    error = np.hypot(module.standard_error(np.array(networks)), module.standard_error(np.array(drawn)))
    assert abs(np.mean(networks) - np.mean(drawn)) < 6 * error


def test_kernels_of_a_linear_network_of_infinite_width():
    """Each of six layers multiplies x.x'/n by the gain, and each matrix adds the same to the tangent kernel."""
    module = benchmark("infinite_width")
    x = np.random.default_rng(0).normal(size=(5, 7))
    nngp, ntk = module.ours("linear", x)
    layers = module.HIDDEN + 1
    np.testing.assert_allclose(nngp, module.GAIN**layers * x @ x.T / 7)
    np.testing.assert_allclose(ntk, layers * nngp)
