"""
The roofline itself
===================

How fast does this machine move memory, by the size of what it moves, and how many operations can it do
meanwhile? The steps are its caches. Weights that are read once a step for a batch of ten have twenty operations
for four bytes: memory is what they wait for as soon as they leave the cache.
"""

import matplotlib.pyplot as plt

from glorotlab.benchmarking.roofline import cache_levels, measure_roofline
from glorotlab.plotting.style import OKABE_ITO, finish

roofline = measure_roofline(1, "float32", sizes=tuple(1 << exponent for exponent in range(13, 27)), repeats=5)

figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
sizes = [size / 1024 for size in roofline.sizes]
ax.loglog(sizes, [rate / 1e9 for rate in roofline.read], "o-", color=OKABE_ITO[0], label="read")
ax.loglog(sizes, [rate / 1e9 for rate in roofline.read_write], "s-", color=OKABE_ITO[1], label="read and write")
for name, size in cache_levels().items():
    ax.axvline(size / 1024, color="0.6", linestyle=":")
    ax.text(size / 1024, ax.get_ylim()[1], name, va="top", ha="right", color="0.4")
finish(ax, f"One thread, {roofline.flops / 1e9:.0f} GFLOP/s at most", "buffer (KB)", "bandwidth (GB/s)")
ax.legend()
