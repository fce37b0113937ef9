"""One self-contained HTML page: claims, pictures, tables, settings; no external resource, opens offline."""

from __future__ import annotations

import base64
import dataclasses
import platform
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import PackageNotFoundError, version

from glorotlab import __version__
from glorotlab.experiments.experiment import Claim, Experiment, Table
from glorotlab.experiments.scales import Scale
from glorotlab.threads import num_threads

PACKAGES = ("numpy", "scipy", "matplotlib", "xarray")

VERDICTS = {"pass": "✓ pass", "fail": "✗ fail", "undecided": "? undecided"}

OPEN_UP_TO = 4
"""Claims of more numbers than this show them when asked."""

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: #1b1b1b;
  background: #fff; max-width: 62rem; margin: 2.5rem auto 5rem; padding: 0 1.25rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 3.2rem 0 .3rem; border-top: 1px solid #ccc; padding-top: 1.4rem; }
p { margin: .5rem 0; } .source, .small, figcaption { color: #4a4a4a; font-size: .9rem; }
a { color: #00558c; }
figure { margin: 1.2rem 0; } img { max-width: 100%; height: auto; display: block; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #4a4a4a; font-size: .9rem; padding-bottom: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .7rem .4rem 0; border-bottom: 1px solid #ddd; }
th { font-weight: 600; border-bottom: 2px solid #888; }
.data td + td, .data th + th { text-align: right; } .data { width: auto; }
.data td, .data th { padding-right: 1.6rem; }
.verdict { white-space: nowrap; font-weight: 600; } .pass { color: #00664a; } .fail { color: #a62b00; }
.undecided { color: #5a5a5a; }
.claim { margin: 1rem 0; padding: .1rem 0 .1rem .9rem; border-left: 4px solid #bbb; }
.claim.pass { border-color: #009e73; } .claim.fail { border-color: #d55e00; }
.claim.pass, .claim.fail, .claim.undecided { color: #1b1b1b; }
.claim .small { color: #4a4a4a; } summary { cursor: pointer; color: #00558c; font-size: .9rem; }
details table { width: auto; font-size: .9rem; } details td { padding: .15rem 1.6rem .15rem 0; }
@media print { body { margin: 0; max-width: none; } h2 { break-before: page; } }
"""


@dataclass(frozen=True)
class Section:
    """One experiment of the page: its claims, its picture as PNG, its table, and how long it took."""

    experiment: Experiment
    claims: list[Claim]
    png: bytes
    table: Table | None
    seconds: float


def page(sections: list[Section], scale: Scale, seconds: float, asked: int) -> str:
    """Return the page as text.

    Parameters
    ----------
    sections : list of Section
    scale : Scale
    seconds : float
        Wall-clock time of all sections.
    asked : int
        How many experiments were asked for; where fewer are here, the page says that it was interrupted.
    """
    title = f"glorotlab: theory against experiment, scale {scale.name}"
    body = [
        f"<h1>{escape(title)}</h1>",
        _summary(sections, seconds, asked),
        _overview(sections),
        *(_section(section) for section in sections),
        _settings(sections, scale, seconds),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _summary(sections: list[Section], seconds: float, asked: int) -> str:
    verdicts = [claim.verdict for section in sections for claim in section.claims]
    count = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("pass", "fail", "undecided"))
    text = (
        "<p>Figures, tables and claims of Glorot &amp; Bengio, <cite>Understanding the difficulty of training deep "
        "feedforward neural networks</cite> (AISTATS 2010), measured anew, with what theory predicts drawn over what "
        f"was measured.</p>\n<p><strong>{len(verdicts)} claims: {count}</strong>, in {seconds:.0f} seconds.</p>"
    )
    if len(sections) < asked:
        text += f"\n<p><strong>Interrupted: {len(sections)} of {asked} experiments were finished.</strong></p>"
    return text


def _overview(sections: list[Section]) -> str:
    rows = [
        f'<tr><td><a href="#{escape(claim.experiment)}">{escape(_name(claim.experiment))}</a></td>'
        f"<td>{escape(claim.sentence)}</td>{_verdict_cell(claim)}</tr>"
        for section in sections
        for claim in section.claims
    ]
    head = "<tr><th>experiment</th><th>claim</th><th>verdict</th></tr>"
    return f"<table>\n<thead>{head}</thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table>"


def _name(experiment: str) -> str:
    return experiment.replace("_", " ")


def _verdict_cell(claim: Claim) -> str:
    return f'<td class="verdict {claim.verdict}">{VERDICTS[claim.verdict]}</td>'


def _section(section: Section) -> str:
    experiment = section.experiment
    parts = [
        f'<section id="{escape(experiment.name)}">\n<h2>{escape(experiment.title)}</h2>',
        f'<p class="source">{escape(experiment.source)}; target <code>{escape(experiment.name)}</code></p>',
        _figure(section),
        _data_table(section.table) if section.table else "",
        *(_claim(claim) for claim in section.claims),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _figure(section: Section) -> str:
    data = base64.b64encode(section.png).decode("ascii")
    width, height = struct.unpack(">II", section.png[16:24])
    alt = escape(f"{section.experiment.title}. {section.experiment.caption}", quote=True)
    return (
        f'<figure>\n<img width="{width}" height="{height}" alt="{alt}" src="data:image/png;base64,{data}">\n'
        f"<figcaption>{escape(section.experiment.caption)}</figcaption>\n</figure>"
    )


def _data_table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return (
        f'<table class="data">\n<caption>{escape(table.caption)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>"
    )


def _claim(claim: Claim) -> str:
    text = (
        f'<div class="claim {claim.verdict}">\n<p>{escape(claim.sentence)} '
        f'<span class="verdict {claim.verdict}">{VERDICTS[claim.verdict]}</span></p>\n'
        f'<p class="small">Rule: {escape(claim.explanation)}.</p>\n'
    )
    rows = "\n".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in number_rows(claim.numbers)
    )
    if rows:
        state = " open" if len(claim.numbers) <= OPEN_UP_TO else ""
        text += f"<details{state}><summary>numbers</summary>\n<table><tbody>\n{rows}\n</tbody></table></details>\n"
    return text + "</div>"


def number_rows(numbers: dict[str, float]) -> list[tuple[str, str]]:
    """Return name and text of each number; a value and its margin ``name ±`` share a row."""
    rows = []
    for name, value in numbers.items():
        if name.endswith(" ±") and name.removesuffix(" ±") in numbers:
            continue
        margin = numbers.get(f"{name} ±")
        rows.append((name, f"{value:.4g}" if margin is None else f"{value:.4g} ± {margin:.2g}"))
    return rows


def _settings(sections: list[Section], scale: Scale, seconds: float) -> str:
    sizes = dataclasses.asdict(scale)
    settings = {"scale": str(sizes.pop("name"))} | {name.replace("_", " "): str(value) for name, value in sizes.items()}
    settings |= {f"seconds for {_name(section.experiment.name)}": f"{section.seconds:.1f}" for section in sections}
    settings |= {
        "seconds in all": f"{seconds:.1f}",
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "glorotlab": __version__,
        "Python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "kernel threads": str(num_threads()),
    }
    rows = "\n".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in settings.items())
    return (
        "<section>\n<h2>Settings</h2>\n<p>Work that several experiments share counts for the first of them.</p>\n"
        f"<table><tbody>\n{rows}\n</tbody></table>\n</section>"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
