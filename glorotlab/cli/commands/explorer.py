"""glorotlab explorer: a page whose curves follow the settings of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from glorotlab.cli.options import Quiet
from glorotlab.cli.progress import progress_bar
from glorotlab.cli.report import page_place
from glorotlab.cli.terminal import say


def explorer(
    out: Annotated[Path, typer.Option(metavar="EXPLORER.html", callback=page_place, help="Output file.")] = Path(
        "explorer.html"
    ),
    quiet: Quiet = False,
) -> None:
    """Write the explorer, an HTML file that works offline: sliders, curves with bands, phase diagram and verdict."""
    from glorotlab.explorer.page import explorer as build
    from glorotlab.files import write_whole

    with progress_bar("tables", show=not quiet) as progress:
        page = build(progress=progress)
    write_whole(out, page)
    say(str(out))
