"""The cases that are timed: networks, batches and dtypes, in groups by name, with the work of one step of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from glorotlab.errors import InvalidValueError, UnknownNameError
from glorotlab.spec.network import NetworkSpec

PAPER = "1024,1000x5,10"
"""Layers of the largest network of Glorot & Bengio (2010)."""


@dataclass(frozen=True)
class Case:
    """One training step: softmax, log-likelihood, plain gradient descent on the batch-mean cost.

    Parameters
    ----------
    layers : str
    batch : int
    dtype : str
        ``float32`` or ``float64``.
    every_level : bool
        Whether glorotlab is timed at every SIMD level of this machine, in place of its peers.
    activation : str
        Activation of the hidden layers.
    """

    layers: str
    batch: int = 10
    dtype: str = "float32"
    every_level: bool = False
    activation: str = "tanh"

    @cached_property
    def spec(self) -> NetworkSpec:
        """The network."""
        return NetworkSpec.parse(self.layers, activation=self.activation, initializer="glorot_uniform")

    @property
    def weights(self) -> int:
        """Weights of the network, without biases."""
        return sum(fan_in * fan_out for fan_in, fan_out in self.spec.fans)

    @property
    def flops(self) -> int:
        """Floating-point operations of the products of a step.

        The multiply-add of each weight and example counts two, three times: forward, back-propagation, and the update's
        gradient; the first layer propagates nothing back. Biases, activations and the cost are not counted.
        """
        fan_in, fan_out = self.spec.fans[0]
        return 2 * self.batch * (3 * self.weights - fan_in * fan_out)

    @property
    def weight_bytes(self) -> int:
        """Bytes that the weights take."""
        return self.weights * np.dtype(self.dtype).itemsize

    @property
    def bytes(self) -> int:
        """Least number of bytes that a step moves: each weight is read forward, and read and written backward."""
        return 3 * self.weight_bytes

    def __str__(self) -> str:
        return f"{self.layers} {self.activation}, batch {self.batch}, {self.dtype}" + ", every level" * self.every_level


GROUPS: dict[str, tuple[Case, ...]] = {
    "paper": tuple(Case(PAPER, batch) for batch in (1, 10, 32, 128, 512)),
    "widths": tuple(Case(layers) for layers in (*(f"1024,{n}x5,10" for n in (100, 300, 1000, 2000)), "1024,4000x2,10")),
    "depths": tuple(Case(f"1024,1000x{depth},10") for depth in (1, 2, 5, 10, 20)),
    "nielsen": (Case("784,30,30,10"),),
    "small": (
        Case("4,32,16,4", 10_000),
        Case("24,8,2", 200),
        *(Case(f"10,{n},{n},10", 128) for n in (32, 45, 46, 64)),
    ),
    "float64": (Case(PAPER, dtype="float64"),),
    "levels": (Case(PAPER, every_level=True),),
    "roofline": (),
}
"""Cases by group; 4,000 units have two hidden layers, so that the widths end at the depths' 2e7 weights.

The small networks are those on which a library's threads cost more than they give: two on all of their data, and four
about the width of 46, from which PyTorch uses all CPUs.
"""


def cases_of(group: str | None = None) -> tuple[Case, ...]:
    """Return the cases of a group, or all, each once; UnknownNameError where there is no such group."""
    if group is None:
        return tuple(dict.fromkeys(case for cases in GROUPS.values() for case in cases))
    if group not in GROUPS:
        raise UnknownNameError("benchmark", group, GROUPS)
    return GROUPS[group]


def own_case(layers: str, activation: str | None = None, batch: int | None = None, dtype: str | None = None) -> Case:
    """Return the case of the user's own network; None stands for the value of the other cases.

    Raises
    ------
    InvalidValueError
        Where layers, activation or batch are not allowed.
    """
    options = {"activation": activation, "batch": batch, "dtype": dtype}
    case = Case(layers, **{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]
    if case.batch < 1:
        raise InvalidValueError(f"batch {case.batch}: allowed are whole numbers from 1")
    _ = case.spec  # which refuses what no network has
    return case


def groups_of(case: Case) -> list[str]:
    """Return the names of the groups a case is in."""
    return [name for name, cases in GROUPS.items() if case in cases]
