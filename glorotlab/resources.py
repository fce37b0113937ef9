"""What this process may use of its machine: CPUs and memory, within the quotas of a container or a batch system."""

import math
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from glorotlab.errors import NotEnoughMemoryError

GIGABYTE = 1e9

CGROUPS = Path("/sys/fs/cgroup")
"""Folder where Linux shows control groups: version 2 in the folder itself, version 1 in one folder per controller."""

PROCESS = Path("/proc/self")

GROUP_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Files with a group's memory limit and use, and the statistic of reclaimable memory, in versions 2 and 1."""

UNLIMITED = 1 << 60
"""Limit in bytes that counts as no limit: version 1 writes a number close to 2**63."""


SMALL = 16 * 2**20
"""Largest request in bytes that is granted without checking the available memory, which takes time."""


def setting(name: str) -> str | None:
    """Return an environment variable without blanks around it; None where it is unset or empty."""
    return os.environ.get(name, "").strip() or None


def usable_cpus() -> int:
    """Return how many CPUs this process may use at the same time, at least 1.

    These are the CPUs it is bound to, and no more whole ones than the quota of a control group (``docker --cpus``,
    a batch system) pays for: more threads would be stopped in turn, and a team of threads waits for its slowest.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min([bound, *_cpu_quotas()])))


def available_memory() -> int | None:
    """Return how many bytes this process can still take; None where the system does not say.

    This is the least of the memory that is free or can be freed, of what each control group around the process leaves,
    and of what ``ulimit -v`` leaves. Swap space does not count.
    """
    return min([*_free_memory(), *_memory_left_by_groups(), *_address_space_left()], default=None)


def check_memory(what: str, parts: dict[str, float]) -> None:
    """Raise NotEnoughMemoryError where parts together take more memory than there is, before any of it is taken.

    Parameters
    ----------
    what : str
        What is asked for, for the message.
    parts : dict of str to float
        Bytes of each part, by name.

    Raises
    ------
    NotEnoughMemoryError
        Naming the sum, its largest parts and what is available.
    """
    needed = sum(parts.values())
    if needed < SMALL:
        return
    available = available_memory()
    if available is not None and needed > available:
        largest = sorted(parts, key=lambda name: -parts[name])[:3]
        named = ", ".join(f"{name} {_gigabytes(parts[name])}" for name in largest)
        raise NotEnoughMemoryError(
            f"{what}: {_gigabytes(needed)} of memory needed ({named}): allowed are {_gigabytes(available)}, which are "
            "available"
        )


def _gigabytes(size: float) -> str:
    return f"{size / GIGABYTE:.3g} GB"


def _free_memory() -> Iterator[int]:
    """Yield the memory that is free or can be freed, else all that there is."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    if free:
        yield free[0]
    elif "SC_PHYS_PAGES" in os.sysconf_names:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _address_space_left() -> Iterator[int]:
    """Yield the memory that ``ulimit -v`` leaves."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    taken = _words(PROCESS / "statm")
    if limit != resource.RLIM_INFINITY and taken:
        yield max(0, limit - int(taken[0]) * os.sysconf("SC_PAGE_SIZE"))


def _cpu_quotas() -> Iterator[float]:
    """Yield the CPUs that each control group around the process pays for, where it has a quota."""
    for group in _groups("cpu"):
        quota, period = (*_words(group / "cpu.max"), "", "")[:2]
        if not quota:
            quota, period = ((*_words(group / f"cpu.cfs_{name}_us"), "")[0] for name in ("quota", "period"))
        if quota.isdigit() and period.isdigit() and int(period):
            yield int(quota) / int(period)


def _memory_left_by_groups() -> Iterator[int]:
    """Yield the memory that each control group of the process leaves; cached files count as free."""
    for group in _groups("memory"):
        for limit_name, used_name, kept_name in GROUP_FILES:
            limit, used = ((*_words(group / name), "")[0] for name in (limit_name, used_name))
            if limit.isdigit() and used.isdigit() and int(limit) < UNLIMITED:
                statistics = _words(group / "memory.stat")
                kept = dict(zip(statistics[::2], statistics[1::2], strict=False)).get(kept_name, "0")
                yield max(0, int(limit) - int(used) + int(kept))


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of the process's own control group and of those around it.

    In a container the path may be that of the host; the folder at the top is then the container's own.
    """
    try:
        lines = (PROCESS / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        tops = [CGROUPS / controllers, CGROUPS / controller] if controllers else [CGROUPS, CGROUPS / "unified"]
        top = next((folder for folder in tops if folder.is_dir()), None)
        if top is not None:
            own = top / path.lstrip("/")
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(top))


def _words(path: Path) -> list[str]:
    """Return the words of a file of the kernel's, none where it cannot be read."""
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []
