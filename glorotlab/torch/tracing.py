"""``gl.torch.read``: a PyTorch model as a graph of layers, under the names that its modules have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from glorotlab.errors import InvalidValueError
from glorotlab.spec.layers.graph import LayerGraph
from glorotlab.torch.reading.catalogue import known_class
from glorotlab.torch.reading.graph import GraphBuilder
from glorotlab.torch.reading.inputs import input_names, model_inputs, plain_model
from glorotlab.torch.requirement import require_torch


@dataclass(frozen=True)
class TracedModel:
    """A model, the calls it makes on an example, and what they are.

    Parameters
    ----------
    model : torch.nn.Module
        The model; what ``torch.compile`` or DataParallel wraps.
    module : torch.fx.GraphModule
        Computes what the model computes of a batch of the example's shape, with the model's own modules and parameters.
    graph : LayerGraph
    calls : dict of str to torch.fx.Node
        The node of ``module.graph`` whose value each node of ``graph`` has; where that is a tuple, its first tensor.
    inputs : tuple of torch.Tensor
        The example, on the model's device.
    """

    model: Any
    module: Any
    graph: LayerGraph
    calls: dict[str, Any]
    inputs: tuple[Any, ...]


def read(model: Any, example_input: Any) -> LayerGraph:
    """Read a PyTorch model as a graph of layers.

    Its calls are recorded by ``torch.fx`` while it runs once on the example, in the mode it is in; parameters, buffers
    and states of random numbers are left as they were. Second moments of weights and biases are those of the tensors as
    they stand.

    Parameters
    ----------
    model : torch.nn.Module
        A model that ``torch.compile`` or DataParallel wraps is read as it is inside.
    example_input : torch.Tensor, array_like or tuple of them
        A batch as the model takes it, on any device; a tuple has one for each argument of ``forward``.

    Returns
    -------
    LayerGraph
        Nodes have the names of the model's modules; what the theory does not know is an ``Unknown`` that says why.

    Raises
    ------
    InvalidValueError
        Where the model is no module, the inputs are not what it takes, or parameters are not finite.
    GlorotlabError
        Where PyTorch is not installed.

    Examples
    --------
    >>> import glorotlab as gl
    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    >>> graph = gl.torch.read(model, torch.zeros(2, 4))
    >>> [(node.name, node.layer.kind, node.units) for node in graph]
    [('input', 'input', 4), ('0', 'dense', 8), ('1', 'activation', 8), ('2', 'dense', 3)]
    """
    return trace(model, example_input).graph


def trace(model: Any, example_input: Any) -> TracedModel:
    """Read a PyTorch model and keep what its calls are in ``torch.fx``; see ``read``."""
    torch = require_torch()
    model = plain_model(model)
    inputs = model_inputs(model, example_input)
    attributes = {name: set(vars(module)) for name, module in model.named_modules()}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    devices = [tensor.device for tensor in inputs if tensor.is_cuda]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices):
            traced, untraceable = _record(model, inputs)
    finally:
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                if name in buffers:
                    buffer.copy_(buffers[name])
        for name, module in model.named_modules():  # constants that the trace has hung on the model
            for added in set(vars(module)) - attributes.get(name, set(vars(module))):
                delattr(module, added)
    builder = GraphBuilder(model, traced, traced.graph, untraceable)
    return TracedModel(model, traced, builder.build(), builder.calls, inputs)


def _record(model: Any, inputs: tuple[Any, ...]) -> tuple[Any, dict[str, str]]:
    """Return a model as GraphModule, and why modules in it are leaves; one that cannot be traced is a leaf itself."""
    from torch.fx import GraphModule

    from glorotlab.torch.reading.tracer import ValueTracer, WholeModel

    def record(root: Any) -> tuple[Any, dict[str, str]]:
        names = input_names(model, len(inputs))
        tracer = ValueTracer({name: tensor.clone() for name, tensor in zip(names, inputs, strict=True)}, is_leaf)
        return GraphModule(root, tracer.trace(root)), tracer.untraceable

    if is_leaf(model):
        return record(WholeModel(model))
    try:
        return record(model)
    except InvalidValueError:
        raise
    except Exception:  # whatever the model's code makes of proxies
        return record(WholeModel(model))


def is_leaf(module: Any) -> bool:
    """Whether a module is one call: there is a reader for it, or it is PyTorch's own and not made of others."""
    if known_class(module) is not None:
        return True
    home = type(module).__module__
    return (
        home.startswith("torch.nn") and not home.startswith("torch.nn.modules.container") and not any(module.children())
    )
