"""The report as one self-contained HTML page: claims, pictures, tables and settings; it loads nothing, opens offline.

The page is a template (``templates/report.html.jinja``); ``pages`` escapes every text that it is given.
"""

from __future__ import annotations

import base64
import dataclasses
import platform
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from glorotlab import __version__
from glorotlab.experiments.claims import number_texts
from glorotlab.experiments.experiment import Claim, Experiment, Table
from glorotlab.experiments.scales import Scale
from glorotlab.machine import package_version
from glorotlab.pages import render
from glorotlab.threads import num_threads

TEMPLATES = Path(__file__).parent / "templates"

PACKAGES = ("numpy", "scipy", "matplotlib", "xarray")
"""Packages whose versions the page states."""

VERDICTS = {"pass": "✓ pass", "fail": "✗ fail", "undecided": "? undecided"}
"""Text of every verdict: its mark tells verdicts apart without colour."""

CONTROLS = {"fail": "fails, as it must", "undecided": "undecided", "pass": "passes, and should not", "": "–"}
"""Text of the verdict of every control."""

OPEN_UP_TO = 4
"""Most numbers of a claim that are shown unfolded."""


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
    """

    experiment: Experiment
    claims: list[Claim]
    png: bytes | None
    table: Table | None
    seconds: float
    missing: str = ""
    files: tuple[str, ...] = ()

    @property
    def png_base64(self) -> str:
        """The picture as the text of a ``data:`` address."""
        return base64.b64encode(self.png or b"").decode("ascii")

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
        settings=_settings(sections, scale, seconds),
    )


def _settings(sections: list[Section], scale: Scale, seconds: float) -> dict[str, str]:
    """Return sizes, times, versions and machine by name."""
    sizes = dataclasses.asdict(scale)
    settings = {"scale": str(sizes.pop("name"))} | {name.replace("_", " "): str(value) for name, value in sizes.items()}
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
