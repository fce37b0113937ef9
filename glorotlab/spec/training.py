"""TrainingSpec: how a network is trained; UpdateRule: how one update changes the weights."""

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator, model_validator

from glorotlab.checks import real_number
from glorotlab.errors import InvalidValueError
from glorotlab.spec.base import Spec, field_of
from glorotlab.spec.momentum import Schedule, momentum_at, updates_until_change

LARGEST_LEARNING_RATE, LARGEST_L2 = 1e6, 1e3
"""Largest settings with which a step in float32 stays in range for a gradient of size 1."""


class Descent(NamedTuple):
    """The numbers of an update for one mini-batch, as kernels need them; kernels/include/descent.h has the formulas.

    Parameters
    ----------
    rate : float
        Factor of the sum of the examples' gradients: the learning rate over the number of examples.
    decay : float
        Part of a weight that an update takes away: learning rate times l2.
    momentum : float
    nesterov : bool
    """

    rate: float
    decay: float
    momentum: float
    nesterov: bool


@dataclass(frozen=True)
class UpdateRule:
    """The rule by which one update changes weights W and biases b.

    With g the gradient of the batch-mean cost plus l2 W, an update is W <- W - learning_rate g. With momentum it goes
    through a velocity, v <- momentum v - learning_rate g and W <- W + v, or Nesterov's W <- W + momentum v -
    learning_rate g of the new v, where W stands for the place to which the momentum is about to lead (Sutskever,
    Martens, Dahl & Hinton 2013). Biases do not decay.

    Where a network's parameters have their own factors r of the learning rate (``Network.set_rates``), r learning_rate
    stands for the learning rate in all of these, element by element; momentum and l2 go with it.

    Schedules belong here and in ``descent``, by which everything reaches the kernels.

    Parameters
    ----------
    learning_rate : float
        Factor of the batch-mean gradient, from 0 to `LARGEST_LEARNING_RATE`.
    momentum : float
        Part of the velocity that is kept, in [0, 1); 0 is plain descent.
    nesterov : bool
        Whether the step is Nesterov's; it needs a momentum above 0.
    l2 : float
        The cost gains (l2 / 2) |W|^2, up to `LARGEST_L2`; Nielsen's lambda / n.

    Raises
    ------
    InvalidValueError
        Where a number is not allowed.
    """

    learning_rate: float
    momentum: float = 0.0
    nesterov: bool = False
    l2: float = 0.0

    def __post_init__(self) -> None:
        real_number("learning rate", self.learning_rate, 0, LARGEST_LEARNING_RATE)
        real_number("momentum", self.momentum, 0, 1, open_high=True)
        real_number("l2", self.l2, 0, LARGEST_L2)
        check_nesterov(self.nesterov, self.momentum)

    def descent(self, batch_size: int) -> Descent:
        """Return the numbers of one update on a mini-batch of the given size."""
        return Descent(
            self.learning_rate / batch_size, self.learning_rate * self.l2, self.momentum, bool(self.nesterov)
        )


def check_nesterov(nesterov: bool, momentum: float) -> None:
    """Raise InvalidValueError if ``nesterov`` is not a bool or has no momentum: equal runs would have two specs."""
    if not isinstance(nesterov, (bool, np.bool_)) or (nesterov and not momentum):
        raise InvalidValueError(
            f"nesterov {nesterov!r} with momentum {momentum!r}: allowed is True with momentum above 0"
        )


