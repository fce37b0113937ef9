"""Pickles of data, which other programs read and glorotlab does not."""

import re

from glorotlab.errors import DataError

ENDINGS = re.compile(r"\.(pkl|pickle)(\.gz)?$", re.IGNORECASE)
"""Endings of pickles; ``mnist.pkl.gz`` is the file of Nielsen's book and of the Theano tutorials."""


def refuse_pickle(path: str) -> None:
    """Raise DataError if a path ends like that of a pickle; nothing is opened."""
    if ENDINGS.search(path):
        raise DataError(
            f"{path}: a pickle can run code when it is read, so it is refused: allowed are arrays in a path ending in "
            ".npz; 'glorotlab data fetch mnist' fetches the images of mnist.pkl.gz"
        )
