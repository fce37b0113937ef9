"""JSON and TOML within bounds."""

import pytest

from glorotlab.documents import LIMITS, Limits, parse_json, parse_toml
from glorotlab.errors import InvalidValueError
from glorotlab.spec.run import RunSpec
from glorotlab.spec.sweep import SweepSpec
from glorotlab.spec.training import TrainingSpec

SPEC = '[network]\nlayers = "6,5,3"\n[training]\nupdates = 2\n'

BAD_TOML = {
    "nested lists": ("a=" + "[" * 2000, "nested too deeply"),
    "nested tables": ("a=" + "{a=" * 2000, "nested too deeply"),
    "a long number": ("seed=" + "9" * 5000, "5,000 characters: allowed are 100"),
    "a long broken number": ("seed=0." + "9" * 5000, "characters: allowed are 100"),
    "a key of many parts": (".".join("a" * 20_000) + "=1", "more than 16 parts"),
    "a table of many parts": (f"[{'.'.join('a' * 20_000)}]", "more than 16 parts"),
    "quoted parts": ('"a" . ' * 20_000 + "a=1", "more than 16 parts"),
    "many keys": ("\n".join(f"k{key}=1" for key in range(LIMITS.keys + 1)), "more than 100,000 keys"),
    "too long": ("#" * (LIMITS.size + 1), "larger than 1,048,576 bytes"),
    "no UTF-8": (b"a='\xff'", "not a text in UTF-8: byte 3 is 0xff"),
    "no date": ("a=2021-13-45", "not TOML"),
    "an open text": ('a="[[[[', "not TOML"),
}


@pytest.mark.parametrize("case", BAD_TOML)
def test_bad_toml_is_one_line(case):
    text, said = BAD_TOML[case]
    with pytest.raises(InvalidValueError, match=said) as caught:
        parse_toml(text)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        'a = "' + "[" * 100 + '"',
        "a = '" + "{" * 100 + "'",
        'a = """\n' + "[\n" * 100 + '"""',
        "a = 1 # " + "[" * 100,
        'a = "\\"' + "." * 100 + '"',
        "a = [" + ",".join(["0.5"] * 100) + "]",
        "\n".join(f"a{key}.b = 1" for key in range(100)),
        "[" + ".".join("abcdefghijklmno") + "]",
    ],
    ids=lambda text: text[:12],
)
def test_what_only_looks_nested_is_read(text):
    assert parse_toml(text)


def test_a_byte_order_mark_and_other_ends_of_lines():
    expected = RunSpec.from_toml(SPEC)
    marked = "\ufeff" + SPEC.replace("\n", "\r\n")
    assert RunSpec.from_toml(marked) == expected
    assert parse_toml(marked.encode()) == parse_toml(SPEC)
    sweep = SPEC + "[sweep.grid]\nlearning_rate = [0.1, 0.2]\n"
    assert SweepSpec.from_toml("\ufeff" + sweep) == SweepSpec.from_toml(sweep)


BAD_JSON = {
    "NaN": ("[NaN]", "number NaN: allowed are finite numbers"),
    "infinity": ('{"a": -Infinity}', "number -Infinity"),
    "overflow": ("1e999", "number 1e999: allowed are finite"),
    "digits": ("1" * 5000, "5,000 characters"),
    "broken digits": ("0." + "1" * 5000, "characters: allowed are 100"),
    "nested": ("[" * 17 + "]" * 17, "nested too deeply: allowed are 16"),
    "a key twice": ('{"a": 1, "a": 1}', "key 'a' twice"),
    "half a character": ('["\\ud800"]', "not JSON"),
    "nothing": ("", "not JSON"),
    "too long": (" " * (LIMITS.size + 1), "larger than"),
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_bad_json_is_one_line(case):
    text, said = BAD_JSON[case]
    with pytest.raises(InvalidValueError, match=said) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 200


def test_json_within_its_limits():
    assert parse_json('{"a": [1, 2.5, "[[[[\\"[", true, null, "\\ud83d\\ude00"]}') == {
        "a": [1, 2.5, '[[[["[', True, None, "\U0001f600"]
    }
    with pytest.raises(InvalidValueError, match="more than 2 keys"):
        parse_json('[{"a": 1}, {"a": 1}, {"a": 1}]', Limits(keys=2))


@pytest.mark.parametrize("value", ["true", '"5"'])
@pytest.mark.parametrize("field", ["updates", "batch_size", "learning_rate"])
def test_true_and_texts_are_no_numbers(field, value):
    text = SPEC if field != "updates" else SPEC.replace("updates = 2\n", "")
    with pytest.raises(InvalidValueError, match=f"{field} .*: input should be a number"):
        RunSpec.from_toml(f"{text}{field} = {value}\n")


def test_numbers_are_not_true():
    with pytest.raises(InvalidValueError, match="nesterov 1: input should be true or false"):
        TrainingSpec(updates=1, momentum=0.5, nesterov=1)
    with pytest.raises(InvalidValueError, match="layer_sizes True: input should be a number"):
        RunSpec.from_toml(SPEC.replace('layers = "6,5,3"', "layer_sizes = [6, true, 3]"))
    with pytest.raises(InvalidValueError, match="seed True: input should be a number"):
        RunSpec.from_toml("seed = true\n" + SPEC)
