"""How often a coordinate check calls healthy networks healthy, and finds faults that were planted.

    python benchmarks/accuracy/coordinate_check.py [--checks N] [--torch]

Each line is a family of networks: over N checks with networks and batches of their own, how many had every exponent
inside its band, how many exponents were, how far the mean exponents were from the expected ones at most (where theory
expects one number), and of a planted fault how many checks found it. A healthy check is to be inside all bands with
probability LEVEL. ``--torch`` adds models of PyTorch, and those of the package mup where it is installed.
"""

import argparse
import importlib.util
import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import glorotlab as gl
from glorotlab.machine import machine_line
from glorotlab.scaling.parametrization import MUP, STANDARD
from glorotlab.scaling.scaled_network import scaled_network

WIDTHS, BASE, SEEDS, STEPS, LEVEL = (64, 128, 256, 512), 64, 5, 2, 0.99
INPUTS, CLASSES, EXAMPLES, DEPTH = 32, 10, 64, 3

Make = Callable[..., Any]


@dataclass(frozen=True)
class Cell:
    """A family of networks: what makes them, what they are called, and what else the check is told."""

    name: str
    model: Any
    parametrization: str
    rate: float = 0.1
    healthy: bool = True
    options: dict[str, Any] = field(default_factory=dict)


def spec_of(activation: str, initializer: str) -> gl.NetworkSpec:
    return gl.NetworkSpec.parse(f"{INPUTS},{BASE}x{DEPTH},{CLASSES}", activation=activation, initializer=initializer)


TANH, RELU = spec_of("tanh", "lecun_normal"), spec_of("relu", "he_normal")


def ours(spec: gl.NetworkSpec, record: Any, **rates: float) -> Make:
    """Networks of a parametrization, with powers of the width by which one role's rate is off."""

    def make(width: int, seed: int) -> gl.Network:
        network = scaled_network(spec, width, BASE, record).draw(seed, "float32")
        state = network.state()
        layers = len(network.weights)
        weights = [
            state.get(f"weight_rate_{layer + 1}", np.ones_like(network.weights[layer])) for layer in range(layers)
        ]
        biases = [state.get(f"bias_rate_{layer + 1}", np.ones_like(network.biases[layer])) for layer in range(layers)]
        for role, power in rates.items():
            layer = {"input": 0, "hidden": 1, "output": -1}[role]
            weights[layer] *= np.float32((width / BASE) ** power)
        network.set_rates(weights, biases)
        return network

    return make


def initialised(initializer: str) -> Make:
    """Networks whose initializer has another fan."""

    def make(width: int, seed: int) -> gl.Network:
        return gl.Network(gl.NetworkSpec.parse(f"{INPUTS},{width}x{DEPTH},{CLASSES}", initializer=initializer), seed)

    return make


OWN = [
    Cell("tanh, standard", TANH, "standard"),
    Cell("tanh, mup", TANH, "mup"),
    Cell("tanh, mup, output from 0", TANH, "mup", options={"zero_output": True}),
    Cell("ReLU, standard", RELU, "standard", 0.02),
    Cell("ReLU, mup", RELU, "mup", 0.02),
    Cell("tanh glorot_uniform, standard", spec_of("tanh", "glorot_uniform"), "standard"),
    Cell("tanh, mup, own function", ours(TANH, MUP), "mup"),
    Cell("standard called mup", ours(TANH, STANDARD), "mup", healthy=False),
    Cell("mup called standard", ours(TANH, MUP), "standard", healthy=False),
    Cell("mup, rate of outputs not scaled", ours(TANH, MUP, output=1), "mup", healthy=False),
    Cell("mup, rate of inputs not scaled", ours(TANH, MUP, input=-1), "mup", healthy=False),
    Cell("mup, rate of a hidden layer scaled", ours(TANH, MUP, hidden=1), "mup", healthy=False),
    Cell("ReLU, mup, rate of outputs not scaled", ours(RELU, MUP, output=1), "mup", 0.02, healthy=False),
    Cell("standard, 1 / fan_out", initialised("variance_scaling(scale=1, mode=fan_out)"), "standard", healthy=False),
    Cell("standard, 2 / (fan_in + fan_out)", initialised("glorot_normal"), "standard", healthy=False),
]


