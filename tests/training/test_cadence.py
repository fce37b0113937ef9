"""When a run records: as its spec says, else as often as a fixed share of the training's work allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glorotlab.spec.training import TrainingSpec
from glorotlab.training.cadence import ERRORS_SHARE, MOST_INTERVALS, STATISTICS_SHARE, Cadence

SIZES = st.integers(1, 10**6)


def records(cadence):
    """Steps of the points of the error curves, and of the records of statistics."""
    steps = range(cadence.updates + 1)
    return [[step for step in steps if due(step)] for due in (cadence.validation_due, cadence.monitor_due)]


def test_a_spec_that_says_how_often_is_followed():
    training = TrainingSpec(updates=23, validation_every=10, monitor_every=7)
    cadence = Cadence.of(training, 20_000, 300)
    assert records(cadence) == [[0, 10, 20, 23], [0, 7, 14, 21, 23]]
    assert [cadence.updates_left(step) for step in (0, 6, 7, 10, 20, 21)] == [7, 1, 3, 4, 1, 2]


@pytest.mark.parametrize(
    ("updates", "batch", "held_out", "points", "statistics"),
    [
        (2000, 10, 20_000, 2, 2),  # the errors of 40,000 examples are 80 % of the training's work: start and end
        (20_000, 10, 20_000, 4, 8),  # 16 % of 200,000 examples pay for 4 points of 8,000, 4 % for 8.9 of 900
        (2000, 100, 20_000, 4, 8),  # as much work in fewer updates
        (2000, 99, 20_000, 3, 8),
        (10**6, 10, 20_000, 21, 21),
        (2000, 10, 60, 21, 2),
        (3, 10, 60, 2, 2),
        (1, 1, 20_000, 2, 2),
        (0, 10, 20_000, 1, 1),
    ],
)
def test_the_choice_by_hand(updates, batch, held_out, points, statistics):
    cadence = Cadence.of(TrainingSpec(updates=updates, batch_size=batch), held_out, 300)
    taken = records(cadence)
    assert [len(steps) for steps in taken] == [points, statistics]
    assert all(steps[0] == 0 and steps[-1] == updates for steps in taken)


@given(st.integers(1, 2000), st.integers(1, 1000), SIZES, st.integers(1, 300))
def test_more_than_two_records_keep_to_their_share(updates, batch, held_out, monitored):
    """Work restated in tenths of an example trained on: 4 an example whose error is counted, 30 a monitored one."""
    cadence = Cadence.of(TrainingSpec(updates=updates, batch_size=batch), held_out, monitored)
    points, statistics = map(len, records(cadence))
    trained = 10 * updates * batch
    assert 2 <= points <= MOST_INTERVALS + 1
    assert 2 <= statistics <= MOST_INTERVALS + 1
    assert points == 2 or points * 4 * held_out <= ERRORS_SHARE * trained * (1 + 1e-12)
    assert statistics == 2 or statistics * 30 * monitored <= STATISTICS_SHARE * trained * (1 + 1e-12)
    assert ERRORS_SHARE + STATISTICS_SHARE <= 0.2


@given(st.integers(1, 500), st.integers(0, 60), st.integers(0, 60), st.data())
def test_no_record_is_stepped_over(updates, validation, monitor, data):
    cadence = Cadence.of(TrainingSpec(updates=updates, validation_every=validation, monitor_every=monitor), 640, 300)
    step = data.draw(st.integers(0, updates - 1))
    left = cadence.updates_left(step)
    due = [k for k in range(step + 1, updates + 1) if cadence.validation_due(k) or cadence.monitor_due(k)]
    assert step + left == due[0]
