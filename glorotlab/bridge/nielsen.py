"""The JSON files of Nielsen's network2: sizes, weights (fan_out, fan_in), biases (fan_out, 1), name of the cost."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from glorotlab.arrays import Array
from glorotlab.checks import instance_of
from glorotlab.documents import Limits, parse_json
from glorotlab.errors import DataError, InvalidValueError, reason
from glorotlab.files import read_bytes, user_path, write_whole
from glorotlab.network.mlp import Network
from glorotlab.spec.network import MAX_WIDTH, NetworkSpec

COSTS = {"CrossEntropyCost": "cross_entropy", "QuadraticCost": "quadratic"}
"""Name in this package of each of Nielsen's costs."""

KEYS = ("sizes", "weights", "biases", "cost")

MAX_BYTES = 2**28
"""Largest file in bytes; a weight takes some 20 bytes of it."""


def load_nielsen(path: str | os.PathLike[str], *, dtype: str = "float64") -> Network:
    """Load a network that network2 of Nielsen's "Neural Networks and Deep Learning" saved.

    Parameters
    ----------
    path : path-like
        File that his ``Network.save`` or `save_nielsen` wrote; ``~`` is the home folder.
    dtype : str
        ``float64``, in which his program computes and the numbers of the file are kept exactly, or ``float32``.

    Returns
    -------
    Network
        Sigmoid in hidden and output layers. Its spec names the initializer ``nielsen_default`` and its seed is 0, since
        the file does not say how training began; weights and biases are those of the file.

    Raises
    ------
    DataError
        Where the file is missing, larger than 256 MiB, not JSON, or does not hold such a network of finite numbers.
    InvalidValueError
        Where dtype is not allowed, or the path is none.

    Examples
    --------
    >>> import glorotlab as gl
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> text = '{"sizes": [2, 1], "weights": [[[0.0, 0.0]]], "biases": [[[0.0]]], "cost": "CrossEntropyCost"}'
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "network.json")
    ...     size = path.write_text(text)
    ...     network = gl.load_nielsen(path)
    >>> network.forward([[1.0, 2.0]]).activations[-1].tolist()  # 1 / (1 + e^0)
    [[0.5]]
    """
    place = _place(path)
    try:
        spec, weights, biases = _network(parse_json(_read(place), _limits()))
    except InvalidValueError as error:
        raise DataError(f"{place}: {error}") from None
    network = Network(spec, dtype=dtype)
    for kind, own, given in (("weights", network.weights, weights), ("biases", network.biases, biases)):
        for layer, (array, values) in enumerate(zip(own, given, strict=True), start=1):
            with np.errstate(over="ignore"):  # of numbers beyond float32
                array[...] = values
            if not np.isfinite(array).all():
                wrong = values[~np.isfinite(array)][0]
                raise DataError(f"{place}: {kind} of layer {layer}: {wrong}: allowed are finite numbers of {dtype}")
    return network


def save_nielsen(network: Network, path: str | os.PathLike[str]) -> None:
    """Save a network as network2 of Nielsen's "Neural Networks and Deep Learning" loads it.

    The file is written whole. Numbers have as many digits as give the same bits when they are read.

    Parameters
    ----------
    network : Network
        Sigmoid in hidden and output layers, with the cross-entropy or the quadratic cost.
    path : path-like
        ``~`` is the home folder.

    Raises
    ------
    InvalidValueError
        Where his program has no such network, a weight is not finite, or the path is none.
    RunError
        Where the file cannot be written.

    Examples
    --------
    >>> import glorotlab as gl
    >>> from tempfile import TemporaryDirectory
    >>> spec = gl.NetworkSpec.parse("784,30,10", activation="sigmoid", output="sigmoid", initializer="nielsen_default")
    >>> network = gl.Network(spec, dtype="float64")
    >>> with TemporaryDirectory() as folder:
    ...     gl.save_nielsen(network, f"{folder}/network.json")
    ...     loaded = gl.load_nielsen(f"{folder}/network.json")
    >>> bool((loaded.weights[1] == network.weights[1]).all())
    True
    """
    instance_of("network", network, Network, "a Network")
    spec = network.spec
    names = dict.fromkeys(_activation_name(spec, layer) for layer in range(len(spec.fans)))
    if tuple(names) != ("sigmoid",):
        raise InvalidValueError(f"network of {' and '.join(names)}: allowed is sigmoid in hidden and output layers")
    if spec.autoencoder:
        raise InvalidValueError(
            "an autoencoder: allowed are networks with labels, as the file does not tell them apart"
        )
    his = {ours: name for name, ours in COSTS.items()}
    if spec.cost not in his:
        raise InvalidValueError(f"network of cost {spec.cost!r}: allowed are {', '.join(his)}")
    if not all(np.isfinite(array).all() for array in (*network.weights, *network.biases)):
        raise InvalidValueError(f"network {spec.layers} with weights that are not finite: allowed are finite numbers")
    content = {
        "sizes": list(spec.layer_sizes),
        "weights": [weight.T.tolist() for weight in network.weights],
        "biases": [bias.reshape(-1, 1).tolist() for bias in network.biases],
        "cost": his[spec.cost],
    }
    write_whole(_place(path), json.dumps(content, allow_nan=False))