class TrainingSpec(Spec):
    """Stochastic gradient descent on mini-batches.

    Parameters
    ----------
    updates : int
        Mini-batch updates in all.
    batch_size : int
        Examples of a mini-batch.
    learning_rate : float
        Factor of the batch-mean gradient.
    momentum : float
        Part of the velocity that an update keeps, in [0, 1).
    nesterov : bool
        Whether updates are Nesterov's; it needs a momentum above 0.
    l2 : float
        Factor of half the squared length of the weights in the cost; biases do not decay.
    momentum_schedule : str
        ``constant``, or ``sutskever``: the momentum rises every 250 updates, to ``momentum`` at most; ``spec.momentum``
        has the formula.
    final_momentum_updates : int
        Updates at the end whose momentum is at most ``final_momentum``.
    final_momentum : float
        No more than ``momentum``.
    batch_order : str
        ``sequential`` takes consecutive examples and begins again after the last one, so that a batch may run over the
        end; ``shuffled`` takes a new permutation each epoch and leaves out the N mod ``batch_size`` examples at its
        end, others in every epoch. An endless stream is always sequential.
    validation_every : int
        Updates between two points of the error curves; 0 leaves the choice to ``training.cadence``: at most 20
        intervals, and no more than a fixed share of the training's own work.
    monitor_every : int
        Updates between two records of LayerStatistics; 0 leaves the choice to ``training.cadence`` too.
    learning_rates : str
        ``common`` gives every parameter the learning rate. ``hessian`` and ``gradient_variance`` multiply it by a
        factor of each parameter's own: the smaller, the larger its diagonal Gauss-Newton curvature, or the variance of
        its gradient between examples; ``network.curvature`` has the formulas.
    damping : float
        The damping of these factors: they are 1 + 1 / damping at most, and 1 for a parameter of average curvature.
    curvature_every : int
        Updates from one estimate of the factors to the next; the first is made before the first update.
    curvature_examples : int
        Training examples of an estimate: those of the updates that follow it.
    pretraining_updates : int
        Updates of each hidden layer as a denoising autoencoder, before the first update of the network;
        ``network.autoencoder`` has the formulas. 0 is no pre-training.
    pretraining_learning_rate : float
        Learning rate of these updates.
    corruption : float
        Probability with which a component of what the autoencoder sees is set to 0.

    Raises
    ------
    InvalidValueError
        Where a field is not allowed, or would have no effect beside the others.

    Examples
    --------
    >>> import glorotlab as gl
    >>> training = gl.TrainingSpec(updates=1000, momentum=0.99, momentum_schedule="sutskever")
    >>> [training.momentum_at(update) for update in (0, 250, 750)]  # 1 - 1/2, 1 - 1/4, 1 - 1/8
    [0.5, 0.75, 0.875]
    >>> training.rule_at(0).learning_rate, training.updates_of_rule(0)
    (0.05, 250)
    """

    added_fields: ClassVar[frozenset[str]] = frozenset(
        {"learning_rates", "damping", "curvature_every", "curvature_examples"}
        | {"pretraining_updates", "pretraining_learning_rate", "corruption"}
        | {"momentum_schedule", "final_momentum_updates", "final_momentum"}
    )

    updates: int = Field(ge=0, le=10**12)
    batch_size: int = Field(default=10, ge=1, le=10**6)
    learning_rate: float = Field(default=0.05, ge=0, le=LARGEST_LEARNING_RATE)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    nesterov: bool = False
    l2: float = Field(default=0.0, ge=0, le=LARGEST_L2)
    momentum_schedule: Schedule = "constant"
    final_momentum_updates: int = Field(default=0, ge=0, le=10**12)
    final_momentum: float = Field(default=0.9, ge=0, lt=1)
    batch_order: Literal["sequential", "shuffled"] = "shuffled"
    validation_every: int = Field(default=0, ge=0)
    monitor_every: int = Field(default=0, ge=0)
    learning_rates: Literal["common", "hessian", "gradient_variance"] = "common"
    damping: float = Field(default=0.1, gt=0, le=1e6)
    curvature_every: int = Field(default=1000, ge=1, le=10**12)
    curvature_examples: int = Field(default=500, ge=2, le=10**6)
    pretraining_updates: int = Field(default=0, ge=0, le=10**12)
    pretraining_learning_rate: float = Field(default=0.01, ge=0, le=LARGEST_LEARNING_RATE)
    corruption: float = Field(default=0.25, ge=0, lt=1)

    @field_validator("learning_rate", "momentum", "l2", "pretraining_learning_rate", "corruption", "final_momentum")
    @classmethod
    def _without_negative_zero(cls, value: float) -> float:
        return value + 0.0  # -0.0 equals 0.0, so the canonical text must be the same

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> "TrainingSpec":
        check_nesterov(self.nesterov, self.momentum)
        return self

    @model_validator(mode="after")
    def _fields_have_an_effect(self) -> "TrainingSpec":
        if self.learning_rates == "common":
            self._refuse_changed(("damping", "curvature_every", "curvature_examples"), "learning_rates 'common'")
        if not self.pretraining_updates:
            self._refuse_changed(("pretraining_learning_rate", "corruption"), "pretraining_updates 0")
        if not self.momentum:
            self._refuse_changed(("momentum_schedule", "final_momentum_updates"), "momentum 0")
        if not self.final_momentum_updates:
            self._refuse_changed(("final_momentum",), "final_momentum_updates 0")
        return self

    @model_validator(mode="after")
    def _momentum_falls_back(self) -> "TrainingSpec":
        if self.final_momentum_updates > self.updates:
            raise InvalidValueError(
                f"final_momentum_updates {self.final_momentum_updates}: allowed are 0 to {self.updates}, all updates"
            )
        if self.final_momentum_updates and self.final_momentum > self.momentum:
            raise InvalidValueError(
                f"final_momentum {self.final_momentum!r} with momentum {self.momentum!r}: allowed is at most that"
            )
        return self

    def _refuse_changed(self, names: tuple[str, ...], without: str) -> None:
        """Raise InvalidValueError where a field without effect is changed: equal runs would have two specs."""
        for name in names:
            value, default = getattr(self, name), field_of(type(self), name).default
            if value != default:
                raise InvalidValueError(f"{name} {value!r} with {without}: it has no effect; allowed is {default!r}")

    def rule_at(self, update: int) -> UpdateRule:
        """Return how an update, counted from 0, changes the weights."""
        momentum = self.momentum_at(update)
        return UpdateRule(self.learning_rate, momentum, self.nesterov and momentum > 0, self.l2)

    def momentum_at(self, update: int) -> float:
        """Return the momentum of an update, counted from 0."""
        return momentum_at(update, self.momentum_schedule, self._largest_momentum(update))

    def updates_of_rule(self, update: int) -> int:
        """Return for how many updates, including this one, the rule stays the same; at least 1 before the end."""
        left = updates_until_change(update, self.momentum_schedule, self._largest_momentum(update))
        return int(min(left, (self._first_final if update < self._first_final else self.updates) - update))

    def _largest_momentum(self, update: int) -> float:
        final = self.final_momentum_updates and update >= self._first_final
        return self.final_momentum if final else self.momentum

    @property
    def _first_final(self) -> int:
        """Return the first update with ``final_momentum``, or the number of updates if there is none."""
        return self.updates - self.final_momentum_updates
