"""What ``gl.torch.audit`` calls healthy and what it finds: 200 healthy models of ten kinds, 27 planted faults.

    python benchmarks/accuracy/audit.py [--models 20] [--seeds 5] [--level 0.01]

A healthy model is drawn by torch's defaults, by functions of ``torch.nn.init``, or by an initializer of ours; of each
weight the true name has to be among those the audit gives. A fault counts as found where one of its name is in a weight
that has it, and as missed otherwise; other faults in other weights are counted beside.
"""

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import torch

import glorotlab as gl
from glorotlab.machine import machine_line

nn = torch.nn


def perceptron(sizes=(200, 300, 120, 50, 10), activation=nn.ReLU):
    layers = [part for fans in pairwise(sizes) for part in (nn.Linear(*fans), activation())]
    return nn.Sequential(*layers[:-1])


def convolutional(groups=1):
    return nn.Sequential(
        nn.Conv2d(3, 16, 5),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, groups=groups),
        nn.ReLU(),
        nn.Conv2d(32, 24, 3, groups=groups),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(216, 40),
    )


class Block(nn.Module):
    """A residual block of convolutions with batch normalization."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)


def residual():
    return nn.Sequential(nn.Conv2d(3, 16, 3), Block(16, 24), Block(24, 32), nn.Flatten(), nn.Linear(128, 10))


class Classifier(nn.Module):
    """An embedding, a mean over positions, and a perceptron."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(500, 48, padding_idx=0)
        self.body = nn.Sequential(nn.Linear(48, 96), nn.Tanh(), nn.Linear(96, 5))


def tied():
    model = nn.ModuleDict(
        {"tokens": nn.Embedding(300, 40), "body": perceptron((40, 80, 40)), "head": nn.Linear(40, 300)}
    )
    model["head"].weight = model["tokens"].weight
    return model


KINDS: dict[str, Callable[[], nn.Module]] = {
    "perceptron": perceptron,
    "square perceptron": lambda: perceptron((128,) * 6, nn.Tanh),
    "small perceptron": lambda: perceptron((4, 9, 7, 3)),
    "convolutional": convolutional,
    "grouped convolutions": lambda: convolutional(groups=8),
    "residual": residual,
    "transformer block": lambda: nn.TransformerEncoderLayer(64, 4, 128),
    "embedding classifier": Classifier,
    "tied embedding": tied,
    "recurrent": lambda: nn.Sequential(nn.LSTM(24, 32), nn.GRU(32, 20), nn.Linear(20, 6)),
}

OURS = (
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "standard_uniform",
    "normal(std=0.02)",
    "truncated_normal(std=0.05)",
    "variance_scaling(scale=2,mode=fan_in,distribution=truncated_normal)",
    "variance_scaling(scale=1,mode=fan_avg,distribution=truncated_normal)",
    "uniform(bound=0.05)",
    "orthogonal",
    "nielsen_large",
    "sparse(k=3)",
)


def plain_weights(model):
    """Parameters that linear layers and convolutions multiply with."""
    return [part.weight for part in model.modules() if isinstance(part, nn.Linear | nn.modules.conv._ConvNd)]


def by_torch(function):
    """Draw matrices by a function of ``torch.nn.init``; embeddings and recurrent layers keep their defaults."""
    return lambda model, seed: [function(weight) for weight in plain_weights(model)]


def keras(model, seed):
    """Draw as Keras' he_normal does: truncated at two standard deviations of the normal, which are over .8796."""
    for weight in plain_weights(model):
        std = math.sqrt(2 / weight[0].numel()) / 0.87962566103423978
        nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


def ours(name):
    def draw(model, seed):
        has_embedding = any(isinstance(part, nn.Embedding) for part in model.modules())
        gl.torch.initialize_(model, "glorot_normal" if has_embedding and name == "sparse(k=3)" else name, seed=seed)

    return draw


HEALTHY = {
    "torch's defaults": lambda model, seed: None,
    "torch xavier_uniform_": by_torch(nn.init.xavier_uniform_),
    "torch kaiming_normal_ fan_out": by_torch(lambda w: nn.init.kaiming_normal_(w, mode="fan_out")),
    "torch orthogonal_": by_torch(nn.init.orthogonal_),
    "Keras he_normal": keras,
    **{name: ours(name) for name in OURS},
}
"""Ways to draw a model."""

NAMED = {
    "nielsen_large": ("normal(std=1)",),
    "sparse(k=3)": ("sparse(k=3), std 1", "glorot_normal"),
    "standard_uniform": ("torch_default", "standard_uniform"),
    OURS[9]: ("he_truncated_normal",),
    OURS[10]: ("glorot_truncated_normal",),
}
"""What an audit calls initializers of ours whose names differ."""