def _activation_name(spec: NetworkSpec, layer: int) -> str:
    record = spec.layer_activation(layer)
    return "softmax" if record is None else record.name


def _place(path: str | os.PathLike[str]) -> Path:
    place = user_path(path)
    if "\0" in os.fspath(place):
        raise InvalidValueError(f"path {os.fspath(place)!r:.60}: allowed are paths without a null byte")
    return place


def _read(path: Path) -> bytes:
    """Return the content of a regular file, at most as much as is allowed, whatever size the system states."""
    try:
        return read_bytes(path, MAX_BYTES, links=True)
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from None


def _limits() -> Limits:
    return Limits(size=MAX_BYTES, depth=8, digits=1000, keys=100)


def _network(content: Any) -> tuple[NetworkSpec, list[Array], list[Array]]:
    """Return the spec, weights of shape (fan_in, fan_out) and biases (fan_out,), all checked."""
    if not isinstance(content, dict):
        raise InvalidValueError(f"holds {_shown(content)}: allowed is an object with {', '.join(KEYS)}")
    for key in content:
        if key not in KEYS:
            raise InvalidValueError(f"unknown key {key!r:.60}: allowed are {', '.join(KEYS)}")
    for key in KEYS:
        if key not in content:
            raise InvalidValueError(f"no key {key!r}: allowed is an object with {', '.join(KEYS)}")
    sizes, cost = content["sizes"], content["cost"]
    if not isinstance(sizes, list) or len(sizes) < 2:
        raise InvalidValueError(f"sizes {_shown(sizes)}: allowed is a list of two whole numbers or more")
    for size in sizes:
        if type(size) is not int or not 1 <= size <= MAX_WIDTH:
            raise InvalidValueError(f"size {_shown(size)}: allowed are whole numbers from 1 to {MAX_WIDTH}")
    if not isinstance(cost, str) or cost not in COSTS:
        raise InvalidValueError(f"cost {_shown(cost)}: allowed are {', '.join(COSTS)}")
    fans = list(pairwise(sizes))
    weights = _matrices("weights", content["weights"], [(fan_out, fan_in) for fan_in, fan_out in fans])
    biases = _matrices("biases", content["biases"], [(fan_out, 1) for _, fan_out in fans])
    spec = NetworkSpec(
        layer_sizes=tuple(sizes),
        activation="sigmoid",
        initializer="nielsen_default",
        output="sigmoid",
        cost=COSTS[cost],
    )
    return spec, [weight.T for weight in weights], [bias[:, 0] for bias in biases]


def _matrices(key: str, values: Any, shapes: list[tuple[int, int]]) -> list[Array]:
    _check_length(key, values, len(shapes), "matrices, one a layer after the inputs")
    return [
        _matrix(f"{key} of layer {layer}", matrix, shape)
        for layer, (matrix, shape) in enumerate(zip(values, shapes, strict=True), start=1)
    ]


def _matrix(what: str, values: Any, shape: tuple[int, int]) -> Array:
    """Return a matrix of a shape that the sizes ask for; nothing is allocated before the file is seen to hold it."""
    _check_length(what, values, shape[0], "rows")
    for number, row in enumerate(values):
        _check_length(f"{what}, row {number}", row, shape[1], "numbers")
        for value in row:
            if type(value) not in (float, int) or not -np.inf < value < np.inf:
                raise InvalidValueError(f"{what}, row {number}: {_shown(value)}: allowed are finite numbers")
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:  # a whole number of hundreds of digits
        raise InvalidValueError(f"{what}: a number beyond float64: allowed are finite numbers") from None


def _check_length(what: str, values: Any, length: int, kind: str) -> None:
    if not isinstance(values, list):
        raise InvalidValueError(f"{what}: {_shown(values)}: allowed is a list of {length} {kind}")
    if len(values) != length:
        raise InvalidValueError(f"{what}: {len(values)} {kind.partition(',')[0]}: allowed are {length}, as sizes say")


def _shown(value: Any) -> str:
    """Return a value of JSON as text that fits a line; of lists and objects the length."""
    if isinstance(value, (list, dict)):
        return f"a {'list' if isinstance(value, list) else 'table'} of {len(value)}"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
