"""The experiments there are, in the order of a report."""

from glorotlab.experiments import (
    figure_2,
    figure_3,
    figure_6,
    figure_7,
    figure_8,
    figure_11,
    jacobian,
    table_1,
)
from glorotlab.experiments.experiment import Experiment

CATALOGUE: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (figure_6, figure_7, figure_8, jacobian, figure_2, figure_3, figure_11, table_1)
}
