"""When each parameter's own learning rate is estimated, and on which examples: a function of (seed, update) alone."""

from __future__ import annotations

import math

import numpy as np

from glorotlab.network.curvature import Curvature, gauss_newton, gradient_variance, learning_rate_factors
from glorotlab.network.mlp import Network
from glorotlab.spec.training import TrainingSpec
from glorotlab.training.batches import Batches


class LearningRates:
    """Periodic estimates of the factors of the learning rate.

    An estimate depends on the network and on examples that the number of updates determines. So it is made anew, with
    the same bits, where a run is resumed at the update it is due at; in between, the factors are part of the network's
    state.

    Parameters
    ----------
    training : TrainingSpec
    batches : Batches
        An estimate before update u is taken on the first examples of the mini-batches from u on.
    """

    def __init__(self, training: TrainingSpec, batches: Batches) -> None:
        self.training, self.batches = training, batches

    def updates_left(self, step: int) -> float:
        """Return the number of updates after ``step`` before the next estimate, infinity if there is none."""
        every = self.training.curvature_every
        return math.inf if self.training.learning_rates == "common" else every - step % every

    def estimate_if_due(self, step: int, network: Network) -> bool:
        """Estimate the factors of the network's parameters from ``step`` on, if an estimate is due.

        Returns
        -------
        bool
            False where they are not finite, and the network keeps those it has.
        """
        if self.training.learning_rates == "common" or step % self.training.curvature_every:
            return True
        with np.errstate(over="ignore", invalid="ignore"):
            factors = learning_rate_factors(self._estimate(step, network), self.training.damping)
        if not all(np.isfinite(array).all() for array in (*factors.weights, *factors.biases)):
            return False
        network.set_rates(factors.weights, factors.biases)
        return True

    def _estimate(self, step: int, network: Network) -> Curvature:
        x, y = self.batches.examples(step, self.training.curvature_examples)
        if self.training.learning_rates == "hessian":
            return gauss_newton(network.forward(x), network.spec.cost_record)
        return gradient_variance(network.backpropagate(x, y))
