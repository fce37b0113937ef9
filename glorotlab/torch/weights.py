"""The weights of a PyTorch model as matrices of this package: their tensors and their fans.

A `Weight` is what one unit's sum runs over: of a stacked parameter (the in-projection of attention, the gates of a
recurrent layer) each block is one. Fans by the kind of the module; r is the receptive field, the product of the
kernel's sizes:

============================  =======================  ====================  ====================================
kind                          shape in PyTorch         fan_in                fan_out
============================  =======================  ====================  ====================================
linear, attention, recurrent  (out, in)                in                    out
bilinear                      (out, in1, in2)          in1 in2               out
convolution                   (out, in / groups, ...)  in / groups times r   out / groups times r
transposed convolution        (in, out / groups, ...)  in / groups times r   out / groups times r
embedding                     (rows, size)             1                     size
============================  =======================  ====================  ====================================

Strides are not counted, as in every framework. A row of an embedding is read alone, so its fan_in is 1 and the second
moment of what comes out is Var[W].
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glorotlab.errors import InvalidValueError
from glorotlab.torch.requirement import require_torch

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Weight:
    """One weight matrix of a model.

    Parameters
    ----------
    name : str
        Of the parameter, with the block in brackets where it is stacked: ``layers.0.weight``, ``in_proj_weight[key]``.
    module : torch.nn.Module
        The module it belongs to.
    module_name : str
        The module's name; empty for the model itself.
    kind : str
        As the table of this file has it.
    tensor : torch.Tensor
        The parameter, or a view of its block, or what a parametrization computes.
    fan_in, fan_out : int
        How many terms a sum has, on the way forward and on the way back.
    receptive_field, groups : int
        Both 1 but for convolutions.
    inputs_first : bool
        Whether the tensor's first axis is that of inputs.
    blocks : int
        How many blocks its parameter has.
    bias : torch.Tensor, optional
        The bias that is added to this matrix' sums.
    bias_name : str
        Name of the bias; empty where there is none.
    parametrized : str
        Name of the module's attribute that a parametrization computes; empty where the tensor is a parameter.
    """

    name: str
    module: torch.nn.Module
    module_name: str
    kind: str
    tensor: torch.Tensor
    fan_in: int
    fan_out: int
    receptive_field: int = 1
    groups: int = 1
    inputs_first: bool = False
    blocks: int = 1
    bias: torch.Tensor | None = None
    bias_name: str = ""
    parametrized: str = ""

    def matrices(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return a copy in float64 of shape (groups, inputs times r, units): a column is what one unit sums over."""
        values = self.tensor.detach().to("cpu", dtype=require_torch().float64, copy=True).contiguous().numpy()
        groups, field = self.groups, self.receptive_field
        if self.inputs_first:
            units = values.shape[1]
            return np.asarray(values.reshape(groups, -1, units, field).swapaxes(2, 3).reshape(groups, -1, units))
        return np.asarray(values.reshape(groups, values.shape[0] // groups, -1).swapaxes(1, 2))

    def tensor_of(self, matrices: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
        """Return an array of the tensor's shape with the values of ``matrices``, laid out as above."""
        if self.inputs_first:
            groups, _, units = matrices.shape
            matrices = matrices.reshape(groups, -1, self.receptive_field, units)
        return np.ascontiguousarray(matrices.swapaxes(-2, -1)).reshape(tuple(self.tensor.shape))

    @property
    def matrix_shape(self) -> tuple[int, int, int]:
        """Shape of ``matrices``."""
        shape = self.tensor.shape
        units = int(shape[1]) if self.inputs_first else int(shape[0]) // self.groups
        return self.groups, self.tensor.numel() // (self.groups * units), units


@dataclass(frozen=True, eq=False)
class ModelWeights:
    """The parameters of a model.

    Parameters
    ----------
    weights : tuple of Weight
        In the order of the model's modules; tied ones once.
    tied : dict of str to str
        Name of a weight to the name under which it comes first.
    norms : tuple
        Modules that normalize, with their names.
    others : dict of str to torch.nn.Parameter
        Parameters of modules whose fans nobody knows, by name.
    """

    weights: tuple[Weight, ...]
    tied: dict[str, str]
    norms: tuple[tuple[str, torch.nn.Module], ...]
    others: dict[str, torch.nn.Parameter]


def weights_of(model: torch.nn.Module) -> ModelWeights:
    """Return the weights of a model; InvalidValueError where it has none whose fans are known."""
    nn = require_torch().nn
    parametrizations = nn.utils.parametrize.ParametrizationList
    inside = {
        id(part) for module in model.modules() if isinstance(module, parametrizations) for part in module.modules()
    }
    weights: list[Weight] = []
    first: dict[tuple[object, ...], str] = {}
    tied: dict[str, str] = {}
    norms, others = [], {}
    for name, module in model.named_modules():
        if id(module) in inside:
            continue
        if isinstance(module, _norms(nn)):
            norms.append((name, module))
            continue
        own = list(_of_module(nn, name, module))
        for weight in own:
            place = _place(weight.tensor) if not weight.parametrized else (id(module), weight.name)
            if place in first:
                tied[weight.name] = first[place]
            else:
                first[place] = weight.name
                weights.append(weight)
        known = {_place(tensor) for weight in own for tensor in (weight.tensor, weight.bias) if tensor is not None}
        stacked = {part.partition("[")[0] for weight in own for part in (weight.name, weight.bias_name)}
        for key, parameter in module.named_parameters(recurse=False):
            if _dotted(name, key) not in stacked and _place(parameter) not in known:
                others[_dotted(name, key)] = parameter
    if not weights:
        raise InvalidValueError(
            f"model of type {type(model).__name__}: allowed is one with a linear, convolutional, recurrent or "
            "attention layer, or an embedding"
        )
    return ModelWeights(tuple(weights), tied, tuple(norms), others)


def _norms(nn: Any) -> tuple[type, ...]:
    base = nn.modules.batchnorm._NormBase
    return (base, nn.LayerNorm, nn.GroupNorm, *([nn.RMSNorm] if hasattr(nn, "RMSNorm") else []))


def _dotted(module: str, name: str) -> str:
    return f"{module}.{name}" if module else name


def _place(tensor: torch.Tensor) -> tuple[object, ...]:
    """Return where a tensor lies, the same for two that share their memory; of one without memory, which it is."""
    pointer = 0 if require_torch().nn.parameter.is_lazy(tensor) else tensor.data_ptr()
    return (tensor.device, pointer, tuple(tensor.shape)) if pointer else (id(tensor),)


def _of_module(nn: Any, name: str, module: Any) -> Iterator[Weight]:
    """Yield the weights of one module without its children."""
    transposed = nn.modules.conv._ConvTransposeNd
    if isinstance(module, nn.MultiheadAttention):
        yield from _attention(name, module)
    elif isinstance(module, nn.RNNBase | nn.RNNCellBase):
        yield from _recurrent(name, module)
    elif isinstance(module, nn.Linear | nn.Bilinear):
        kind = "linear" if isinstance(module, nn.Linear) else "bilinear"
        yield _plain(nn, name, module, kind)
    elif isinstance(module, nn.modules.conv._ConvNd):
        kind = "transposed convolution" if isinstance(module, transposed) else "convolution"
        yield _plain(nn, name, module, kind, module.groups)
    elif isinstance(module, nn.Embedding | nn.EmbeddingBag):
        yield _plain(nn, name, module, "embedding")


def _plain(nn: Any, name: str, module: Any, kind: str, groups: int = 1) -> Weight:
    parametrized = nn.utils.parametrize.is_parametrized(module, "weight")
    tensor, bias = module.weight, getattr(module, "bias", None)
    inputs_first = kind in ("transposed convolution", "embedding")
    field, fan_in, fan_out = 1, 0, 0
    if not nn.parameter.is_lazy(tensor):
        shape = tuple(tensor.shape)
        field = math.prod(shape[2:]) if "convolution" in kind else 1
        fan_in, fan_out = math.prod(shape[1:]), shape[0] // groups * field
        if kind == "transposed convolution":
            fan_in, fan_out = fan_out, fan_in
        elif kind == "embedding":
            fan_in, fan_out = 1, shape[1]
    return Weight(
        _dotted(name, "weight"),
        module,
        name,
        kind,
        tensor,
        fan_in,
        fan_out,
        field,
        groups,
        inputs_first,
        bias=bias,
        bias_name="" if bias is None else _dotted(name, "bias"),
        parametrized="weight" if parametrized else "",
    )


def _attention(name: str, module: Any) -> Iterator[Weight]:
    """Yield the projections of queries, keys and values; that of the output is a module of its own."""
    size, bias = module.embed_dim, module.in_proj_bias
    for index, block in enumerate(("query", "key", "value")):
        rows = slice(index * size, (index + 1) * size)
        if module.in_proj_weight is not None:
            tensor, label, blocks = module.in_proj_weight[rows], f"in_proj_weight[{block}]", 3
        else:
            label, blocks = f"{block[0]}_proj_weight", 1
            tensor = getattr(module, label)
        yield Weight(
            _dotted(name, label),
            module,
            name,
            "attention",
            tensor,
            int(tensor.shape[1]),
            size,
            blocks=blocks,
            bias=None if bias is None else bias[rows],
            bias_name="" if bias is None else _dotted(name, f"in_proj_bias[{block}]"),
        )


def _recurrent(name: str, module: Any) -> Iterator[Weight]:
    """Yield every gate of every matrix of a recurrent layer or cell."""
    for label, parameter in module.named_parameters(recurse=False):
        if not label.startswith("weight"):
            continue
        gates = 1 if label.startswith("weight_hr") else int(parameter.shape[0]) // module.hidden_size
        bias = getattr(module, label.replace("weight", "bias"), None)
        size = int(parameter.shape[0]) // gates
        for gate in range(gates):
            rows = slice(gate * size, (gate + 1) * size)
            block = f"[{gate}]" if gates > 1 else ""
            yield Weight(
                _dotted(name, label) + block,
                module,
                name,
                "recurrent",
                parameter[rows],
                int(parameter.shape[1]),
                size,
                blocks=gates,
                bias=None if bias is None else bias[rows],
                bias_name="" if bias is None else _dotted(name, label.replace("weight", "bias")) + block,
            )
