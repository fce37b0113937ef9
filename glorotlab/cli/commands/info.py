"""glorotlab info: versions, build and machine."""

from __future__ import annotations

import os
import platform
from typing import Any

from glorotlab.cli.options import Json
from glorotlab.cli.terminal import say_facts


def info(as_json: Json = False) -> None:
    """Print versions, processor, threads, BLAS and data folders."""
    facts = collect()
    if as_json:
        from glorotlab.cli.json_output import print_json

        print_json(facts)
        return
    say_facts({name.replace("_", " "): _text(value) for name, value in facts.items()})


def collect() -> dict[str, Any]:
    """Return versions, build and machine, by name."""
    import numpy
    import scipy

    from glorotlab import __version__
    from glorotlab.data.files import search_folders
    from glorotlab.kernels import best_level, build_info, simd
    from glorotlab.machine import processor
    from glorotlab.threads import num_threads

    return {
        "glorotlab": __version__,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "cython": build_info.cython_version,
        "compiler": build_info.compiler,
        "openmp": build_info.openmp,
        "simd": f"{simd.get_level()} of {', '.join(simd.LEVELS)}",
        "simd_reason": best_level.reason(),
        "platform": platform.platform(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        "threads": num_threads(),
        "blas": _blas(),
        "data_folders": [str(folder.parent) for folder in search_folders("any")],
    }


def _blas() -> list[dict[str, Any]]:
    """Return every BLAS that NumPy and SciPy load."""
    import scipy.linalg  # noqa: F401  loads its BLAS
    from threadpoolctl import threadpool_info

    names = ("internal_api", "version", "architecture", "threading_layer")
    libraries = (item for item in threadpool_info() if item["user_api"] == "blas")
    return [{name: library.get(name) for name in names} for library in libraries]


def _text(value: Any) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case dict():
            return ", ".join(f"{name.replace('_', ' ')} {item}" for name, item in value.items())
        case list():
            return "; ".join(map(_text, value))
        case _:
            return str(value)
