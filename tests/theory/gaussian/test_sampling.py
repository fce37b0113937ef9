"""Roots of covariances, those included that rounding has left without a Cholesky factor."""

import numpy as np
import pytest

from glorotlab.theory.gaussian.sampling import JITTER, correlated_draws, covariance_root


def stack():
    x = np.random.default_rng(0).normal(size=(3, 5, 8))
    return x @ np.swapaxes(x, 1, 2)


def test_a_root_of_every_kernel_of_a_stack():
    kernels = stack()
    roots = covariance_root(kernels)
    assert roots.shape == kernels.shape
    np.testing.assert_allclose(roots @ np.swapaxes(roots, 1, 2), kernels, rtol=1e-8, atol=2 * JITTER * kernels.max())


def test_copies_and_zeros_have_a_root():
    kernel = np.array([[4.0, 4.0, 0.0], [4.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
    root = covariance_root(kernel)
    np.testing.assert_allclose(root @ root.T, kernel, atol=1e-8)
    np.testing.assert_allclose(covariance_root(np.zeros((2, 2))), 0, atol=1e-4)


def test_what_rounding_made_negative_counts_as_0():
    """Eigenvalues 2 + 1e-8 and -1e-8: no Cholesky factor, whatever the jitter."""
    kernel = np.array([[1.0, 1 + 1e-8], [1 + 1e-8, 1.0]])
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(kernel + JITTER * np.eye(2))
    root = covariance_root(kernel)
    np.testing.assert_allclose(root @ root.T, kernel, atol=2e-8)


def test_draws_have_the_covariance():
    """Of 200,000 draws a mean product is .0022 sqrt(1 + rho^2) off; five of these are allowed, 1e-6 in all."""
    kernel = np.array([[1.0, 0.6], [0.6, 1.0]])
    s = correlated_draws(kernel, 200_000, np.random.default_rng(0))
    np.testing.assert_allclose(s @ s.T / s.shape[1], kernel, atol=5 * 0.0022 * 2**0.5)
