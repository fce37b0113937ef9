"""The momentum of every update: constant, or Sutskever's schedule, with a lower one in the end.

Sutskever, Martens, Dahl & Hinton (2013, section 3): mu_t = min(1 - 2^(-1 - log2(floor(t / 250) + 1)), mu_max), which is
1 - 1/2, 1 - 1/4, 1 - 1/6, ... for 250 updates each, up to its largest; for the last 1,000 updates it goes back to 0.9,
so that what fast progress along the valley has left undone across it is made up for.

Nesterov's steps are stored in the point ahead, Theta_t = theta_t + mu_t v_t, where the gradient is taken. With
v_(t+1) = mu_t v_t - rate g(Theta_t) and theta_(t+1) = theta_t + v_(t+1) the next of these points is
Theta_t - rate g(Theta_t) + mu_(t+1) v_(t+1). The kernels add mu_t v_(t+1): before the first update of a new momentum
the network is moved by (mu_(t+1) - mu_t) v_(t+1).
"""

from typing import Literal

Schedule = Literal["constant", "sutskever"]

PERIOD = 250
"""Number of updates between two steps of Sutskever's schedule."""


def momentum_at(update: int, schedule: Schedule, largest: float) -> float:
    """Return the scheduled momentum of an update, counted from 0, without the lower one at the end."""
    return largest if schedule == "constant" else min(1 - 1 / (2 * (update // PERIOD + 1)), largest)


def updates_until_change(update: int, schedule: Schedule, largest: float) -> float:
    """Return how many updates from this one on have its momentum, infinity for the last value."""
    if momentum_at(update, schedule, largest) == largest:
        return float("inf")
    return PERIOD - update % PERIOD
