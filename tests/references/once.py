"""Work that the first worker of a session does and the others find done: a compiled program, a counter of calls."""

import fcntl
import os


def once(tmp_path_factory, name, make):
    """Return a folder of this session that ``make(folder)`` has filled, in whichever worker asked first.

    The others wait at a lock, which the kernel takes back from a worker that fails; the next one then makes it anew.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # each worker has a folder of its own in that of the session
    folder, made = root / name, root / f"{name}.made"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            made.touch()
    return folder
