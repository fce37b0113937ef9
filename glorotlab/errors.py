"""The errors a user can cause, each with one line that names the value and what is allowed."""

from collections.abc import Iterable
from typing import Any


class GlorotlabError(Exception):
    """Base of every error glorotlab raises on purpose.

    Its message is one line that names the value and what is allowed. The command line prints it and exits with code 2,
    or with code 1 where a run failed or diverged. An error keeps its message and its attributes on its way between
    processes.

    Examples
    --------
    >>> import glorotlab as gl
    >>> try:
    ...     gl.Network("784,0,10")
    ... except gl.GlorotlabError as error:
    ...     print(error)
    layers '784,0,10': '0' is not a size; allowed are whole numbers from 1 to 16777216, repeated as in 1000x5
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is pickled as a call of its class with the message, which a class with parameters does not take.
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[GlorotlabError], arguments: tuple[Any, ...]) -> GlorotlabError:
    """Return an error as it was, without a call of its ``__init__``."""
    return kind.__new__(kind, *arguments)


class InvalidValueError(GlorotlabError, ValueError):
    """A value outside what is allowed: a layer size, a learning rate, a label, a shape, a file's content."""


class NotEnoughMemoryError(GlorotlabError):
    """A request for more memory than there is; nothing of it has been taken."""


class NetworkInUseError(GlorotlabError):
    """A network that one thread trains while another one uses it."""


class UnknownNameError(InvalidValueError):
    """A name that no record carries.

    Parameters
    ----------
    kind : str
        What was looked up, for example ``"activation"``.
    name : str
        What was asked for.
    known : iterable of str
        The names that exist.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(known)
        like = nearest(name, self.known)
        hint = "" if like is None else f"; did you mean {like!r}?"
        super().__init__(f"unknown {kind} {name!r:.60}: allowed are {', '.join(self.known)}{hint}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is like another, or begins with it, whatever case and hyphens; None where none is."""
    from difflib import get_close_matches  # only whoever errs pays for it

    plain = {text.lower().replace("_", ""): text for text in known}
    asked = name[:60].lower().translate(str.maketrans("", "", "_- "))
    longer = [text for text in plain if len(asked) > 1 and text.startswith(asked)]
    close = get_close_matches(asked, plain, n=1, cutoff=0.7) or longer
    return plain[close[0]] if close else None


LONGEST_REASON = 200
"""Longest message of another library that is quoted, in characters; some repeat a whole file."""


def reason(error: BaseException) -> str:
    """Return the message of an error in one line; that of other packages is cut at ``LONGEST_REASON`` characters."""
    text = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, GlorotlabError) else text[:LONGEST_REASON]


class AssumptionError(GlorotlabError):
    """A prediction was asked for outside the assumptions it rests on; the message says what to measure instead."""


class DataError(GlorotlabError):
    """A data file that is missing, truncated, of the wrong format, or whose checksum differs."""


class FetchError(DataError):
    """A download that no mirror delivered. What was asked is allowed, so the command line's exit code is 1."""


class RunError(GlorotlabError):
    """A run folder that cannot be used: another spec, not writable, not a run."""


class RunInUseError(RunError):
    """A run folder that another process is training in; the message names its host and process id."""


class RunFailedError(RunError):
    """A run that could not go on: its folder is full, read-only or gone. Its last checkpoint is intact."""


class DivergedError(GlorotlabError):
    """A training cost stopped being finite."""
