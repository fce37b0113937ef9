"""Text that a terminal can show: no control characters, and no characters that its encoding lacks."""

from __future__ import annotations

import codecs
import unicodedata

HIDDEN = "?"
"""Replacement for a control character, which a terminal would obey even in the name of a file."""

SPELLED = {
    "±": "+-",
    "–": "-",
    "—": "-",
    "−": "-",
    "─": "-",
    "×": "x",
    "·": "*",
    "≥": ">=",
    "≤": "<=",
    "≈": "~",
    "√": "sqrt",
    "∞": "inf",
    "✓": "yes",
    "✗": "no",
    "…": "...",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
}
"""ASCII for characters that have no ASCII decomposition."""

ERRORS = "glorotlab.spelled"
"""Name of the error handler that `register` gives to Python's codecs."""


def visible(text: str) -> str:
    """Return the text with a question mark for every control character except line ends."""
    if text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    return " " if unicodedata.category(character) == "Zs" else HIDDEN


def spelled(text: str) -> str:
    r"""Return a text in ASCII: ``+-`` for ``±``, ``sigma`` for ``σ``, and ``\xfc`` for a letter such as ``ü``."""
    return text if text.isascii() else "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    if character.isascii():
        return character
    if character in SPELLED:
        return SPELLED[character]
    kind, _, name = unicodedata.name(character, "").rpartition(" LETTER ")
    if kind.startswith("GREEK"):
        name = name.split(" WITH ")[0].lower().removeprefix("final ")
        return name.capitalize() if kind.endswith("CAPITAL") else name
    kept = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    if not kept or unicodedata.category(character)[0] in "LM":  # of a name, which must not become another one
        return character.encode("ascii", "backslashreplace").decode()
    power = unicodedata.decomposition(character).startswith("<super>")
    return f"^{kept}" if power else kept


def as_encoded(text: str, encoding: str) -> str:
    """Return a text whose characters an encoding has; those that it lacks are spelled in ASCII."""
    try:
        return text.encode(encoding, ERRORS).decode(encoding)
    except LookupError:
        return spelled(text)


def columns_of(text: str) -> int:
    """Return the number of terminal columns of a line: East Asian letters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


def register() -> None:
    """Make `ERRORS` an error handler of Python's codecs."""
    codecs.register_error(ERRORS, _replacement)


def _replacement(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return spelled(error.object[error.start : error.end]), error.end


register()
