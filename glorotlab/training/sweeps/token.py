"""Token: a file in the folder of a sweep, there for as long as the sweep wants its runs to continue."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from glorotlab import files
from glorotlab.training.runs import lock

PREFIX = "going-on-"
"""How the names of these files begin."""


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

    def withdraw(self) -> None:
        """Remove the file, which tells the runs to write their checkpoints and stop."""
        self.path.unlink(missing_ok=True)
