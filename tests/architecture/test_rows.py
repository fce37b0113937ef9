"""What import-linter does not see of the rows of packages: Cython, stubs, names given to importlib, and circles.

The rows stand in the first import-linter contract of pyproject.toml, which ``lint-imports`` holds for Python. Here the
same rows hold for ``cimport`` and ``import`` in Cython, for .pyi files and for importlib and lazy_loader with a literal
name; the kernels import NumPy alone; no module imports, on any way, a module that imports it.
"""

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "glorotlab"
ROOT = Path(__file__).resolve().parents[2] / PACKAGE

CONTRACTS = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
    "contracts"
]
TABLE = [re.split(r"\s*\|\s*", layer) for layer in reversed(CONTRACTS[0]["layers"])]
ROWS = {name: row for row, names in enumerate(TABLE) for name in names}
FORBIDDEN = {"kernels": set(CONTRACTS[-1]["forbidden_modules"])}
HEAVY = ("sympy", "matplotlib", "xarray", "scipy", "pydantic")

PYTHON = {".py", ".pyi"}
CYTHON = {".pyx", ".pxd", ".pxi"}
IMPORTERS = {"import_module", "__import__", "load"}  # importlib's, the built-in, lazy_loader's

STRINGS_AND_COMMENTS = re.compile(r'"""[\s\S]*?"""' r"|'''[\s\S]*?'''" r'|"[^"\n]*"' r"|'[^'\n]*'" r"|#[^\n]*")
STATEMENT = re.compile(
    r"(?:^|[;:])[ \t]*(?:from[ \t]+(?P<module>[.\w]+)[ \t]+)?c?import[ \t]*(?P<names>\([^)]*\)|[^;\n(]+)",
    re.MULTILINE,
)

Import = tuple[int, str]  # line, absolute dotted name; `from a import b` is a.b


def absolute(module: str, level: int, package: str) -> str:
    """Resolve a relative module name inside ``package``, as Python does."""
    if level == 0:
        return module
    base = package.split(".")[: len(package.split(".")) - level + 1]
    return ".".join([*base, module] if module else base)


