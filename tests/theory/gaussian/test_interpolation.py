"""Few second moments that stand for many, against a function with a pole at ln q = i pi."""

import numpy as np

from glorotlab.theory.gaussian.interpolation import NARROWEST, log_nodes


def test_interpolation_in_the_logarithm_of_q():
    """E exp(-s^2 / 2) = 1 / sqrt(1 + q), singular at ln q = i pi: 1e-10 over four decades; few q are taken as such."""
    q = np.logspace(-2, 2, 500)
    nodes, weights = log_nodes(q, 1e-11)
    assert len(nodes) < 60
    np.testing.assert_allclose((1 + nodes) ** -0.5 @ weights, (1 + q) ** -0.5, rtol=1e-9)
    few, exactly = log_nodes(q[:3], 1e-11)
    np.testing.assert_array_equal(few @ exactly, q[:3])


def test_more_nodes_are_a_multiple():
    q = np.logspace(-2, 2, 500)
    assert len(log_nodes(q, 1e-3, factor=4)[0]) == 4 * len(log_nodes(q, 1e-3)[0])


def test_second_moments_that_nearly_agree():
    """Over a range far below the narrowest, weights stay of order 1 and keep every digit."""
    q = 0.7 * np.exp(np.linspace(0, NARROWEST / 1e6, 50))
    nodes, weights = log_nodes(q, 1e-11)
    assert np.abs(weights).max() < 2
    np.testing.assert_allclose((1 + nodes) ** -0.5 @ weights, (1 + q) ** -0.5, rtol=1e-14)
