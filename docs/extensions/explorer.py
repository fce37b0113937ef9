"""The explorer as a page of the site, ``_static/explorer.html``, written when the site has been built."""

from pathlib import Path

from glorotlab.explorer.page import explorer


def write(app, exception):
    """Write the page beside the static files."""
    if exception is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / "explorer.html"
        target.parent.mkdir(exist_ok=True)
        target.write_text(explorer(), encoding="utf-8")


def setup(app):
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
