"""Many hypotheses at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def holm(p: npt.NDArray[np.float64], level: float) -> npt.NDArray[np.bool_]:
    """Return which hypotheses are rejected at a familywise level, of the shape of p (Holm 1979)."""
    flat = p.ravel()
    order = np.argsort(flat)
    accepted = np.maximum.accumulate(flat[order] > level / np.arange(len(flat), 0, -1))
    return np.asarray(~accepted[np.argsort(order)].reshape(p.shape))
