"""What shells are offered: commands, options and known names; for paths nothing, so that they offer files."""

import pytest
from command_line import python
from commands import COMMANDS, LEAVES

from glorotlab.cli import completion

SHELLS = ("bash", "zsh", "fish")
HEAVY = {"sympy", "matplotlib", "xarray", "scipy", "torch", "jax", "jinja2", "rich"}


def asking(words, shell="bash"):
    """Return the environment in which a shell asks what may follow the words, the last of which may be empty."""
    return {
        "_GLOROTLAB_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }


@pytest.fixture
def ask(run, monkeypatch):
    """Return a caller of the program as a shell calls it."""

    def call(words, shell="bash"):
        for name, value in asking(words, shell).items():
            monkeypatch.setenv(name, value)
        return run()

    return call


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("glorotlab re", "reproduce"),
        ("glorotlab runs ", "list compare show"),
        ("glorotlab compare 3,4 -a so", "softplus softsign"),
        ("glorotlab train 3,4 --activation mi", "mish"),
        ("glorotlab bench 3,4 -a gel", "gelu"),
        ("glorotlab measure 3,4 -i he", "he_uniform he_normal"),
        ("glorotlab advise 3,4 --bias uni", "uniform uniform_fan_in"),
        ("glorotlab predict 3,4 --output ", "softmax sigmoid linear"),
        ("glorotlab predict 3,4 --cost ", "log_likelihood quadratic cross_entropy"),
        ("glorotlab predict 3,4 --dtype ", "float32 float64"),
        ("glorotlab train --learning-rates h", "hessian"),
        ("glorotlab compare 3,4 --dataset ", "shapeset mnist cifar10 small-imagenet"),
        ("glorotlab predict 3,4 --dataset sh", "shapeset"),
        ("glorotlab train --dataset ci", "cifar10"),
        ("glorotlab data path m", "mnist"),
        ("glorotlab derive back", "backward_variance backward_condition"),
        ("glorotlab derive --format m", "mathml"),
        ("glorotlab reproduce figure_1 nielsen_", "nielsen_depth nielsen_bars nielsen_speeds"),
        ("glorotlab reproduce --scale ", "quick medium long paper"),
        ("glorotlab bench r", "roofline"),
        ("glorotlab inspect own:make --loss ", "cross_entropy mse none"),
    ],
)
def test_names_are_offered(words, names, ask):
    assert sorted(ask(words).split()) == sorted(names.split())


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_is_offered(name, ask):
    options = {option for parameter in LEAVES[name].params for option in parameter.opts if option.startswith("--")}
    assert options <= set(ask(f"glorotlab {name} --").split())


@pytest.mark.parametrize(
    "words",
    ["runs show ", "runs list ru", "sweep st", "train --out ru", "train sp", "predict 3,4 --dataset own", "compare 78"],
)
@pytest.mark.parametrize(("shell", "nothing"), list(zip(SHELLS, ("", "_files", ""), strict=True)))
def test_paths_are_left_to_the_shell(words, shell, nothing, ask):
    assert ask(f"glorotlab {words}", shell).strip() == nothing


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_is_offered_every_command(shell, ask):
    text = ask("glorotlab ", shell)
    separators = str.maketrans(dict.fromkeys('":()\t', " "))
    assert set(COMMANDS) <= set(text.translate(separators).split())


@pytest.mark.parametrize(
    ("shell", "variables"),
    [
        ("bash", ["COMP_WORDS", "COMP_CWORD"]),
        ("zsh", ["_TYPER_COMPLETE_ARGS"]),
        ("fish", ["_TYPER_COMPLETE_ARGS", "_TYPER_COMPLETE_FISH_ACTION"]),
    ],
)
def test_a_script_asks_as_these_tests_do(shell, variables, run, monkeypatch):
    monkeypatch.setenv("_GLOROTLAB_COMPLETE", f"source_{shell}")
    script = run()
    assert f"_GLOROTLAB_COMPLETE=complete_{shell}" in script
    assert all(f"{name}=" in script for name in variables)


def test_experiments_are_offered_by_their_names():
    """They are found by their modules, none of which is imported."""
    from glorotlab.experiments.catalogue import CATALOGUE

    assert set(completion.experiments("")) == set(CATALOGUE)


def test_names_are_offered_without_what_is_slow():
    """One process stands for all: what any of these imports stays imported."""
    questions = ["compare -", "compare -a ", "compare -i ", "compare --cost ", "data show ", "derive ", "reproduce "]
    program = (
        "import os, sys\nfrom glorotlab.cli.main import main\n"
        f"for asked in {[asking(f'glorotlab {words}') for words in questions]!r}:\n"
        "    os.environ |= asked\n    assert main([]) == 0\n"
        f"print(*sys.modules.keys() & {HEAVY!r}, file=sys.stderr)"
    )
    process = python("-c", program)
    assert {"--initializer", "tanh", "glorot_uniform", "mnist", "figure_1"} <= set(process.stdout.split())
    assert process.stderr.split() == []