GROUPED_BY_TORCH = ("torch xavier_uniform_", "torch kaiming_normal_ fan_out", "torch orthogonal_")
"""Functions of ``torch.nn.init`` that forget groups: a fault where there are any."""


def every(draw):
    """Plant in every weight matrix: ``draw(weight, fan_in, fan_out)``, fans as torch computes them."""

    def plant(seed):
        model = perceptron()
        for weight in plain_weights(model):
            draw(weight, *nn.init._calculate_fan_in_and_fan_out(weight))
        return model

    return plant


def one(draw, make=perceptron):
    """Plant in one weight of a model that is drawn by Glorot & Bengio (2010)."""

    def plant(seed):
        model = make()
        for weight in plain_weights(model):
            nn.init.xavier_uniform_(weight)
        draw(plain_weights(model))
        return model

    return plant


def uniform(weight, bound):
    return nn.init.uniform_(weight, -bound, bound)


def normal(weight, std):
    return nn.init.normal_(weight, 0, std)


def truncated(weight, std):
    return nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


def channels(weight):
    return weight.shape[1], weight.shape[0]


def of_convolutions(draw, groups=1):
    """Plant in every convolution: ``draw(weight, inputs of a group, outputs)``, channels alone."""

    def plant(seed):
        model = convolutional(groups)
        for part in model.modules():
            if isinstance(part, nn.Conv2d):
                draw(part.weight, *channels(part.weight))
        return model

    return plant


def same_seed(seed):
    model = perceptron((64, 64, 64, 10))
    for weight in plain_weights(model):
        torch.manual_seed(seed)
        nn.init.kaiming_uniform_(weight, nonlinearity="relu")
    return model


def copied(seed):
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 2, 48), 2, enable_nested_tensor=False)


def nearly_orthogonal(weights):
    nn.init.orthogonal_(weights[1])
    weights[1].data += 0.001 * torch.randn_like(weights[1])


def rescaled_rows(weights):
    nn.init.orthogonal_(weights[1])
    weights[1].data *= torch.linspace(0.5, 1.5, weights[1].shape[0])[:, None]


def set_values(index, change):
    def draw(weights):
        with torch.no_grad():
            change(weights[index])

    return draw


def repeat_rows(weight):
    weight[10:20] = weight[:10]


def equal_inputs(weight):
    weight[:] = weight[:, :1].clone()


def one_nan(weight):
    weight[3, 4] = math.nan


def trained(seed):
    """A perceptron after 200 steps of .02 against the signs of the gradients, on random labels."""
    model = perceptron((40, 60, 10))
    x, y = torch.randn(256, 40), torch.randint(10, (256,))
    for _ in range(200):
        gradients = torch.autograd.grad(nn.functional.cross_entropy(model(x), y), [*model.parameters()])
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.data -= 0.02 * gradient.sign()
    return model


FAULTS: dict[str, tuple[str, Callable[[int], nn.Module]]] = {
    "LeCun by fan_out": ("transposed fans", every(lambda w, i, o: normal(w, o**-0.5))),
    "nn.Linear's default by fan_out": ("transposed fans", every(lambda w, i, o: uniform(w, o**-0.5))),
    "sqrt(3/(in+out))": ("half of Glorot", every(lambda w, i, o: uniform(w, math.sqrt(3 / (i + o))))),
    "He's std as bound": ("standard deviation used as bound", every(lambda w, i, o: uniform(w, math.sqrt(2 / i)))),
    "Glorot's bound as std": (
        "bound used as standard deviation",
        every(lambda w, i, o: normal(w, math.sqrt(6 / (i + o)))),
    ),
    "He's variance as std": ("variance used as standard deviation", every(lambda w, i, o: normal(w, 2 / i))),
    "variance .02 for std .02": ("standard deviation used as variance", every(lambda w, i, o: normal(w, 0.02**0.5))),
    "bound 6/(in+out)": ("square root forgotten", every(lambda w, i, o: uniform(w, 6 / (i + o)))),
    "truncated, not over .8796": ("truncation not corrected", every(lambda w, i, o: truncated(w, math.sqrt(2 / i)))),
    "over .8796, not truncated": (
        "truncation corrected twice",
        every(lambda w, i, o: normal(w, math.sqrt(2 / i) / 0.8796)),
    ),
    "uniform from 0": ("mean is not 0", every(lambda w, i, o: nn.init.uniform_(w, 0, math.sqrt(6 / (i + o))))),
    "normal of mean .01": ("mean is not 0", every(lambda w, i, o: nn.init.normal_(w, 0.01, math.sqrt(2 / i)))),
    "He without the receptive field": (
        "receptive field forgotten",
        of_convolutions(lambda w, i, o: normal(w, math.sqrt(2 / i))),
    ),
    "Glorot without the receptive field": (
        "receptive field forgotten",
        of_convolutions(lambda w, i, o: uniform(w, math.sqrt(6 / (i + o)))),
    ),
    "He of all groups": (
        "groups forgotten",
        of_convolutions(lambda w, i, o: normal(w, math.sqrt(2 / (8 * w[0].numel()))), groups=8),
    ),
    "torch's xavier_uniform_ with groups": (
        "groups forgotten",
        of_convolutions(lambda w, i, o: nn.init.xavier_uniform_(w), groups=8),
    ),
    "one seed for every layer": ("same values as another", same_seed),
    "nn.TransformerEncoder's copies": ("same values as another", copied),
    "all zero": ("all zero", one(set_values(2, lambda w: w.zero_()))),
    "constant": ("constant", one(set_values(1, lambda w: w.fill_(0.05)))),
    "units copied": ("equal units", one(set_values(1, repeat_rows))),
    "inputs all alike": ("equal inputs", one(set_values(1, equal_inputs))),
    "units without weights": ("units without weights", one(set_values(1, lambda w: w[5].zero_()))),
    "one NaN": ("not finite", one(set_values(0, one_nan))),
    "orthogonal with noise": ("not orthogonal", one(nearly_orthogonal)),
    "orthogonal rows rescaled": ("norms differ", one(rescaled_rows)),
    "trained": ("no known law", trained),
}
"""What is planted: the name that an audit has to give, and a model with it, given a seed."""


def draw(kind, way, seed):
    """Return a healthy model."""
    torch.manual_seed(seed)
    model = KINDS[kind]()
    HEALTHY[way](model, seed)
    return model


def ways(kind):
    """Return ways to draw a kind that have no fault there."""
    return [way for way in HEALTHY if kind != "grouped convolutions" or way not in GROUPED_BY_TORCH]


def named(audit, way):
    """Return of each weight that is large enough whether its true name is among those that an audit gives."""
    expected = NAMED.get(way, (way,))
    entries = [entry for entry in audit.entries if entry.law != "too few to judge"]
    return [bool({entry.initializer, *entry.alternatives} & {*expected}) for entry in entries]


def healthy_models(models, level):
    print(f"\nhealthy models, level {level:g}\n")
    print("| kind | models | called unhealthy | weights with a fault | named rightly, of ours | faults |")
    print("|---|---|---|---|---|---|")
    total = unhealthy = 0
    for kind in KINDS:
        wrong, weights, refused, faults, names = 0, 0, 0, Counter(), []
        for index in range(models):
            way = ways(kind)[index % len(ways(kind))]
            audit = gl.torch.audit(draw(kind, way, 1000 * total + index), level=level)
            wrong += not audit.healthy
            weights += len(audit.entries)
            refused += sum(not entry.healthy for entry in audit.entries)
            names += named(audit, way) if way in OURS else []
            faults.update(f"{way}, {name}: {finding.name}" for name, finding in audit.faults)
        total, unhealthy = total + models, unhealthy + wrong
        right = f"{sum(names)} of {len(names)}"
        print(f"| {kind} | {models} | {wrong} | {refused} of {weights} | {right} | {'; '.join(faults)} |", flush=True)
    print(f"| all | {total} | {unhealthy} ({unhealthy / total:.1%}) | | | |", flush=True)


def planted_faults(seeds):
    print("\n| planted | name | found | in how many weights | other faults |\n|---|---|---|---|---|")
    missed = 0
    for what, (name, plant) in FAULTS.items():
        found, entries, others = 0, 0, Counter()
        for seed in range(seeds):
            torch.manual_seed(seed)
            audit = gl.torch.audit(plant(seed))
            names = [finding.name for _, finding in audit.faults]
            found += name in names
            entries += names.count(name)
            others.update(other for other in names if other != name)
        missed += seeds - found
        listed = ", ".join(f"{other} ({count})" for other, count in others.items())
        print(f"| {what} | {name} | {found} of {seeds} | {entries / seeds:.1f} | {listed} |", flush=True)
    print(f"\n{len(FAULTS)} faults, {seeds} seeds each: {missed} missed", flush=True)


def main(*arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=20, help="of each kind")
    parser.add_argument("--seeds", type=int, default=5, help="of each fault")
    parser.add_argument("--level", type=float, default=0.01)
    options = parser.parse_args(arguments)
    print(f"{machine_line()}, torch {torch.__version__}")
    torch.set_num_threads(1)
    started = time.perf_counter()
    healthy_models(options.models, options.level)
    planted_faults(options.seeds)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
