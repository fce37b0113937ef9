"""The report as one self-contained HTML page: claims, pictures, tables and settings; it loads nothing, opens offline.

The page is a template (``templates/report.html.jinja``); ``pages`` escapes every text that it is given.
"""

from __future__ import annotations

import base64
import dataclasses
import platform
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from glorotlab import __version__
from glorotlab.experiments.claims import number_texts
from glorotlab.experiments.experiment import Claim, Experiment, Table
from glorotlab.experiments.scales import Scale
from glorotlab.machine import package_version
from glorotlab.pages import render
from glorotlab.report.equations import equations
from glorotlab.threads import num_threads

TEMPLATES = Path(__file__).parent / "templates"

PACKAGES = ("numpy", "scipy", "matplotlib", "xarray")
"""Packages whose versions the page states."""

VERDICTS = {"pass": "✓ pass", "fail": "✗ fail", "undecided": "? undecided"}
"""Text of every verdict: its mark tells verdicts apart without color."""

CONTROLS = {"fail": "fails, as it must", "undecided": "undecided", "pass": "passes, and should not", "": "–"}
"""Text of the verdict of every control."""

SVG = "image/svg+xml"

LARGEST_DATA = 20_000
"""Largest table of numbers in a page, in bytes; all pages together stay below 5 MB."""

OPEN_UP_TO = 4
"""Largest number of a claim's numbers that are shown unfolded."""


@dataclass(frozen=True)
class Section:
    """One experiment of the page.

    Parameters
    ----------
    experiment : Experiment
    claims : list of Claim
    png : bytes or None
        Its picture; None where its data are not here.
    table : Table or None
    seconds : float
        Wall-clock time that it took.
    missing : str
        Why its data are not here, and how to get them; ``""`` where they are.
    files : tuple of str
        Names of its files in the folder of its name, which the page links.
    svg : bytes or None
        The same picture as SVG; the page has the smaller one.
    data : dict of str to str
        Tables of its numbers as CSV, by file name; the page has the small ones and links the others.
    """

    experiment: Experiment
    claims: list[Claim]
    png: bytes | None
    table: Table | None
    seconds: float
    missing: str = ""
    files: tuple[str, ...] = ()
    svg: bytes | None = None
    data: dict[str, str] = field(default_factory=dict)

    @property
    def picture(self) -> str:
        """The picture as a ``data:`` address: SVG unless it is larger than PNG."""
        png = self.png or b""
        return _address("image/png", png) if self.svg is None or len(self.svg) > len(png) else _address(SVG, self.svg)

    @property
    def tables(self) -> dict[str, str]:
        """Addresses of the tables by file name: ``data:`` if the page contains them, else that of the file."""
        folder = quote(self.experiment.name)
        return {
            name: _address("text/csv", text.encode()) if len(text) <= LARGEST_DATA else f"{folder}/{quote(name)}"
            for name, text in self.data.items()
        }

    @property
    def png_size(self) -> tuple[int, int]:
        """Width and height of the picture in pixels, read from its header."""
        width, height = struct.unpack(">II", (self.png or bytes(24))[16:24])
        return width, height


def page(sections: list[Section], scale: Scale, seconds: float, asked: int) -> str:
    """Return the page as text.

    Parameters
    ----------
    sections : list of Section
    scale : Scale
    seconds : float
        Wall-clock time of all sections.
    asked : int
        Number of experiments asked for; where fewer are here, the page says that it was interrupted.
    """
    claims = [claim for section in sections for claim in section.claims]
    verdicts = [claim.verdict for claim in claims]
    return render(
        TEMPLATES / "report.html.jinja",
        title=f"glorotlab: theory against experiment, scale {scale.name}",
        sections=sections,
        asked=asked,
        seconds=seconds,
        claims=claims,
        counts=", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("pass", "fail", "undecided")),
        verdicts=VERDICTS,
        controls=CONTROLS,
        open_up_to=OPEN_UP_TO,
        number_texts=number_texts,
        equations=equations,
        settings=_settings(sections, scale, seconds),
    )


def _address(kind: str, content: bytes) -> str:
    """Return content as a ``data:`` address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _settings(sections: list[Section], scale: Scale, seconds: float) -> dict[str, str]:
    """Return sizes, times, versions and machine by name."""
    sizes = dataclasses.asdict(scale)
    settings = {"scale": str(sizes.pop("name"))}
    for name, value in sizes.items():
        parts = value if isinstance(value, dict) else {"": value}
        settings |= {f"{name} {part}".strip().replace("_", " "): str(own) for part, own in parts.items()}
    for section in sections:
        settings[f"seconds for {section.experiment.name.replace('_', ' ')}"] = f"{section.seconds:.1f}"
    return settings | {
        "seconds in all": f"{seconds:.1f}",
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "glorotlab": __version__,
        "Python": platform.python_version(),
        **{package: package_version(package) for package in PACKAGES},
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "kernel threads": str(num_threads()),
    }
