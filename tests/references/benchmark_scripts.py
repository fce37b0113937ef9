"""Scripts of benchmarks/, imported as modules."""

import importlib.util
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def benchmark(name):
    """Import a file of benchmarks/accuracy or benchmarks/speed, which finds its neighbours as a script does."""
    (path,) = BENCHMARKS.glob(f"*/{name}.py")
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module
