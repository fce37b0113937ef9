"""The explorer as a page of the site, ``_static/explorer.html``, written when the site has been built."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from glorotlab.explorer.page import explorer


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write the page beside the static files."""
    if exception is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / "explorer.html"
        target.parent.mkdir(exist_ok=True)
        target.write_text(explorer(), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx to write the page in the end."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
