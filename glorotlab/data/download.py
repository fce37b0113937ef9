"""Download: one file over HTTP, within bounds of length, time and redirections, whatever the server answers."""

import time
from typing import IO, Any, Protocol
from urllib.parse import urljoin

from glorotlab.errors import DataError, reason

TIMEOUT = (10.0, 30.0)
"""Longest time in seconds to connect, and between two pieces of the response."""

LONGEST = 3600.0
"""Longest download in seconds, which is 50 kB a second for the largest archive."""

CHUNK = 1 << 16
"""Largest number of bytes read at a time."""

REDIRECTIONS = 5
"""Largest number of redirections in a row."""


class Bar(Protocol):
    """Display of the progress of a download."""

    def begin(self, size: int | None) -> None:
        """Say how many bytes there will be; None where that is not known."""

    def update(self, size: int) -> None:
        """Add bytes."""


class Download:
    """The download of an address.

    Parameters
    ----------
    url : str
    largest : int
        Bytes that are allowed.
    bar : Bar
    """

    def __init__(self, url: str, largest: int, bar: Bar) -> None:
        self.url, self.largest, self.bar = url, largest, bar
        self._end = time.monotonic() + LONGEST

    def to(self, output: IO[bytes]) -> None:
        """Write what the address gives into an open file.

        Raises
        ------
        DataError
            Where the server cannot be reached, answers with an error or in a way that is none of HTTP, sends more than
            is allowed, takes too long, or the disk is full.
        """
        import requests  # only a download pays for it
        import urllib3

        try:
            with requests.Session() as session, self._open(session) as answer:
                self._write(answer, output)
            output.flush()
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            # Errors of requests are OSErrors, and so is a full disk; a header that is none raises ValueError.
            raise DataError(_root_cause(error)) from error

    def _open(self, session: Any) -> Any:
        """Return the answer of the address, or of the last that it sends us on to."""
        session.resolve_redirects = lambda *arguments, **options: iter(())  # it would read answers that send us on
        url = self.url
        for _ in range(1 + REDIRECTIONS):
            answer = session.get(url, stream=True, timeout=TIMEOUT, allow_redirects=False)
            target = session.get_redirect_target(answer)
            if target is None:
                answer.raise_for_status()
                return answer
            answer.close()  # unread: it may be endless
            url = urljoin(url, target)
            if self.url.startswith("https:") and not url.startswith("https:"):
                raise DataError(f"redirects to {url!r:.100}: allowed is https")
        raise DataError(f"redirects more than {REDIRECTIONS} times")

    def _write(self, answer: Any, output: IO[bytes]) -> None:
        size = _announced(answer.headers.get("Content-Length"))
        if size is not None and size > self.largest:
            raise self._too_long(size)
        self.bar.begin(size)
        written = 0
        while piece := answer.raw.read1(CHUNK):  # what has come, without waiting for a whole chunk
            written += len(piece)
            if written > self.largest:
                raise self._too_long(written)
            if time.monotonic() > self._end:
                raise DataError(f"took more than {LONGEST:g} s, in which {written:,} bytes came")
            output.write(piece)
            self.bar.update(len(piece))

    def _too_long(self, size: int) -> DataError:
        return DataError(f"{size:,} bytes or more: allowed are {self.largest:,}")


def _announced(text: str | None) -> int | None:
    """Return the length that a header announces; None where there is none, or one that is no number."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _root_cause(error: BaseException) -> str:
    """Return the root cause in one line: requests wraps "connection refused" in three layers of its own."""
    while inner := [e for e in (getattr(error, "reason", None), *error.args) if isinstance(e, BaseException)]:
        error = inner[0]
    return reason(error)
