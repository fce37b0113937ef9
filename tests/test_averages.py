"""Mean and standard error, by hand."""

import numpy as np

from glorotlab.averages import mean_and_error


def test_mean_and_error_of_columns():
    """1, 2, 3 have variance 1, and 0, 0, 6 have 12: standard errors 1 / sqrt(3) and sqrt(12 / 3)."""
    mean, error = mean_and_error([[1, 0], [2, 0], [3, 6]])
    np.testing.assert_allclose(mean, [2, 2])
    np.testing.assert_allclose(error, [3**-0.5, 2])


def test_one_value_has_no_error():
    mean, error = mean_and_error([4.0])
    assert (float(mean), np.isnan(error)) == (4.0, True)


def test_small_floats_are_averaged_as_doubles():
    mean, _ = mean_and_error(np.full(10_000, 0.1, np.float32))
    assert mean == np.float64(np.float32(0.1))
