"""Joint draws of the output layer over a batch: logits of networks drawn at random, and the gradients they make.

Outputs are few, so that a statistic over them scatters from network to network however wide the layers are. Given the
layers below, the logits of each class are N(0, Q) over the examples, independently of those of the other classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array
from glorotlab.costs import Cost
from glorotlab.streams import Purpose, generator
from glorotlab.theory.gaussian.sampling import covariance_root

BLOCK = 2**18
"""Number of logits drawn at a time, unless one network of every root has more."""


@dataclass(frozen=True)
class OutputSampler:
    """Output layers of networks drawn at random, with a fixed seed and a stream for each purpose.

    Parameters
    ----------
    cost : Cost
    targets : (examples, outputs)
        What the outputs are compared with: one-hot rows of classes.
    roots : (kernels, examples, examples)
        Roots of the covariance Q of the logits; draws are shared equally among several.
    """

    cost: Cost
    targets: Array
    roots: Array

    @classmethod
    def of(cls, cost: Cost, kernel: Array, targets: Array) -> OutputSampler:
        """Return the sampler of logits of one covariance, (examples, examples)."""
        return cls(cost, targets, covariance_root(kernel)[np.newaxis])

    @property
    def size(self) -> int:
        """Number of logits of one network."""
        return self.targets.size

    def logits(self, draws: int, purpose: Purpose) -> Iterator[Array]:
        """Yield logits of ``draws`` networks of each root, in blocks (examples, networks of the block, outputs)."""
        random, block = generator(0, purpose), max(1, BLOCK // (len(self.roots) * self.size))
        for start in range(0, draws, block):
            yield self._draw(random, min(block, draws - start))

    def _draw(self, random: np.random.Generator, draws: int) -> Array:
        kernels, (examples, outputs) = len(self.roots), self.targets.shape
        s = self.roots @ random.normal(size=(kernels, examples, draws * outputs))
        return np.moveaxis(s, 0, 1).reshape(examples, kernels * draws, outputs)

    def gradient(self, logits: Array) -> Array:
        """Return dC/ds of logits, of their shape (examples, networks, outputs)."""
        y = self.targets[:, np.newaxis]
        return np.asarray(self.cost.gradient(logits, np.broadcast_to(y, logits.shape)))

    def gradients(self, draws: int, purpose: Purpose) -> Iterator[Array]:
        """Yield blocks of dC/ds of the output layer; as ``logits``."""
        for block in self.logits(draws, purpose):
            yield self.gradient(block)
