"""The directive ``experiment``: a figure, table or claim, with the verdicts of a reproduction where there is one.

```{experiment} figure_6
```

Pictures, tables and verdicts come from the folder of ``glorotlab reproduce --out DIR`` that ``glorotlab_reproduction``
names. Where it holds no results the page has the command, and no numbers.
"""

import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from words import PICTURES, code, folded, paragraph, picture, table

from glorotlab.experiments.catalogue import CATALOGUE
from glorotlab.experiments.claims import number_texts
from glorotlab.experiments.experiment import Claim, Experiment, Table
from glorotlab.report.reproduce import load

MARKS = {"pass": "✓ passes", "fail": "✗ fails", "undecided": "? undecided"}
CONTROLS = {"fail": "fails, as it must", "undecided": "is undecided", "pass": "passes, and should not"}


class ExperimentDirective(SphinxDirective):
    """Writes what an experiment shows, its command, and what it found."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the experiment."""
        experiment = CATALOGUE[self.arguments[0]]
        command = code(f"glorotlab reproduce {experiment.name}", "console")
        box = nodes.container(classes=["experiment", experiment.name])
        box += paragraph(nodes.emphasis("", f"{experiment.source}. "), nodes.Text(experiment.title + "."))
        folder = Path(self.config.glorotlab_reproduction) / experiment.name
        files = sorted(folder.glob("*.nc"))
        if not files:
            box += [paragraph(nodes.Text(experiment.caption)), command]
            return [box]
        results = load(folder, [file.stem for file in files])
        box += self._picture(folder, experiment)
        box += [_claim(claim) for claim in experiment.claims(results)]
        if experiment.table:
            box += folded("The table", _table(experiment.table(results)))
        box += command
        return [box]

    def _picture(self, folder: Path, experiment: Experiment) -> nodes.Node:
        """Return the experiment's picture, copied to where images of pages lie."""
        target = Path(self.env.srcdir) / PICTURES
        target.mkdir(exist_ok=True)
        shutil.copyfile(folder / f"{experiment.name}.png", target / f"{experiment.name}.png")
        image = picture(self.env, f"{PICTURES}/{experiment.name}.png", f"{experiment.title}. {experiment.caption}")
        return nodes.figure("", image, nodes.caption("", experiment.caption))


def _claim(claim: Claim) -> nodes.Node:
    """Return a claim: its verdict, what decided it, and its control."""
    mark = nodes.inline("", f"{MARKS[claim.verdict]}. ", classes=["verdict", f"verdict-{claim.verdict}"])
    box = nodes.container("", paragraph(mark, nodes.Text(claim.sentence)), classes=["claim"])
    details = [paragraph(nodes.Text(claim.explanation))] if claim.explanation else []
    if claim.control:
        details.append(paragraph(nodes.Text(f"Negative control, {claim.swap}: {CONTROLS[claim.control]}.")))
    if claim.numbers:
        details.append(table(("number", "value"), number_texts(claim.numbers).items()))
    box += folded("Numbers and rule", *details)
    return box


def _table(made: Table) -> nodes.Node:
    rows = [
        [nodes.paragraph("", "", nodes.strong("", cell)) if (i, j) in made.bold else cell for j, cell in enumerate(row)]
        for i, row in enumerate(made.rows)
    ]
    return nodes.container("", paragraph(nodes.Text(made.caption)), table(made.head, rows))


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive and the name of the folder."""
    app.add_config_value("glorotlab_reproduction", "reproduction", "env")
    app.add_directive("experiment", ExperimentDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
