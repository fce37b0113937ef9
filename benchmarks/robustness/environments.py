"""Run every command in every environment, each in a process of its own, and print what became of it.

python benchmarks/robustness/environments.py [--only COMMAND] [--in ENVIRONMENT] [--json]

A command must return 0 (or, where its output has nowhere to go, 1 or 2 with a line that says so where lines can be
read), print no traceback and no warning, and bring about the same as in a plain environment. Exit code 1 where not.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runs import write_dataset

import glorotlab

SECONDS = 300

SPEC = """data = "data.npz"
[network]
layers = "4,5,3"
[training]
updates = 3
"""

COMMANDS: dict[str, tuple[str, ...]] = {
    "help": ("--help",),
    "version": ("--version",),
    "derive": ("derive",),
    "derive forward_variance": ("derive", "forward_variance"),
    "predict": ("predict", "4,5,3"),
    "measure": ("measure", "4,5,3", "--dataset", "data.npz", "--seeds", "2"),
    "compare": ("compare", "4,5,3", "--dataset", "data.npz", "--seeds", "2"),
    "advise": ("advise", "4,5,3"),
    "train": ("train", "4,5,3", "--dataset", "data.npz", "--updates", "3"),
    "train --out": ("train", "spec.toml", "--out", "out"),
    "sweep": ("sweep", "sweep.toml", "--workers", "1", "--out", "swept"),
    "reproduce --list": ("reproduce", "--list"),
    "reproduce": ("reproduce", "cost_function", "--workers", "1", "--out", "page"),
    "bench": ("bench", "nielsen", "--rounds", "1", "--peers", "numpy", "--threads", "1"),
    "info": ("info",),
    "runs list": ("runs", "list", "runs"),
    "runs show": ("runs", "show", "runs/a"),
    "runs compare": ("runs", "compare", "runs"),
    "data list": ("data", "list"),
    "data show": ("data", "show", "data.npz"),
    "data path": ("data", "path", "data.npz"),
    "bad name": ("predict", "4,5,3", "-a", "rleu"),
    "bad option": ("predict", "--é"),
}
"""Every command with arguments that cost little, and two that are refused."""

REFUSED = ("bad name", "bad option")


@dataclass(frozen=True)
class Environment:
    """What is unlike a plain environment."""

    variables: Mapping[str, str] = field(default_factory=dict)
    python: tuple[str, ...] = ()
    streams: str = ""
    """Redirections of a shell."""
    read_only_home: bool = False
    without_output: bool = False


ENVIRONMENTS: dict[str, Environment] = {
    "plain": Environment(),
    "dev": Environment(python=("-X", "dev", "-W", "error")),
    "ascii": Environment({"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}),
    "cp1252": Environment({"PYTHONIOENCODING": "cp1252"}),
    "C locale": Environment({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "no stdout": Environment(streams=">&-", without_output=True),
    "full stdout": Environment(streams=">/dev/full", without_output=True),
    "no stderr": Environment(streams="2>&-"),
    "no stdin": Environment(streams="<&-"),
    "no streams": Environment(streams="<&- >&- 2>&-", without_output=True),
    "read-only home": Environment(read_only_home=True),
    "no home": Environment(
        {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent/a", "XDG_CONFIG_HOME": "/nonexistent/b"}
    ),
    "dumb terminal": Environment({"TERM": "dumb", "COLUMNS": "40"}),
    "inline plots": Environment({"MPLBACKEND": "module://matplotlib_inline.backend_inline"}),
    "empty settings": Environment({"GLOROTLAB_NUM_THREADS": "", "GLOROTLAB_DATA": "", "GLOROTLAB_SIMD": ""}),
}


@dataclass
class Outcome:
    """What became of a command in an environment."""

    command: str
    environment: str
    code: int
    stdout_lines: int
    stderr_lines: int
    problem: str


def lay_out(folder: Path, runs: bool = True) -> None:
    """Make the files that the commands name, a run among them where ``runs`` says so."""
    write_dataset(folder / "data.npz")
    (folder / "spec.toml").write_text(SPEC, encoding="utf-8")
    (folder / "sweep.toml").write_text(f"{SPEC}[sweep.grid]\nlearning_rate = [0.1, 0.01]\n", encoding="utf-8")
    if not runs:
        return
    subprocess.run(
        [sys.executable, "-m", "glorotlab", "train", "spec.toml", "--out", "runs/a", "--quiet"],
        cwd=folder,
        env=_variables({}),
        check=True,
        stdout=subprocess.DEVNULL,
    )


def run(command: str, name: str, folder: Path) -> Outcome:
    """Run a command in a folder that ``lay_out`` has made."""
    environment = ENVIRONMENTS[name]
    variables = _variables(environment.variables)
    home = folder / "home"
    if environment.read_only_home:
        home.mkdir(exist_ok=True)
        home.chmod(0o500)
        caches = {key: str(home / key) for key in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        variables |= {"HOME": str(home)} | caches
    words = [sys.executable, *environment.python, "-m", "glorotlab", *COMMANDS[command]]
    # root may write anywhere: without its capabilities it is a user like others
    dropped = (
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if environment.read_only_home and not os.getuid() else []
    )
    script = f'exec "$@" {environment.streams}'
    result = subprocess.run(
        ["sh", "-c", script, "sh", *dropped, *words],  # noqa: S607
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    out, err = (stream.decode("utf-8", "replace") for stream in (result.stdout, result.stderr))
    problem = judge(command, environment, result.returncode, out, err)
    return Outcome(command, name, result.returncode, len(out.splitlines()), len(err.splitlines()), problem)


PROGRESS = re.compile(r" left\b| finished in ")
"""A line of progress, of which a slow machine prints more."""


def judge(command: str, environment: Environment, code: int, out: str, err: str) -> str:
    """Return what is wrong, in a line, or an empty text."""
    for word in ("Traceback", "Warning:", "Exception ignored", "Fatal Python error"):
        if word in err + out:
            lines = [line for line in (err + out).splitlines() if line.strip()]
            return f"{word}: {lines[-1][:150]}"
    if command in REFUSED:
        if code != 2:
            return f"exit code {code} in place of 2"
        return (
            ""
            if "2>&-" in environment.streams or len(err.splitlines()) == 1
            else f"{len(err.splitlines())} lines on stderr"
        )
    if environment.without_output:
        said = [line for line in err.splitlines() if not PROGRESS.search(line)]
        return "" if code in (0, 1, 2) and len(said) <= 3 else f"exit code {code}: {err.strip()[-150:]}"
    if code:
        return f"exit code {code}: {err.strip()[-150:]}"
    return "" if out.strip() else "nothing on stdout"


def _variables(changed: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of this process, by which a child finds this very glorotlab, with some changed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GLOROTLAB", "XDG", "COV_"))}
    return kept | {"PYTHONPATH": str(Path(glorotlab.__file__).parents[1]), "GLOROTLAB_NUM_THREADS": "1"} | dict(changed)


def main() -> int:
    """Run all, or some; return 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(COMMANDS), help="a command, or several")
    parser.add_argument("--in", action="append", dest="places", choices=list(ENVIRONMENTS), help="an environment")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    for name in options.places or ENVIRONMENTS:
        with tempfile.TemporaryDirectory() as folder:
            lay_out(Path(folder))
            for command in options.only or COMMANDS:
                outcomes.append(run(command, name, Path(folder)))
                if not options.json:
                    print(_line(outcomes[-1]), flush=True)
    problems = [outcome for outcome in outcomes if outcome.problem]
    if options.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=2))
    else:
        print(f"{len(outcomes)} commands in environments, {len(problems)} problems")
    return int(bool(problems))


def _line(outcome: Outcome) -> str:
    fields: Any = (outcome.environment, outcome.command, outcome.code, outcome.stdout_lines, outcome.stderr_lines)
    return "{:16}{:26}exit {:3}{:6} lines out{:4} err".format(*fields) + (
        f"   {outcome.problem}" if outcome.problem else ""
    )


if __name__ == "__main__":
    sys.exit(main())
