"""PyTorch, where it is installed; with GLOROTLAB_REQUIRE_TORCH=1, as in .ci/run, it must be."""

import pytest
from optional import optional


@pytest.fixture(scope="session")
def torch():
    """Return the package torch on one thread."""
    package = optional("torch", "TORCH")
    package.set_num_threads(1)
    return package
