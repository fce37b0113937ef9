"""Many hypotheses at once."""

import numpy as np


def holm(p: np.ndarray, level: float) -> np.ndarray:
    """Return which hypotheses are rejected at a familywise level, of the shape of p (Holm 1979)."""
    flat = p.ravel()
    order = np.argsort(flat)
    accepted = np.maximum.accumulate(flat[order] > level / np.arange(len(flat), 0, -1))
    return np.asarray(~accepted[np.argsort(order)].reshape(p.shape))
