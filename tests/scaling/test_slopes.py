"""Slopes of ln size on ln width, their errors and how often a band holds."""

import numpy as np
import pytest

from glorotlab.scaling.slopes import slope

WIDTHS = np.array([64.0, 128, 256, 512])


def test_a_power_has_its_exponent():
    found = slope(WIDTHS, 3 * WIDTHS[:, np.newaxis] ** -0.5 * np.ones(4))
    assert (found.exponent, found.error) == (pytest.approx(-0.5), 0)
    assert found.reach(0.99) == 0


@pytest.mark.parametrize("known", [True, False])
def test_how_often_the_slope_is_within_its_reach(known):
    """Of 4,000 slopes of 5 log-normal sizes a width, 99 % are to be within their reach.

    5.5 standard errors of a share of 1 %, .0016 each, are allowed: 2e-8 of a correct program; a standard error that is
    15 % too small makes 2.1 %, or measured ones with a normal quantile 2 %.
    """
    random, scatter = np.random.default_rng(0), np.array([0.04, 0.02, 0.01, 0.005])
    beyond = 0
    for _ in range(4000):
        squares = WIDTHS[:, np.newaxis] * np.exp(random.normal(size=(4, 5)) * scatter[:, np.newaxis] ** 0.5)
        found = slope(WIDTHS, squares**0.5, scatter if known else None)
        beyond += abs(found.exponent - 0.5) > found.reach(0.99)
    assert beyond / 4000 == pytest.approx(0.01, abs=0.0088)


def test_the_degrees_of_freedom_are_between_those_of_one_width_and_of_all():
    random = np.random.default_rng(0)
    found = slope(WIDTHS, np.exp(0.1 * random.normal(size=(4, 6))))
    assert 5 <= found.freedom <= 20
    assert slope(WIDTHS, np.exp(0.1 * random.normal(size=(4, 6))), np.full(4, 0.01)).freedom == np.inf
