"""How much memory a run takes, and how many runs fit beside each other: sums made before any of it is taken."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from glorotlab.network.memory import Parts, parameter_bytes, pass_bytes, statistics_bytes, step_bytes
from glorotlab.resources import available_memory
from glorotlab.spec.run import RunSpec
from glorotlab.training.monitors import MONITORED_EXAMPLES

PROCESS = 2.5e8
"""Memory of a training process in bytes, without its network and data."""


def run_bytes(spec: RunSpec) -> Parts:
    """Return the bytes of a run's network by their use, without its data."""
    network, training, dtype = spec.network, spec.training, spec.dtype
    once = parameter_bytes(network, dtype)
    own = {"weights": once}
    if training.momentum:
        own["velocities"] = once
    if training.learning_rates != "common":
        own["learning rates"] = once
    parts = own | {"a copy for the checkpoint": sum(own.values())}
    if training.learning_rates != "common":
        examples = pass_bytes(network, dtype, training.curvature_examples, gradients=True)
        parts["curvature"] = 2 * once + examples
    monitored = pass_bytes(network, dtype, MONITORED_EXAMPLES, gradients=True)
    parts["statistics"] = monitored + statistics_bytes(network, dtype, MONITORED_EXAMPLES)
    return parts | {"buffers of a step": step_bytes(network, dtype, training.batch_size)}


def fitting(specs: Iterable[RunSpec]) -> int:
    """Return how many runs fit into the available memory at once, the largest together; at least 1."""
    available = available_memory()
    sizes = sorted((PROCESS + _size(spec) for spec in specs), reverse=True)
    if available is None:
        return len(sizes)
    return max(1, sum(total <= available for total in itertools.accumulate(sizes)))


def _size(spec: RunSpec) -> float:
    """Return the bytes of a run's network, cached for runs of equal size."""
    training = spec.training
    counts = (training.batch_size, bool(training.momentum), training.learning_rates, training.curvature_examples)
    key = (spec.network.layer_sizes, spec.dtype, counts)
    if key not in _known:
        _known[key] = sum(run_bytes(spec).values())
    return _known[key]


_known: dict[tuple[object, ...], float] = {}
