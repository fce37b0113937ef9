"""Token: a file in the folder of a sweep, there for as long as the sweep wants its runs to continue.

Beside it are claims: a worker claims a run for as long as it has it in hand, by a file that names its process. A claim
that is left when the process is gone says which run the process died of.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glorotlab import files
from glorotlab.training.runs import lock

PREFIX = "going-on-"
"""Beginning of the names of these files."""


def claim_path(token: Path, run: str) -> Path:
    """Return the file by which a worker claims a run, given the token's file and the name of the run folder."""
    return token.with_name(f"{token.name}-{run}")


@contextmanager
def claimed(token: Path, run: str) -> Iterator[None]:
    """Claim a run for this process inside the block.

    Parameters
    ----------
    token : Path
        The file of the sweep's token.
    run : str
        Name of the run folder.
    """
    claim = claim_path(token, run)
    with suppress(OSError):  # a full disk: the run itself will say so
        claim.write_bytes(lock.Owner.this_process().to_bytes())
    try:
        yield
    finally:
        with suppress(OSError):
            claim.unlink()


class Token:
    """A file that names the process of a sweep, inside a ``with`` block.

    Parameters
    ----------
    folder : Path

    Attributes
    ----------
    path : Path
    word : str
        Its content.
    """

    def __init__(self, folder: Path) -> None:
        self.word = lock.Owner.this_process().to_bytes().decode()
        self.path = folder / f"{PREFIX}{secrets.token_hex(4)}"

    def __enter__(self) -> Token:
        for path in self.path.parent.glob(f"{PREFIX}*"):
            owner = lock.read_owner(path)
            if owner and not owner.lives(heartbeat=time.time()):  # of this machine, and killed
                path.unlink(missing_ok=True)
        files.write_whole(self.path, self.word)
        return self

    def __exit__(self, *error: object) -> None:
        self.withdraw()
        for claim in self.path.parent.glob(claim_path(self.path, "*").name):  # of processes that were killed
            claim.unlink(missing_ok=True)

    def withdraw(self) -> None:
        """Remove the file, which tells the runs to write their checkpoints and stop."""
        self.path.unlink(missing_ok=True)

    def was_claimed(self, run: str) -> bool:
        """Return whether a process died during a run, and remove its claim.

        This is asked once no process has the run in hand any more.
        """
        try:
            claim_path(self.path, run).unlink()
        except OSError:
            return False
        return True
