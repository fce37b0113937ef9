"""Tables fit the terminal, and no name and no number is ever cut."""

import pytest
from command_line import parsed
from hypothesis import example, given
from hypothesis import strategies as st

from glorotlab.cli.main import main
from glorotlab.cli.tables import fits, prose, table, typed

COLUMNS = (typed("name"), prose("what it is"), "a long number")
ROWS = [["normalized_initialization", "the initialization of a paper", "-1.2345e-05"], ["b", "", "7"]]

WIDE = """\
name                       what it is                     a long number
-------------------------  -----------------------------  -------------
normalized_initialization  the initialization of a paper    -1.2345e-05
b                                                                     7"""

FOLDED = """\
                                                     a long
name                       what it is                number
-------------------------  -------------------  -----------
normalized_initialization  the initialization   -1.2345e-05
                           of a paper
b                                                         7"""

STACKED = """\
name: normalized_initialization
  what it is: the initialization of a
    paper
  a long number: -1.2345e-05
name: b
  a long number: 7"""


@pytest.mark.parametrize(("width", "lines"), [(71, WIDE), (59, FOLDED), (40, STACKED)])
def test_a_table_is_set_side_by_side_then_folded_then_row_below_row(width, lines):
    assert table(COLUMNS, ROWS, width) == lines


words, long_words = (st.text("abcdefg.-0123456789", min_size=1, max_size=most) for most in (12, 25))


@given(
    st.integers(40, 120),
    st.lists(st.tuples(words, st.lists(long_words, max_size=8).map(" ".join), words, words), min_size=1, max_size=4),
)
@example(60, [("a" * 12, "b" * 25 + " c", "1" * 12, "2" * 12)])
def test_every_word_and_number_stays_whole_and_in_the_line(width, rows):
    lines = table([typed("name"), prose("text"), "first", "second"], [list(row) for row in rows], width).split("\n")
    assert max(map(len, lines)) <= width
    shown = " ".join(lines).split()
    for name, text, *numbers in rows:
        assert {name, *text.split(), *numbers} <= set(shown)


def test_whether_a_table_fits(monkeypatch):
    for width, answer in (("68", False), ("69", True)):  # names of columns may be folded
        monkeypatch.setenv("COLUMNS", width)
        assert fits(COLUMNS, ROWS) == answer


COMMANDS = {
    "derive": ["derive"],
    "targets": ["reproduce", "--list"],
    "datasets": ["data", "list"],
    "predict": ["predict", "10,20x2,3", "--all"],
    "compare": ["compare", "1024,8,9", "--dataset", "shapeset", "--examples", "5", "--seeds", "3"],
    "measure": ["measure", "1024,8,9", "--dataset", "shapeset", "--examples", "5", "--seeds", "3"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_is_wider_than_the_terminal(command, capsys, monkeypatch, tmp_path):
    """At 40 columns every word of what is printed without a limit is still there, and every number."""
    monkeypatch.setenv("GLOROTLAB_DATA", str(tmp_path))  # a path is one word, however long
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    texts = {}
    for width in (40, 80, 1000):
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(COMMANDS[command]) == 0
        texts[width] = capsys.readouterr().out
        assert max(map(len, texts[width].splitlines())) <= width
    verdicts = ("agrees", "differs", "z-score  verdict")
    z_scores = {line.split()[-2] for line in texts[1000].splitlines() if line.endswith(verdicts)}  # spared below 100
    whole = set(texts[1000].replace(":", "").split()) - {word for word in texts[1000].split() if set(word) == {"-"}}
    for width in (40, 80):
        assert whole - z_scores <= set(texts[width].replace(":", "").split()), width


def test_csv_has_the_numbers_of_json(run):
    arguments = ("predict", "10,20x2,3")
    header, *lines = run(*arguments, "--csv").splitlines()
    layers = parsed(run(*arguments, "--json"))["layers"]
    names = header.split(",")
    assert len(lines) == len(layers) == 3
    for line, layer in zip(lines, layers, strict=True):
        row = dict(zip(names, line.split(","), strict=True))
        for name, value in layer.items():
            if not isinstance(value, dict):
                assert row[name] == ("" if value is None else repr(value))
    assert float(lines[0].split(",")[names.index("activation_quantile_0.5")]) == layers[0]["activation_quantile"]["0.5"]


def test_csv_of_a_comparison_has_a_line_for_each_variable_and_layer(run):
    arguments = ("compare", "1024,8,9", "--dataset", "shapeset", "--examples", 5, "--seeds", 3, "--no-bands")
    header, *lines = run(*arguments, "--csv").splitlines()
    assert header == "variable,layer,predicted,measured,standard_error,ratio,z_score,low,high,inside_band,verdict"
    layers = parsed(run(*arguments, "--json"))["layers"]
    entries = {(name, str(layer["layer"])): value for layer in layers for name, value in layer.items()}
    for line in lines:
        variable, layer, predicted, *_, verdict = line.split(",")
        entry = entries[variable, layer]
        assert (float(predicted), verdict) == (entry["predicted"], entry["verdict"])


def test_json_and_csv_together_are_refused(capsys):
    for arguments in (["--json", "--csv"], ["--csv", "--json"]):
        assert main(["predict", "10,5,3", *arguments]) == 2
        assert capsys.readouterr().err == "glorotlab: error: --json together with --csv: allowed is one of the two\n"


def test_no_name_makes_a_row_of_its_own():
    lines = table([typed("run"), "updates"], [["a\nb", "3"]], width=80).splitlines()
    assert [line.split() for line in lines[2:]] == [["a?b", "3"]]
