"""The directive ``run``: commands or Python that run when the page is built, shown with what they print.

```{run} console
glorotlab derive backward_variance
```

Blocks of Python share one page's names, as a reader's session in the source folder does. A matplotlib figure that they
bind to the name ``figure`` is shown below. What fails is a warning, and so fails ``sphinx-build -W``. ``:language:``
says how the output is highlighted; with ``:hidden:`` a block runs unseen.
"""

import ast
import contextlib
import io
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from figures import DOTS_PER_INCH, describe
from matplotlib.figure import Figure
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from words import PICTURES, code, picture

LOG = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
COLUMNS = "88"
"""Width of the tables that commands print: what a page shows without scrolling."""


class RunDirective(SphinxDirective):
    """Runs its content and shows it with its output."""

    has_content = True
    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"language": directives.unchanged, "hidden": directives.flag}

    def run(self) -> list[nodes.Node]:
        """Return the content and what it printed."""
        language, source = self.arguments[0], "\n".join(self.content)
        names = self.env.temp_data.setdefault("run_names", {"__name__": "__page__"})
        names.pop("figure", None)
        try:
            if language == "console":
                printed = "\n".join(map(command_output, source.replace("\\\n", "").splitlines()))
            else:
                printed = python_output(source, names)
        except (Exception, SystemExit) as error:  # whatever a page's code raises is the page's fault
            LOG.warning("%s: %s", type(error).__name__, error, location=self.get_location())
            return []
        if "hidden" in self.options:
            return []
        box = nodes.container(classes=["run"])
        box += code(source, language)
        if printed.strip():
            output = code(printed.rstrip(), self.options.get("language", "text"))
            output["classes"].append("run-output")
            box += output
        if "figure" in names:
            box += self._picture(names["figure"])
        return [box]

    def _picture(self, figure: Figure) -> nodes.image:
        """Return a figure as a picture of the page, saved where Sphinx finds it."""
        name = f"{self.env.docname.replace('/', '-')}-{self.lineno}"
        folder = Path(self.env.srcdir) / PICTURES
        folder.mkdir(exist_ok=True)
        figure.savefig(folder / f"{name}.png", dpi=DOTS_PER_INCH)
        return picture(self.env, f"{PICTURES}/{name}.png", describe(figure))


def command_output(line: str) -> str:
    """Return what one ``glorotlab ...`` prints, in tables as wide as a page; RuntimeError where it fails."""
    program, *arguments = shlex.split(line)
    if program != "glorotlab":
        raise RuntimeError(f"{program} is no command of the package")
    settings = {"COLUMNS": COLUMNS, "NO_COLOR": "1", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "glorotlab", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | settings,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{line}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def python_output(source: str, names: dict[str, Any]) -> str:
    """Return what Python prints; the value of a last expression is printed, as a session does."""
    module = ast.parse(source)
    last = module.body.pop() if module.body and isinstance(module.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.chdir(ROOT):
        exec(compile(module, "<page>", "exec"), names)  # noqa: S102  (the page's own code)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "<page>", "eval"), names)  # noqa: S307
            if value is not None:
                print(value if isinstance(value, str) else repr(value))
    return printed.getvalue()


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("run", RunDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
