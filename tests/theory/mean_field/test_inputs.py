"""Batches: what of real data, or of a second moment, feeds into the first layer."""

import numpy as np
import pytest

from glorotlab.errors import InvalidValueError
from glorotlab.spec.network import NetworkSpec
from glorotlab.theory.mean_field.inputs import MAX_EXAMPLES, batch_of

SPEC = NetworkSpec.parse("3,4,2")


def test_moments_of_real_inputs():
    batch = batch_of(SPEC, inputs=np.array([[1, 2, 3], [0, -1, 1]]), labels=[1, 0])
    np.testing.assert_allclose(batch.kernel, np.array([[14, 1], [1, 2]]) / 3)
    np.testing.assert_allclose(batch.second_moment, np.array([14, 2]) / 3)
    np.testing.assert_allclose(batch.mean, [2, 0])
    np.testing.assert_allclose(batch.fourth_moment, np.array([98, 2]) / 3)
    np.testing.assert_array_equal(batch.labels, [1, 0])
    assert batch.examples == 2
    assert batch.mean_second_moment == pytest.approx(8 / 3)


def test_the_kernel_is_formed_once():
    batch = batch_of(SPEC, inputs=np.ones((2, 3)))
    assert batch.kernel is batch.kernel


def test_one_example_stands_for_a_second_moment():
    batch = batch_of(SPEC, input_second_moment=2.0)
    np.testing.assert_array_equal(batch.kernel, [[2.0]])
    np.testing.assert_array_equal(batch.mean, [0.0])
    np.testing.assert_array_equal(batch.fourth_moment, [12.0])  # 3 q^2 of a Gaussian
    np.testing.assert_array_equal(batch.labels, [0])
    assert batch.inputs is None


def test_pairs_of_too_many_examples_are_refused_but_their_moments_are_not():
    x = np.ones((MAX_EXAMPLES + 1, 3))
    batch = batch_of(SPEC, inputs=x)
    assert len(batch.second_moment) == MAX_EXAMPLES + 1
    with pytest.raises(InvalidValueError, match="4097 examples: allowed are 1 to 4096"):
        _ = batch.kernel
    with pytest.raises(InvalidValueError, match="4097 examples: allowed are 1 to 4096"):
        batch_of(SPEC, inputs=x, labels=np.zeros(len(x), dtype=int))
