"""measure: LayerStatistics of real networks at initialization, one row a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from glorotlab.arrays import FloatArray, Labels, Progress
from glorotlab.checks import progress_function, shown, whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.measurement import estimators
from glorotlab.measurement.jacobian import jacobian_singular_value_mean
from glorotlab.network.memory import parameter_bytes, pass_bytes, statistics_bytes
from glorotlab.network.mlp import Network
from glorotlab.resources import check_memory
from glorotlab.schema import SATURATION_THRESHOLD, digests, layer_statistics
from glorotlab.spec.network import Layers, NetworkSpec, network_spec
from glorotlab.streams import check_seeds

if TYPE_CHECKING:
    import xarray as xr


def measure(
    spec: NetworkSpec | Layers,
    inputs: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    seeds: int | Sequence[int] = 20,
    *,
    dtype: str = "float32",
    bins: int = 0,
    jacobian: bool = False,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Measure per-layer statistics of networks drawn at initialization.

    Parameters
    ----------
    spec : NetworkSpec, str or sequence of int
        The network, or its layers as ``NetworkSpec.parse`` takes them.
    inputs : array_like, shape (examples, fan_in)
        Real data, the same for every network.
    labels : array_like, shape (examples,) or (examples, outputs), optional
        Classes, or targets, as ``NetworkSpec.check_labels`` says; an autoencoder needs none.
    seeds : int or sequence of int
        A number stands for seeds 0 .. number - 1; in a sequence each seed is there once.
    dtype : str
        The networks' type; statistics are accumulated in float64.
    bins : int
        Number of histogram bins of activations, back-propagated and weight gradients; 0 for no histograms. Edges come
        from the first seed's network and serve all.
    jacobian : bool
        Whether to take the singular values of every layer's Jacobian for every example (slow: give few examples).
    progress : callable, optional
        Called with (networks done, networks in all).

    Returns
    -------
    xarray.Dataset
        LayerStatistics with dimensions ``seed`` and ``layer``.

    Raises
    ------
    InvalidValueError
        Where inputs, labels, seeds or bins are not allowed, or a statistic is not finite, as of signals that explode.
    NotEnoughMemoryError
        Where there is no memory for a network or the histograms.

    Examples
    --------
    Orthogonal matrices keep lengths, in every network drawn and through any number of linear layers:

    >>> import glorotlab as gl
    >>> spec = gl.NetworkSpec.parse("20x4,5", activation="linear", initializer="orthogonal")
    >>> measured = gl.measure(spec, inputs=[[1.0] * 20], labels=[0], seeds=3)
    >>> measured["activation_second_moment"].sel(layer=[1, 2, 3]).round(4).values.tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    spec, progress = network_spec(spec), progress_function(progress)
    x = spec.check_inputs(inputs)
    y = spec.check_labels(labels, len(x))
    numbers = seed_numbers(seeds)
    bins = whole_number("bins", bins, 0, 100_000)
    tensors, layers = len(estimators.HISTOGRAM_TENSORS), len(spec.fans)
    check_memory(
        f"{len(numbers)} networks of layers {spec.layers}",
        {
            "weights": parameter_bytes(spec, dtype),
            "statistics of one": pass_bytes(spec, dtype, len(x), gradients=True)
            + statistics_bytes(spec, dtype, len(x)),
            "histograms of all": 8.0 * 3 * bins * tensors * layers * len(numbers),
        },
    )
    rows: list[estimators.Values] = []
    edges: estimators.Values = {}
    for done, seed in enumerate(numbers):
        if progress:
            progress(done, len(numbers))
        row, edges = _one_network(Network(spec, seed=seed, dtype=dtype), x, y, bins, edges, jacobian)
        rows.append(row)
    if progress:
        progress(len(numbers), len(numbers))
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    values |= {name: np.array([edge] * len(rows)) for name, edge in edges.items()}
    fans = np.array(spec.fans, dtype=np.float64)
    values |= {"fan_in": fans[:, 0], "fan_out": fans[:, 1]}
    return layer_statistics(
        values,
        leading=("seed",),
        coords={"seed": numbers},
        attributes={
            "kind": "measurement",
            "spec": spec.model_dump(mode="json"),
            "seeds": numbers,
            "examples": len(x),
            "dtype": dtype,
            "saturation_threshold": SATURATION_THRESHOLD,
        }
        | digests(x, y),
    )


def _one_network(
    network: Network, x: FloatArray, y: Labels, bins: int, edges: estimators.Values, jacobian: bool
) -> tuple[estimators.Values, estimators.Values]:
    """Return the statistics of a network, which is not kept, and the edges of all histograms."""
    with np.errstate(over="ignore", invalid="ignore"):  # refused in the next lines
        layers = network.backpropagate(x, y).layers
        row = estimators.layer_values(layers)
    finite = estimators.finite_layers(row)
    if not finite.all():
        raise InvalidValueError(
            f"the network of seed {network.seed} leaves the range of {network.dtype}: statistics of layer "
            f"{int(np.argmin(finite)) + 1} are not finite: allowed are inputs and weights that stay within: scale them"
            + (", or measure in float64" if network.dtype == np.float32 else "")
        )
    if bins:
        edges = edges or estimators.histogram_edges(layers, bins)
        row |= estimators.histogram_counts(layers, edges)
    if jacobian:
        row["jacobian_singular_value_mean"] = jacobian_singular_value_mean(layers)
    return row, edges


def seed_numbers(seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds for a number of networks or a sequence of seeds; InvalidValueError for anything else."""
    if isinstance(seeds, (int, np.integer)) and not isinstance(seeds, bool):
        if not 1 <= seeds <= 10**6:
            raise InvalidValueError(f"seeds {seeds}: allowed are 1 to 1000000 networks, or a sequence of seeds")
        return list(range(int(seeds)))
    if not isinstance(seeds, (Sequence, np.ndarray)) or isinstance(seeds, str):
        raise InvalidValueError(f"seeds {shown(seeds)}: allowed are a whole number of networks, or a sequence of seeds")
    if not len(seeds):
        raise InvalidValueError("no seeds: allowed is at least one")
    return check_seeds(seeds)
