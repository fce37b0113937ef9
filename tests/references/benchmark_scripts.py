"""Scripts of benchmarks/, imported as modules."""

import importlib.util
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def benchmark(name):
    """Import a file of benchmarks/accuracy or benchmarks/speed."""
    (path,) = BENCHMARKS.glob(f"*/{name}.py")
    found = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
