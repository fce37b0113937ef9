"""Text leaves in one place: names of any characters, streams that are closed or full, encodings that lack letters."""

import ast
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ENVIRONMENT

import glorotlab
from glorotlab.cli import terminal
from glorotlab.cli.main import main
from glorotlab.cli.tables import table

CLI = Path(glorotlab.__file__).parent / "cli"
COMMAND = f"{sys.executable} -X dev -W error -m glorotlab"


def test_only_one_module_writes_to_the_streams():
    """No other module of the command line prints, writes to a stream, or has a console of rich for results."""
    for path in set(CLI.rglob("*.py")) - {CLI / "terminal.py"}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "typer.echo", "Console"), f"{path.name}: {called}"
                assert not called.endswith(("stdout.write", "stderr.write")), f"{path.name}: {called}"


@pytest.mark.parametrize("name", ["a\x1b[31mred", "b\x1b]0;title\x07", "c\u202ednuor", "d\nerror"])
def test_names_of_folders_do_nothing_to_the_terminal(name, run, capsys, tmp_path):
    folder = tmp_path / "runs" / name
    folder.mkdir(parents=True)
    (folder / "status.json").write_text('{"status": "finished", "updates": 1, "updates_in_all": 1}')
    for command in ("list", "compare"):
        shown = run("runs", command, tmp_path / "runs")
        assert all(line.isprintable() for line in shown.splitlines())
    assert json.loads(run("runs", "list", tmp_path / "runs", "--json"))["runs"][0]["run"] == name
    assert main(["runs", "show", str(folder / "none")]) == 2
    assert capsys.readouterr().err.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("streams", "arguments", "code", "out", "err"),
    [
        (">&-", "derive", 0, "", ""),
        ("2>&-", "predict 10,5 -a tanhh", 2, "", ""),
        ("<&- >&- 2>&-", "train 4,5,3 --dataset own.npz --updates 2 --out run", 0, "", ""),
        (">/dev/full", "--version", 1, "", "glorotlab: error: cannot print the result: No space left on device\n"),
    ],
)
def test_streams_that_are_closed_or_full(streams, arguments, code, out, err, tmp_path):
    import numpy as np

    np.savez(tmp_path / "own.npz", x=np.random.default_rng(0).normal(size=(30, 4)), y=np.arange(30) % 3)
    found = subprocess.run(  # noqa: S602
        f"{COMMAND} {arguments} {streams}",
        shell=True,
        capture_output=True,
        text=True,
        timeout=120,
        env=ENVIRONMENT,
        cwd=tmp_path,
    )
    assert (found.returncode, found.stdout, found.stderr) == (code, out, err)
    if "train" in arguments:
        assert json.loads((tmp_path / "run" / "status.json").read_text())["status"] == "finished"


class Stream(io.TextIOWrapper):
    """Standard output of another encoding."""

    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)


@pytest.mark.parametrize(("encoding", "sign"), [("ascii", b" +- "), ("cp1252", b" \xb1 "), ("utf-8", " ± ".encode())])
def test_every_encoding_gets_its_signs(encoding, sign, monkeypatch):
    stream = Stream(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["measure", "1024,4,9", "--dataset", "shapeset", "--examples", "3", "--seeds", "2", "--quiet"]) == 0
    assert sign in stream.buffer.getvalue()
    assert stream.errors == "strict", "streams are left as they were"


def test_cells_are_aligned_as_they_are_spelled(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Stream("ascii"))
    assert table(["value", "n"], [["1 ± 2", "3"], ["–", "4"]], 40).split("\n")[2:] == ["1 +- 2  3", "     -  4"]


@pytest.mark.parametrize(
    ("variables", "bold"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
    ],
)
def test_titles_are_bold_on_a_terminal_that_wants_it(variables, bold, capsys, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    terminal.say("title", bold=True)
    assert capsys.readouterr().out == "title\n", "no terminal"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    terminal.say("title", bold=True)
    assert capsys.readouterr().out == ("\x1b[1mtitle\x1b[0m\n" if bold else "title\n")


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path):
    """Whatever else writes to standard error, a library for one, would write into the first file that is opened."""
    program = "import os; from glorotlab.cli.terminal import usable_streams as u\nwith u(): os._exit(os.open('f', 65))"
    command = [sys.executable, "-c", program]
    shell = f"exec {shlex.join(command)} <&- >&- 2>&-"
    found = subprocess.run(shell, shell=True, timeout=120, env=ENVIRONMENT, cwd=tmp_path)  # noqa: S602
    assert found.returncode > 2


def test_a_notebook_asks_for_no_picture(monkeypatch):
    """A backend that this Python does not have would keep matplotlib from being imported."""
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    seen = []
    monkeypatch.setattr("glorotlab.cli.main._run", lambda arguments: seen.append(os.environ["MPLBACKEND"]))
    assert main(["info"]) == 0
    assert (seen, os.environ["MPLBACKEND"]) == (["agg"], "module://matplotlib_inline.backend_inline")
    monkeypatch.delenv("MPLBACKEND")
    assert main(["info"]) == 0
    assert "MPLBACKEND" not in os.environ


def test_sentences_are_folded_on_a_terminal_alone(capsys, monkeypatch):
    words = " ".join(["word"] * 60)
    monkeypatch.setenv("COLUMNS", "50")
    terminal.say_folded(words, indent="  ")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 5
    assert max(map(len, lines)) <= 50
    monkeypatch.delenv("COLUMNS")
    terminal.say_folded(words)
    assert capsys.readouterr().out == f"{words}\n"
