"""Points at which activations are compared."""

import numpy as np


def points(dtype, name):
    """Spread over all magnitudes, both signs, off the kinks."""
    rng, info = np.random.default_rng(1), np.finfo(dtype)
    spread = np.exp(rng.uniform(np.log(1e-6), np.log(200), 60))
    ends = [info.smallest_subnormal, info.tiny, 1e-12, 0.999, 1.001, 20, 95, 1e4, info.max]
    if name == "selu":
        ends[-1] = info.max / 2  # beyond, f is too large for the dtype
    values = np.concatenate([spread, ends]).astype(dtype)
    return np.concatenate([values, -values])