def torch_cells() -> list[Cell]:
    """Perceptrons of ReLU units in PyTorch: by hand, and by the package mup."""
    import torch
    from torch import nn

    torch.set_num_threads(1)

    def plain(width: int) -> nn.Sequential:
        sizes = [INPUTS, *[width] * DEPTH, CLASSES]
        layers = [nn.Linear(fan_in, fan_out) for fan_in, fan_out in itertools.pairwise(sizes)]
        return nn.Sequential(*[part for layer in layers[:-1] for part in (layer, nn.ReLU())], layers[-1])

    def he(width: int) -> nn.Sequential:
        model = plain(width)
        for layer in model[::2]:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        return model

    def scaled(width: int) -> nn.Sequential:
        model = he(width)
        with torch.no_grad():
            model[-1].weight *= (BASE / width) ** 0.5
        return model

    def from_zero(width: int) -> nn.Sequential:
        model = he(width)
        nn.init.zeros_(model[-1].weight)
        return model

    def optimizer(kind: str, rate: float, wrong: str = "") -> Callable[[nn.Module], torch.optim.Optimizer]:
        def make(model: nn.Sequential) -> torch.optim.Optimizer:
            ratio, groups, layers = model[0].out_features / BASE, [], list(model[::2])
            for place, layer in enumerate(layers):
                role = "input" if not place else "output" if layer is layers[-1] else "hidden"
                weight, bias = MUP.weight_rate[kind][role], MUP.bias_rate[kind][role]
                power = 0 if role == wrong else weight
                groups.append({"params": [layer.weight], "lr": rate * ratio**power})
                groups.append({"params": [layer.bias], "lr": rate * ratio**bias})
            return {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[kind](groups, lr=rate)

        return make

    def cell(name: str, model: Make, parametrization: str, way: Any, rate: float, *, healthy: bool = True) -> Cell:
        return Cell(f"torch: {name}", model, parametrization, rate, healthy, {"optimizer": way})

    cells = [
        cell("nn.Linear as it is, standard, SGD", plain, "standard", "sgd", 0.1),
        cell("He, standard, SGD", he, "standard", "sgd", 0.01),
        cell("He, standard, Adam", he, "standard", "adam", 1e-4),
        cell("mup, SGD", scaled, "mup", optimizer("sgd", 0.02), 0.02),
        cell("mup, Adam", scaled, "mup", optimizer("adam", 1e-3), 1e-3),
        cell("mup, output from 0, SGD", from_zero, "mup", optimizer("sgd", 0.1), 0.1),
        cell("standard called mup, SGD", he, "mup", "sgd", 0.01, healthy=False),
        cell("standard called mup, Adam", he, "mup", "adam", 1e-4, healthy=False),
        cell("mup called standard, SGD", scaled, "standard", optimizer("sgd", 0.02), 0.02, healthy=False),
        cell(
            "mup, rate of outputs not scaled, SGD", scaled, "mup", optimizer("sgd", 0.02, "output"), 0.02, healthy=False
        ),
        cell(
            "mup, rate of outputs not scaled, Adam",
            scaled,
            "mup",
            optimizer("adam", 1e-3, "output"),
            1e-3,
            healthy=False,
        ),
        cell(
            "mup, rate of hidden layers not scaled, Adam",
            scaled,
            "mup",
            optimizer("adam", 1e-3, "hidden"),
            1e-3,
            healthy=False,
        ),
        cell(
            "mup, rate of inputs not scaled, SGD", scaled, "mup", optimizer("sgd", 0.02, "input"), 0.02, healthy=False
        ),
    ]
    if importlib.util.find_spec("mup") is None:
        print("package mup: not installed")
        return cells
    import mup

    def package(*, zero: bool = False, readout: type[nn.Module] = mup.MuReadout) -> Make:
        def build(width: int) -> nn.Sequential:
            model = plain(width)
            del model[-1]
            options = {"readout_zero_init": zero} if readout is mup.MuReadout else {}
            model.append(readout(width, CLASSES, **options))
            return model

        def make(width: int) -> nn.Sequential:
            model = build(width)
            mup.set_base_shapes(model, build(BASE), delta=build(2 * BASE), do_assert=readout is mup.MuReadout)
            for layer in model[:-1:2]:
                mup.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
            return model

        return make

    def way(kind: str, rate: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
        made = {"sgd": mup.MuSGD, "adam": mup.MuAdam}[kind]
        return lambda model: made(model.parameters(), lr=rate)

    cells += [
        cell("package mup, MuSGD", package(), "mup", way("sgd", 0.05), 0.05),
        cell("package mup, MuAdam", package(), "mup", way("adam", 1e-3), 1e-3),
        cell("package mup, readout from 0, MuAdam", package(zero=True), "mup", way("adam", 1e-3), 1e-3),
        cell(
            "package mup, nn.Linear as readout, MuAdam",
            package(readout=nn.Linear),
            "mup",
            way("adam", 1e-3),
            1e-3,
            healthy=False,
        ),
        cell("package mup with torch's Adam", package(), "mup", "adam", 1e-3, healthy=False),
        cell("package mup with torch's SGD", package(), "mup", "sgd", 0.05, healthy=False),
    ]
    return cells


def batch(number: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(number)
    return random.normal(size=(EXAMPLES, INPUTS)).astype(np.float32), np.arange(EXAMPLES) % CLASSES


def check(cell: Cell, number: int, seeds: int) -> Any:
    """One check; networks of another number have other seeds."""
    x, y = batch(number)
    options = {"widths": WIDTHS, "steps": STEPS, "seeds": seeds, "level": LEVEL, "learning_rate": cell.rate}
    options |= {"parametrization": cell.parametrization, "first_seed": number * seeds * len(WIDTHS)} | cell.options
    return gl.coordinate_check(cell.model, x, y, **options)


def judge(cell: Cell, checks: int, seeds: int) -> tuple[int, int]:
    """Print the line of a family; return how many checks were right, and of how many."""
    began = time.perf_counter()
    results = [check(cell, number, seeds) for number in range(checks)]
    right = sum(result.healthy is cell.healthy for result in results)
    verdicts = [verdict for result in results for verdict in result.verdicts if verdict.inside is not None]
    inside = sum(bool(verdict.inside) for verdict in verdicts)
    off = 0.0
    for places in zip(*(result.verdicts for result in results), strict=True):
        errors = [one.exponent - one.expected[0] for one in places if one.expected[0] == one.expected[1]]
        if errors and np.isfinite(errors).all():
            off = max(off, abs(float(np.mean(errors))))
    reach = np.median([(one.band[1] - one.band[0]) / 2 for one in verdicts if np.isfinite(one.band[0])])
    seconds = (time.perf_counter() - began) / checks
    what = "healthy" if cell.healthy else "found"
    print(
        f"{cell.name:48} {what:8}{right:4} of {checks:4}  inside {inside:6} of {len(verdicts):6}  "
        f"off {off:.3f}  band +-{reach:.2f}  {seconds:.2f} s",
        flush=True,
    )
    return right, checks


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checks", type=int, default=100, help="checks of a healthy family")
    parser.add_argument("--faults", type=int, default=20, help="checks of a planted fault")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="networks of a width")
    parser.add_argument("--torch", action="store_true", help="models of PyTorch as well")
    parser.add_argument("--only", default="", help="families whose name has this")
    options = parser.parse_args(arguments)
    print(machine_line())
    gl.set_num_threads(1)
    totals = {True: [0, 0], False: [0, 0]}
    for cell in [*OWN, *(torch_cells() if options.torch else [])]:
        if options.only in cell.name:
            right, checks = judge(cell, options.checks if cell.healthy else options.faults, options.seeds)
            totals[cell.healthy][0] += right
            totals[cell.healthy][1] += checks
    healthy, faults = totals[True], totals[False]
    print(f"{healthy[1] - healthy[0]} false alarms in {healthy[1]} healthy checks; stated: at most {1 - LEVEL:.0%}")
    print(f"{faults[0]} of {faults[1]} planted faults found")


if __name__ == "__main__":
    main(*sys.argv[1:])
