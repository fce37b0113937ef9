"""Mean and standard error over independent values."""

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array


def mean_and_error(values: npt.ArrayLike) -> tuple[Array, Array]:
    """Return the mean over the first axis and its standard error.

    Parameters
    ----------
    values : array_like, shape (n, ...)
        Independent values, such as one for each network.

    Returns
    -------
    mean, error : ndarray, shape (...)
        ``error`` is the standard deviation of the values (with n - 1) over the root of n; NaN where n is 1.
    """
    sample = np.asarray(values, dtype=np.float64)
    mean = np.asarray(sample.mean(axis=0))
    if len(sample) < 2:
        return mean, np.full_like(mean, np.nan)
    return mean, np.asarray(sample.std(axis=0, ddof=1) / np.sqrt(len(sample)))
