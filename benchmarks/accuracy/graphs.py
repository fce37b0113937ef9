"""How far predictions of whole models are from drawn networks: python benchmarks/accuracy/graphs.py [--bands].

Each model is predicted on a batch of MNIST or CIFAR-10 and drawn N times in PyTorch, float32, by ``graph_draws.py``,
which shares no code with the theory: N / 2 times where it is 512 wide, N / 10 where it has 512 channels. For every
module the mean over networks of the second moment of its values, and of its gradients, is compared with the prediction:
|measured / predicted - 1| less two standard errors, percentiles over modules. Deviations of order 1/width are part of
it; ``shift`` is what theory expects of them. GLOROTLAB_DATA must have both data sets.
"""

import argparse
import time

import graph_draws
import graph_models
import numpy as np
import torch

import glorotlab as gl
from glorotlab.machine import machine_line
from glorotlab.theory.predict_graph import predict_graph

EXAMPLES, IMAGES = 32, 4
"""Examples of a batch of vectors, and of one of maps."""

NARROW, WIDE = 0.93, 0.97
"""Shares of networks that 95 % bands should hold."""

BANDS = ((64, 16, "mnist"), (256, 16, "mnist"), (48, 100, "cifar10"))
"""Widths, examples and data whose bands are tried: the last is a batch larger than the layers."""

PERCENTILES = (50, 90, 99)

DIRECTIONS = {"forward": ("preactivation", "activation"), "backward": ("backprop_gradient",)}

GAINS = {"relu": 2.0, "gelu": 2.0, "silu": 2.5, "tanh": 1.5}
"""Weight variance times fan_in that keeps signals of each activation about their size."""


def models():
    """Return the models: name, graph, data set and images of its batch, 0 for vectors."""
    found = []
    for act, gain in GAINS.items():
        for width in (128, 512):
            found += [
                (f"MLP {act} {width}", graph_models.mlp(act, width, 784, gain=gain), "mnist", 0),
                (f"pre-LN 24 {act} {width}", graph_models.residual_mlp(act, width, 784, gain=gain), "mnist", 0),
            ]
        post = graph_models.residual_mlp(act, 128, 784, gain=gain, blocks=12, post=True)
        found += [
            (f"post-LN 12 {act} 128", post, "mnist", 0),
            (f"BatchNorm {act} 128", graph_models.mlp(act, 128, 3072, batch_norm=True, gain=gain), "cifar10", 0),
            (f"BatchNorm {act} 512", graph_models.mlp(act, 512, 3072, batch_norm=True, gain=gain), "cifar10", 0),
            (f"dropout {act} 128", graph_models.mlp(act, 128, 3072, keep=0.8, gain=gain), "cifar10", 0),
            (f"dropout {act} 512", graph_models.mlp(act, 512, 3072, keep=0.8, gain=gain), "cifar10", 0),
            (f"embedding {act} 128", graph_models.embedding_classifier(act, 128), "tokens", 0),
            (f"embedding {act} 512", graph_models.embedding_classifier(act, 512), "tokens", 0),
            (f"LeNet-5 {act}", graph_models.lenet(act, gain=gain), "mnist", IMAGES),
            (f"LeNet-5 x8 {act}", graph_models.lenet(act, scale=8, gain=gain), "mnist", IMAGES),
        ]
        for width in (64, 128):
            found += [
                (f"VGG-like {act} {width}", graph_models.vgg(act, width, gain=gain), "cifar10", IMAGES),
                (f"ResNet-like {act} {width}", graph_models.resnet(act, width, gain=gain), "cifar10", IMAGES),
            ]
    found += [
        ("LeNet-5 x8 relu, max", graph_models.lenet("relu", largest=True, scale=8), "mnist", IMAGES),
        ("VGG-like relu 64, max", graph_models.vgg("relu", 64, largest=True), "cifar10", IMAGES),
        ("VGG-like relu 128, max", graph_models.vgg("relu", 128, largest=True), "cifar10", IMAGES),
        ("VGG-like relu 512", graph_models.vgg("relu", 512), "cifar10", IMAGES),
        ("ResNet-like relu 512", graph_models.resnet("relu", 512), "cifar10", IMAGES),
    ]
    return found


def batch(name, images, examples=EXAMPLES):
    """Return inputs and classes: tokens drawn as words are, by Zipf's law, or centered pixels."""
    if name == "tokens":
        random = np.random.default_rng(0)
        shares = 1 / np.arange(1, 51)
        tokens = random.choice(50, size=(EXAMPLES, 12), p=shares / shares.sum())
        return tokens, random.integers(0, 5, EXAMPLES)
    x, y = gl.load_dataset(name).test.batch(0, images or examples)
    x = np.asarray(x, dtype=np.float64)
    x = (x - x.mean()) / x.std()
    shape = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}[name]
    return (x.reshape(-1, *shape) if images else x), np.asarray(y, dtype=np.int64)


