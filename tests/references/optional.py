"""Packages that are extras: tests of them are left out where they are missing, unless the environment requires them."""

import importlib
import os

import pytest


def optional(module, extra):
    """Return a module; skip the test where it is missing, unless GLOROTLAB_REQUIRE_<EXTRA> is 1, as in .ci/run."""
    if os.environ.get(f"GLOROTLAB_REQUIRE_{extra}") == "1":
        return importlib.import_module(module)
    return pytest.importorskip(module, reason=f"{module} is not installed")
