"""Sizes in PyTorch models over updates, and the roles of their modules; torch is imported when a model is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from glorotlab.arrays import Array
from glorotlab.checks import as_array, shown
from glorotlab.errors import DivergedError, InvalidValueError
from glorotlab.scaling.own_networks import SMALLER
from glorotlab.scaling.parametrization import OPTIMIZERS, Role
from glorotlab.scaling.torch_recorder import Recorder, leaves, module_name, own_weight

MakeOptimizer = str | Callable[[Any], Any]
"""``sgd``, ``adam``, or a function that returns an optimizer for a model."""


@dataclass(frozen=True)
class Module:
    """The sizes of a module that determine its role when two widths are compared.

    Parameters
    ----------
    name : str
        As the model has it.
    fans : (fan_in, fan_out) or None
        Of a weight of two dimensions or more.
    units : int
        Numbers that it puts out for an example.
    bias : float
        Second moment of its biases at update 0, 0 where it has none.
    """

    name: str
    fans: tuple[int, int] | None
    units: int
    bias: float


@dataclass(frozen=True)
class MeasuredModel:
    """A model that was trained for some updates on one batch.

    Parameters
    ----------
    modules : tuple of Module
        In the order in which they are called.
    sizes : ndarray, shape (2, updates + 1, modules)
        Root mean squares of what the modules put out, and of its change since update 0.
    own : (modules,)
        Root mean squares of the changes by the first update of a module's own weights alone; NaN where it has none.
    gradient : (2,)
        Root mean squares at update 0 of dC/df of one example, f being the model's outputs, and of its mean over them.
    optimizer : str
        ``sgd``, ``adam`` or another optimizer's class.
    parameters : int
    first_weights : bytes
        The first numbers of every parameter, which differ between seeds.
    """

    modules: tuple[Module, ...]
    sizes: Array
    own: Array
    gradient: Array
    optimizer: str
    parameters: int
    first_weights: bytes


def is_model(value: object) -> bool:
    """Return whether a value is a model of PyTorch, which can be called as its factory can."""
    return not isinstance(value, type) and all(hasattr(value, name) for name in ("named_modules", "state_dict"))


def tensor(what: str, values: object) -> Any:
    """Return a tensor of a user's array or tensor: whole numbers stay so, others get torch's default type."""
    import torch

    if isinstance(values, torch.Tensor):
        given = values.detach()
    else:
        array = as_array(what, values)  # type: ignore[arg-type]
        if array.dtype.kind not in "biuf":
            raise InvalidValueError(f"{what} of dtype {array.dtype}: allowed are real numbers")
        given = torch.as_tensor(array)
    given = given.to(torch.get_default_dtype()) if given.is_floating_point() else given.long()
    if not torch.isfinite(given).all():
        raise InvalidValueError(f"{what} with a number that is not finite: allowed are finite numbers")
    return given


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's generator, and set it back to what it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def measure_model(
    make: Callable[[int, int], Any],
    width: int,
    seed: int,
    x: Any,
    y: Any,
    loss: Callable[[Any, Any], Any] | None,
    optimizer: MakeOptimizer,
    learning_rate: float,
    steps: int,
) -> MeasuredModel:
    """Make a model, train it on one batch, and measure what its modules put out before every update and at the end.

    Raises
    ------
    InvalidValueError
        Where the function makes no model, or the loss is no single number.
    DivergedError
        Where the loss or an output is not finite.
    """
    import torch

    with seeded(seed):
        model = make(width, seed)
        if not isinstance(model, torch.nn.Module):
            raise InvalidValueError(
                f"the function makes a {type(model).__name__} at width {width}: allowed is a Network or a "
                "torch.nn.Module"
            )
        first_weights = b"".join(
            parameter.detach().flatten()[:4].double().cpu().numpy().tobytes() for parameter in model.parameters()
        )
        model.train()
        for module in model.modules():
            if isinstance(module, torch.nn.modules.dropout._DropoutNd):
                module.eval()  # whose noise is no change by an update
        biases = {name: _bias(module) for name, module in leaves(model)}
        stepper = _optimizer(model, optimizer, learning_rate)
        cost_of = loss or _default_loss(y)
        sizes, gradient = [], np.zeros(2)
        with Recorder(model) as recorder:
            for update in range(steps + 1):
                recorder.begin_pass()
                stepper.zero_grad()
                f = model(x)
                cost = cost_of(f, y)
                if not isinstance(cost, torch.Tensor) or cost.numel() != 1:
                    raise InvalidValueError(f"loss {shown(cost)}: allowed is a tensor of a single number")
                sizes.append(recorder.sizes())
                if not (np.isfinite(sizes[-1]).all() and torch.isfinite(cost)):
                    raise DivergedError(
                        f"width {width}, seed {seed}: loss or outputs are not finite after update {update}: {SMALLER}, "
                        "or look for a number that is not finite in the model"
                    )
                if update == steps:
                    break
                if update == 0 and isinstance(f, torch.Tensor) and f.requires_grad:
                    f.retain_grad()
                cost.backward()
                if update == 0 and isinstance(f, torch.Tensor) and f.grad is not None:
                    own = f.grad.detach().double() * len(f)
                    gradient = np.array([float((part**2).mean() ** 0.5) for part in (own, own.mean(0))])
                stepper.step()
                if update == 0:
                    own_changes = recorder.own_changes()
    modules = tuple(_module(recorder, name, biases) for name in recorder.start)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    columns = np.array(sizes).swapaxes(0, 1)
    return MeasuredModel(modules, columns, own_changes, gradient, _family(stepper), parameters, first_weights)


def _bias(module: Any) -> float:
    import torch

    bias = getattr(module, "bias", None)
    return float((bias.detach().double() ** 2).mean()) if isinstance(bias, torch.Tensor) and bias.numel() else 0.0


def _module(recorder: Recorder, name: str, biases: dict[str, float]) -> Module:
    import torch

    plain = module_name(name)
    module, fans = recorder.modules[plain], None
    weight = own_weight(module)
    if weight is not None:
        out, into = weight.shape[:2]
        fans = (out, into) if isinstance(module, torch.nn.Embedding) else (into, out)
    return Module(name, fans, recorder.start[name][0].numel(), biases[plain] if fans else 0.0)


def _optimizer(model: Any, optimizer: MakeOptimizer, learning_rate: float) -> Any:
    import torch

    if callable(optimizer):
        made = optimizer(model)
        if not isinstance(made, torch.optim.Optimizer):
            raise InvalidValueError(
                f"optimizer makes a {type(made).__name__}: allowed is a function of a model that returns a "
                "torch.optim.Optimizer"
            )
        return made
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    return kind(model.parameters(), lr=learning_rate)


def _family(optimizer: Any) -> str:
    """Return the family of an optimizer's learning rates: sgd, adam, or its own class."""
    import torch

    if isinstance(optimizer, torch.optim.SGD):
        return OPTIMIZERS[0]
    adams = (torch.optim.Adam, torch.optim.AdamW, torch.optim.Adamax, torch.optim.NAdam, torch.optim.RAdam)
    return OPTIMIZERS[1] if isinstance(optimizer, adams) else type(optimizer).__name__


