"""Text as a terminal can take it."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glorotlab.cli.text import ERRORS, as_encoded, columns_of, spelled, visible


@pytest.mark.parametrize(
    ("text", "ascii_text"),
    [
        ("0.5 ± 0.1", "0.5 +- 0.1"),
        ("3 × 4 – 5 ≥ x²", "3 x 4 - 5 >= x^2"),
        ("σ₁ Σ ς χ", "sigma1 Sigma sigma chi"),
        ("rü ﬁ ½", r"r\xfc \ufb01 12"),
        ("中", r"\u4e2d"),
    ],
)
def test_what_ascii_lacks_is_spelled(text, ascii_text):
    assert spelled(text) == ascii_text
    assert as_encoded(text, "ascii") == ascii_text


def test_an_encoding_keeps_what_it_has():
    assert as_encoded("± – × σ √", "cp1252") == "± – × sigma sqrt"
    assert as_encoded("± σ 中", "utf-8") == "± σ 中"
    assert as_encoded("± σ", "no such encoding") == "+- sigma"


@settings(max_examples=50)
@given(st.text())
def test_whatever_is_spelled_is_ascii_and_stays_as_it_is(text):
    assert spelled(text).isascii()
    assert spelled(spelled(text)) == spelled(text)
    as_encoded(text, "cp1252").encode("cp1252")


@settings(max_examples=50)
@given(st.text())
def test_no_control_character_is_visible(text):
    shown = visible(text)
    assert all(unicodedata.category(character)[0] != "C" or character == "\n" for character in shown)
    assert shown.count("\n") == text.count("\n")


def test_escapes_directions_and_halves_of_pairs_are_hidden():
    assert visible("a\x1b[31m\x07\u202e\ud800b\u00a0c\n") == "a?[31m???b c\n"


def test_the_handler_decodes_nothing():
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", ERRORS)
    assert "±".encode("ascii", ERRORS) == b"+-"


def test_wide_letters_take_two_columns_and_accents_none():
    assert [columns_of(text) for text in ("abc", "中文", "e\u0301")] == [3, 4, 1]
