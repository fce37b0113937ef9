"""A report: title, sentences, pictures, tables and lists, and at its end what all of it rests on, as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from glorotlab.experiments.experiment import Table
from glorotlab.pages import render
from glorotlab.report.picture import Picture
from glorotlab.report.provenance import provenance

TEMPLATES = Path(__file__).parent / "templates"

KINDS = {Picture: "picture", Table: "table", Markup: "form"}
"""Kinds of parts, as the template tells them apart; Markup is HTML that is escaped already."""


@dataclass(frozen=True)
class Report:
    """The parts of a page about a result.

    Parameters
    ----------
    title : str
    sentences : sequence of str
        What it is and how it ended, above all else.
    parts : sequence of Picture, Table or Markup
        Pictures, tables and forms of a notebook, one below the other.
    command : str
        The command that made it; ``""`` where it was Python.
    facts : mapping of str to str
        What else it rests on, by name; versions, machine and time are added.
    spec : str
        The spec as TOML; ``""`` where there is none.
    """

    title: str
    sentences: Sequence[str]
    parts: Sequence[Picture | Table | Markup]
    command: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    spec: str = ""

    def to_html(self) -> str:
        """Return the page: one file that loads nothing, every text in it escaped."""
        return render(
            TEMPLATES / "report.html.jinja",
            title=self.title,
            sentences=self.sentences,
            parts=[(KINDS[type(part)], part) for part in self.parts],
            settings={**self.facts, **provenance()},
            command=self.command,
            spec=self.spec,
        )
