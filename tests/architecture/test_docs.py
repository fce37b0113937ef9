"""Files that the pages name exist, and nobody is told to install an extra from an index that does not have it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks/README.md", ROOT / "tests/README.md"]
FILE = re.compile(r"`([\w./-]+/[\w-]+\.(?:py|pyx|pyi|pxd|h|c))`")


def test_every_source_file_that_a_page_names_exists():
    files = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.*") if path.suffix[1:] and path.is_file()]
    known = {"/".join(parts[start:]) for parts in (file.split("/") for file in files) for start in range(len(parts))}
    named = {(page.name, name) for page in PAGES for name in FILE.findall(page.read_text(encoding="utf-8"))}
    assert len(named) > 20
    assert {(page, name) for page, name in named if name not in known} == set()


def test_extras_are_installed_from_the_source_folder():
    sources = [*PAGES, *(ROOT / "glorotlab").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    wrong = "pip install [\"']" + r"?glorotlab\["
    assert [path.name for path in sources if re.search(wrong, path.read_text(encoding="utf-8"))] == []
