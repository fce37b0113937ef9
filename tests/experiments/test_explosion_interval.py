"""The interval on which a gradient grows: claims on hand-made widths, and widths counted on a grid."""

import numpy as np
import pytest

from glorotlab import activations
from glorotlab.experiments.nielsen import explosion_interval as experiment

import xarray as xr  # isort: skip


def exact(weight):
    """Nielsen's formula, written anew."""
    return 2 / weight * np.log(weight * (1 + np.sqrt(1 - 4 / weight)) / 2 - 1)


def measured(below=0.0, above=1.0, widest=(6.894, 0.4477)):
    widths = [*[0.0] * (len(experiment.BELOW) - 1), below, *above * exact(np.array(experiment.ABOVE))]
    weights = [*experiment.BELOW, *experiment.ABOVE]
    arrays = {"weight": ("point", weights), "bias": ("point", np.zeros(len(weights))), "width": ("point", widths)}
    return xr.Dataset(arrays | {"widest_weight": widest[0], "widest_width": widest[1]})


def results(**changed):
    found = {"sigmoid_measured": measured(**changed), "tanh_measured": measured(1.3, 2.0, (2.2, 0.9))}
    return found | experiment._derived()


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        ({}, set()),
        ({"above": 1 + 1e-8}, {0}),
        ({"below": 1e-6}, {1}),
        ({"widest": (6.84, 0.4477)}, {2}),
        ({"widest": (6.894, 0.444)}, {3}),
    ],
)
def test_claims(changed, failed):
    said = [claim.verdict for claim in experiment.EXPERIMENT.claims(results(**changed))]
    assert said == ["fail" if place in failed else "pass" for place in range(4)]


def test_every_control_fails():
    assert [claim.control for claim in experiment.EXPERIMENT.claims(results())] == ["fail"] * 4


@pytest.mark.parametrize(
    ("name", "weight", "bias"), [("sigmoid", -7.0, 0.8), ("sigmoid", 3.9, 0.0), ("tanh", 2.0, 1.0)]
)
def test_a_width_is_what_a_grid_counts(name, weight, bias):
    derivative = {
        "sigmoid": lambda s: np.exp(-s) / (1 + np.exp(-s)) ** 2,
        "tanh": lambda s: np.cosh(s) ** -2.0,
    }[name]
    a = np.arange(-3, 3, 1e-5)
    counted = 1e-5 * (abs(weight * derivative(weight * a + bias)) >= 1).sum()
    found = experiment.measured_width(activations.get(name), weight, bias)
    assert found == pytest.approx(counted, abs=3e-5)


def test_what_is_derived_is_nielsens_formula():
    derived = experiment._derived()["derived"]
    np.testing.assert_allclose(derived["width"][1:], exact(derived["weight"].values[1:]), rtol=1e-9, atol=1e-12)
    assert float(derived["widest_width"]) == pytest.approx(exact(float(derived["widest_weight"])))
    assert float(derived["widest_width"]) >= float(derived["width"].max())
