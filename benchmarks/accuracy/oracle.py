"""An oracle of predictions that shares no code with them: python benchmarks/accuracy/oracle.py [--networks N] [--all].

Networks of the list below are written here once more, in PyTorch: float64, their weights drawn by torch, gradients by
autograd of the cost, many networks at a time. Of every statistic that ``predict`` has, the mean over N networks and its
standard error stand beside the prediction, and the share of the networks that lie in its 95 % band.

Each line is one network: the number that is farthest off beyond two standard errors, and the band that is farthest from
95 %. ``--all`` prints every number. A deviation is relative to the value; that of a mean, which may be 0, to the root
of the second moment.
"""

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

import glorotlab as gl
from glorotlab.data.files import search_folders
from glorotlab.errors import AssumptionError
from glorotlab.machine import machine_line

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softsign": torch.nn.functional.softsign,
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "elu": torch.nn.functional.elu,
    "sin": torch.sin,
    "linear": lambda s: s,
}
BOUNDED = ("tanh", "sigmoid", "softsign", "sin")
"""Activations of which a share is saturated: beyond .99 of their bound 1."""

GAINS = {"lecun": 1.0, "glorot": 1.0, "he": 2.0, "standard": 1 / 3}
COSTS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "softmax": lambda s, y: -(torch.log_softmax(s, -1) * y).sum(-1),
    "sigmoid": lambda s, y: (torch.nn.functional.softplus(s) - s * y).sum(-1),
    "linear": lambda s, y: ((s - y) ** 2).sum(-1) / 2,
}
"""Each output with the cost that ``NetworkSpec`` gives it."""

NUMBERS = 2_000_000
"""Numbers of one layer's pre-activations over the networks that are run at a time."""

TOGETHER = 10
"""Networks whose quantiles are taken together: those of a few outputs are not those of the law."""

LEVEL, QUANTILES = 0.95, (0.02, 0.25, 0.5, 0.75, 0.98)
ENDS = {"softmax": "", "sigmoid": "sigmoid", "linear": "linear"}
"""The activation of each output; softmax is none."""


