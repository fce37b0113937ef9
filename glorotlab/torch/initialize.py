"""Our initializers for a PyTorch model, in place; a perceptron gets the bits of ``gl.Network``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glorotlab import initializers, notebook
from glorotlab.errors import InvalidValueError
from glorotlab.initializers import BiasInitializer, Initializer
from glorotlab.streams import Purpose, check_seed, generator
from glorotlab.threads import single_threaded_blas
from glorotlab.torch.requirement import require_module, require_torch
from glorotlab.torch.weights import ModelWeights, Weight, weights_of

if TYPE_CHECKING:
    import torch

COLUMNS = ("layer", "weight", "kind", "fan_in", "fan_out", "standard deviation", "note")


@dataclass(frozen=True)
class InitializedWeight:
    """One weight that has been drawn.

    Parameters
    ----------
    layer : int
        Its number, from 1, and index of its stream.
    name : str
        Name of the parameter, with its block in brackets where it is stacked.
    kind : str
        ``linear``, ``convolution``, ``transposed convolution``, ``embedding``, ``attention``, ``recurrent`` or
        ``bilinear``.
    fan_in, fan_out : int
        The fans that its variance was computed of.
    std : float
        Standard deviation of its law.
    note : str
        What else is to be known of it; empty as a rule.
    """

    layer: int
    name: str
    kind: str
    fan_in: int
    fan_out: int
    std: float
    note: str = ""


@dataclass(frozen=True)
class Initialization:
    """What ``initialize_`` has drawn, weight by weight.

    Parameters
    ----------
    initializer, bias : str
        Canonical names.
    seed : int
        Seed of the streams that the weights are drawn from.
    weights : tuple of InitializedWeight
        In the order of their streams.
    left : tuple of str
        Parameters that were left as they were, since their fans are not known.

    Examples
    --------
    >>> import glorotlab as gl
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    >>> drawn = gl.torch.initialize_(model, "he_normal", seed=0)
    >>> print(drawn.to_markdown())  # standard deviations are sqrt(2 / fan_in)
    | layer | weight | kind | fan_in | fan_out | standard deviation | note |
    |---|---|---|---|---|---|---|
    | 1 | 0.weight | linear | 4 | 8 | 0.70711 |  |
    | 2 | 2.weight | linear | 8 | 2 | 0.5 |  |
    """

    initializer: str
    bias: str
    seed: int
    weights: tuple[InitializedWeight, ...]
    left: tuple[str, ...]

    def to_markdown(self) -> str:
        """Return a table, one line a weight, and a line of the parameters that were left."""
        lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        lines += [f"| {' | '.join(map(str, _cells(row)))} |" for row in self.weights]
        if self.left:
            lines += ["", f"Left as they were: {', '.join(self.left)}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [notebook.table(COLUMNS, map(_cells, self.weights))]
        if self.left:
            parts.append(notebook.paragraph(f"Left as they were: {', '.join(self.left)}"))
        return notebook.form(f"{self.initializer}, biases {self.bias}, seed {self.seed}", *parts)


def _cells(row: InitializedWeight) -> tuple[object, ...]:
    return row.layer, row.name, row.kind, row.fan_in, row.fan_out, f"{row.std:.5g}", row.note


def initialize_(model: torch.nn.Module, initializer: str, *, seed: int, bias: str | None = None) -> Initialization:
    """Draw every weight and bias of a PyTorch model by an initializer of ours, in place.

    Layer l, from 1 in the order of the model's modules, takes the stream (seed, weights, l), as ``gl.Network`` does: a
    perceptron of ``torch.nn.Linear`` ends with the bits of ``gl.Network(spec, seed=seed)``, in float32 and float64.

    Parameters
    ----------
    model : torch.nn.Module
        Linear, bilinear, convolutional and recurrent layers, embeddings and multi-head attention are drawn, each by the
        fans of its kind: of a convolution in and out channels of a group times the receptive field; of an embedding,
        whose rows are read one at a time, 1 and its size; of queries, keys and values, and of the gates of a recurrent
        layer, each block its own. Normalizations get gains of 1, biases of 0 and fresh running statistics.
    initializer : str
        Name of an initializer, for example ``glorot_uniform`` or ``normal(std=0.02)``.
    seed : int
        In [0, 2**64).
    bias : str, optional
        Name of a bias initializer; by default that of the initializer, which is ``zeros`` of most.

    Returns
    -------
    Initialization
        What was drawn, layer by layer, and the names of parameters that were left since their fans are not known.
        A tied weight is drawn once, where it comes first.

    Raises
    ------
    InvalidValueError
        Where the model has no weight of these kinds, or a parameter that is lazy, on the device ``meta``, frozen or of
        no real floating type; where a name or the seed is not allowed. The model is then as it was.
    GlorotlabError
        Where PyTorch is not installed.

    Examples
    --------
    >>> import glorotlab as gl
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    >>> drawn = gl.torch.initialize_(model, "glorot_uniform", seed=0)
    >>> weight = gl.Network("4,8,2", seed=0).weights[0]  # glorot_uniform too, by default
    >>> bool((model[0].weight.detach().numpy() == weight.T).all())
    True
    """
    torch = require_torch()
    require_module(model)
    record = initializers.get(initializer)
    bias_record = initializers.get_bias(record.bias if bias is None else bias)
    number = check_seed(seed)
    parameters = weights_of(model)
    _check(torch, parameters, record)
    with torch.no_grad(), single_threaded_blas():  # orthogonal matrices come from a QR factorization
        rows = tuple(
            _draw(torch, weight, layer, record, bias_record, number, parameters.tied)
            for layer, weight in enumerate(parameters.weights, start=1)
        )
        for _, norm in parameters.norms:
            _reset_norm(norm)
    return Initialization(record.name, bias_record.name, number, rows, tuple(parameters.others))


def _check(torch: Any, parameters: ModelWeights, record: Initializer) -> None:
    """Raise InvalidValueError at the first parameter that cannot be drawn."""
    for weight in parameters.weights:
        tensors = {weight.name: weight.tensor} | ({weight.bias_name: weight.bias} if weight.bias_name else {})
        for name, tensor in tensors.items():
            _check_tensor(torch, name, tensor)
        stands_alone = not weight.parametrized and weight.blocks == 1
        if stands_alone and not isinstance(weight.tensor, torch.nn.Parameter):
            raise InvalidValueError(f"{weight.name} is computed by a hook: allowed are parameters and parametrizations")
        if weight.kind == "embedding" and record.distribution == "sparse":
            raise InvalidValueError(f"{weight.name}: {record.name} has no meaning for rows that are read one at a time")
    for name, norm in parameters.norms:
        for key, parameter in norm.named_parameters(recurse=False):
            _check_tensor(torch, f"{name}.{key}", parameter)


def _check_tensor(torch: Any, name: str, tensor: Any) -> None:
    if torch.nn.parameter.is_lazy(tensor):
        raise InvalidValueError(f"{name} is lazy and has no shape yet: run the model once on a batch first")
    if tensor.is_meta:
        raise InvalidValueError(f"{name} is on the device meta and has no memory: move the model with to_empty first")
    if not tensor.requires_grad:
        raise InvalidValueError(f"{name} is frozen: allowed are parameters with requires_grad")
    if not tensor.is_floating_point() or tensor.numel() == 0:
        raise InvalidValueError(
            f"{name} of dtype {str(tensor.dtype).removeprefix('torch.')} and {tensor.numel()} numbers: "
            "allowed are real floating numbers, at least one"
        )


def _draw(
    torch: Any,
    weight: Weight,
    layer: int,
    record: Initializer,
    bias_record: BiasInitializer,
    seed: int,
    tied: dict[str, str],
) -> InitializedWeight:
    """Draw one weight and its bias into place; types other than float32 and float64 are rounded from float32."""
    dtype = np.float64 if weight.tensor.dtype == torch.float64 else np.float32
    groups, rows, units = weight.matrix_shape
    padding = getattr(weight.module, "padding_idx", None)
    matrices = np.empty((groups, rows - (padding is not None), units), dtype=dtype)
    fans = weight.fan_in, weight.fan_out
    if record.distribution == "orthogonal" and record.mode == "fan_max":
        fans = matrices.shape[1], matrices.shape[2]  # of the matrix that is to have orthonormal rows or columns
    random = generator(seed, Purpose.WEIGHTS, layer)
    for matrix in matrices:
        record.fill(random, matrix, fans)
    if padding is not None:  # a row that stays 0 and counts for nothing
        matrices = np.insert(matrices, padding, 0, axis=1)
    values = torch.from_numpy(weight.tensor_of(matrices))
    notes = [f"also {name}" for name, first in tied.items() if first == weight.name]
    if weight.parametrized:
        setattr(weight.module, weight.parametrized, values.to(weight.tensor))
        own = getattr(weight.module, weight.parametrized)
        same = torch.allclose(own, values.to(own), rtol=1e-4, atol=1e-6 * float(np.abs(matrices).max()))
        notes.append("through its parametrization" + ("" if same else ", which changes what was drawn"))
    else:
        weight.tensor.copy_(values)
    if padding is not None:
        notes.append(f"row {padding} is padding, and 0")
    if weight.bias is not None:
        biases = bias_record.sample(generator(seed, Purpose.BIASES, layer), weight.fan_in, weight.bias.numel())
        weight.bias.copy_(torch.from_numpy(np.ascontiguousarray(biases, dtype=dtype)))
    std = record.variance(*fans) ** 0.5
    return InitializedWeight(layer, weight.name, weight.kind, weight.fan_in, weight.fan_out, std, "; ".join(notes))


def _reset_norm(norm: Any) -> None:
    """Reset a normalization: gain 1, bias 0, running statistics of no batch."""
    if getattr(norm, "weight", None) is not None:
        norm.weight.fill_(1)
    if getattr(norm, "bias", None) is not None:
        norm.bias.zero_()
    if hasattr(norm, "reset_running_stats"):
        norm.reset_running_stats()
