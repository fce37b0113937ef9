"""AnyInit's own table and health check beside ours: python benchmarks/accuracy/against_anyinit.py (torch, anyinit).

AnyInit 0.4 prints what the second moment of z should be after layers 1, 10 and 20 for gains people use. The first table
has those numbers, what theory of this package says with its band of one network, and what was measured. The second
counts how many of as many healthy networks each check calls unhealthy: AnyInit's ``assert_healthy``, as it comes, after
its own initialization; ours where the last hidden layer, or any hidden layer at the level of all of them together,
leaves the band of one network.
"""

import argparse
import importlib.util
import math
import sys

import numpy as np
import torch
from torch import nn

import glorotlab as gl
from glorotlab.machine import machine_line, package_version

PUBLISHED = {
    ("tanh", 5 / 3): (".58", ".42", ".42"),
    ("silu", math.sqrt(2)): (".80", ".019", "2.0e-5"),
    ("relu", math.sqrt(2)): ("1.00", "1.21 +- .58", "1.20 +- .33"),
}
"""E z^2 after layers 1, 10 and 20, by activation and gain, as AnyInit's pages print them."""

MODULES = {"tanh": nn.Tanh, "silu": nn.SiLU, "relu": nn.ReLU, "gelu": nn.GELU}
HEALTHY = (("relu", 30, 256), ("relu", 30, 128), ("tanh", 30, 256), ("gelu", 10, 256))
"""Activation, hidden layers and width of the networks whose false alarms are counted."""

LAYERS, WIDTH, EXAMPLES, SHOWN = 20, 256, 64, (1, 10, 20)


def network(activation: str, depth: int, width: int, gain: float) -> nn.Sequential:
    """Return a perceptron whose weights are N(0, gain^2 / fan_in), without biases, by the global generator."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(width, width, bias=False)
        nn.init.normal_(linear.weight, std=gain / math.sqrt(width))
        layers += [linear, MODULES[activation]()]
    return nn.Sequential(*layers, nn.Linear(width, 10, bias=False))


def moments(activation: str, gain: float, networks: int) -> None:
    """Print one row of the first table."""
    x = torch.randn(EXAMPLES, WIDTH, generator=torch.Generator().manual_seed(0))
    model = network(activation, LAYERS, WIDTH, gain)
    law = f"variance_scaling(scale={gain**2!r}, mode=fan_in, distribution=normal)"
    predicted = gl.torch.predict(model, x, initializer=law, level=0.95)

    def draw(own: nn.Sequential) -> None:
        for module in own:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=gain / math.sqrt(module.in_features))

    measured = gl.torch.measure(model, x, seeds=networks, init_fn=draw)["activation_second_moment"]
    for layer, printed in zip(SHOWN, PUBLISHED[activation, gain], strict=True):
        at = 2 * layer - 1
        value, low, high = (float(predicted[f"activation_second_moment{end}"][at]) for end in ("", "_low", "_high"))
        own = measured[:, at].values
        inside = ((own >= low) & (own <= high)).mean()
        print(
            f"| {activation}, gain {gain:.4g} | {layer} | {printed} | {value:.3g} | {low:.3g} to {high:.3g} | "
            f"{own.mean():.3g} +- {own.std() / math.sqrt(networks):.1g} | {np.median(own):.3g} | {inside:.1%} |"
        )


def false_alarms(activation: str, depth: int, width: int, networks: int) -> None:
    """Print how many healthy networks are called unhealthy, by AnyInit and by bands."""
    anyinit = importlib.import_module("anyinit")
    unhealthy = last = anywhere = 0
    gain = anyinit.gain(activation)
    x = torch.randn(EXAMPLES, width, generator=torch.Generator().manual_seed(1))
    law = f"variance_scaling(scale={gain**2!r}, mode=fan_in, distribution=normal)"
    model = network(activation, depth, width, gain)
    bands = {level: gl.torch.predict(model, x, initializer=law, level=level) for level in (0.95, 1 - 0.05 / depth)}
    hidden = [2 * layer - 1 for layer in range(1, depth + 1)]
    for seed in range(networks):
        torch.manual_seed(seed)
        own = network(activation, depth, width, gain)
        try:
            anyinit.initialize(own, "analytic", (EXAMPLES, width), seed=seed).assert_healthy()
        except AssertionError:
            unhealthy += 1
        torch.manual_seed(seed)
        values = gl.torch.measure(network(activation, depth, width, gain), x)["activation_second_moment"].values[0]
        outside = {
            level: (values < band["activation_second_moment_low"].values)
            | (values > band["activation_second_moment_high"].values)
            for level, band in bands.items()
        }
        last += bool(outside[0.95][hidden[-1]])
        anywhere += bool(outside[1 - 0.05 / depth][hidden].any())
    print(
        f"| {activation}, {depth} layers of {width}, gain {gain:.4g} | {unhealthy / networks:.1%} | "
        f"{last / networks:.1%} | {anywhere / networks:.1%} |",
        flush=True,
    )


def main(*arguments: str) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=200)
    networks = parser.parse_args(arguments).networks
    torch.set_num_threads(1)
    versions = ", ".join(f"{package} {package_version(package)}" for package in ("torch", "anyinit"))
    print(f"{machine_line()}, {versions}; {networks} networks")
    print(f"| {LAYERS} layers of {WIDTH} | layer | printed | predicted | 95 % band | measured | median | in the band |")
    print("|---|---|---|---|---|---|---|---|")
    for activation, gain in PUBLISHED:
        moments(activation, gain, networks)
    if importlib.util.find_spec("anyinit") is None:
        print("AnyInit is not installed: python -m pip install anyinit")
        return
    print("\n| healthy networks called unhealthy | AnyInit | last layer outside 95 % | any layer, level shared |")
    print("|---|---|---|---|")
    for activation, depth, width in HEALTHY:
        false_alarms(activation, depth, width, networks)


if __name__ == "__main__":
    main(*sys.argv[1:])
