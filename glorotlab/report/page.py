"""The report as one self-contained HTML page: claims, pictures, tables and settings; it loads nothing, opens offline.

The page is a template (``templates/reproduction.html.jinja``); ``pages`` escapes every text that it is given.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from glorotlab.experiments.claims import number_texts
from glorotlab.experiments.experiment import Claim, Experiment, Table
from glorotlab.experiments.scales import Scale
from glorotlab.pages import render
from glorotlab.report.equations import equations
from glorotlab.report.picture import Picture
from glorotlab.report.provenance import provenance
from glorotlab.report.report import TEMPLATES

VERDICTS = {"pass": "✓ pass", "fail": "✗ fail", "undecided": "? undecided"}
"""Text of every verdict: its mark tells verdicts apart without color."""

CONTROLS = {"fail": "fails, as it must", "undecided": "undecided", "pass": "passes, and should not", "": "–"}
"""Text of the verdict of every control."""

OPEN_UP_TO = 4
"""Largest number of a claim's numbers that are shown unfolded."""


@dataclass(frozen=True)
class Section:
    """One experiment of the page.

    Parameters
    ----------
    experiment : Experiment
    claims : list of Claim
    picture : Picture or None
        None where its data are not here.
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
    picture: Picture | None
    table: Table | None
    seconds: float
    missing: str = ""
    files: tuple[str, ...] = ()


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
        TEMPLATES / "reproduction.html.jinja",
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


def _settings(sections: list[Section], scale: Scale, seconds: float) -> dict[str, str]:
    """Return sizes, times, versions and machine by name."""
    sizes = dataclasses.asdict(scale)
    settings = {"scale": str(sizes.pop("name"))}
    for name, value in sizes.items():
        parts = value if isinstance(value, dict) else {"": value}
        settings |= {f"{name} {part}".strip().replace("_", " "): str(own) for part, own in parts.items()}
    for section in sections:
        settings[f"seconds for {section.experiment.name.replace('_', ' ')}"] = f"{section.seconds:.1f}"
    return settings | {"seconds in all": f"{seconds:.1f}"} | provenance()
