"""Checks of the arguments of a network's methods: states, orders and batch sizes."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import FloatArray, Labels
from glorotlab.checks import as_array, whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.kernels.network.batch_source import BatchSource
from glorotlab.spec.network import NetworkSpec


def check_state(state: Mapping[str, FloatArray], spec: NetworkSpec, dtype: str) -> None:
    """Raise InvalidValueError if arrays are not the ``Network.state`` of a spec and dtype."""
    for name, array in state.items():
        as_array(name, array)  # refuses what is masked
    kinds = ("", *(kind for kind in ("_velocity", "_rate") if any(kind in name for name in state)))
    expected = {
        f"{name}{kind}_{layer}": (shape, dtype)
        for layer, fans in enumerate(spec.fans, start=1)
        for name, shape in (("weight", tuple(fans)), ("bias", tuple(fans[1:])))
        for kind in kinds
    }
    if {name: (array.shape, str(array.dtype)) for name, array in state.items()} != expected:
        raise InvalidValueError(f"these are not the {dtype} weights and biases of layers {spec.layers}")


def check_rates(rates: Sequence[FloatArray], parameters: Sequence[FloatArray]) -> None:
    """Raise InvalidValueError where arrays are not factors of the learning rate for parameters."""
    shapes, expected = [np.shape(array) for array in rates], [array.shape for array in parameters]
    if shapes != expected:
        raise InvalidValueError(f"factors of the learning rate of shapes {shapes}: allowed are {expected}")
    for array in map(partial(as_array, "factors of the learning rate"), rates):
        wrong = array[~((array >= 0) & (array < np.inf))]
        if wrong.size:
            raise InvalidValueError(f"factor {wrong[0]} of the learning rate: allowed are finite numbers from 0")


def check_order(order: npt.ArrayLike, examples: int) -> Labels:
    """Return row numbers as int64; InvalidValueError if they are not row numbers."""
    rows = as_array("order", order)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise InvalidValueError(f"order of dtype {rows.dtype} and shape {rows.shape}: allowed are whole numbers, (n,)")
    if len(rows) and (rows.min() < 0 or rows.max() >= examples):
        raise InvalidValueError(f"order from {rows.min()} to {rows.max()}: allowed are 0 to {examples - 1}")
    return np.ascontiguousarray(rows, dtype=np.int64)


def count_updates(examples: int, batch_size: int) -> int:
    """Return the number of mini-batches; InvalidValueError if the examples cannot be divided."""
    batch_size = whole_number("batch_size", batch_size, 1)
    if examples % batch_size:
        raise InvalidValueError(f"batch_size {batch_size}: allowed are divisors of the {examples} examples")
    return examples // int(batch_size)


def check_source(source: BatchSource, spec: NetworkSpec, examples: int) -> None:
    """Raise InvalidValueError where a source does not fit a network or has fewer examples than are needed."""
    if not spec.fits(source.fan_in, source.classes, source.targets):
        outputs = f"{source.targets} sigmoid or linear" if source.targets else source.classes
        raise InvalidValueError(
            f"layers {spec.layers}: these examples need {source.fan_in} inputs and {outputs} outputs"
        )
    if examples > source.length:
        raise InvalidValueError(f"{examples} examples: the source has {source.length}")
