"""Figure 5: the surfaces against a plain loop and finite differences, the claims on hand-made shares."""

import numpy as np
import pytest

from glorotlab import costs
from glorotlab.experiments.glorot_bengio import figure_5

import xarray as xr  # isort: skip

WEIGHTS = np.array([-3.0, -0.4, 0.0, 1.1])

SCATTER = 1 + 1e-3 * np.array([1, -1, 1, -1, 1])


def mean_cost(sample, output, cost, hidden_weight, output_weight):
    """The network itself, its two weights put in place."""
    first, second = sample.first.copy(), sample.second.copy()
    first[0, 0], second[0, 0] = hidden_weight, output_weight
    return costs.get(output, cost).value(np.tanh(sample.x @ first) @ second, sample.y).mean()


@pytest.mark.parametrize("name", figure_5.SURFACES)
def test_a_surface_is_the_networks_cost_and_its_gradient_that_of_finite_differences(name):
    sample, kind, step = figure_5.draw_sample(7), figure_5.SURFACES[name], 1e-3
    height, gradient = figure_5.surface(sample, *kind, WEIGHTS)

    def cost(a, b):
        return mean_cost(sample, *kind, a, b)

    def central(along):  # of fourth order
        return (8 * (along(step) - along(-step)) - (along(2 * step) - along(-2 * step))) / (12 * step)

    for i, a in enumerate(WEIGHTS):
        for j, b in enumerate(WEIGHTS):
            assert height[i, j] == pytest.approx(cost(a, b), rel=1e-12)
            numeric = [central(lambda h, a=a, b=b: cost(a + h, b)), central(lambda h, a=a, b=b: cost(a, b + h))]
            np.testing.assert_allclose(gradient[:, i, j], numeric, rtol=1e-7, atol=1e-9)


def test_a_plane_crosses_its_range_with_slope_one_along_a_weight():
    weights = np.linspace(-figure_5.REACH, figure_5.REACH, 5)
    cost = 3.0 * weights[:, None] + np.zeros(5)
    height, slope = figure_5.normalized(cost, np.array([np.full((5, 5), 3.0), np.zeros((5, 5))]))
    assert (height.min(), height.max()) == (0, 1)
    np.testing.assert_allclose(slope, 1)


def shares(**means):
    return {f"{name}_shares": xr.Dataset({"flat": ("seed", mean * SCATTER)}) for name, mean in means.items()}


@pytest.mark.parametrize(
    ("log_likelihood", "quadratic", "linear", "said", "controls"),
    [
        (0.05, 0.25, 0.08, ["pass", "pass"], ["fail", "fail"]),
        (0.25, 0.05, 0.08, ["fail", "fail"], ["pass", "fail"]),
        (0.05, 0.09, 0.06, ["fail", "fail"], ["fail", "fail"]),  # more, but not by the margin
        (0.2, 0.25, 0.2, ["undecided", "undecided"], ["fail", "fail"]),  # just the margin
    ],
)
def test_claims(log_likelihood, quadratic, linear, said, controls):
    results = shares(log_likelihood=log_likelihood, quadratic=quadratic, linear=linear)
    claims = [finding.claim(results) for finding in figure_5.FINDINGS]
    assert [claim.verdict for claim in claims] == said
    assert [claim.control for claim in claims] == controls


def test_draws_are_of_their_seed():
    assert np.array_equal(figure_5.draw_sample(1).x, figure_5.draw_sample(1).x)
    assert not np.array_equal(figure_5.draw_sample(1).x, figure_5.draw_sample(2).x)
    assert figure_5.draw_sample(0).y.sum(axis=1).tolist() == [1.0] * figure_5.EXAMPLES


def test_it_runs_and_is_drawn(monkeypatch):
    monkeypatch.setattr(figure_5, "POINTS", 9)
    monkeypatch.setattr(figure_5, "DRAWS", 2)
    calls = []
    results = figure_5.run(None, None, lambda *call: calls.append(call))
    assert calls == [(1, 2), (2, 2)]
    assert all(((share["flat"] >= 0) & (share["flat"] <= 1)).all() for key, share in results.items() if "shares" in key)
    figure = figure_5.draw(results)
    assert all(ax.get_title(loc="left") for ax in figure.axes)
