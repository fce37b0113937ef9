"""Counter-based random streams: every random number is a function of (seed, purpose, index).

Philox 4x64-10 (Salmon et al. 2011) is keyed by (seed, purpose) and its 256-bit counter starts at
(0, index, 0, 0); NumPy increments the lowest word, so streams of different indices never meet. Image i of a
Shapeset stream, the mini-batch order of epoch e and the weights of layer l are therefore seekable, resumable
and the same on any number of workers.
"""

from collections import Counter
from collections.abc import Iterable
from enum import IntEnum

import numpy as np

from glorotlab.checks import whole_number
from glorotlab.errors import InvalidValueError


class Purpose(IntEnum):
    """Purposes of random streams. Their numbers are part of every seed's meaning: add, never renumber."""

    WEIGHTS = 1
    BIASES = 2
    BATCH_ORDER = 3
    SHAPESET_TRAIN = 4
    SHAPESET_VALIDATION = 5
    SHAPESET_TEST = 6
    OUTPUT_GRADIENT = 7
    SPLIT = 9
    TRIAL = 10
    SWEEP = 11
    LEARNING_SPEED = 12
    HIDDEN_UNITS = 13
    OUTPUT_DRAWS = 14
    OUTPUT_SCATTER = 15
    BACKPROP_DISTRIBUTION = 16
    WEIGHT_GRADIENT_DISTRIBUTION = 17
    WEIGHT_GRADIENT_OUTPUTS = 18
    CORRUPTION = 19
    COST_SURFACE = 25
    FEW_UNITS = 26
    OUTPUT_CURVATURE = 27
    WINDOWS = 28
    BATCH_NORMALISATION = 29
    WHOLE_NETWORKS = 30
    UNIT_PROGRAM = 31


MAX_SEED = 2**64 - 1


def check_seed(seed: int) -> int:
    """Return ``seed`` as an int, or raise InvalidValueError where it is not a whole number in [0, 2**64)."""
    return whole_number("seed", seed, 0, MAX_SEED, "2**64 - 1")


def check_seeds(seeds: Iterable[int]) -> list[int]:
    """Return seeds as a list of int, or raise InvalidValueError where one is no seed, or is there twice.

    Networks of one seed are the same network: counted twice, they would make a standard error too small.
    """
    numbers = [check_seed(seed) for seed in seeds]
    seed, count = Counter(numbers).most_common(1)[0] if numbers else (0, 0)
    if count > 1:
        raise InvalidValueError(f"seed {seed}: given {count} times among {len(numbers)} seeds, allowed is once")
    return numbers


def generator(seed: int, purpose: Purpose, index: int = 0) -> np.random.Generator:
    """Return the generator of stream ``index`` for one purpose.

    Parameters
    ----------
    seed : int
        In [0, 2**64).
    purpose : Purpose
        What the numbers are for.
    index : int
        Which stream: a layer, an epoch, an image. In [0, 2**64).

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    InvalidValueError
        Where seed or index is outside its range.
    """
    key = np.array([check_seed(seed), int(purpose)], dtype=np.uint64)
    counter = np.array([0, check_seed(index), 0, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
