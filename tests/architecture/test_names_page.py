"""docs/names.md lists every name there is."""

from pathlib import Path

import pytest

from glorotlab import activations, costs, initializers
from glorotlab.activations.expression import syntax

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "names.md").read_text(encoding="utf-8")
PAIRS = {word for pair in costs.RECORDS for word in pair}


@pytest.mark.parametrize(
    "name", sorted({*activations.RECORDS, *syntax.FUNCTIONS, *syntax.CONSTANTS, *initializers.NAMES, *PAIRS})
)
def test_the_page_has_the_name(name):
    assert f"`{name}`" in PAGE or f"`{name}(" in PAGE
