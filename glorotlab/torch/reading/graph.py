"""The LayerGraph of a trace: every recorded call is read, and calls that change nothing are left out."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from glorotlab.errors import GlorotlabError, reason
from glorotlab.spec.layers.activation import Elementwise
from glorotlab.spec.layers.base import Layer, WeightedLayer
from glorotlab.spec.layers.graph import Input, LayerGraph, Node, Unknown
from glorotlab.torch.reading.call import Call
from glorotlab.torch.reading.catalogue import FUNCTIONS, MODULES, function_name, known_class

_LAST = ("Linear", "Embedding", "LayerNorm", "RMSNorm", "MultiheadAttention", "linear", "embedding", "layer_norm")
_SECOND = ("Conv", "BatchNorm", "GroupNorm", "InstanceNorm", "conv", "batch_norm", "group_norm")
_TURNS = ("transpose", "permute", "swapaxes", "swapdims", "movedim")
_IN_PLACE = ("iadd", "isub", "imul", "itruediv")
_POOLING = ("AvgPool", "MaxPool", "avg_pool", "max_pool")


def _layout(name: str) -> bool | None:
    """Return whether units are the last axis (True) or the second (False) of a call; None if both are possible."""
    if name.startswith(_LAST):
        return True
    return False if name.startswith(_SECOND) or any(part in name for part in _POOLING) else None


@dataclass
class GraphBuilder:
    """The state of reading a trace.

    Parameters
    ----------
    model : torch.nn.Module
        The user's, whose names of parameters count.
    root : torch.nn.Module
        What has been traced: the model, or what holds it.
    trace : torch.fx.Graph
        Its trace by ``ValueTracer``.
    untraceable : dict of str to str
        Reasons of the modules that could not be traced.
    """

    model: Any
    root: Any
    trace: Any
    untraceable: dict[str, str]

    def __post_init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.calls: dict[str, Any] = {}
        """Node of ``torch.fx`` whose value each node of the graph has."""
        self._names: dict[Any, str] = {}
        self._modules = dict(self.root.named_modules())
        self._parameter_names = {id(tensor): name for name, tensor in self.model.named_parameters()}
        self._called = {node.target for node in self.trace.nodes if node.op == "call_module"}
        self._owners: dict[int, str] = {}
        """Name of the first node that reads each weight."""

    def build(self) -> LayerGraph:
        """Read the whole trace."""
        output, live = "", self._live()
        for node in self.trace.nodes:
            if node not in live:
                continue
            if node.op == "placeholder":
                self._add(node, node.target, Input(), self._first_layout(node), [])
            elif node.op == "output":
                output = self._name_of(_first_node(node.args))
            elif node.op != "get_attr":
                self._read(node)
        return LayerGraph(tuple(self.nodes.values()), output)

    def _live(self) -> set[Any]:
        """Return the calls on which the output depends, including those that change their input in place."""
        live: set[Any] = set()
        for node in reversed(self.trace.nodes):
            if node in live or node.op in ("output", "placeholder") or self._in_place(node):
                live |= {node, *node.all_input_nodes}
        return live

    def _in_place(self, node: Any) -> bool:
        """Return whether a call overwrites its input."""
        if node.op == "call_module":
            return bool(getattr(self._modules[node.target], "inplace", False))
        name = node.target if isinstance(node.target, str) else str(getattr(node.target, "__name__", node.target))
        return bool(node.kwargs.get("inplace")) or (name[-1] == "_" != name[-2:-1]) or name in _IN_PLACE

    def _read(self, node: Any) -> None:
        if node.target is getattr or function_name(node) == "getitem":
            source = _first_node(node.args)
            if source is not None and not source.meta["is_tensor"] and source in self._names:
                self._names[node] = self._names[source]  # an entry of a tuple: the first is what the call is for
                return
        module = self._modules[node.target] if node.op == "call_module" else None
        name = (known_class(module) if module is not None else function_name(node)) or ""
        before = next((one for one in Call(node, module, self.root, True).inputs if one in self._names), None)
        below = self.nodes[self._names[before]] if before is not None else None
        inherited = below.channels_last if below is not None else None
        layout = _layout(name)
        if layout is None:
            layout = _guessed_layout(node.meta["shape"], below, len(before.meta["shape"]) if before is not None else 0)
            layout = layout != (name in _TURNS)
        call = Call(node, module, self.root, layout if inherited is None else inherited)
        layer = self._layer(call, name)
        label = node.target if node.op == "call_module" else node.name
        if layer is None and before is not None:
            self._names[node] = self._names[before]
        else:
            inputs = [self._name_of(one) for one in call.inputs if one in self._names]
            self._add(node, label, layer or Unknown("a parameter by itself"), layout, inputs, call)
        if before is not None and self._in_place(node):
            self._names[before] = self._names[node]  # whoever reads it from now on reads the result

    def _layer(self, call: Call, name: str) -> Layer | None:
        node, module = call.node, call.module
        if node.op == "call_module" and node.target in self.untraceable:
            return Unknown(f"{type(module).__name__} cannot be traced: {self.untraceable[node.target]}")
        table = FUNCTIONS if module is None else MODULES
        if name not in table:
            what = type(module).__name__ if module is not None else str(getattr(node.target, "__name__", node.target))
            return Unknown(f"{what} is not covered by the theory")
        layer = table[name](call)
        if isinstance(layer, Elementwise):
            try:
                _ = layer.record
            except GlorotlabError as error:  # it jumps, or its numbers are out of bounds
                return Unknown(reason(error))
        if isinstance(layer, WeightedLayer):
            weight = call.tensor("weight", 1)
            weight = call.tensor("other", 1) if weight is None else weight
            own = str(node.target if module is not None else node.name)
            first = self._owners.setdefault(id(weight), own)
            if first != own or own in self.nodes:
                return Unknown(f"its weights are those of {first!r}: weights used twice are not covered by the theory")
        return layer

    def _add(self, node: Any, name: str, layer: Layer, layout: bool, inputs: list[str], call: Any = None) -> None:
        unique, number = name, 1
        of_module = node.op == "call_module"
        while unique in self.nodes or (unique in self._called and not of_module):  # a module keeps its own name
            number += 1
            unique = f"{name}#{number}"
        units, positions, last = _axes(node.meta["shape"], node.meta["is_real"], layout)
        parameters = () if call is None else self._parameters(call)
        source = node.meta["source"]
        self.nodes[unique] = Node(unique, layer, tuple(inputs), units, positions, last, source, parameters)
        self.calls[unique] = node
        self._names[node] = unique

    def _name_of(self, node: Any) -> str:
        if node not in self._names:  # the model returns a parameter
            self._add(node, node.name, Unknown("a parameter by itself"), True, [])
        return self._names[node]

    def _parameters(self, call: Call) -> tuple[str, ...]:
        """Return the names of a call's parameters: all parameters of a module, or those passed to a function."""
        if call.module is not None:
            tensors = list(call.module.parameters())
        else:
            given = [node.target for node in call.node.all_input_nodes if node.op == "get_attr"]
            tensors = [attrgetter(target)(self.root) for target in given]
        names = [self._parameter_names[id(tensor)] for tensor in tensors if id(tensor) in self._parameter_names]
        return tuple(sorted(names, key=lambda name: name.endswith("bias")))

    def _first_layout(self, node: Any) -> bool:
        """Return whether units are the last axis of an input, which the first call that reads it decides."""
        queue, seen = list(node.users), set()
        while queue:
            user = queue.pop(0)
            module = self._modules[user.target] if user.op == "call_module" else None
            name = "" if user.op == "output" else (known_class(module) if module is not None else function_name(user))
            layout = _layout(name or "")
            if layout is not None:
                return layout
            if user not in seen and user.meta.get("shape") == node.meta["shape"]:
                queue += list(user.users)
            seen.add(user)
        return len(node.meta["shape"]) == 3


