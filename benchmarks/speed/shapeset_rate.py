"""Shapeset images a second on one core, and their class frequencies: python benchmarks/speed/shapeset_rate.py."""

import time

import numpy as np

from glorotlab.data.shapeset import CLASS_NAMES, CLASS_PROBABILITIES
from glorotlab.kernels.shapeset import render
from glorotlab.machine import machine_line
from glorotlab.streams import Purpose


def main(images: int = 200_000, chunk: int = 1000) -> None:
    print(machine_line())
    x, y = np.empty((chunk, 1024), dtype=np.float32), np.empty(chunk, dtype=np.int64)
    rates, counts = [], np.zeros(len(CLASS_NAMES))
    for start in range(0, images, chunk):
        begin = time.perf_counter()
        render(0, int(Purpose.SHAPESET_TRAIN), start, x, y)
        rates.append(chunk / (time.perf_counter() - begin))
        counts += np.bincount(y, minlength=len(CLASS_NAMES))
    low, middle, high = np.quantile(rates, (0.25, 0.5, 0.75))
    print(f"{middle:,.0f} images/s on one core (median of {len(rates)} chunks; quartiles {low:,.0f} to {high:,.0f})")
    total = counts.sum()
    for name, count, p in zip(CLASS_NAMES, counts, CLASS_PROBABILITIES, strict=True):
        z = (count - total * p) / np.sqrt(total * p * (1 - p))
        print(f"{name:30} {count / total:.5f}  expected {p:.5f}  z {z:+.2f}")


if __name__ == "__main__":
    main()