@dataclass(frozen=True)
class Cell:
    """A network, and the examples that it sees: ``normal``, of a scale, or MNIST's, as they are or centered."""

    layers: str
    activation: str
    initializer: str
    output: str
    examples: int
    data: str = "normal"
    scale: float = 1.0

    def __str__(self) -> str:
        scale = f" x {self.scale:g}" if self.scale != 1 else ""
        return f"{self.layers} {self.activation} {self.initializer} {self.output}, {self.examples} {self.data}{scale}"

    @property
    def spec(self) -> gl.NetworkSpec:
        names = {"activation": self.activation, "initializer": self.initializer, "output": self.output}
        return gl.NetworkSpec.parse(self.layers, **names)

    def batch(self, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
        sizes = self.spec.layer_sizes
        if self.data == "normal":
            x = np.random.default_rng(seed).normal(size=(self.examples, sizes[0]))
            return self.scale * x, np.arange(self.examples) % sizes[-1]
        x, y = gl.load_dataset("mnist").test.batch(0, self.examples)
        x = np.asarray(x, dtype=np.float64)
        return self.scale * (x - x.mean(axis=0) if self.data == "centered mnist" else x), y


BATCHES = [
    *(Cell(f"100,{n},10", "tanh", "lecun_normal", "linear", b) for b, n in ((10, 100), (100, 100), (400, 100))),
    *(Cell(f"100,{n},10", "tanh", "lecun_normal", "linear", n) for n in (400, 1000)),
    *(Cell("100,100,100,10", "tanh", "glorot_normal", "linear", b) for b in (3, 30, 150)),
    *(Cell("784,100,100,10", "tanh", "glorot_normal", "linear", 150, data) for data in ("mnist", "centered mnist")),
    Cell("100,100,100,10", "tanh", "glorot_normal", "sigmoid", 150),
    Cell("100,100,100,10", "tanh", "glorot_normal", "softmax", 150, scale=3.0),
]
"""Batches that are not small beside a layer."""

GRID = [
    Cell(layers, activation, initializer, output, 60)
    for (activation, initializer), (layers, output) in itertools.product(
        (
            ("tanh", "glorot_normal"),
            ("softsign", "glorot_uniform"),
            ("sigmoid", "standard_uniform"),
            ("relu", "he_normal"),
            ("gelu", "he_normal"),
            ("silu", "he_normal"),
            ("elu", "lecun_normal"),
            ("sin", "he_uniform"),
            ("linear", "lecun_uniform"),
        ),
        (("60,150x3,10", "softmax"), ("60,200,80,5", "sigmoid"), ("60,150x2,3", "linear")),
    )
]
CELLS = BATCHES + GRID


def weights_of(name: str, nets: int, fan_in: int, fan_out: int, random: torch.Generator) -> torch.Tensor:
    """Draw weights (networks, fan_in, fan_out) of the law that an initializer is named after."""
    family, law = name.split("_")
    fan = (fan_in + fan_out) / 2 if family == "glorot" else fan_in
    std, shape = (GAINS[family] / fan) ** 0.5, (nets, fan_in, fan_out)
    if law == "normal":
        return std * torch.randn(shape, generator=random, dtype=torch.float64)
    return std * 3**0.5 * (2 * torch.rand(shape, generator=random, dtype=torch.float64) - 1)


Statistics = dict[str, torch.Tensor]
"""Statistics of networks, by name, (networks, ...)."""


def moments(name: str, t: torch.Tensor) -> Statistics:
    """Return mean, second moment and the three variances of t, (networks, examples, units)."""
    mean, square = t.mean((1, 2)), (t**2).mean((1, 2))
    within = [t.var(axis, correction=0).mean(1) for axis in (1, 2)]
    return {
        f"{name}_mean": mean,
        f"{name}_second_moment": square,
        f"{name}_variance": torch.stack([square - mean**2, *within], -1),
    }


def of_batch(name: str, t: torch.Tensor) -> Statistics:
    """Return mean, second moment and pooled variance of a gradient of the mean cost, (networks, rows, columns)."""
    mean, square = t.mean((1, 2)), (t**2).mean((1, 2))
    return {f"{name}_mean": mean, f"{name}_second_moment": square, f"{name}_variance": square - mean**2}


def of_examples(z: torch.Tensor, g: torch.Tensor, batch: torch.Tensor) -> Statistics:
    """Return the statistics of all z_i g_j of single examples; their mean over examples is ``batch``."""
    means = z.mean(2) * g.mean(2)
    mean, square = means.mean(1), ((z**2).mean(2) * (g**2).mean(2)).mean(1)
    squares = torch.stack([mean**2, (batch**2).mean((1, 2)), (means**2).mean(1)], -1)
    name = "example_weight_gradient"
    return {f"{name}_mean": mean, f"{name}_second_moment": square, f"{name}_variance": square[:, None] - squares}


def of_activations(name: str, z: torch.Tensor, slope: torch.Tensor, weights: torch.Tensor) -> Statistics:
    """Return the statistics of an activation, and of the Jacobian diag(f') W' of one example, another in each network.

    Quantiles are those of ``TOGETHER`` networks.
    """
    found = moments("activation", z)
    together = z.numpy().reshape(max(1, len(z) // TOGETHER), -1) if len(z) % TOGETHER == 0 else z.numpy().reshape(1, -1)
    found["activation_quantile"] = torch.as_tensor(np.quantile(together, QUANTILES, axis=1).T)
    if name in BOUNDED:
        found["activation_saturation"] = (z.abs() > 0.99).double().mean((1, 2))
    own = slope[torch.arange(len(z)), torch.arange(len(z)) % z.shape[1]]
    found["jacobian_singular_value_mean"] = torch.linalg.svdvals(weights * own[:, None]).mean(1)
    return found


def run(cell: Cell, nets: int, random: torch.Generator) -> Iterator[Statistics]:
    """Yield the statistics of each layer of so many networks, the first layer first."""
    x, labels = cell.batch()
    sizes, f = cell.spec.layer_sizes, ACTIVATIONS[cell.activation]
    y = torch.eye(sizes[-1], dtype=torch.float64)[torch.tensor(labels, dtype=torch.long)]
    z = torch.tensor(x, dtype=torch.float64).expand(nets, *x.shape)
    weights, biases, below, sums = [], [], [], []
    for fans in itertools.pairwise(sizes):
        weights.append(weights_of(cell.initializer, nets, *fans, random).requires_grad_())
        biases.append(torch.zeros(nets, 1, fans[1], dtype=torch.float64, requires_grad=True))
        below.append(z)
        sums.append(z @ weights[-1] + biases[-1])
        sums[-1].retain_grad()
        z = f(sums[-1])
    COSTS[cell.output](sums[-1], y).mean(1).sum().backward()
    for layer, (w, b, z, s) in enumerate(zip(weights, biases, below, sums, strict=True), 1):
        assert w.grad is not None  # noqa: S101
        assert b.grad is not None  # noqa: S101
        assert s.grad is not None  # noqa: S101
        g, z, own = s.grad * len(x), z.detach(), s.detach().requires_grad_()
        found = moments("preactivation", s.detach()) | moments("backprop_gradient", g)
        found |= of_examples(z, g, w.grad) | of_batch("batch_weight_gradient", w.grad)
        found |= of_batch("batch_bias_gradient", b.grad) | {"learning_speed": b.grad.norm(dim=(1, 2))}
        name = (
            cell.activation
            if layer < len(sums)
            else {"softmax": "", "sigmoid": "sigmoid", "linear": "linear"}[cell.output]
        )
        if name:
            (slope,) = torch.autograd.grad(ACTIVATIONS[name](own).sum(), own)
            found |= of_activations(name, ACTIVATIONS[name](own).detach(), slope, w.detach())
        yield found


def measured(cell: Cell, networks: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Return the statistics of drawn networks, one dictionary a layer, each (networks, ...)."""
    random = torch.Generator().manual_seed(seed)
    at_once = NUMBERS // (cell.examples * max(cell.spec.layer_sizes[1:]))
    at_once = min(networks, max(TOGETHER, at_once - at_once % TOGETHER))
    blocks = [list(run(cell, min(at_once, networks - start), random)) for start in range(0, networks, at_once)]
    return [
        {name: torch.cat([each[name] for each in layer]).numpy() for name in layer[0]}
        for layer in zip(*blocks, strict=True)
    ]


@dataclass(frozen=True)
class Row:
    """One number: predicted / measured, its standard error, the predicted shift, the share of networks in the band."""

    name: str
    layer: int
    ratio: float
    error: float
    shift: float
    inside: float

    @property
    def beyond(self) -> float:
        """What of the deviation two standard errors do not explain."""
        return max(0.0, abs(self.ratio - 1) - 2 * self.error)

    def __str__(self) -> str:
        band = f", {self.inside:5.1%} in the band, shift {self.shift:+.3f}" if math.isfinite(self.inside) else ""
        return f"{self.name} of layer {self.layer}: {self.ratio:.4f} ± {self.error:.4f}{band}"


def rows_of(cell: Cell, networks: int) -> list[Row]:
    """Set every number that is predicted beside what is measured."""
    x, y = cell.batch()
    try:
        prediction = gl.predict(cell.spec, inputs=x, labels=y, level=LEVEL)
    except AssumptionError:  # no bands of this network
        prediction = gl.predict(cell.spec, inputs=x, labels=y)
    rows = []
    for layer, found in enumerate(measured(cell, networks), 1):
        for name, values in found.items():
            value = prediction[name].values[layer - 1]
            scale = np.abs(values.mean(axis=0))
            if name.endswith(("_mean", "_quantile")) and "singular" not in name:  # may be 0
                tensor = name.rpartition("_")[0]
                scale = np.full(np.shape(scale), found[f"{tensor}_second_moment"].mean() ** 0.5)
            elif name == "activation_saturation":
                scale = np.ones_like(scale)
            error = values.std(axis=0) / len(values) ** 0.5
            low, high, shift = (
                prediction[f"{name}_{end}"].values[layer - 1] if f"{name}_{end}" in prediction else math.nan
                for end in ("low", "high", "shift")
            )
            inside = ((values >= low) & (values <= high)).mean() if math.isfinite(low) else math.nan
            flat = zip(*(np.ravel(each) for each in (value, values.mean(axis=0), scale, error)), strict=False)
            for place, (own, mean, size, sem) in enumerate(flat):
                if np.isfinite(own) and np.isfinite(mean) and size > 0:
                    label = name if not np.ndim(values[0]) else f"{name}[{place}]"
                    rows.append(Row(label, layer, 1 + (own - mean) / size, sem / size, float(shift / size), inside))
    return rows


def report(cell: Cell, rows: list[Row], every: bool) -> None:
    """Print a line of the network: its largest deviation, and its worst band."""
    worst = max(rows, key=lambda row: row.beyond)
    bands = [row for row in rows if math.isfinite(row.inside)]
    print(f"{cell}: {len(rows)} numbers; {worst}", flush=True)
    if bands:
        print(f"    farthest from 95 %: {max(bands, key=lambda row: abs(row.inside - LEVEL))}", flush=True)
    for row in rows if every else ():
        print(f"    {row}")


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--networks", type=int, default=400)
    parser.add_argument("--all", action="store_true", help="print every number")
    parser.add_argument("--batches", action="store_true", help="only batches that are not small beside a layer")
    options = parser.parse_args(arguments)
    print(machine_line())
    rows = []
    for cell in BATCHES if options.batches else CELLS:
        if "mnist" in cell.data and not any(folder.exists() for folder in search_folders("mnist")):
            print(f"{cell} is left out: GLOROTLAB_DATA does not have it")
            continue
        found = rows_of(cell, options.networks)
        report(cell, found, options.all)
        rows += found
    bands = np.array([row.inside for row in rows if math.isfinite(row.inside)])
    shifted = np.array([row.beyond for row in rows])
    print(f"{len(rows)} numbers: {np.sum(shifted > 0.02)} are more than 2 % off beyond two standard errors", end="; ")
    beyond = np.sum(np.abs(bands - LEVEL) > 0.02)
    print(f"{len(bands)} bands: {bands.mean():.1%} inside on average, {beyond} beyond 93 to 97 %")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
