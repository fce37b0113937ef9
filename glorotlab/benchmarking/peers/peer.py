"""A peer is another implementation of the same training steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Protocol

from glorotlab.arrays import FloatArray, Labels
from glorotlab.network.mlp import Network


class TrainingSteps(Protocol):
    """A network of a peer that trains by plain gradient descent on the batch-mean cost."""

    @property
    def weights(self) -> Sequence[FloatArray]:
        """Matrices of shape (fan_in, fan_out), as NumPy arrays."""

    @property
    def biases(self) -> Sequence[FloatArray]:
        """Vectors of shape (fan_out,), as NumPy arrays."""

    def prepare(self, x: FloatArray, labels: Labels) -> tuple[Any, Any]:
        """Return a batch in the peer's own arrays; this is not timed."""

    def train_steps(self, x: Any, labels: Any, learning_rate: float, count: int) -> Any:
        """Make a block of steps, all on the batch that ``prepare`` returned.

        ``float()`` of the result is the cost before the last step, and waits for it.
        """


class StepByStep(ABC):
    """A network that is called from Python for each step of a block."""

    @abstractmethod
    def train_step(self, x: Any, labels: Any, learning_rate: float) -> Any:
        """Make one step; ``float()`` of the result is the cost before it, and waits for the step."""

    def train_steps(self, x: Any, labels: Any, learning_rate: float, count: int) -> Any:
        """Make ``count`` steps without waiting for any, and return the result of the last one."""
        cost = None
        for _ in range(count):
            cost = self.train_step(x, labels, learning_rate)
        return cost


@dataclass(frozen=True)
class Peer:
    """An implementation that may be installed.

    Parameters
    ----------
    name : str
        Name for ``--peers``.
    package : str
        The distribution and module that it needs.
    build : callable
        Takes a network and a batch size, returns a copy of the network that trains on batches of that size. Compiling
        is not timed.
    limited : callable
        Takes a number of threads, returns a context that holds the peer at so many; the process is already held on as
        many CPUs.
    problem : callable
        Returns why the peer cannot run here though the package is installed; empty where it can.
    activations : container of str, optional
        Names of the activations that it has; None stands for all of glorotlab's.
    """

    name: str
    package: str
    build: Callable[[Network, int], TrainingSteps]
    limited: Callable[[int], AbstractContextManager[Any]]
    problem: Callable[[], str] = str
    activations: Container[str] | None = ("tanh",)

    def missing(self) -> str:
        """Return the reason why the peer cannot run here, empty if it can."""
        return self.problem() if find_spec(self.package) else f"{self.package} is not installed"

    def has(self, activation: str) -> bool:
        """Return whether it can train layers of this activation, in its canonical form."""
        return self.activations is None or activation in self.activations

    def available(self) -> bool:
        """Return whether it can run here."""
        return not self.missing()

    def version(self) -> str | None:
        """Return the version of its package, or None if it is not installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None