def deviations(graph, x, y, networks):
    """Return |measured / predicted - 1| beyond two standard errors, by direction, and the seconds of the prediction."""
    start = time.perf_counter()
    predicted = predict_graph(graph, x, y, "cross_entropy", level=0.95)
    seconds = time.perf_counter() - start
    modules = {name: place for place, name in enumerate(predicted["module"].values.tolist())}
    found = {direction: [] for direction in DIRECTIONS}
    raw = {direction: [] for direction in DIRECTIONS}
    drawn = graph_draws.drawn_second_moments(graph, x, y, "cross_entropy", range(networks))
    for (module, variable), values in drawn.items():
        for direction, tensors in DIRECTIONS.items():
            if variable.removesuffix("_second_moment") in tensors:
                expected = float(predicted[variable].values[modules[module]])
                error = np.std(values, ddof=1) / networks**0.5
                away = np.mean(values) / expected - 1
                found[direction].append(max(abs(away) - 2 * error / expected, 0.0))
                shift = predicted.get(f"{variable}_shift")
                shift = np.nan if shift is None else float(shift.values[modules[module]]) / expected
                raw[direction].append((away, error / expected, shift))
    return found, raw, seconds


def coverage(networks, width, examples, data):
    """Print the share of drawn networks inside their 95 % bands, over the modules of four models of a width."""
    x, y = batch(data, 0, examples)
    pixels = x.shape[1]
    for name, graph in (
        (f"MLP relu {width}", graph_models.mlp("relu", width, pixels)),
        (f"MLP tanh {width}", graph_models.mlp("tanh", width, pixels, gain=1.5)),
        (f"pre-LN 6 relu {width}", graph_models.residual_mlp("relu", width, pixels, blocks=6)),
        (f"post-LN 6 relu {width}", graph_models.residual_mlp("relu", width, pixels, blocks=6, post=True)),
    ):
        predicted = predict_graph(graph, x, y, "cross_entropy", level=0.95)
        modules = {module: place for place, module in enumerate(predicted["module"].values.tolist())}
        inside = {direction: [] for direction in DIRECTIONS}
        drawn = graph_draws.drawn_second_moments(graph, x, y, "cross_entropy", range(networks))
        for (module, variable), values in drawn.items():
            for direction, tensors in DIRECTIONS.items():
                if variable.removesuffix("_second_moment") in tensors and f"{variable}_low" in predicted:
                    low, high = (predicted[f"{variable}_{end}"].values[modules[module]] for end in ("low", "high"))
                    if np.isfinite(low):
                        inside[direction].append(np.mean((values >= low) & (values <= high)))
        line = f"{name:20s} {examples:3d} of {data:8s} {networks:5d}"
        for direction, own in inside.items():
            out = sum(not NARROW <= share <= WIDE for share in own)
            line += f"   {direction} {100 * np.mean(own):5.1f} ({100 * min(own):.1f} to {100 * max(own):.1f})"
            line += f" {out:2d} of {len(own)} out"
        print(line, flush=True)


def main():
    """Print a line for each model, and the percentiles over all; or the coverage of bands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--bands", action="store_true", help="shares of networks inside their bands, in per cent")
    parser.add_argument("--only", default="", help="part of the names of the models to run")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(machine_line())
    if arguments.bands:
        for width, examples, data in BANDS:
            coverage(arguments.networks, width, examples, data)
        return
    columns = "deviation, its error, expected shift, beyond 2 errors at 50, 90, 99 %"
    print(f"{'model':26s} {'nets':>4s} {'s':>5s}   forward: {columns}   backward")
    every, moved = ({direction: [] for direction in DIRECTIONS} for _ in range(2))
    for name, graph, data, images in models():
        if arguments.only not in name:
            continue
        share = (10 if images else 2) if name.endswith("512") else 1
        networks = max(arguments.networks // share, 2)
        found, raw, seconds = deviations(graph, *batch(data, images), networks)
        line = f"{name:26s} {networks:4d} {seconds:5.1f}"
        for direction, own in found.items():
            every[direction] += own
            moved[direction] += raw[direction]
            away, error, shift = np.nanmedian(np.array(raw[direction]), axis=0)
            points = " ".join(f"{100 * value:5.2f}" for value in np.percentile(own, PERCENTILES))
            line += f"   {100 * away:+6.2f} {100 * error:5.2f} {100 * shift:+6.2f}  {points}"
        print(line, flush=True)
    for direction, own in every.items():
        points = ", ".join(f"{p} %: {100 * np.percentile(own, p):.2f} %" for p in PERCENTILES)
        print(f"{direction}, {len(own)} modules: {points}")
        away, error, shift = np.array(moved[direction]).T
        left = np.maximum(np.abs(away - np.nan_to_num(shift)) - 2 * error, 0)
        points = ", ".join(f"{p} %: {100 * np.percentile(left, p):.2f} %" for p in PERCENTILES)
        print(f"{direction}, less the expected shifts that {np.isfinite(shift).sum()} of them have: {points}")


if __name__ == "__main__":
    main()
