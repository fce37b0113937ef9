"""The chain of single neurons: claims on hand-made chains, and the product beside a difference of the cost."""

import numpy as np
import pytest

from glorotlab.experiments.nielsen import single_neuron

import xarray as xr  # isort: skip

FACTORS = {"default": 0.1, "small": 0.06, "exploding": 25.0, "tanh": 0.6}


def chains(factor, scatter=0.01, product=None):
    """Five chains whose gradient is multiplied by a factor a layer; the product of the formula may be another's."""
    off = 1 + scatter * np.array([1, -1, 1, -1, 0])
    factors = np.multiply.outer(off, np.full(3, factor if product is None else product))
    weights = np.column_stack([np.ones(5), 4 * factors])  # f'(0) is 1/4
    error = np.full(5, -0.5)
    gradient = single_neuron.product(weights, np.zeros((5, 4)), error)
    if product is not None:
        gradient[:, :3] *= (factor / product) ** np.arange(3, 0, -1)
    arrays = {"weight": weights, "preactivation": np.zeros((5, 4)), "bias_gradient": gradient}
    return xr.Dataset(
        {name: (("chain", "neuron"), values) for name, values in arrays.items()} | {"output_gradient": ("chain", error)}
    )


def slopes(largest):
    return xr.Dataset({"slope": ("s", [0.1, largest, 0.1]), "largest": largest, "largest_at": 0.0}, {"s": [-1, 0, 1]})


def results(**changed):
    found = {f"{name}_chains": chains(factor, 0.0 if factor == 25 else 0.01) for name, factor in FACTORS.items()}
    found["tanh_chains"] = chains(0.6, product=0.3)  # the formula with the slope of the sigmoid
    return found | {"sigmoid_slope": slopes(0.25), "tanh_slope": slopes(1.0)} | changed


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        ({}, set()),
        ({"sigmoid_slope": slopes(0.2501)}, {0}),
        ({"default_chains": chains(0.1, product=0.1 * (1 + 1e-8))}, {1}),
        ({"small_chains": chains(0.26)}, {2, 3}),
        ({"default_chains": chains(0.3)}, {4}),
        ({"exploding_chains": chains(25.0, 1e-6)}, {5}),
    ],
)
def test_claims(changed, failed):
    said = [claim.verdict for claim in single_neuron.EXPERIMENT.claims(results(**changed))]
    assert said == ["fail" if place in failed else "pass" for place in range(6)]


def test_every_control_fails():
    assert [claim.control for claim in single_neuron.EXPERIMENT.claims(results())] == ["fail"] * 6


def test_the_gradient_from_the_kernels_is_a_difference_of_the_cost():
    """The cost (1 - a)^2 / 2 of a chain written anew, moved by the first bias; inputs are the experiment's."""
    found = single_neuron._chains(single_neuron.CHAINS["default"], 5, lambda done, total: None)

    def cost(chain, moved):
        weight, s = (found[name].values[chain] for name in ("weight", "preactivation"))
        below = [None, *1 / (1 + np.exp(-s[:-1]))]
        value = s[0] + moved
        for layer in range(1, 4):
            bias = s[layer] - weight[layer] * below[layer]
            value = weight[layer] / (1 + np.exp(-value)) + bias
        return (1 - 1 / (1 + np.exp(-value))) ** 2 / 2

    for chain in range(5):
        difference = (cost(chain, 1e-4) - cost(chain, -1e-4)) / 2e-4
        assert found["bias_gradient"].values[chain, 0] == pytest.approx(difference, rel=1e-5)


def test_exploding_chains_are_nielsens():
    found = single_neuron._chains(single_neuron.CHAINS["exploding"], 4, lambda done, total: None)
    assert (abs(found["weight"].values) == 100).all()
    assert abs(found["preactivation"].values).max() < 1e-9  # each weight makes 25 of the rounding below it
    assert len(set(np.sign(found["weight"].values[:, 1]))) == 2


def test_chains_of_the_kernels_have_the_gradient_of_the_formula():
    """The cost is (a - 1)^2 / 2, so dC/da = a - 1: the target of the one output is 1."""
    dataset = single_neuron._chains(single_neuron.CHAINS["default"], 3, lambda done, total: None)
    arrays = [dataset[name].values for name in ("weight", "preactivation", "output_gradient")]
    np.testing.assert_allclose(dataset["bias_gradient"], single_neuron.product(*arrays), rtol=1e-9)
