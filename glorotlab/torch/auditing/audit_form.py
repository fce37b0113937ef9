"""An `Audit`, whose methods call this, as Markdown and as a form for a notebook."""

from __future__ import annotations

from typing import Any

from glorotlab import notebook

COLUMNS = ("weight", "fan_in", "fan_out", "law", "initializer", "gain", "std", "p", "forward", "backward", "found")

SHOWN = 2
"""Largest number of alternatives in a cell."""


def audit_markdown(audit: Any) -> str:
    """Return the verdict, a table and the findings."""
    lines = [verdict_of(audit), "", f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    lines += [f"| {' | '.join(cells_of(entry))} |" for entry in audit.entries]
    if findings := findings_of(audit):
        lines += ["", *(f"- {line}" for line in findings)]
    return "\n".join([*lines, "", *footnotes_of(audit)])


def audit_form(audit: Any) -> str:
    """Return the HTML of an audit."""
    parts = [notebook.table(COLUMNS, map(cells_of, audit.entries))]
    if findings := findings_of(audit):
        parts.append(notebook.items(findings))
    return notebook.form(verdict_of(audit), *parts, *map(notebook.paragraph, footnotes_of(audit)))


def verdict_of(audit: Any) -> str:
    """Return in one line whether the network is healthy."""
    weights = f"{len(audit.entries)} weight{'s' if len(audit.entries) != 1 else ''}"
    if audit.healthy:
        return f"Healthy: {weights} drawn as known initializers draw them"
    faulty = sum(not entry.healthy for entry in audit.entries)
    return f"Not healthy: {faulty} of {weights} with a fault"


def cells_of(entry: Any) -> tuple[str, ...]:
    """Return the cells of a weight in the order of `COLUMNS`."""
    others = entry.alternatives[:SHOWN]
    more = len(entry.alternatives) - len(others)
    also = f" (or {'; '.join(others)}{f'; {more} more' if more else ''})" if others else ""
    return (
        entry.name,
        str(entry.fan_in),
        str(entry.fan_out),
        entry.law.replace("_", " "),
        entry.initializer + also,
        f"{entry.gain:.4g} {entry.fan}".strip() if entry.gain == entry.gain else "",
        f"{entry.std:.4g} ± {entry.std_error:.1g}",
        "" if entry.p_value is None else f"{entry.p_value:.2g}",
        f"{entry.forward:.3g}",
        f"{entry.backward:.3g}",
        ", ".join((*(name.upper() for name in entry.faults), *entry.notices)),
    )


def findings_of(audit: Any) -> list[str]:
    """Return each finding once, with the weights that have it."""
    places: dict[tuple[str, str], dict[str, str]] = {}
    for severity, pairs in (("fault", audit.faults), ("notice", audit.notices)):
        for weight, finding in pairs:
            places.setdefault((severity, finding.name), {})[weight] = finding.text
    return [
        f"{severity}: {name}: {next(iter(texts.values()))}"
        f"{'' if len({*texts.values()}) == 1 else ', and alike'} ({_listed([*texts])})"
        for (severity, name), texts in places.items()
    ]


def _listed(weights: list[str]) -> str:
    return ", ".join(weights) if len(weights) <= 4 else f"{', '.join(weights[:3])} and {len(weights) - 3} more"


def footnotes_of(audit: Any) -> list[str]:
    """Return the meaning of the numbers, and the parameters that were not examined."""
    notes = [
        f"A network drawn by known initializers is called unhealthy with probability {audit.level:g} at most (Holm).",
        "forward: fan_in E W² E f(s)²; backward: fan_out E W² E f'(s)², at E s² = 1, f what feeds the weight, linear "
        "where that is not known.",
    ]
    notes += [f"{name} is {first}." for name, first in audit.tied.items()]
    if audit.left:
        notes.append(f"Not looked at: {', '.join(audit.left)}.")
    return notes
