"""Tests between two networks against what can be counted by hand, and against the null hypothesis."""

import math

import numpy as np
import pytest

from glorotlab.experiments.significance import mcnemar, paired_over_seeds


def pair(only_first, only_second, both=5, neither=7):
    """Whether each of two networks classifies correctly, given how many examples only one of them does."""
    first = [True] * only_first + [False] * only_second + [True] * both + [False] * neither
    second = [False] * only_first + [True] * only_second + [True] * both + [False] * neither
    return np.array(first), np.array(second)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 5), (5, 0), (2, 9), (1, 1), (40, 12)])
def test_mcnemar_is_the_binomial_of_those_that_differ(only_first, only_second):
    """Exact two-sided binomial: twice the lighter tail, by integers alone."""
    n, k = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(n, j) for j in range(k + 1)) / 2**n
    assert mcnemar(*pair(only_first, only_second)) == pytest.approx(min(1.0, 2 * tail), rel=1e-12)


def test_mcnemar_of_equal_networks_and_of_two_seeds():
    assert mcnemar(*pair(0, 0)) == 1.0
    first, second = pair(1, 4)
    assert mcnemar([first, first], [second, second]) == pytest.approx(mcnemar(*pair(2, 8)), rel=1e-12)
    with pytest.raises(ValueError, match="shapes"):
        mcnemar(first, second[:-1])


def test_mcnemar_rejects_no_more_often_than_its_level():
    """Two networks that err alike: rejections at .05 are at most a binomial(2000, .05). False-failure rate: further
    than 5.5 sd above, about 2e-8; detects a true rate of .08 (a test on all errors as if they were independent)."""
    rng = np.random.default_rng(11)
    p = [mcnemar(*(rng.random((2, 200)) < 0.8)) for _ in range(2000)]
    assert np.mean(np.array(p) < 0.05) < 0.05 + 5.5 * math.sqrt(0.05 * 0.95 / 2000)


def test_students_paired_test():
    """Differences 1, 2, 3: t = 2 sqrt(3), and with 2 degrees of freedom p = 1 - t / sqrt(t^2 + 2)."""
    t = 2 * math.sqrt(3)
    assert paired_over_seeds([2, 4, 6], [1, 2, 3]) == pytest.approx(1 - t / math.sqrt(t * t + 2), rel=1e-9)
    assert math.isnan(paired_over_seeds([1.0], [2.0]))
    assert paired_over_seeds([1.0, 2.0], [1.0, 2.0]) == 1.0
    assert paired_over_seeds([0.3, 0.1 + 0.2], [0.1, 0.1]) == 0.0
    assert paired_over_seeds([0.3, 0.4], [0.4, 0.3]) == 1.0
