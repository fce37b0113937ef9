"""
A training step against the roofline
====================================

No step can be faster than its multiply-adds at the machine's peak, or its weights moved at full bandwidth. Both
are measured here, and so is the step: forward, backward and update of a batch of ten, on one thread. Times are
those of the machine that built this page.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

import glorotlab as gl
from glorotlab.benchmarking.cases import Case
from glorotlab.benchmarking.roofline import measure_roofline
from glorotlab.plotting.style import OKABE_ITO, finish

BATCH, WIDTHS = 10, (32, 64, 128, 256, 512, 1024)
gl.set_num_threads(1)
roofline = measure_roofline(1, "float32", sizes=tuple(1 << exponent for exponent in range(14, 25, 2)), repeats=5)


def seconds_per_step(layers, repeats=7):
    """Return the least time of a step in several runs of about 20 ms."""
    network = gl.Network(gl.NetworkSpec.parse(layers, activation="tanh"), seed=0)
    random = np.random.default_rng(0)
    x, y = random.standard_normal((BATCH, network.spec.layer_sizes[0])), random.integers(10, size=BATCH)
    steps = max(1, int(2e9 / sum(w.size for w in network.weights) / BATCH / 60))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        network.train_steps(np.tile(x, (steps, 1)), np.tile(y, steps), 0.01, batch_size=BATCH)
        times.append((time.perf_counter() - start) / steps)
    return min(times)


layers = [f"{width},{width}x3,10" for width in WIDTHS]
measured = np.array([seconds_per_step(text) for text in layers])
bound = np.array([roofline.bound(Case(text, BATCH)) for text in layers])

# %%

figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
ax.loglog(WIDTHS, 1e6 * measured, "o", color=OKABE_ITO[1], label="measured step")
ax.loglog(WIDTHS, 1e6 * bound, "-", color=OKABE_ITO[0], label="roofline of this machine")
finish(ax, "Three hidden layers, batch 10, float32, one thread", "units of each layer", "time of a step (µs)")
ax.set_xticks(WIDTHS, WIDTHS)
ax.legend()
