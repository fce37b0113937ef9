"""Sizes of the experiments: numbers of networks, widths, updates. One code path runs them all."""

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
    updates : int
        Mini-batch updates of each training run on Shapeset-3x2.
    records : int
        Points of error curves over training, after the first.
    monitored : int
        Records of the statistics over training, after the first.
    seeds : int
        Networks trained of each kind on Shapeset-3x2, from different weights, each on images of its own.
    stored_updates, stored_records, stored_seeds : int
        Updates, points of error curves and networks on the datasets that are stored (MNIST, CIFAR-10, Small-ImageNet):
        seeds give other weights and other mini-batches.
    depths : tuple of int
        Hidden layers to choose from, ascending, in the experiment about the depth.
    learning_rates : tuple of float
        Rates to choose from, for each network, on the validation error at the end, mean over seeds.
    validation, test : int
        Shapeset images behind every point of an error curve.
    svm_images : int
        Shapeset images that the support-vector machine and its network learn from.
    pretraining_updates : int
        Updates of each layer's denoising autoencoder.
    """

    name: str
    width: int
    networks: int
    examples: int
    bins: int
    jacobian_networks: int
    trained_width: int
    updates: int
    records: int
    monitored: int
    seeds: int
    stored_updates: int
    stored_records: int
    stored_seeds: int
    depths: tuple[int, ...]
    learning_rates: tuple[float, ...]
    validation: int
    test: int
    svm_images: int
    pretraining_updates: int

    @property
    def shapeset(self) -> str:
        """Name of the Shapeset-3x2 data of this scale."""
        return f"shapeset(validation={self.validation}, test={self.test})"


_INITIALIZATION = {"width": 1000, "networks": 32, "examples": 300, "bins": 120, "jacobian_networks": 28}

SCALES = {
    scale.name: scale
    for scale in (
        Scale(
            name="quick",
            **_INITIALIZATION | {"networks": 20, "jacobian_networks": 10},
            trained_width=60,
            updates=6_000,
            records=4,
            monitored=6,
            seeds=5,
            stored_updates=1_500,
            stored_records=2,
            stored_seeds=3,
            depths=(1, 4, 5),
            learning_rates=(0.1,),
            validation=500,
            test=2_000,
            svm_images=1_000,
            pretraining_updates=1_000,
        ),
        Scale(
            name="medium",
            **_INITIALIZATION,
            trained_width=1000,
            updates=30_000,
            records=6,
            monitored=30,
            seeds=3,
            stored_updates=30_000,
            stored_records=6,
            stored_seeds=1,
            depths=(1, 5),
            learning_rates=(0.05,),
            validation=10_000,
            test=10_000,
            svm_images=10_000,
            pretraining_updates=10_000,
        ),
        Scale(
            name="long",
            **_INITIALIZATION,
            trained_width=1000,
            updates=500_000,
            records=25,
            monitored=100,
            seeds=1,
            stored_updates=500_000,
            stored_records=25,
            stored_seeds=1,
            depths=(4, 5),
            learning_rates=(0.05,),
            validation=10_000,
            test=10_000,
            svm_images=30_000,
            pretraining_updates=50_000,
        ),
        Scale(
            name="paper",
            **_INITIALIZATION,
            trained_width=1000,
            updates=5_000_000,
            records=250,
            monitored=250,
            seeds=5,
            stored_updates=5_000_000,
            stored_records=250,
            stored_seeds=5,
            depths=(1, 2, 3, 4, 5),
            learning_rates=(0.001, 0.003, 0.01, 0.03, 0.1),
            validation=10_000,
            test=10_000,
            svm_images=100_000,
            pretraining_updates=500_000,
        ),
    )
}
"""Scales by name. On two cores ``quick`` takes two to three minutes, ``medium`` hours, the others days."""


def get_scale(name: str) -> Scale:
    """Return the scale of a name; UnknownNameError, naming those there are, where there is none."""
    if name not in SCALES:
        raise UnknownNameError("scale", name, SCALES)
    return SCALES[name]