def python_imports(text: str, package: str) -> Iterator[Import]:
    """Every import of Python, wherever it stands, with those of importlib and lazy_loader."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = absolute(module or "", level, package)
                yield from ((node.lineno, f"{base}.{name.name}") for name in names)
            case ast.Call(
                func=ast.Name(id=function) | ast.Attribute(attr=function),
                args=[ast.Constant(value=str(name)), *_],
            ) if function in IMPORTERS:
                yield node.lineno, absolute(name.lstrip("."), len(name) - len(name.lstrip(".")), package)


def cython_imports(text: str, package: str) -> Iterator[Import]:
    text = STRINGS_AND_COMMENTS.sub(lambda found: "\n" * found[0].count("\n"), text).replace("\\\n", " ")
    for found in STATEMENT.finditer(text):
        line = text.count("\n", 0, found.end("names")) + 1
        names = [words[0] for name in found["names"].strip("() \t\n").split(",") if (words := name.split())]
        module = found["module"]
        if module is None:
            yield from ((line, name) for name in names)
        else:
            base = absolute(module.lstrip("."), len(module) - len(module.lstrip(".")), package)
            yield from ((line, f"{base}.{name}") for name in names)


def imports(path: Path, root: Path) -> Iterator[Import]:
    """Every import of one file."""
    package = ".".join((PACKAGE, *path.relative_to(root).parent.parts))
    parse = python_imports if path.suffix in PYTHON else cython_imports
    return parse(path.read_text(encoding="utf-8"), package)


def sources(root: Path) -> list[Path]:
    """Every source file below the root, without the public face, which may name anything lazily."""
    files = sorted(path for path in root.rglob("*") if path.suffix in PYTHON | CYTHON)
    return [path for path in files if not (path.parent == root and path.stem == "__init__")]


def objection(unit: str, target: str) -> str | None:
    """Return why ``unit`` may not import the dotted name ``target``; None where it may."""
    top, _, rest = target.partition(".")
    if top in FORBIDDEN.get(unit, ()):
        return f"{unit} imports {top}"
    if top != PACKAGE:
        return None
    other = rest.partition(".")[0]
    if other == "__version__":  # a constant of the public face, which imports nothing to know it
        return None
    if other not in ROWS:
        return f"{unit} imports {target}, which is in no row"
    allowed = other == unit or ROWS[other] < ROWS[unit]
    return None if allowed else f"{unit} imports {other}, which is not below it"


def violations(root: Path) -> list[str]:
    """Every way in which the sources below ``root`` break the table."""
    found = []
    for path in sources(root):
        place = path.relative_to(root)
        unit = place.parts[0].partition(".")[0]
        if unit not in ROWS:
            found.append(f"{place}: {unit} is in no row")
            continue
        for line, target in imports(path, root):
            if reason := objection(unit, target):
                found.append(f"{place}:{line}: {reason}")
    return found


def module_of(name: str, modules: set[str]) -> str | None:
    """Return the module that a dotted name is or is in; None where it is not of the package."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def modules(root: Path) -> dict[str, set[str]]:
    """Every module below the root with the modules it imports; a .pyx, its .pxd and its .pyi are one module."""
    graph: dict[str, set[str]] = {}
    for path in sources(root):
        name = ".".join((PACKAGE, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        graph.setdefault(name, set()).update(target for _, target in imports(path, root))
    names = set(graph)
    return {name: {module_of(target, names) for target in targets} - {name, None} for name, targets in graph.items()}


def circle(root: Path) -> list[str]:
    """Return modules that import each other in a circle; none where there is none."""
    try:
        graphlib.TopologicalSorter(modules(root)).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_the_sources_keep_the_table():
    assert violations(ROOT) == []


def test_no_module_imports_itself_on_any_way():
    assert circle(ROOT) == []


def test_a_circle_is_found(tmp_path):
    plant(tmp_path, {"data/a.py": "from glorotlab.data.b import x\n", "data/b.pyx": "from glorotlab.data cimport c\n"})
    assert circle(tmp_path) == []
    plant(tmp_path, {"data/c.pxd": "cimport glorotlab.data.a\n"})
    assert set(circle(tmp_path)) == {"glorotlab.data.a", "glorotlab.data.b", "glorotlab.data.c"}


def test_every_source_file_is_read():
    """The check sees this package: its row 0, its kernels, and an import it is known to contain."""
    assert {"errors.py", "streams.py"} <= {path.name for path in sources(ROOT)}
    assert any(path.suffix == ".pyx" for path in sources(ROOT))
    assert "glorotlab.checks.whole_number" in {name for _, name in imports(ROOT / "streams.py", ROOT)}


def plant(root: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return violations(root)


PLANTED = {
    "in a stub": ("data/a.pyi", "from glorotlab.network import Network\n", "a.pyi:1: data imports network"),
    "relative, in a stub": ("data/sub/a.pyi", "from ...training.loop import run\n", "data imports training"),
    "importlib": (
        "data/a.py",
        "import importlib\nimportlib.import_module('glorotlab.cli')\n",
        "data/a.py:2: data imports cli, which is not below it",
    ),
    "importlib, relative": ("data/a.py", "import_module('..cli', __package__)\n", "data imports cli"),
    "lazy_loader": ("kernels/a.py", "import lazy_loader as lazy\nsp = lazy.load('sympy')\n", "kernels imports sympy"),
    "cimport": ("kernels/a.pyx", "# c\n\nfrom glorotlab.network.dense cimport f\n", "a.pyx:3: kernels imports network"),
    "bare cimport": ("kernels/a.pxd", "cimport cython, glorotlab.data.raster as r\n", "a.pxd:1: kernels imports data"),
    "import in Cython": (
        "kernels/a.pyx",
        "def f():\n    from glorotlab.theory import q\n",
        "a.pyx:2: kernels imports theory",
    ),
    "cimport of a package": (
        "kernels/a.pyx",
        "from glorotlab cimport (\n    errors,\n    data as d,\n)\n",
        "kernels imports data",
    ),
    "relative cimport": ("kernels/a.pyx", "from ..network.dense cimport f\n", "kernels imports network"),
    "after a colon": ("kernels/a.pyx", "if True: x = 1; import glorotlab.cli\n", "kernels imports cli"),
    "continued line": ("kernels/a.pyx", "from glorotlab.network \\\n    cimport f\n", "kernels imports network"),
    "third party in Cython": ("kernels/a.pyx", "import numpy as np, xarray\n", "kernels imports xarray"),
    "BLAS in the kernels": ("kernels/a.pyx", "from scipy.linalg cimport cython_blas\n", "kernels imports scipy"),
    "the public face": ("training/a.py", "import glorotlab as gl\n", "imports glorotlab, which is in no row"),
    "a name of the public face": ("training/a.py", "from glorotlab import predict\n", "predict, which is in no row"),
    "a package in no row": ("helpers/a.pyx", "import os\n", "helpers/a.pyx: helpers is in no row"),
}


@pytest.mark.parametrize("case", PLANTED)
def test_a_planted_violation_is_reported(case, tmp_path):
    name, text, said = PLANTED[case]
    (report,) = plant(tmp_path, {name: text})
    assert said in report


def test_what_the_table_allows_is_not_reported(tmp_path):
    allowed = {
        "__init__.py": "import glorotlab.cli\n",
        "__init__.pyi": "from .cli import main\n",
        "errors.py": "import sympy\n",
        "streams.py": "from glorotlab.errors import E\nfrom . import errors\n",
        "activations.py": "from glorotlab import schema\n",
        "kernels/a.pyx": (
            '"""Text.\n\nfrom glorotlab.cli import x\nimport sympy\n"""\n'
            "# import sympy\ns = 'x; import sympy'\nfrom .b cimport f\nfrom glorotlab.spec import S\n"
            "cdef extern from 'math.h':\n    double sin(double x)\n"
        ),
        "kernels/b.pxd": "from cython cimport floating\ncimport cython\n",
        "cli/__init__.py": "from . import main\nfrom .. import report, benchmarking\nimport matplotlib\n",
        "cli/notes.txt": "import glorotlab\n",
    }
    assert plant(tmp_path, allowed) == []


def test_importing_the_package_imports_nothing_heavy():
    program = f"import sys, {PACKAGE}; print({PACKAGE}.__file__, *(sys.modules.keys() & set({HEAVY!r})))"
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, check=True)  # noqa: S603
    where, *heavy = result.stdout.split()
    assert Path(where).parent == ROOT
    assert heavy == []
