"""The notebook docs/tutorial.ipynb runs from top to bottom: each cell shows something, and nothing warns."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the notebook is run by packages of the extra docs")
nbclient = pytest.importorskip("nbclient", reason="the notebook is run by packages of the extra docs")
pytest.importorskip("ipykernel", reason="the notebook is run by packages of the extra docs")

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_kept_without_outputs():
    cells = code_cells(nbformat.read(NOTEBOOK, as_version=4))
    assert len(cells) > 10
    assert [cell.source for cell in cells if cell.outputs or cell.execution_count is not None] == []


def test_every_cell_shows_something(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert [output for output in outputs if output.output_type != "execute_result"] == []  # a warning is a stream
    assert len(outputs) == len(code_cells(notebook))
    kinds = [kind for output in outputs for kind in output.data]
    assert kinds.count("image/png") == 3
    assert kinds.count("text/latex") == 1
    assert kinds.count("text/html") > 6
