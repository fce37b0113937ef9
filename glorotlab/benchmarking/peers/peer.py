"""What a peer is: another implementation of the same training steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
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
        """Return a batch in the peer's own arrays; that is not timed."""

    def train_steps(self, x: Any, labels: Any, learning_rate: float, count: int) -> Any:
        """Take a block of steps on what ``prepare`` returned, all on this batch.

        ``float()`` of the result is the cost before the last step, and waits for it.
        """


class StepByStep(ABC):
    """A network that is called from Python for each step of a block."""

    @abstractmethod
    def train_step(self, x: Any, labels: Any, learning_rate: float) -> Any:
        """Take one step; ``float()`` of the result is the cost before it, and waits for the step."""

    def train_steps(self, x: Any, labels: Any, learning_rate: float, count: int) -> Any:
        """Take ``count`` steps, none of which is waited for, and return what the last one does."""
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
        As ``--peers`` takes it.
    package : str
        The distribution and module it needs.
    build : callable (network, batch) -> TrainingSteps
        A copy of a network for batches of one size. Compiling is not timed.
    limited : callable (threads) -> context manager
        Holds the peer at so many threads; the process is already held on as many CPUs.
    problem : callable () -> str
        Why it cannot run here though the package is installed; empty where it can.
    """

    name: str
    package: str
    build: Callable[[Network, int], TrainingSteps]
    limited: Callable[[int], AbstractContextManager[Any]]
    problem: Callable[[], str] = str

    def missing(self) -> str:
        """Return why the peer cannot run here; empty where it can."""
        return self.problem() if find_spec(self.package) else f"{self.package} is not installed"

    def available(self) -> bool:
        """Return whether it can run here."""
        return not self.missing()

    def version(self) -> str | None:
        """Return the version of its package; None where that is not installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None
