"""How often advise is right about what trains: python benchmarks/accuracy/advice.py.

A network trains if, at the best of eight learning rates, the cost of its last fifth of 2,000 updates of 10 examples is
below a share of ln K: .5 on MNIST; .95 on Shapeset, where so few updates get no network far. The bounds of
``glorotlab/theory/advice/trainability.py`` were chosen on 82 runs, with other grids of learning rates; ``CALIBRATION``
(--calibration) is the regular part of them. ``HELD_OUT`` was fixed before it was run, and has other activations,
depths, widths and initializers. MNIST is looked for in GLOROTLAB_DATA, and its networks are left out where it is not.
"""

import argparse
import math

import numpy as np

import glorotlab as gl
from glorotlab.machine import machine_line

UPDATES, BATCH, EXAMPLES, STREAM = 2000, 10, 100, 20_000
LEARNING_RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SHARES = {"mnist": 0.5, "shapeset": 0.95}
CHAOS = "variance_scaling(scale=6, mode=fan_in, distribution=normal)"

HELD_OUT = (
    ("mnist", "784,150x4,10", "arctan", "glorot_normal"),
    ("mnist", "784,150x15,10", "arctan", "standard"),
    ("mnist", "784,64x8,10", "elu", "he_normal"),
    ("mnist", "784,64x30,10", "elu", "lecun_normal"),
    ("mnist", "784,150x4,10", "softplus", "glorot_uniform"),
    ("mnist", "784,150x12,10", "softplus", "lecun_uniform"),
    ("mnist", "784,64x4,10", "silu", "he_uniform"),
    ("mnist", "784,64x15,10", "silu", "lecun_uniform"),
    ("mnist", "784,150x8,10", "mish", "he_uniform"),
    ("mnist", "784,64x30,10", "mish", "glorot_normal"),
    ("mnist", "784,150x12,10", "leaky_relu(slope=0.2)", "he_uniform"),
    ("mnist", "784,150x25,10", "leaky_relu(slope=0.2)", "standard"),
    ("mnist", "784,64x15,10", "selu", "lecun_normal"),
    ("mnist", "784,64x25,10", "selu", "standard"),
    ("mnist", "784,150x5,10", "erf", "orthogonal"),
    ("mnist", "784,64x30,10", "erf", CHAOS),
    ("mnist", "784,64x8,10", "hard_tanh", "nielsen_default"),
    ("mnist", "784,150x4,10", "tanh", "nielsen_large"),
    ("mnist", "784,150x2,10", "sigmoid", "nielsen_default"),
    ("mnist", "784,64x5,10", "sigmoid", "lecun_normal"),
    ("mnist", "784,64x8,10", "relu", "nielsen_large"),
    ("mnist", "784,150x30,10", "linear", "glorot_normal"),
    ("mnist", "784,64x15,10", "sin", CHAOS),
    ("mnist", "784,300x8,10", "gelu", "he_uniform"),
    ("mnist", "784,64x12,10", "x*exp(-x**2)", "lecun_normal"),
    ("mnist", "784,64x40,10", "tanh", "orthogonal"),
    ("shapeset", "1024,150x4,9", "arctan", "glorot_normal"),
    ("shapeset", "1024,64x12,9", "tanh", "lecun_normal"),
    ("shapeset", "1024,150x4,9", "elu", "he_normal"),
    ("shapeset", "1024,64x15,9", "silu", "standard"),
    ("shapeset", "1024,150x8,9", "sigmoid", "he_normal"),
    ("shapeset", "1024,64x25,9", "hard_tanh", "standard"),
    ("shapeset", "1024,64x10,9", "relu", "nielsen_large"),
    ("shapeset", "1024,150x3,9", "leaky_relu(slope=0.2)", "he_uniform"),
    ("shapeset", "1024,64x20,9", "erf", CHAOS),
    ("shapeset", "1024,64x3,9", "mish", "he_normal"),
)

CALIBRATION = tuple(
    (data, f"{inputs},100x{depth},{outputs}", activation, initializer)
    for activation, initializers in {
        "tanh": ("standard", "glorot_uniform", "normal(std=0.3)"),
        "sigmoid": ("standard", "glorot_uniform", "normal(std=0.3)"),
        "relu": ("standard", "he_normal", "normal(std=0.3)"),
        "softsign": ("standard", "glorot_uniform"),
        "gelu": ("glorot_uniform", "he_normal"),
    }.items()
    for initializer in initializers
    for data, inputs, outputs, depths in (("mnist", 784, 10, (1, 6, 20)), ("shapeset", 1024, 9, (6, 20)))
    for depth in depths
)


def cost(spec: gl.NetworkSpec, x: np.ndarray, y: np.ndarray, learning_rate: float) -> float:
    """Mean training cost of the last fifth of the updates; inf where it stops being finite."""
    network, costs = gl.Network(spec, seed=0), []
    for update in range(UPDATES):
        start = update * BATCH % len(x)
        costs.append(network.train_step(x[start : start + BATCH], y[start : start + BATCH], learning_rate))
        if not math.isfinite(costs[-1]):
            return math.inf
    return float(np.mean(costs[-max(UPDATES // 5, 1) :]))


def shown(value: float | None) -> str:
    return f"{'-' if value is None else format(value, '.1e'):>8}"


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calibration", action="store_true")
    networks = CALIBRATION if parser.parse_args(arguments).calibration else HELD_OUT
    print(machine_line())
    data = {}
    for name in SHARES:
        try:
            dataset = gl.load_dataset(name, seed=0)
        except gl.GlorotlabError as error:
            print(f"left out: {error}")
            continue
        data[name] = dataset.test.batch(0, EXAMPLES), dataset.train.batch(0, STREAM)
    print(f"{UPDATES} updates of {BATCH}, learning rates {LEARNING_RATES[0]} to {LEARNING_RATES[-1]}")
    print("network: signal, gradient (ratios over depth), condition, coherence; verdict; best cost / ln K; right?")
    counts = {(says, does): 0 for says in (True, False) for does in (True, False)}
    for name, layers, activation, initializer in networks:
        if name not in data:
            continue
        (x, y), (train_x, train_y) = data[name]
        spec = gl.NetworkSpec.parse(layers, activation=activation, initializer=initializer)
        found = gl.trainability(spec, inputs=x, labels=y)
        best = min(cost(spec, train_x, train_y, rate) for rate in LEARNING_RATES) / math.log(spec.classes)
        counts[found.trains, best < SHARES[name]] += 1
        numbers = (found.signal_ratio, found.gradient_ratio, found.condition, found.coherence)
        verdict = ("trains" if found.trains else "fails") + f" ({found.reason})"
        right = "right" if found.trains == (best < SHARES[name]) else "WRONG"
        print(f"{name} {spec.layers} {spec.activation} {initializer.partition('(')[0]}:", *map(shown, numbers), end="")
        print(f"; {verdict}; {best:.3f}; {right}", flush=True)
    print(f"right {counts[True, True] + counts[False, False]} of {sum(counts.values())}: ", end="")
    print(f"{counts[True, True] + counts[False, True]} train, {counts[False, True]} of them said to fail; ", end="")
    print(f"{counts[False, False] + counts[True, False]} fail, {counts[True, False]} of them said to train")


if __name__ == "__main__":
    import sys

    main(*sys.argv[1:])
