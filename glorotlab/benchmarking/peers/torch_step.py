"""The training step in PyTorch: eager, with the fused optimizer, and compiled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from glorotlab.arrays import FloatArray, Labels
from glorotlab.benchmarking.peers.peer import Peer, StepByStep
from glorotlab.network.mlp import Network

ACTIVATIONS = {
    "tanh": "Tanh",
    "relu": "ReLU",
    "sigmoid": "Sigmoid",
    "softsign": "Softsign",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
    "softplus": "Softplus",
    "selu": "SELU",
    "hard_tanh": "Hardtanh",
}
"""Names of PyTorch's modules by ours."""


class TorchStep(StepByStep):
    """A copy of a network as ``nn.Sequential`` of ``nn.Linear`` and an activation, as PyTorch's own examples write it.

    Parameters
    ----------
    network : Network
        Layers of `ACTIVATIONS`, softmax and log-likelihood.
    batch : int
        Not used.
    fused : bool
        Whether the optimizer is ``SGD(fused=True)``; else it is ``foreach=True``, one call for all tensors, where the
        default on a CPU is a loop.
    compiled : bool
        Whether network and cost go through ``torch.compile``, forward and backward.
    """

    def __init__(self, network: Network, batch: int, *, fused: bool = False, compiled: bool = False) -> None:
        import torch

        self._torch = torch
        dtype = getattr(torch, str(network.dtype))
        modules: list[Any] = []
        for weight, bias in zip(network.weights, network.biases, strict=True):
            linear = torch.nn.Linear(weight.shape[0], weight.shape[1], dtype=dtype)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight.T)))
                linear.bias.copy_(torch.from_numpy(bias))
            modules += [linear, getattr(torch.nn, ACTIVATIONS[network.spec.activation])()]
        self._linears = modules[::2]
        model, cost = torch.nn.Sequential(*modules[:-1]), torch.nn.CrossEntropyLoss()
        kind: dict[str, Any] = {"fused": True} if fused else {"foreach": True}
        self._optimizer = torch.optim.SGD(model.parameters(), lr=0.0, **kind)

        def batch_cost(x: Any, labels: Any) -> Any:
            return cost(model(x), labels)

        self._cost = batch_cost
        if compiled:
            torch._dynamo.reset()  # after eight networks it would give up and run eagerly
            self._cost = torch.compile(batch_cost, dynamic=False)

    @property
    def weights(self) -> Sequence[FloatArray]:
        """Matrices of shape (fan_in, fan_out)."""
        return [linear.weight.detach().numpy().T for linear in self._linears]

    @property
    def biases(self) -> Sequence[FloatArray]:
        """Vectors of shape (fan_out,)."""
        return [linear.bias.detach().numpy() for linear in self._linears]

    def prepare(self, x: FloatArray, labels: Labels) -> tuple[Any, Any]:
        """Return the batch as tensors."""
        return self._torch.from_numpy(x), self._torch.from_numpy(labels)

    def train_step(self, x: Any, labels: Any, learning_rate: float) -> Any:
        """Make one step and return the cost."""
        self._optimizer.param_groups[0]["lr"] = learning_rate
        self._optimizer.zero_grad(set_to_none=True)
        cost = self._cost(x, labels)
        cost.backward()
        self._optimizer.step()
        return cost.detach()


@contextmanager
def _limited(threads: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _no_compiler() -> str:
    """Return what ``torch.compile`` needs and lacks, empty if nothing."""
    compiler = any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++", "g++")))
    return "" if compiler else "torch.compile needs a C++ compiler, and none is installed"


PEERS = (
    Peer("torch", "torch", TorchStep, _limited, activations=ACTIVATIONS),
    Peer("torch_fused", "torch", partial(TorchStep, fused=True), _limited, activations=ACTIVATIONS),
    Peer("torch_compile", "torch", partial(TorchStep, fused=True, compiled=True), _limited, _no_compiler, ACTIVATIONS),
)
