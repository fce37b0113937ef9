"""What several tests of derivations share: each is verified once."""

from functools import cache

import pytest

from glorotlab.derivations import derive


@pytest.fixture(scope="session")
def verification():
    """Return the verification of a derivation, experiments included, by name and dropped assumptions."""

    @cache
    def once(name, without):
        return derive(name, without=without).verify()

    return lambda name, without=(): once(name, without)
