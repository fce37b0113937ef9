"""The help: every command and option is described, ends with an example, and imports nothing slow."""

import inspect
import shlex

import pytest
from command_line import python
from commands import COMMANDS, GROUPS, LEAVES, PROGRAM

from glorotlab.cli.main import main

NETWORK_OPTIONS = ("activation", "initializer", "bias", "output", "cost", "seed", "dtype", "threads")
SLOW = {"sympy", "matplotlib", "xarray", "scipy", "numpy", "pydantic", "rich", "jinja2"}
BELOW = SLOW - {"pydantic"}
"""Below a command, typer itself may import pydantic to convert values."""


def letters(text):
    """Return a text without its spaces and line ends: help is folded, at hyphens too."""
    return "".join(text.split())


def slow_imports(commands, slow, *expected):
    """Return which slow modules some commands import, having checked that they printed what is expected."""
    program = (
        "import sys\nfrom glorotlab.cli.main import main\n"
        f"assert [main(arguments) for arguments in {commands!r}] == [0] * {len(commands)}\n"
        f"print(*sys.modules.keys() & {slow!r}, file=sys.stderr)"
    )
    process = python("-c", program)
    assert all(text in process.stdout for text in expected), process.stderr
    return process.stderr.split()


@pytest.mark.parametrize("commands", [[[]], [["compare"], ["data", "show"]]], ids=["whole", "below"])
def test_help_imports_nothing_slow(commands):
    """All commands are imported for each: one leaf, one of a group and the whole stand for the others."""
    asked = [[*command, "--help"] for command in commands]
    assert slow_imports(asked, SLOW if commands == [[]] else BELOW, "Usage") == []


def test_a_listing_of_runs_imports_nothing_slow(tmp_path):
    """Ten thousand folders are listed in the time their files take to open."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "status.json").write_text('{"status": "finished", "updates": 1}')
    asked = [["runs", command, str(tmp_path)] for command in ("list", "compare")]
    assert slow_imports(asked, BELOW, "finished") == []


def test_help_lists_every_command_with_its_first_sentence(run):
    text = letters(run("--help"))
    for name, command in COMMANDS.items():
        assert letters(name + inspect.cleandoc(command.help).partition("\n\n")[0]) in text
    assert letters(run()) == text


@pytest.mark.parametrize("name", LEAVES)
def test_a_command_describes_itself_word_by_word(run, name):
    """Every help text of a command and its parameters is shown whole: brackets are no markup."""
    text = letters(run(*name.split(), "--help"))
    command = LEAVES[name]
    assert letters(command.help) in text
    for parameter in command.params:
        assert parameter.help, parameter.name
        assert letters(parameter.help) in text
        assert not parameter.help.startswith(("Of ", "For ")), f"{parameter.name}: a sentence has a subject"


@pytest.mark.parametrize("name", ["", *GROUPS, *LEAVES])
def test_help_ends_with_an_example_that_calls_the_command(name, run, monkeypatch):
    """Typer's parser takes it: every option in it exists, every value has its type, and nothing is missing."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(*name.split(), "--help").splitlines()
    assert max(map(len, lines)) <= 80
    *_, title, example = lines
    program, *words = shlex.split(example)
    assert (title, program) == ("Example:", "glorotlab")
    called = []
    monkeypatch.setattr("glorotlab.cli.main._command", lambda: PROGRAM)
    for other, command in LEAVES.items():
        monkeypatch.setattr(command, "callback", lambda other=other, **values: called.append(other))
    assert run(*words) == ""
    assert len(called) == 1
    assert called[0] == name or (name in ("", *GROUPS) and called[0].startswith(name))


def test_words_in_brackets_are_shown(run, monkeypatch):
    words = "A table [sweep], a default [at most 300] and [bold]no style[/bold]."
    monkeypatch.setattr(LEAVES["info"], "help", words)
    monkeypatch.setattr("glorotlab.cli.main._command", lambda: LEAVES["info"])
    assert letters(words) in letters(run("--help"))
    assert "[sweep]" in run("--help")


def test_defaults_that_no_value_shows_are_written_out(run):
    text = letters(run("measure", "--help"))
    assert letters("from the start of the test split. [default: (at most 300)]") in text


def test_options_stand_in_their_groups(run):
    text = run("measure", "--help")
    places = [text.index(f"\n{name}:\n") for name in ("Arguments", "Network", "Data", "Options")]
    assert len(set(places)) == 4
    assert text.index("\nNetwork:\n") < text.index("--activation") < text.index("--threads")
    assert text.index("\nData:\n") < text.index("--examples") < text.index("--seeds")


def test_the_network_options_are_the_same_everywhere():
    groups = [
        {
            parameter.name: (sorted(parameter.opts), parameter.default, parameter.help)
            for parameter in COMMANDS[name].params
            if parameter.name in NETWORK_OPTIONS
        }
        for name in ("predict", "measure", "compare", "advise", "train")
    ]
    assert tuple(groups[0]) == NETWORK_OPTIONS
    assert groups[0]["activation"][0] == ["--activation", "-a"]
    assert groups[0]["initializer"][0] == ["--initializer", "-i"]
    assert all(group == groups[0] for group in groups)


def test_the_entry_point_is_described():
    assert inspect.getdoc(main)
