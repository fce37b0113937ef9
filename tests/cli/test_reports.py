"""The option --report: its place is looked at before the work, and the page says by which command it was made."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from command_line import parsed
from html_pages import check
from small_results import LAYERS, write_data

from glorotlab.cli.main import main
from glorotlab.training.sweeps import sweep as module

SWEEP = """
data = "own <b>.npz"
[network]
layers = "6,4,3"
[training]
updates = 1
[sweep]
repeats = 2
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path)
    return tmp_path


def command_of(page):
    """Return the command that a page says it was made by."""
    text = page.read_text(encoding="utf-8")
    check(text)
    return text.partition("<h3>Command</h3>\n<pre>")[2].partition("</pre>")[0]


@pytest.fixture
def in_a_thread(monkeypatch):
    """Let a sweep make its runs in a thread: processes would import everything anew."""
    with ThreadPoolExecutor(1) as executor:
        monkeypatch.setattr(module, "sweep", functools.partial(module.sweep, executor=executor))
        yield


def test_train_and_sweep_write_reports_beside_their_folders(run, folder, capsys, in_a_thread):
    place, data = folder / "run" / "report.html", folder / "own <b>.npz"
    arguments = "train", LAYERS, "--dataset", data, "--updates", 2, "--out=run", "--report", place
    assert run(*arguments, "--quiet").endswith(f"Report: {place}\n")
    typed = "glorotlab train 6,12x2,3 --dataset &#39;own &lt;b&gt;.npz&#39; --updates 2 --out=run --report report.html"
    assert command_of(place) == f"{typed} --quiet"
    assert "Report:" not in run(*arguments[:-2], "--quiet")  # a run that has a report beside it is still one
    (folder / "sweep.toml").write_text(SWEEP)
    assert main(["sweep", "sweep.toml", "--report", "sweep.html", "--dry-run"]) == 2
    assert "--report together with --dry-run: allowed is one of the two" in capsys.readouterr().err
    printed = run("sweep", "sweep.toml", "--report", "sweep.html", "--quiet", "--json")
    assert parsed(printed)["counts"] == {"finished": 2}  # and no line after it
    assert command_of(folder / "sweep.html").startswith("glorotlab sweep sweep.toml --report sweep.html")


def test_compare_writes_one_where_it_is_told_by_either_name(run, folder):
    page = folder / "page.html"
    page.write_text("before")
    (folder / "link.html").symlink_to(page)
    for option, name in (("--report", "page.html"), ("--out", "link.html")):
        arguments = "compare", "6,20,3", "--dataset", "own <b>.npz", "--seeds", 2, "--no-bands", "--quiet"
        assert run(*arguments, option, name).endswith(f"Report: {name}\n")
        assert "--no-bands" in command_of(folder / name)
    assert not (folder / "link.html").is_symlink()  # replaced, as every file


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "6,4,3", "--dataset", "own <b>.npz", "--updates", "1", "--out", "run"),
        ("sweep", "absent.toml"),
        ("compare", "6,4,3", "--dataset", "absent.npz"),
        ("inspect", "absent:make", "--data", "absent.npz"),
        ("explorer",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_place_that_cannot_be_written_is_one_line_before_the_work(folder, capsys, arguments):
    (folder / "file").write_text("")
    os.mkfifo(folder / "pipe.html")
    (folder / "folder.html").mkdir()
    data = (folder / "own <b>.npz").read_bytes()
    for place, words in (
        ("own <b>.npz", "page 'own <b>.npz': allowed are names that end in .html or .htm"),
        ("folder.html", "cannot write 'folder.html': Is a directory"),
        ("pipe.html", "cannot write 'pipe.html': a named pipe: allowed is a regular file"),
        ("file/page.html", "'file/page.html': Not a directory"),
    ):
        assert main([*arguments, "--out" if arguments[0] == "explorer" else "--report", place]) == 2
        line = capsys.readouterr().err
        assert words in line
        assert line.count("\n") == 1
    assert not (folder / "run").exists()
    assert (folder / "file").read_text() == ""
    assert (folder / "own <b>.npz").read_bytes() == data


@pytest.mark.parametrize("out", ["o.html", "o.html/run"])
@pytest.mark.parametrize("command", ["train", "sweep"])
def test_a_report_in_the_place_of_the_results_is_refused_before_the_work(folder, capsys, command, out):
    (folder / "sweep.toml").write_text(SWEEP)
    target = {"train": ["train", LAYERS, "--dataset", "own <b>.npz"], "sweep": ["sweep", "sweep.toml"]}[command]
    assert main([*target, "--out", out, "--report", "o.html"]) == 2
    assert f"--report 'o.html' is where --out '{out}' goes: allowed are two places" in capsys.readouterr().err
    assert not (folder / "o.html").exists()
