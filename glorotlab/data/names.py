"""Names of the built-in datasets, which can be listed without what loads them."""

from glorotlab.spec.generated_data import DEFAULTS

STORED = ("mnist", "cifar10", "small-imagenet")
"""Datasets in files."""


def dataset_names() -> tuple[str, ...]:
    """Return the names of the built-in datasets."""
    return *DEFAULTS, *STORED


def is_stored(name: str) -> bool:
    """Return whether a built-in dataset is stored in files, and is therefore the same for every seed."""
    return name in STORED
