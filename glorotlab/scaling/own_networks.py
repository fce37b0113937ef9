"""Sizes in networks of this package over updates, and their expected values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array, FloatArray, Targets
from glorotlab.errors import DivergedError, InvalidValueError
from glorotlab.network.mlp import Network
from glorotlab.scaling.expected_sizes import ExpectedSizes, expected_sizes
from glorotlab.scaling.parametrization import Parametrization, roles
from glorotlab.scaling.scaled_network import ZERO, ScaledNetwork

SMALLER = "take a smaller learning rate"


def layer_names(layers: int) -> tuple[str, ...]:
    """Return the names of a perceptron's layers."""
    return (*(f"layer {layer}" for layer in range(1, layers)), "output layer")


def measure_updates(network: Network, x: FloatArray, y: Targets, learning_rate: float, steps: int) -> Array:
    """Train a network on one batch, and return root mean squares of its pre-activations and of their changes.

    Parameters
    ----------
    network : Network
        It is trained.
    x, y : ndarray
        The batch, of every update.
    learning_rate : float
    steps : int
        Number of updates.

    Returns
    -------
    ndarray, shape (2, steps + 1, layers)
        Sizes of the pre-activations, and of their changes since update 0.

    Raises
    ------
    DivergedError
        Where the cost or a pre-activation is not finite.
    """
    start: list[Array] = []
    sizes = np.zeros((2, steps + 1, len(network.weights)))
    for update in range(steps + 1):
        if update:
            network.train_step(x, y, learning_rate)
        with np.errstate(over="ignore", invalid="ignore"):
            s = [layer.astype(np.float64) for layer in network.forward(x).preactivations]
            start = start or s
            pairs = [(now, now - then) for now, then in zip(s, start, strict=True)]
            sizes[:, update] = np.array([[np.sqrt((part**2).mean()) for part in pair] for pair in pairs]).T
        if not np.isfinite(sizes[:, update]).all():
            raise DivergedError(
                f"layers {network.spec.layers}, seed {network.seed}: pre-activations are not finite after update "
                f"{update} at learning rate {learning_rate:g}: {SMALLER}"
            )
    return sizes


@dataclass(frozen=True)
class Family:
    """Networks of all widths with their expected sizes.

    Parameters
    ----------
    draw : callable
        ``draw(index of the width, seed)`` returns a network.
    expected : callable
        ``expected(index of the width, learning rate)`` returns its ExpectedSizes.
    """

    draw: Callable[[int, int], Network]
    expected: Callable[[int, float], ExpectedSizes]


def family_of_spec(networks: Sequence[ScaledNetwork], x: FloatArray, y: Targets, dtype: str) -> Family:
    """Return the family of a spec that was scaled."""
    return Family(
        lambda index, seed: networks[index].draw(seed, dtype),
        lambda index, rate: expected_sizes(networks[index], x, y, rate),
    )


def family_of_factory(
    make: Callable[[int, int], Network],
    widths: Sequence[int],
    seeds: Sequence[int],
    parametrization: Parametrization,
    x: FloatArray,
    y: Targets,
) -> Family:
    """Return the family of a user's networks; theory continues from the first width by the parametrization.

    Variances at the first width are those of the networks that were drawn there, and rates are what they carry.

    Raises
    ------
    InvalidValueError
        Where the width does not change the networks, or something beside hidden layers.
    """
    first = [make(widths[0], seed) for seed in seeds]
    specs = [first[0].spec, *(make(width, seeds[0]).spec for width in widths[1:])]
    _check_sizes(widths, [spec.layer_sizes for spec in specs])
    at = roles(len(specs[0].fans))
    squares = np.array([[float((weight.astype(np.float64) ** 2).mean()) for weight in one.weights] for one in first])
    variance = np.maximum(squares.mean(axis=0), ZERO)
    rates = [_rates(first[0], kind) for kind in ("weight", "bias")]

    def expected(index: int, rate: float) -> ExpectedSizes:
        ratio = widths[index] / widths[0]

        def scaled(values: Array, powers: dict[str, float]) -> Array:
            return np.array([value * ratio ** powers[role] for value, role in zip(values, at, strict=True)])

        network = ScaledNetwork(
            specs[index],
            np.where(variance > ZERO, scaled(variance, parametrization.weight_variance), ZERO),  # type: ignore[arg-type]
            scaled(rates[0], parametrization.weight_rate["sgd"]),  # type: ignore[arg-type]
            scaled(rates[1], parametrization.bias_rate["sgd"]),  # type: ignore[arg-type]
        )
        return expected_sizes(network, x, y, rate)

    return Family(lambda index, seed: make(widths[index], seed), expected)


def _rates(network: Network, kind: str) -> Array:
    """Return the mean factor of the learning rate of every layer, 1 without factors."""
    state = network.state()
    layers = range(1, len(network.weights) + 1)
    return np.array(
        [float(state[f"{kind}_rate_{layer}"].mean()) if f"{kind}_rate_{layer}" in state else 1.0 for layer in layers]
    )


def _check_sizes(widths: Sequence[int], sizes: Sequence[tuple[int, ...]]) -> None:
    for width, before, after, previous in zip(widths[1:], sizes, sizes[1:], widths, strict=False):
        if before == after:
            raise InvalidValueError(
                f"the function makes the same network at widths {previous} and {width}: it ignores the width"
            )
        if (before[0], before[-1], len(before)) != (after[0], after[-1], len(after)):
            raise InvalidValueError(
                f"layer sizes {before} at width {previous} and {after} at width {width}: allowed are networks of which "
                "hidden layers alone grow"
            )
