"""Sizes of the experiments: numbers of networks, widths, updates. One code path runs them all."""

from dataclasses import dataclass, replace

from glorotlab.errors import UnknownNameError


@dataclass(frozen=True)
class NielsenSizes:
    """The size of the experiments of Nielsen's chapter 5 and of Sutskever et al. (2013).

    Parameters
    ----------
    depth_epochs, depth_seeds : int
        Epochs, and networks of each depth, of the experiment about depth.
    images : int
        First training images that learning speeds are taken on, and networks trained on in one batch.
    networks : int
        Networks drawn at initialization, of each depth.
    chains : int
        Chains of single neurons, of each kind.
    speed_epochs, speed_records, speed_seeds : int
        Epochs, records of the learning speeds after the first, and networks of each depth.
    autoencoder, classifier : tuple of int
        Units of the hidden layers of the networks that are trained with momentum.
    momentum_updates, momentum_records, momentum_batch, momentum_seeds : int
        Updates, points of error curves after the first, examples of a mini-batch, and networks of each kind, with
        momentum.
    """

    depth_epochs: int
    depth_seeds: int
    images: int
    networks: int
    chains: int
    speed_epochs: int
    speed_records: int
    speed_seeds: int
    autoencoder: tuple[int, ...]
    classifier: tuple[int, ...]
    momentum_updates: int
    momentum_records: int
    momentum_batch: int
    momentum_seeds: int


@dataclass(frozen=True)
class Scale:
    """The size of every experiment.

    Parameters
    ----------
    name : str
    width : int
        Units of each of five hidden layers at initialization.
    networks : int
        Networks drawn at initialization.
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
    side_seeds : int
        As many in the experiments beside the paper's figures whose runs take longest: second order, tapered widths.
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
    nielsen : NielsenSizes
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
    side_seeds: int
    stored_updates: int
    stored_records: int
    stored_seeds: int
    depths: tuple[int, ...]
    learning_rates: tuple[float, ...]
    validation: int
    test: int
    svm_images: int
    pretraining_updates: int
    nielsen: NielsenSizes

    @property
    def shapeset(self) -> str:
        """Name of the Shapeset-3x2 data of this scale."""
        return f"shapeset(validation={self.validation}, test={self.test})"


_INITIALIZATION = {"width": 1000, "networks": 32, "examples": 300, "bins": 120, "jacobian_networks": 28}

_AS_PRINTED = NielsenSizes(
    depth_epochs=30,
    depth_seeds=5,
    images=1000,
    networks=400,
    chains=2_000,
    speed_epochs=500,
    speed_records=100,
    speed_seeds=10,
    autoencoder=(1000, 500, 250, 30, 250, 500, 1000),
    classifier=(500,) * 5,
    momentum_updates=600,
    momentum_records=6,
    momentum_batch=200,
    momentum_seeds=3,
)

SCALES = {
    scale.name: scale
    for scale in (
        Scale(
            name="quick",
            **_INITIALIZATION | {"networks": 20, "jacobian_networks": 10},
            trained_width=60,
            updates=3_000,
            records=4,
            monitored=6,
            seeds=5,
            side_seeds=4,
            stored_updates=1_500,
            stored_records=2,
            stored_seeds=3,
            depths=(1, 5),
            learning_rates=(0.1,),
            validation=500,
            test=2_000,
            svm_images=1_000,
            pretraining_updates=400,
            nielsen=NielsenSizes(
                depth_epochs=3,
                depth_seeds=5,
                images=60,
                networks=150,
                chains=500,
                speed_epochs=60,
                speed_records=12,
                speed_seeds=4,
                autoencoder=(64, 32, 8, 32, 64),
                classifier=(60,) * 5,
                momentum_updates=500,
                momentum_records=2,
                momentum_batch=50,
                momentum_seeds=3,
            ),
        ),
        Scale(
            name="medium",
            **_INITIALIZATION,
            trained_width=1000,
            updates=30_000,
            records=6,
            monitored=30,
            seeds=3,
            side_seeds=2,
            stored_updates=30_000,
            stored_records=6,
            stored_seeds=1,
            depths=(1, 5),
            learning_rates=(0.05,),
            validation=10_000,
            test=10_000,
            svm_images=10_000,
            pretraining_updates=10_000,
            nielsen=_AS_PRINTED,
        ),
        Scale(
            name="long",
            **_INITIALIZATION,
            trained_width=1000,
            updates=500_000,
            records=25,
            monitored=100,
            seeds=1,
            side_seeds=1,
            stored_updates=500_000,
            stored_records=25,
            stored_seeds=1,
            depths=(4, 5),
            learning_rates=(0.05,),
            validation=10_000,
            test=10_000,
            svm_images=30_000,
            pretraining_updates=50_000,
            nielsen=replace(_AS_PRINTED, momentum_updates=10_000),
        ),
        Scale(
            name="paper",
            **_INITIALIZATION,
            trained_width=1000,
            updates=5_000_000,
            records=250,
            monitored=250,
            seeds=5,
            side_seeds=5,
            stored_updates=5_000_000,
            stored_records=250,
            stored_seeds=5,
            depths=(1, 2, 3, 4, 5),
            learning_rates=(0.001, 0.003, 0.01, 0.03, 0.1),
            validation=10_000,
            test=10_000,
            svm_images=100_000,
            pretraining_updates=500_000,
            nielsen=replace(_AS_PRINTED, depth_seeds=20, momentum_updates=200_000, momentum_seeds=5),
        ),
    )
}
"""Scales by name. On two cores ``quick`` takes 95 seconds to three minutes, ``medium`` two hours, the others days."""


def get_scale(name: str) -> Scale:
    """Return the scale of a name; UnknownNameError, naming those there are, where there is none."""
    if name not in SCALES:
        raise UnknownNameError("scale", name, SCALES)
    return SCALES[name]