def _default_loss(y: Any) -> Callable[[Any, Any], Any]:
    import torch

    functional = torch.nn.functional
    loss: Callable[[Any, Any], Any] = functional.mse_loss if y.is_floating_point() else functional.cross_entropy
    return loss


def check_alike(widths: Sequence[int], measured: list[list[MeasuredModel]], index: int, found: MeasuredModel) -> None:
    """Raise InvalidValueError if models differ in their modules, or do not depend on the width or the seed.

    Parameters
    ----------
    widths : sequence of int
    measured : list of list of MeasuredModel
        Those before, by width.
    index : int
        Place of the width of the model.
    found : MeasuredModel
    """
    if measured[index]:
        if measured[index][0].first_weights == found.first_weights:
            raise InvalidValueError(
                f"the function makes models of the same weights at width {widths[index]}: it ignores the seed"
            )
    elif index:
        before, least, most = measured[index - 1][0], widths[index - 1], widths[index]
        if [module.name for module in before.modules] != [module.name for module in found.modules]:
            raise InvalidValueError(
                f"the function makes other modules at width {most} than at {least}: allowed are the same"
            )
        if before.parameters == found.parameters:
            raise InvalidValueError(
                f"the function makes models of {found.parameters} parameters at widths {least} and {most}: it ignores "
                "the width"
            )


def roles_of(first: MeasuredModel, last: MeasuredModel) -> list[Role | None]:
    """Return the role of each module by the fans that grow with the width, or None if no weight grows."""
    kinds: dict[tuple[bool, ...], Role | None] = {
        (False, True): "input",
        (True, True): "hidden",
        (True, False): "output",
    }
    roles: list[Role | None] = []
    for before, after in zip(first.modules, last.modules, strict=True):
        grows = tuple(a < b for a, b in zip(before.fans or (0, 0), after.fans or (0, 0), strict=True))
        roles.append(kinds.get(grows))
    return roles
