"""A picture of a page: SVG, or PNG where that is smaller, with words for those who do not see it, and its numbers."""

from __future__ import annotations

import base64
import io
import struct
from dataclasses import dataclass, field
from urllib.parse import quote

from matplotlib import rc_context
from matplotlib.figure import Figure

LARGEST_DATA = 20_000
"""Bytes of a table of numbers up to which a page has it that can link its file; all such pages stay below 5 MB."""

LARGEST_ALONE = 500_000
"""Bytes of a table of numbers up to which a page has it that stands alone."""


@dataclass(frozen=True)
class Picture:
    """A picture with its numbers.

    Parameters
    ----------
    png : bytes
    svg : bytes
        The same picture; the page has the smaller one.
    alt : str
        What it shows, for those who do not see it.
    caption : str
        Words below it.
    data : dict of str to str
        Tables of its numbers as CSV, by file name; the page has the small ones.
    folder : str
        Where the files of the others are, beside the page; ``""`` where they are nowhere.
    """

    png: bytes
    svg: bytes
    alt: str
    caption: str
    data: dict[str, str] = field(default_factory=dict)
    folder: str = ""

    @classmethod
    def of(cls, figure: Figure, alt: str, caption: str, data: dict[str, str], folder: str = "") -> Picture:
        """Return the picture of a figure."""
        png = to_png(figure)
        figure.set_layout_engine(None)  # all is in its place: the layout would take as long as the drawing
        return cls(png, to_svg(figure), alt, caption, data, folder)

    @property
    def address(self) -> str:
        """The picture as a ``data:`` address: SVG unless it is larger than PNG."""
        if len(self.svg) > len(self.png):
            return _address("image/png", self.png)
        return _address("image/svg+xml", self.svg)

    @property
    def tables(self) -> dict[str, str]:
        """Addresses of the tables, by file name: ``data:`` where the page has them, of the file, or ``""``."""
        return {name: self._address_of_table(name, text.encode()) for name, text in self.data.items()}

    def _address_of_table(self, name: str, content: bytes) -> str:
        if len(content) <= (LARGEST_DATA if self.folder else LARGEST_ALONE):
            return _address("text/csv", content)
        return f"{quote(self.folder)}/{quote(name)}" if self.folder else ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, read from the header of the PNG."""
        width, height = struct.unpack(">II", self.png[16:24])
        return width, height


def _address(kind: str, content: bytes) -> str:
    """Return content as a ``data:`` address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def to_png(figure: Figure) -> bytes:
    """Return a figure as PNG, without the time of its making."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def to_svg(figure: Figure) -> bytes:
    """Return a figure as SVG, letters as outlines, without the time of its making: equal figures give equal bytes."""
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "glorotlab", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
