"""Time one training step against NumPy, interleaved: python benchmarks/training_step.py [LAYERS] [BATCH]."""

import os
import platform
import sys

import numpy as np

import glorotlab as gl
from glorotlab.benchmarking.step import time_step


def main(layers: str = "1024,1000x5,9", batch: int = 10, rounds: int = 15) -> None:
    spec = gl.NetworkSpec.parse(layers, activation="tanh", initializer="glorot_uniform")
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"{layers}, batch {batch}, float32, tanh; medians of {rounds} interleaved rounds of 20 steps")
    print("threads  glorotlab ms   NumPy ms   NumPy/glorotlab (quartiles)   GFLOP/s")
    for threads in (1, 2):
        t = time_step(spec, batch=batch, threads=threads, rounds=rounds)
        print(
            f"{threads:7}  {t.glorotlab:12.3f}  {t.numpy:9.3f}   "
            f"{t.ratio:6.2f} ({t.ratio_low:.2f} to {t.ratio_high:.2f})          {t.gigaflops:7.1f}"
        )


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(text) for text in sys.argv[2:3]))
