"""The four datasets of the paper's table 1 and figure 12: which are here, and how to get those that are not."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from glorotlab.data.catalogue import describe_dataset, load_dataset
from glorotlab.errors import DataError
from glorotlab.experiments.experiment import Results

LABELS = {"shapeset": "Shapeset-3x2", "mnist": "MNIST", "cifar10": "CIFAR-10", "small-imagenet": "Small-ImageNet"}
"""The paper's name of each dataset."""


def split_by_presence(datasets: Sequence[str]) -> tuple[list[str], xr.Dataset]:
    """Return the available datasets, and the reasons for the others in the attributes of an empty dataset."""
    here = [name for name in datasets if describe_dataset(name).available]
    return here, xr.Dataset(attrs={name: _reason(name) for name in datasets if name not in here})


def _reason(name: str) -> str:
    """Return the message of loading a missing dataset."""
    try:
        load_dataset(name)
    except DataError as error:
        return str(error)
    return ""


def absent(results: Results) -> dict[str, str]:
    """Return why datasets are not here, by name, from the results of an experiment."""
    return {str(name): str(reason) for name, reason in results["absent"].attrs.items()}
