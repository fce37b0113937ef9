"""The peers: every module of this folder that has ``PEERS`` adds its own.

None imports its library before it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from glorotlab.benchmarking.peers.peer import Peer
from glorotlab.errors import UnknownNameError

__all__ = ["Peer", "all_peers", "chosen_peers"]


@cache
def all_peers() -> dict[str, Peer]:
    """Return every peer by name, whether it can run here or not."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    return {peer.name: peer for module in modules for peer in getattr(module, "PEERS", ())}


def chosen_peers(names: Sequence[str] | None = None) -> tuple[Peer, ...]:
    """Return peers by name, all where none are named; UnknownNameError where there is no such peer."""
    known = all_peers()
    for name in names or ():
        if name not in known:
            raise UnknownNameError("peer", name, known)
    return tuple(known[name] for name in dict.fromkeys(known if names is None else names))
