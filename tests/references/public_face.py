"""The names of the public face, as its stub lists them."""

import ast
from pathlib import Path

import glorotlab

FOLDER = Path(glorotlab.__file__).parent


def _names(stub):
    tree = ast.parse((FOLDER / stub).read_text(encoding="utf-8"))
    return [alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]


NAMES = _names("__init__.pyi")
TORCH_NAMES = [f"torch.{name}" for name in _names("torch/__init__.pyi")]
"""The names of ``gl.torch``."""
