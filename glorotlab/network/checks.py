"""What a network's methods are given: arrays, orders and numbers."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import FloatArray, Labels
from glorotlab.checks import as_array, whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.spec.network import NetworkSpec


def check_state(state: Mapping[str, FloatArray], spec: NetworkSpec, dtype: str) -> None:
    """Raise InvalidValueError where arrays are not the ``Network.state`` of a spec and dtype."""
    kinds = ("", "_velocity") if any("velocity" in name for name in state) else ("",)
    expected = {
        f"{name}{kind}_{layer}": (shape, dtype)
        for layer, fans in enumerate(spec.fans, start=1)
        for name, shape in (("weight", tuple(fans)), ("bias", tuple(fans[1:])))
        for kind in kinds
    }
    if {name: (given.shape, str(given.dtype)) for name, given in state.items()} != expected:
        raise InvalidValueError(f"these are not the {dtype} weights and biases of layers {spec.layers}")


def check_order(order: npt.ArrayLike, examples: int) -> Labels:
    """Return row numbers as int64; InvalidValueError where they are none."""
    given = as_array("order", order)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise InvalidValueError(
            f"order of dtype {given.dtype} and shape {given.shape}: allowed are whole numbers, (n,)"
        )
    if len(given) and (given.min() < 0 or given.max() >= examples):
        raise InvalidValueError(f"order from {given.min()} to {given.max()}: allowed are 0 to {examples - 1}")
    return np.ascontiguousarray(given, dtype=np.int64)


def count_updates(examples: int, batch_size: int) -> int:
    """Return the number of mini-batches; InvalidValueError where they cannot be made."""
    batch_size = whole_number("batch_size", batch_size, 1)
    if examples % batch_size:
        raise InvalidValueError(f"batch_size {batch_size}: allowed are divisors of the {examples} examples")
    return examples // int(batch_size)


def check_step(learning_rate: float, momentum: float, nesterov: bool, l2: float) -> None:
    """Raise InvalidValueError where a number is not allowed."""
    for name, value, end in (("learning rate", learning_rate, np.inf), ("momentum", momentum, 1), ("l2", l2, np.inf)):
        if not 0 <= value < end:
            raise InvalidValueError(f"{name} {value!r}: allowed are numbers from 0, below {end}")
    if not isinstance(nesterov, (bool, np.bool_)) or (nesterov and not momentum):
        raise InvalidValueError(
            f"nesterov {nesterov!r} with momentum {momentum!r}: allowed is True with momentum above 0"
        )
