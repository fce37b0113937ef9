"""Batches: a function of (seed, update) alone; every epoch a permutation of its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_fixtures import FAN_IN, Endless

from glorotlab.data.source import ArraySource
from glorotlab.errors import InvalidValueError
from glorotlab.spec.training import TrainingSpec
from glorotlab.training.batches import Batches


def numbered(count):
    """Example i holds the number i."""
    return ArraySource(np.arange(count, dtype=np.float32)[:, None], np.arange(count) % 2, 2)


def batches(count, size, order="shuffled", seed=0):
    return Batches(numbered(count), TrainingSpec(updates=1, batch_size=size, batch_order=order), seed)


def indices(found):
    x, y = found
    assert x.shape == (len(y), 1)
    np.testing.assert_array_equal(x[:, 0] % 2, y)
    return x[:, 0].astype(int).tolist()


@given(
    count=st.integers(1, 40),
    size=st.integers(1, 12),
    order=st.sampled_from(["shuffled", "sequential"]),
    seed=st.integers(0, 2**64 - 1),
    updates=st.lists(st.integers(0, 10**12 - 1), min_size=1, max_size=12),
)
def test_a_batch_depends_on_seed_and_update_alone(count, size, order, seed, updates):
    """Asked in any order, again, or of a fresh object."""
    size = min(size, count)
    one = batches(count, size, order, seed)
    found = [indices(one.batch(update)) for update in updates]
    assert found == [indices(batches(count, size, order, seed).batch(update)) for update in updates]
    assert found[::-1] == [indices(one.batch(update)) for update in updates[::-1]]
    assert all(len(set(batch)) == size for batch in found)


@pytest.mark.parametrize(("count", "size"), [(12, 3), (13, 3), (40, 1), (40, 40), (40, 39)])
def test_shuffled_epochs_are_permutations_and_differ(count, size):
    """13 examples coincide in one epoch pair with probability 1 / 13! < 2e-10."""
    ordered, per_epoch = batches(count, size), count // size
    epochs = [
        [i for place in range(per_epoch) for i in indices(ordered.batch(epoch * per_epoch + place))]
        for epoch in range(4)
    ]
    for epoch in epochs:
        assert len(set(epoch)) == len(epoch) == per_epoch * size, "an example twice in one epoch"
        assert set(epoch) <= set(range(count))
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs)
    other = batches(count, size, seed=1)
    assert [i for place in range(per_epoch) for i in indices(other.batch(place))] != epochs[0]


def test_every_example_comes_first_equally_often():
    """5/6 of Pearson's statistic over 6 examples x 6 places is chi-squared of 25 degrees of freedom (a permutation uses
    every place once): 88 is exceeded with probability 1e-6. 6,000 epochs find a place taken 10 % too often for each
    of two examples as 6 places x 2 examples x 10 = 120.
    """
    ordered = batches(6, 6)
    found = np.array([indices(ordered.batch(epoch)) for epoch in range(6000)])
    counts = np.array([[(found[:, place] == example).sum() for place in range(6)] for example in range(6)])
    assert ((counts - 1000) ** 2 / 1000).sum() < 88


def test_what_a_shuffled_epoch_leaves_over_differs():
    """None is lost over many epochs."""
    ordered = batches(7, 3)
    left = [set(range(7)) - {i for place in (0, 1) for i in indices(ordered.batch(2 * e + place))} for e in range(40)]
    assert all(len(one) == 1 for one in left)
    assert len(set.union(*left)) > 1


@pytest.mark.parametrize(("count", "size"), [(7, 3), (12, 3), (40, 39), (5, 5)])
@pytest.mark.parametrize("most", [1, 2, 100])
def test_sequential_batches_are_consecutive_and_run_over_the_end(count, size, most):
    """Read ``most`` at a time they are the numbers 0, 1, ..., count - 1 again and again."""
    ordered, update, found = batches(count, size, "sequential"), 0, []
    while update < 3 * count:
        x, y, order = ordered.span(update, most)
        assert order is None
        assert 1 <= len(x) // size <= most
        found += indices((x, y))
        update += len(x) // size
    assert found == [i % count for i in range(len(found))]


@pytest.mark.parametrize("order", ["shuffled", "sequential"])
def test_an_endless_stream_is_read_in_sequence(order):
    source = Endless()
    ordered = Batches(source, TrainingSpec(updates=1, batch_size=4, batch_order=order), seed=3)
    for update in (0, 1, 5, 10**12 - 1, 1):
        for found, expected in zip(ordered.batch(update), source.batch(4 * update, 4), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert ordered.batch(0)[0].shape == (4, FAN_IN)


@pytest.mark.parametrize("order", ["shuffled", "sequential"])
def test_a_batch_larger_than_the_data_is_refused(order):
    assert len(indices(batches(9, 9, order).batch(5))) == 9
    with pytest.raises(InvalidValueError, match=r"^batch_size 10: allowed are 1 to 9, the training examples$"):
        batches(9, 10, order)
