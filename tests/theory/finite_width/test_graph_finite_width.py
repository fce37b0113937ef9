"""Finite width of graphs against networks drawn in PyTorch: batches that are not small beside layers, and shifts."""

import numpy as np
import pytest
from benchmark_scripts import benchmark
from optional import optional

from glorotlab.theory.predict_graph import predict_graph

BACK = "backprop_gradient_second_moment"


def drawn(graph, examples, networks):
    """Return the prediction by module and variable, and second moments of networks, {(module, variable): array}."""
    optional("torch", "TORCH").set_num_threads(1)
    random = np.random.default_rng(3)
    x, y = random.normal(size=(examples, 30)), random.integers(0, 10, examples)
    predicted = predict_graph(graph, x, y, "cross_entropy", level=0.95)
    modules = list(predicted["module"].values)
    found = benchmark("graph_draws").drawn_second_moments(graph, x, y, "cross_entropy", range(networks))
    expected = {
        (module, variable): {
            end: float(predicted[f"{variable}{end}"].values[modules.index(module)])
            for end in ("", "_std", "_shift")
            if f"{variable}{end}" in predicted
        }
        for module, variable in found
    }
    return expected, {key: np.array(values) for key, values in found.items()}


@pytest.mark.statistical
def test_a_batch_larger_than_the_layers_scatters_by_the_correlations_of_each_network():
    """Of 80 examples of correlation about 0 on 32 units; by those of the mean kernel alone it is 20 to 40 % less.

    Standard deviations of 300 networks have a standard error of 4 %, and the expansion may be 12 % off. Five standard
    errors and that are passed by chance in 1e-6; without the scatter of correlations three modules of eight are off by
    ten standard errors, and their mean by 30 %.
    """
    expected, found = drawn(benchmark("graph_models").mlp("tanh", 32, 30, gain=1.5), 80, 300)
    keys = [key for key in found if key[1] != BACK and key[0] != "dense_1"]
    assert len(keys) == 8
    ratios = [found[key].std(ddof=1) / expected[key]["_std"] for key in keys]
    assert np.all(np.abs(np.log(ratios)) < 5 * 0.04 + 0.12), ratios
    assert abs(np.mean(np.log(ratios))) < 5 * 0.04 + 0.02, ratios


@pytest.mark.statistical
def test_gradients_between_normalizations_have_the_shift_of_narrow_layers():
    """D over that of the last sum, paired by network, is within five standard errors, of .3 %, and 1.5 %.

    What units of large values lose below a normalization is 3 to 4 % of two of them, and what another normalization has
    fixed in what the last one divides by is 11 % of the third. A false failure in 1e-6 a module.
    """
    expected, found = drawn(benchmark("graph_models").residual_mlp("relu", 24, 30, blocks=2, post=True), 12, 3000)
    values = {name: expected[name, BACK][""] + expected[name, BACK]["_shift"] for name, kind in found if kind == BACK}
    whole = found["residual_10", BACK]
    for name in ("normalisation_6", "dense_7", "normalisation_11"):
        own = found[name, BACK]
        ratio = own.mean() / whole.mean()
        error = np.std(own - ratio * whole) / len(own) ** 0.5 / own.mean()
        assert error < 0.005, name
        assert abs(ratio / (values[name] / values["residual_10"]) - 1) < 5 * error + 0.015, name
