"""The page docs/your_model.md does what it says: its examples run as they stand, one after the other."""

import re
from pathlib import Path

import pytest

import glorotlab

pytestmark = pytest.mark.torch

PAGE = Path(glorotlab.__file__).parents[1] / "docs" / "your_model.md"


def test_the_page_runs(torch, tmp_path, monkeypatch, capsys):
    if not PAGE.exists():
        pytest.skip("the pages are not beside the installed package")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102
    assert {path.name for path in tmp_path.iterdir()} == {"modules.png", "training.png"}
    printed = capsys.readouterr().out
    assert "| preactivation_second_moment | blocks.0.fc1 |" in printed
    assert "Take " in printed
