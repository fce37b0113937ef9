"""The images of Nielsen's chapter: MNIST, or Shapeset-3x2 in its place where MNIST is not here."""

from __future__ import annotations

from dataclasses import dataclass

from glorotlab.arrays import FloatArray, Labels
from glorotlab.data.catalogue import describe_dataset, load_dataset
from glorotlab.spec.network import NetworkSpec

MNIST = "mnist"

UNITS = 30
"""Units of every hidden layer of his networks."""


@dataclass(frozen=True)
class Images:
    """A dataset that his experiments run on.

    Parameters
    ----------
    data : str
        Its name, as a RunSpec has it.
    label : str
        Its name in pictures and claims.
    fan_in, classes, training : int
        Inputs, classes and training images.
    within_one : bool
        Whether pixels lie in [0, 1], where a sigmoid output can reach them.
    """

    data: str
    label: str
    fan_in: int
    classes: int
    training: int
    within_one: bool

    def network(self, hidden_layers: int, initializer: str = "nielsen_default") -> NetworkSpec:
        """Return the spec of Nielsen's network of some hidden layers: sigmoid throughout, summed cross-entropy."""
        return NetworkSpec(
            layer_sizes=(self.fan_in, *[UNITS] * hidden_layers, self.classes),
            activation="sigmoid",
            initializer=initializer,
            output="sigmoid",
            cost="cross_entropy",
        )

    def first(self, count: int) -> tuple[FloatArray, Labels]:
        """Return the first training images, and their labels."""
        return load_dataset(self.data, keep=True).train.batch(0, count)


def images(training: int = 10_000) -> Images:
    """Return MNIST if it is available, else Shapeset-3x2 with the requested number of training images."""
    here = describe_dataset(MNIST).available
    name, label = (MNIST, "MNIST") if here else (f"shapeset(train={training})", "Shapeset-3x2, as MNIST is not here")
    data = load_dataset(name, keep=True)
    return Images(name, label, data.fan_in, data.classes, int(data.train.length), within_one=here)
