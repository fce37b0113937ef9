"""Sizes of the experiments: numbers of networks, widths, updates."""

from dataclasses import dataclass

from glorotlab.errors import UnknownNameError


@dataclass(frozen=True)
class Scale:
    """The size of every experiment.

    Parameters
    ----------
    name : str
    width : int
        Units of each of five hidden layers at initialisation.
    networks : int
        Networks drawn at initialisation.
    examples : int
        Test examples that they are measured on.
    bins : int
        Histogram bins, an even number: 0 is then an edge.
    jacobian_networks : int
        Networks whose Jacobians are taken, each for an image of its own, so at most ``examples``. Each costs one
        singular value decomposition a layer.
    trained_width : int
        Units of each hidden layer of the networks that are trained.
    trained_networks : int
        Networks trained of each kind, from different weights, each on images of its own.
    updates : int
        Mini-batch updates of each training run.
    test_examples : int
        Test images behind every point of an error curve.
    records : int
        Points of error curves and statistics over training, after the first.
    """

    name: str
    width: int
    networks: int
    examples: int
    bins: int
    jacobian_networks: int
    trained_width: int
    trained_networks: int
    updates: int
    test_examples: int
    records: int


SCALES = {
    "quick": Scale(
        name="quick",
        width=1000,
        networks=32,
        examples=300,
        bins=120,
        jacobian_networks=28,
        trained_width=100,
        trained_networks=4,
        updates=6_000,
        test_examples=2_000,
        records=10,
    )
}
"""Scales by name; ``quick`` takes about a minute and a half on two cores."""


def get_scale(name: str) -> Scale:
    """Return the scale of a name; UnknownNameError, naming those there are, where there is none."""
    if name not in SCALES:
        raise UnknownNameError("scale", name, SCALES)
    return SCALES[name]
