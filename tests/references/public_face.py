"""The names of the public face, as its stub lists them."""

import ast
from pathlib import Path

import glorotlab

STUB = ast.parse(Path(glorotlab.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
NAMES = [alias.asname for node in STUB.body if isinstance(node, ast.ImportFrom) for alias in node.names]
