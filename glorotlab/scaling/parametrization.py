"""Parametrizations: with which powers of the width initial variances and learning rates go, layer by layer.

``standard``: Var W is in proportion to 1 / fan_in, and one learning rate serves all layers and widths.

``mup``, the maximal update parametrization (Yang & Hu 2021, "Tensor Programs IV", table 1; Yang et al. 2022, "Tensor
Programs V", table 8): every hidden layer changes by as much at every width. Of its equivalent forms this is the one
without multipliers. In the notation of Yang & Hu a weight is n^-a w with w ~ N(0, n^-2b), trained at the rate
eta n^-c, and (a + t, b - t, c - 2 t) is the same training for every t: their a = (-1/2, 0, ..., 0, 1/2), b = 1/2, c = 0
is Var W = n^(-2a - 2b) at the rates n^-2a of stochastic gradient descent, which the table has. A bias is a weight of an
input that is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from glorotlab.errors import UnknownNameError

Role = Literal["input", "hidden", "output"]
"""Role of a weight matrix by the fans that grow with the width: fan_out alone, both, or fan_in alone."""

Powers = dict[Role, float]
"""An exponent of the width for each role."""

OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True)
class Parametrization:
    """Exponents of the width, for a layer of each role.

    Parameters
    ----------
    name : str
    weight_variance : dict
        Of the weights' initial variance.
    weight_rate, bias_rate : dict
        Of the learning rates of weights and of biases, by optimizer and role.
    """

    name: str
    weight_variance: Powers
    weight_rate: dict[str, Powers]
    bias_rate: dict[str, Powers]


def _powers(first: float, middle: float, last: float) -> Powers:
    return {"input": first, "hidden": middle, "output": last}


STANDARD = Parametrization(
    "standard",
    _powers(0, -1, -1),
    {"sgd": _powers(0, 0, 0), "adam": _powers(0, 0, 0)},
    {"sgd": _powers(0, 0, 0), "adam": _powers(0, 0, 0)},
)

MUP = Parametrization(
    "mup",
    _powers(0, -1, -2),
    {"sgd": _powers(1, 0, -1), "adam": _powers(0, -1, -1)},
    {"sgd": _powers(1, 1, 0), "adam": _powers(0, 0, 0)},
)

PARAMETRIZATIONS = {record.name: record for record in (STANDARD, MUP)}


def get(name: object) -> Parametrization:
    """Return the parametrization of a name; UnknownNameError where there is none."""
    if not isinstance(name, str) or name not in PARAMETRIZATIONS:
        raise UnknownNameError("parametrization", str(name), PARAMETRIZATIONS)
    return PARAMETRIZATIONS[name]


def roles(layers: int) -> list[Role]:
    """Return the role of each weight matrix of a perceptron whose hidden layers grow."""
    hidden: list[Role] = ["hidden"] * (layers - 2)
    return ["input", *hidden, "output"]
