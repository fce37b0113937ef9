from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

class Moments(NamedTuple):
    count: int  # type: ignore[assignment]  # hides tuple.count
    mean: float
    second_moment: float
    minimum: float
    maximum: float

class Histogram(NamedTuple):
    counts: NDArray[np.int64]
    below: int
    above: int

class Underflow(NamedTuple):
    zero: float
    subnormal: float

def moments(values: ArrayLike, threads: int = 1) -> Moments: ...
def quantiles(values: ArrayLike, probabilities: ArrayLike) -> NDArray[np.float64]: ...
def histogram(values: ArrayLike, edges: ArrayLike, threads: int = 1) -> Histogram: ...
def saturation(values: ArrayLike, threshold: float, threads: int = 1) -> float: ...
def underflow(values: ArrayLike, threads: int = 1) -> Underflow: ...
