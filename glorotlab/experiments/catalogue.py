"""The catalogue of experiments, in the order of a report: Glorot & Bengio (2010), then Nielsen (2015)."""

from glorotlab.experiments.experiment import Experiment
from glorotlab.experiments.glorot_bengio import (
    cost_function,
    depth,
    failed_replication,
    figure_1,
    figure_2,
    figure_3,
    figure_4,
    figure_5,
    figure_6,
    figure_7,
    figure_8,
    figure_9,
    figure_10,
    figure_11,
    figure_12,
    jacobian,
    second_order,
    svm,
    table_1,
    tapered_widths,
)
from glorotlab.experiments.nielsen import (
    explosion_interval,
    momentum,
    nielsen_bars,
    nielsen_depth,
    nielsen_speeds,
    single_neuron,
)

CATALOGUE: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (
        figure_1,
        figure_2,
        figure_3,
        figure_4,
        figure_5,
        figure_6,
        figure_7,
        figure_8,
        jacobian,
        failed_replication,
        figure_9,
        figure_10,
        figure_11,
        figure_12,
        table_1,
        depth,
        tapered_widths,
        cost_function,
        second_order,
        svm,
        nielsen_depth,
        nielsen_bars,
        nielsen_speeds,
        single_neuron,
        explosion_interval,
        momentum,
    )
}
"""Experiments of Glorot & Bengio (2010), one file a figure, table or claim, then those of Nielsen's chapter 5."""
