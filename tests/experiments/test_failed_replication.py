"""The replication that saw no difference: claims on hand-made profiles, initializers as their frameworks have them."""

import math

import numpy as np
import pytest
from optional import optional

from glorotlab import initializers
from glorotlab.experiments.glorot_bengio import failed_replication
from glorotlab.experiments.scales import SCALES

import xarray as xr  # isort: skip

SCATTER = 1 + 1e-3 * np.array([1, -1, 1, -1, 1])[:, None]
STARTS = {"activation": 0.4, "backprop_gradient": 1e-4}


def results(measured, predicted=None):
    """Geometric profiles of the factor by which each initializer shrinks from layer to layer."""
    found = {}
    for name, factor in measured.items():
        rows = {"measured": factor, "predicted": (predicted or measured)[name]}
        for key, value in rows.items():
            layers = np.append(value ** np.arange(5.0), np.nan)  # the output layer
            profiles = {"activation": layers, "backprop_gradient": np.append(layers[-2::-1], 7.0)}
            values = {tensor: STARTS[tensor] * row for tensor, row in profiles.items()}
            found[f"{name}_{key}"] = xr.Dataset(
                {
                    f"{tensor}_second_moment": (
                        (("seed", "layer"), row * SCATTER) if key == "measured" else ("layer", row)
                    )
                    for tensor, row in values.items()
                }
            )
    return found


TRUE = {"standard": 0.33, "torch": 0.35, "lecun_uniform": 0.79, "normalized": 0.79, "flax": 0.79}


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ({}, ["pass"] * 5),
        ({"lecun_uniform": 0.33}, ["fail", "fail", "pass", "pass", "pass"]),
        ({"standard": 0.79}, ["pass", "fail", "pass", "pass", "pass"]),
        ({"flax": 0.75}, ["pass", "pass", "fail", "pass", "pass"]),
        ({"torch": 0.79}, ["pass", "pass", "pass", "fail", "pass"]),
    ],
)
def test_claims(factors, said):
    claims = [finding.claim(results(TRUE | factors)) for finding in failed_replication.FINDINGS]
    assert [claim.verdict for claim in claims] == said


def test_every_control_fails():
    assert {finding.claim(results(TRUE)).control for finding in failed_replication.FINDINGS} == {"fail"}


def test_a_wrong_prediction_fails():
    def verdict(factor):
        return failed_replication.FINDINGS[-1].claim(results(TRUE, predicted=TRUE | {"torch": factor})).verdict

    assert (verdict(0.35 / 1.04), verdict(0.35 / 1.06)) == ("pass", "fail")


def test_profiles_start_where_signal_and_gradient_do():
    found = results(TRUE)
    for tensor, start in (("activation", 0), ("backprop_gradient", 4)):
        np.testing.assert_allclose(failed_replication.profile(found["standard_measured"], tensor)[:, start], 1)
        end = failed_replication.profile(found["standard_predicted"], tensor)[4 - start]
        assert end == pytest.approx(0.33**4)


@pytest.mark.parametrize(
    ("name", "variance", "bias"),
    [
        ("standard", 1 / 3, 0),
        ("torch", 1 / 3, 1 / 3),
        ("lecun_uniform", 1, 0),
        ("normalized", 1, 0),
        ("flax", 1, 0),
    ],
)
def test_the_initialisers_are_those_of_papers_and_frameworks(name, variance, bias):
    """n Var[W] and n Var[b] between layers of n units."""
    scale = SCALES["quick"]
    spec = failed_replication.DEFAULTS[name].spec(scale)
    assert spec.fans[1] == (scale.width, scale.width)
    found = initializers.get(spec.initializer).variance(scale.width, scale.width)
    assert found * scale.width == pytest.approx(variance)
    assert initializers.get_bias(spec.bias).variance * scale.width == pytest.approx(bias, rel=1e-4)


def test_torch_draws_what_is_said_of_it():
    torch = optional("torch", "TORCH")
    torch.manual_seed(0)
    layer = torch.nn.Linear(400, 3000)
    bound = 1 / math.sqrt(400)
    for values in (layer.weight, layer.bias):
        numbers = values.detach().numpy().ravel()
        assert 0.99 * bound < np.abs(numbers).max() <= bound * (1 + 1e-6)
        assert numbers.var() * 400 == pytest.approx(1 / 3, rel=0.1)


def test_the_table_and_the_picture():
    found = results(TRUE)
    table = failed_replication.table(found)
    assert [len(row) for row in table.rows] == [len(table.head)] * 5
    assert table.rows[0][0] == "standard (eq. 1)"
    assert "(0.0119)" in table.rows[0][4]
    figure = failed_replication.draw(found)
    assert all(ax.get_title(loc="left") and ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)
