"""Completion of values in a shell: names of this package, looked up when a shell asks for them.

Where nothing is offered the shell offers files: run folders, specs and ``FILE.npz`` are found by its own rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable


def offered(known: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return a function that completes a value: the known names with the typed beginning."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in known() if name.startswith(incomplete)]

    return complete


@offered
def activations() -> Iterable[str]:
    """Offer the activations that have names."""
    from glorotlab.activations.named import RECORDS

    return RECORDS


@offered
def initializers() -> Iterable[str]:
    """Offer the initializers of weights."""
    from glorotlab.initializers import NAMES

    return NAMES


@offered
def biases() -> Iterable[str]:
    """Offer the initializers of biases."""
    from glorotlab.initializers import BIAS_NAMES

    return BIAS_NAMES


@offered
def outputs() -> Iterable[str]:
    """Offer the output layers."""
    from glorotlab.costs import OUTPUTS

    return OUTPUTS


@offered
def costs() -> Iterable[str]:
    """Offer the costs, of whichever output layer."""
    from glorotlab.costs import RECORDS

    return dict.fromkeys(cost for _, cost in RECORDS)


@offered
def losses() -> Iterable[str]:
    """Offer the costs of a PyTorch model, and none."""
    from glorotlab.torch.loss import NAMES

    return *NAMES, "none"


@offered
def datasets() -> Iterable[str]:
    """Offer the built-in datasets."""
    from glorotlab.data.names import dataset_names

    return dataset_names()


@offered
def derivations() -> Iterable[str]:
    """Offer the derivations."""
    from glorotlab.derivations.catalogue import CATALOGUE

    return CATALOGUE


@offered
def experiments() -> Iterable[str]:
    """Offer the experiments by the names of their modules, since importing them takes a second."""
    from pkgutil import iter_modules

    from glorotlab.experiments import glorot_bengio, nielsen

    return [
        module.name
        for package in (glorot_bengio, nielsen)
        for module in iter_modules(package.__path__)
        if not module.ispkg
    ]


@offered
def scales() -> Iterable[str]:
    """Offer the sizes of experiments."""
    from glorotlab.experiments.scales import SCALES

    return SCALES


@offered
def benchmarks() -> Iterable[str]:
    """Offer the groups of benchmarks."""
    from glorotlab.benchmarking.cases import GROUPS

    return GROUPS
