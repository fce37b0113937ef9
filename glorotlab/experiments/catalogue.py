"""The catalogue of experiments, in the order of a report."""

from glorotlab.experiments.experiment import Experiment
from glorotlab.experiments.glorot_bengio import (
    figure_2,
    figure_3,
    figure_6,
    figure_7,
    figure_8,
    figure_11,
    jacobian,
    table_1,
)

CATALOGUE: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (figure_6, figure_7, figure_8, jacobian, figure_2, figure_3, figure_11, table_1)
}
