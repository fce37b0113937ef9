"""The machine and the versions that numbers were made with."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from glorotlab import __version__


def processor() -> str:
    """Return the model of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def machine_line() -> str:
    """Return processor and versions in one line, as a heading of measured numbers."""
    versions = ", ".join(f"{package} {package_version(package)}" for package in ("numpy", "scipy"))
    return f"{processor()}; glorotlab {__version__}, Python {platform.python_version()}, {versions}"


def package_version(package: str) -> str:
    """Return the version of an installed package, ``unknown`` where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
