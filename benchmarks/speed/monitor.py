"""What gl.torch.monitor costs a training loop: python benchmarks/speed/monitor.py [EVERY [ROUNDS]].

Three updates take turns in every round: without a monitor, inside one at a step that it leaves out, and at one that it
records, the last with what finishing the record takes. Printed are the medians of their seconds of CPU, on one thread,
so that other programs on the machine count little, and the overhead that follows for a record every ``EVERY`` (100)
updates.
"""

import statistics
import sys
import time

import torch
from torch import nn

import glorotlab as gl
from glorotlab.machine import machine_line, package_version

NEVER = 10**9
"""A monitor with so many updates between two records leaves out every step after the first."""


def perceptron():
    layers = [nn.Linear(784, 1000), nn.Tanh()]
    for _ in range(4):
        layers += [nn.Linear(1000, 1000), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(1000, 10)), torch.randn(10, 784)


def narrow_perceptron():
    layers = [nn.Linear(32, 64), nn.ReLU()]
    for _ in range(10):
        layers += [nn.Linear(64, 64), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(64, 10)), torch.randn(32, 32)


def convolutions():
    def block(inside, outside):
        return [nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)]

    layers = [*block(3, 16), *block(16, 16), nn.MaxPool2d(2), *block(16, 32), *block(32, 32), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32, 10)), torch.randn(32, 3, 32, 32)


def transformer():
    layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 4), nn.Flatten(), nn.Linear(32 * 128, 10))
    return model, torch.randn(16, 32, 128)


def measure(make, rounds):
    """Seconds of CPU of an update: without a monitor, left out by one, recorded."""
    torch.manual_seed(0)
    model, x = make()
    y = torch.randint(10, (len(x),))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def update():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    def recorded():
        log = gl.torch.monitor(model, every=NEVER)

        def whole():
            with log:
                update()

        return seconds(whole)

    def left_out():
        with gl.torch.monitor(model, every=NEVER):
            update()
            model(x)  # the first record ends here
            return seconds(update)

    for _ in range(3):
        update(), recorded()
    rows = [(seconds(update), left_out(), recorded()) for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def seconds(function):
    begin = time.process_time()
    function()
    return time.process_time() - begin


MODELS = (perceptron, narrow_perceptron, convolutions, transformer)


def main(every=100, rounds=41):
    torch.set_num_threads(1)
    print(f"{machine_line()}, torch {package_version('torch')}; CPU time on 1 thread, medians of {rounds}")
    print(f"network              update, ms   left out, ms   recorded, ms   overhead at every={every}")
    for make in MODELS:
        plain, idle, recorded = measure(make, rounds)
        overhead = ((every - 1) * max(idle - plain, 0.0) + recorded - plain) / (every * plain)
        times = f"{1e3 * plain:10.2f} {1e3 * idle:14.2f} {1e3 * recorded:14.2f}"
        print(f"{make.__name__:18s} {times} {100 * overhead:20.2f} %")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
