"""Expected exponents of a PyTorch model's sizes, by the roles of its weights.

Under mup coordinates and their changes are n^0, and outputs start as n^(-1/2). Under standard the first update changes
pre-activations by eta dC/ds z.z, with dC/ds ~ n^(-1/2) and z.z ~ n above the first layer, and by what the layers below
send up; with Adam every weight changes by eta, and those above the first layer all along z. Which of the powers leads
at the widths of a check depends on the model, so that intervals are expected. A model's own corrections are not known:
they are taken to be those of ReLU layers, 5 / n each in a second moment (Hanin & Nica 2020), and changes to be larger
in narrow layers by at most the scatter of kernels between a batch's pairs of examples, examples / n of a second moment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from glorotlab.arrays import Array
from glorotlab.scaling.expectation import LARGEST_CHANGE, WITHOUT_LIMIT, ZERO, Expectation, none_because
from glorotlab.scaling.parametrization import STANDARD, Parametrization, Role
from glorotlab.scaling.slopes import weights_of
from glorotlab.scaling.torch_models import MeasuredModel

HALF = 0.5
CHANGES: dict[str, dict[Role | None, tuple[float, float]]] = {
    "sgd": {"input": (-HALF, -HALF), "hidden": (-HALF, HALF), "output": (0, 1), None: (-HALF, HALF)},
    "adam": {"input": (0, 0), "hidden": (0, 1), "output": (HALF, 1 + HALF), None: (0, 1)},
}
"""Least and largest power of the first change under standard, by role; None stands for modules without weights."""

OWN_CHANGES: dict[str, dict[Role, float]] = {
    "sgd": {"input": -HALF, "hidden": HALF, "output": 1.0},
    "adam": {"input": 0.0, "hidden": 1.0, "output": 1.0},
}
"""Power of the first change by a module's own weights alone under standard."""

PER_LAYER = 2.5
"""Relative correction of a size due to a layer of n units, times n."""


def of_models(
    widths: Array,
    roles: Sequence[Role | None],
    sizes: Array,
    measured: Sequence[Sequence[MeasuredModel]],
    examples: int,
    parametrization: Parametrization,
    optimizer: str,
) -> list[list[Expectation | None]]:
    """Return the expectations for models: coordinates at update 0, their changes later.

    Behind the modules stand those with a role once more, with the change by the first update of their own weights:
    it is in proportion to dC/ds and z.z.

    Parameters
    ----------
    widths : (widths,)
    roles : sequence of str or None
        Of the modules.
    sizes : (2, updates + 1, modules, widths, seeds)
        Measured sizes: which are exactly 0, and how large the changes of the first update are.
    measured : sequence of sequence of MeasuredModel
        The models by width. Where outputs fall with the width dC/df does, and the changes with it; biases of PyTorch's
        layers fall with the width, and with them pre-activations.
    examples : int
    parametrization : Parametrization
    optimizer : str
    """
    gradient = np.array([np.mean([one.gradient**2 for one in models], axis=0) for models in measured]).T ** 0.5
    biases = np.array([[module.bias for module in models[0].modules] for models in measured]).T
    pairs_of_units = zip(measured[0][0].modules, measured[-1][0].modules, strict=True)
    grows = [narrow.units < wide.units for narrow, wide in pairs_of_units]
    weights, depth = weights_of(widths), np.cumsum([role is not None for role in roles])
    finite = [abs(float(weights @ (PER_LAYER * layers / widths))) for layers in depth]
    pairs = abs(float(weights @ np.log1p(examples / widths))) / 2
    falls = [0.0, *(float(weights @ np.log(row)) for row in gradient if (row > 0).all())]
    moments = (sizes[0, 0] ** 2).mean(axis=-1)
    share = np.clip(biases / np.maximum(moments, np.finfo(float).tiny), 0, 1 - np.finfo(float).eps)
    leaned = -np.cumsum(np.log1p(-share), axis=0) @ weights / 2
    hidden = [index for index, own in enumerate(grows) if own]
    moved = sizes[1, 1, hidden].mean(axis=-1) / np.maximum(sizes[0, 0, hidden].mean(axis=-1), np.finfo(float).tiny)
    silent = any(role == "output" and not sizes[0, 0, index].any() for index, role in enumerate(roles))

    def own_change(index: int, role: Role) -> Expectation:
        if silent and role != "output":
            return Expectation(np.nan, np.nan, zero=True, own=True)
        power = OWN_CHANGES.get(optimizer, {}).get(role) if parametrization is STANDARD else 0.0
        if power is None:
            return Expectation(np.nan, np.nan, own=True, reason=_reason(1, optimizer))
        lean = 2 * float(leaned[index])  # of z.z
        ends = power + min(falls) - pairs + min(lean, 0.0), power + max(falls) + max(lean, 0.0)
        return Expectation(*ends, finite[index], own=True)

    rows: list[list[Expectation | None]] = []
    for update in range(sizes.shape[1]):
        row: list[Expectation | None] = []
        for index, (role, own) in enumerate(zip(roles, grows, strict=True)):
            allowance = finite[index]
            if role is None and not own:
                row.append(none_because("it does not scale with the width"))
            elif update == 0:
                power = (1 + parametrization.weight_variance["output"]) / 2 if role == "output" else 0.0
                ends = power + min(leaned[index], 0.0), power + max(leaned[index], 0.0)
                row.append(ZERO if role == "output" and silent else Expectation(*ends, allowance))
            elif update == 1 and silent and role != "output":
                changed = sizes[1, 1, index].any()
                row.append(none_because("the output layer starts at 0") if changed else ZERO)
            elif parametrization is not STANDARD:
                row.append(Expectation(min(falls) - pairs, max(falls), allowance))
            elif update > 1 or optimizer not in CHANGES or moved.max() > LARGEST_CHANGE:
                row.append(none_because(_reason(update, optimizer)))
            else:
                low, high = CHANGES[optimizer][role]
                row.append(Expectation(low + min(falls) - pairs, high + max(falls), allowance))
        own_changes = [own_change(index, role) for index, role in enumerate(roles) if role is not None]
        rows.append([*row, *(own_changes if update == 1 else [None] * len(own_changes))])
    return rows


def _reason(update: int, optimizer: str) -> str:
    if update > 1:
        return WITHOUT_LIMIT
    if optimizer not in CHANGES:
        return f"the powers of {optimizer} under standard are not known"
    return "the first update changes hidden layers by more than their size: take a smaller learning rate"
