"""coordinate_check: whether sizes scale with the width as they should under a parametrization.

Yang & Hu (2021) and Yang et al. (2022) draw the sizes of activations after a few updates over the width, and call a
parametrization right where the lines are flat. Here theory says what the slopes are at these widths, how far they may
scatter, and a verdict on each layer follows.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import Array
from glorotlab.checks import instance_of, progress_function, real_number, shown, whole_number
from glorotlab.errors import InvalidValueError, UnknownNameError
from glorotlab.network.mlp import Network
from glorotlab.scaling import expectation, own_networks, torch_expectation, torch_models
from glorotlab.scaling import parametrization as parametrizations
from glorotlab.scaling.parametrization import OPTIMIZERS
from glorotlab.scaling.result import CoordinateCheck
from glorotlab.scaling.scaled_network import scaled_network, spec_at
from glorotlab.scaling.trial import Progress, Trial
from glorotlab.spec.network import MAX_WIDTH, Layers, NetworkSpec, network_spec

Factory = Callable[..., Any]

LEARNING_RATES = {"sgd": 0.1, "adam": 1e-3}
"""The default learning rate."""

DTYPE = "float32"
"""Type of the networks of a spec."""


def coordinate_check(
    model: NetworkSpec | Layers | Factory,
    inputs: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    widths: Sequence[int] = (64, 128, 256, 512, 1024),
    steps: int = 3,
    parametrization: str = "standard",
    seeds: int = 10,
    first_seed: int = 0,
    learning_rate: float | None = None,
    optimizer: torch_models.MakeOptimizer = "sgd",
    loss: Callable[[Any, Any], Any] | None = None,
    base_width: int | None = None,
    zero_output: bool = False,
    level: float = 0.99,
    progress: Progress | None = None,
) -> CoordinateCheck:
    """Train networks of several widths for a few updates, and judge how the sizes in each layer scale with the width.

    The check is that of Yang & Hu (2021) and Yang et al. (2022); theory says here which slopes are healthy.

    Parameters
    ----------
    model : NetworkSpec, its layers, or callable
        A spec is scaled as the parametrization says: at ``base_width`` it is itself. A function
        ``make(width)`` or ``make(width, seed)`` returns the user's own: a ``Network`` with its rates, which needs the
        seed, or a ``torch.nn.Module``, before which torch's generator is seeded.
    inputs, labels : array_like
        The batch of every update; of a PyTorch model arrays or tensors.
    widths : sequence of int
        Three or more that increase; of a spec the units of its first hidden layer, others in proportion.
    steps : int
        Number of updates, from 1.
    parametrization : str
        ``standard`` or ``mup``.
    seeds : int
        Networks of each width, from 2; all of them have seeds of their own.
    first_seed : int
        The least of these seeds, which are one after the other.
    learning_rate : float, optional
        Of the base width; by default .1, with Adam .001. It should be so small that the first update changes hidden
        layers by a part of their size.
    optimizer : str or callable
        ``sgd``; of a PyTorch model also ``adam``, or a function that returns an optimizer for a model.
    loss : callable, optional
        ``loss(output, labels)`` of a PyTorch model; by default cross-entropy of whole numbers, else the mean square.
    base_width : int, optional
        Width at which a spec is as it stands, by default its own.
    zero_output : bool
        Whether the output layer of a spec starts at 0, as mup allows.
    level : float
        Probability that a healthy network is inside all bands.
    progress : callable, optional
        Called with (networks done, networks in all).

    Returns
    -------
    CoordinateCheck
        An exponent of every layer after every update, the expected one, its band and a verdict.

    Raises
    ------
    InvalidValueError
        Where an argument is not allowed, or a factory ignores the width or the seed.
    DivergedError
        Where a loss or a size is not finite.
    AssumptionError
        Where theory has nothing to say of a spec.

    Examples
    --------
    Under muP the outputs of a network just drawn fall as 1 / sqrt(width), an exponent of -1/2 (Yang & Hu 2021):

    >>> import glorotlab as gl
    >>> x, y = gl.shapeset(10)
    >>> spec, widths = gl.NetworkSpec.parse("1024,64x2,9"), (64, 128, 256)
    >>> check = gl.coordinate_check(spec, x, y, widths=widths, steps=1, seeds=4, parametrization="mup")
    >>> round(check.select(update=0)[-1].expected[0], 1)
    -0.5
    >>> check.healthy
    True
    """
    record, numbers = parametrizations.get(parametrization), _widths(widths)
    if not callable(optimizer) and optimizer not in OPTIMIZERS:
        raise UnknownNameError("optimizer", str(optimizer), OPTIMIZERS)
    if learning_rate is None:
        learning_rate = LEARNING_RATES[optimizer if isinstance(optimizer, str) else "sgd"]
    trial = Trial(
        numbers,
        whole_number("steps", steps, 1, 10_000),
        whole_number("seeds", seeds, 2, 10_000),
        whole_number("first_seed", first_seed, 0, 2**62, "2**62"),
        real_number("learning_rate", learning_rate, 0, 1e6, open_low=True),
        record,
        real_number("level", level, 0, 1, open_low=True, open_high=True),
        progress_function(progress),
    )
    if torch_models.is_model(model):
        raise InvalidValueError(
            f"model of type {type(model).__name__}: allowed is a function that makes it at any width, make(width)"
        )
    if not callable(model):
        _need_sgd(optimizer, loss)
        return _of_spec(trial, network_spec(model), inputs, labels, base_width, zero_output)
    if zero_output or base_width is not None:
        raise InvalidValueError("zero_output or base_width with a function: they are allowed with a spec alone")
    make = _with_seed(model)
    if isinstance(_one(make, numbers[0]), Network):
        _need_sgd(optimizer, loss)
        return _of_factory(trial, model, inputs, labels)
    return _of_models(trial, make, inputs, labels, optimizer, loss)


def _of_spec(
    trial: Trial,
    spec: NetworkSpec,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    base_width: int | None,
    zero_output: bool,
) -> CoordinateCheck:
    spec_at(spec, trial.widths[0])  # refused where there is no hidden layer
    base = whole_number("base_width", spec.layer_sizes[1] if base_width is None else base_width, 1, MAX_WIDTH)
    networks = [scaled_network(spec, width, base, trial.record, zero_output=zero_output) for width in trial.widths]
    inputs = spec.check_inputs(x)
    targets = spec.check_labels(y, len(inputs))
    return _of_family(trial, own_networks.family_of_spec(networks, inputs, targets, DTYPE), inputs, targets)


def _of_factory(trial: Trial, model: Factory, x: npt.ArrayLike, y: npt.ArrayLike) -> CoordinateCheck:
    if not _takes_seed(model):
        raise InvalidValueError("a function that makes a Network of one seed: allowed is make(width, seed)")

    def make(width: int, seed: int) -> Network:
        network = model(width, seed=seed)
        instance_of(f"what the function makes at width {width}", network, Network, "a Network, as at other widths")
        return network  # type: ignore[no-any-return]

    spec = make(trial.widths[0], trial.seeds[0][0]).spec
    inputs = spec.check_inputs(x)
    targets = spec.check_labels(y, len(inputs))
    family = own_networks.family_of_factory(make, trial.widths, trial.seeds[0], trial.record, inputs, targets)
    return _of_family(trial, family, inputs, targets)


def _of_family(trial: Trial, family: own_networks.Family, x: Any, y: Any) -> CoordinateCheck:
    rate = trial.learning_rate
    expected = [family.expected(index, rate) for index in range(len(trial.widths))]
    sizes = trial.measure(
        lambda index, seed: own_networks.measure_updates(family.draw(index, seed), x, y, rate, trial.steps)
    )
    layers = sizes.shape[2]
    rows = expectation.of_networks(trial.numbers, expected, trial.record, trial.steps)
    return trial.result(own_networks.layer_names(layers), parametrizations.roles(layers), sizes, rows, "sgd")


def _of_models(
    trial: Trial,
    make: Callable[[int, int], Any],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    optimizer: torch_models.MakeOptimizer,
    loss: Callable[[Any, Any], Any] | None,
) -> CoordinateCheck:
    inputs, targets = torch_models.tensor("inputs", x), torch_models.tensor("labels", y)
    measured: list[list[torch_models.MeasuredModel]] = [[] for _ in trial.widths]

    def one(index: int, seed: int) -> Array:
        found = torch_models.measure_model(
            make, trial.widths[index], seed, inputs, targets, loss, optimizer, trial.learning_rate, trial.steps
        )
        torch_models.check_alike(trial.widths, measured, index, found)
        measured[index].append(found)
        return found.sizes

    sizes = trial.measure(one)
    first, last = measured[0][0], measured[-1][0]
    roles = torch_models.roles_of(first, last)
    rows = torch_expectation.of_models(
        trial.numbers, roles, sizes, measured, len(inputs), trial.record, first.optimizer
    )
    weighted = [index for index, role in enumerate(roles) if role is not None]
    names = [module.name for module in first.modules]
    own = np.full((2, trial.steps + 1, len(weighted), *sizes.shape[3:]), np.nan)
    own[1, 1] = np.array([[one.own[weighted] for one in models] for models in measured]).transpose(2, 0, 1)
    return trial.result(
        [*names, *(f"{names[index]} (own weights)" for index in weighted)],
        [*roles, *(roles[index] for index in weighted)],
        np.concatenate([sizes, own], axis=2),
        rows,
        first.optimizer,
    )


def _widths(widths: object) -> list[int]:
    if isinstance(widths, (str, bytes)) or not isinstance(widths, (Sequence, np.ndarray)):
        raise InvalidValueError(f"widths {shown(widths)}: allowed are three whole numbers or more that increase")
    numbers = [whole_number("width", width, 2, MAX_WIDTH) for width in widths]
    if len(numbers) < 3:
        raise InvalidValueError(f"widths {shown(numbers)}: allowed are three or more that increase")
    for before, after in pairwise(numbers):
        if after <= before:
            raise InvalidValueError(f"width {after} after {before}: allowed are widths that increase")
    return numbers


def _need_sgd(optimizer: torch_models.MakeOptimizer, loss: object) -> None:
    """Raise InvalidValueError if options of PyTorch models are passed for a ``gl.Network``."""
    if optimizer != "sgd":
        raise InvalidValueError(f"optimizer {shown(optimizer)} of a Network: allowed is 'sgd'")
    if loss is not None:
        raise InvalidValueError(f"loss {shown(loss)} of a Network: allowed is None, its spec has the cost")


def _one(make: Callable[[int, int], Any], width: int) -> Any:
    """Return what a function makes, and restore torch's generator."""
    if "torch" not in sys.modules:
        return make(width, 0)
    with torch_models.seeded(0):
        return make(width, 0)


def _takes_seed(model: Factory) -> bool:
    """Return whether a function takes a parameter named seed."""
    try:
        return "seed" in inspect.signature(model).parameters
    except (TypeError, ValueError):
        return False


def _with_seed(model: Factory) -> Callable[[int, int], Any]:
    """Return a function of width and seed."""
    return (lambda width, seed: model(width, seed=seed)) if _takes_seed(model) else (lambda width, seed: model(width))