def _guessed_layout(shape: tuple[int, ...], below: Node | None, rank: int) -> bool:
    """Return whether units are last in the result of a call that allows both, as in its first input of that rank."""
    if below is not None and rank == len(shape):
        return below.channels_last
    if below is not None and rank > 2 and len(shape) > 2:  # a change of shape: its units are where their number is
        return shape[-1] == below.units and not (shape[1] == below.units and not below.channels_last)
    return len(shape) == 3


def _first_node(argument: Any) -> Any:
    """Return the first node of ``torch.fx`` in an argument."""
    if hasattr(argument, "op"):
        return argument
    parts = argument.values() if isinstance(argument, dict) else argument if isinstance(argument, (tuple, list)) else ()
    return next((node for node in map(_first_node, parts) if node is not None), None)


def _axes(shape: tuple[int, ...], is_real: bool, channels_last: bool) -> tuple[int, tuple[int, ...], bool]:
    """Return the number of units, the positions, and whether units are last, for a shape."""
    if not is_real:  # tokens: one number at each position
        return 1, shape[1:], len(shape) > 1
    if len(shape) <= 2:
        return (shape[-1] if len(shape) == 2 else 1), (), False
    return (shape[-1], shape[1:-1], True) if channels_last else (shape[1], shape[2:], False)
