"""PyTorch is asked for in one line where it is missing, and nothing is said of it elsewhere."""

import importlib

import pytest

from glorotlab.errors import GlorotlabError, InvalidValueError
from glorotlab.torch.requirement import require_module, require_torch


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "python -m pip install"),
        (ModuleNotFoundError("No module named 'typing_x'", name="typing_x"), "cannot be imported: No module named"),
        (OSError("libgomp.so.1: cannot open shared object file"), "cannot be imported: libgomp"),
    ],
)
def test_what_is_missing_is_said_in_one_line(monkeypatch, error, message):
    def fail(name):
        raise error

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(GlorotlabError, match=r"gl\.torch needs PyTorch") as caught:
        require_torch()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_is_a_module(torch):
    assert require_module(model := torch.nn.Linear(2, 3)) is model
    with pytest.raises(InvalidValueError, match=r"model of type str: allowed is a torch\.nn\.Module"):
        require_module("Linear")
