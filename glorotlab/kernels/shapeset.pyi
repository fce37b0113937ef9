import numpy as np
from numpy.typing import NDArray

def render(
    seed: int,
    purpose: int,
    start: int,
    images: NDArray[np.float32] | NDArray[np.float64],
    labels: NDArray[np.int64],
    threads: int = 1,
) -> None: ...
