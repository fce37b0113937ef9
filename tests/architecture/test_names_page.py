"""docs/names.md lists every name there is."""

from pathlib import Path
from typing import get_args

import pytest

from glorotlab import activations, costs, initializers
from glorotlab.activations.expression import syntax
from glorotlab.spec.training import TrainingSpec

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "names.md").read_text(encoding="utf-8")
PAIRS = {word for pair in costs.RECORDS for word in pair}
RATES = get_args(TrainingSpec.model_fields["learning_rates"].annotation)


@pytest.mark.parametrize(
    "name", sorted({*activations.RECORDS, *syntax.FUNCTIONS, *syntax.CONSTANTS, *initializers.NAMES, *PAIRS, *RATES})
)
def test_the_page_has_the_name(name):
    assert f"`{name}`" in PAGE or f"`{name}(" in PAGE
