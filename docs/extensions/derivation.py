"""The directive ``derivation``: a derivation of ``gl.derive`` step by step, as it was verified when the page was built.

```{derivation} backward_variance
:without: linear_regime
```
"""

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from words import code, folded, paragraph

import glorotlab as gl

LOG = logging.getLogger(__name__)


class DerivationDirective(SphinxDirective):
    """Writes assumptions, steps and results; a check that fails is a warning, and so fails ``sphinx-build -W``."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"without": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the derivation."""
        name, without = self.arguments[0], self.options.get("without", "").split()
        derivation = gl.derive(name, without=without) if without else gl.derive(name)
        record = derivation.to_dict()
        command = " ".join(["glorotlab derive", name, *(f"--without {item}" for item in without), "--verify"])
        box = nodes.container(classes=["derivation", name])
        box += paragraph(nodes.emphasis("", record["source"]), classes=("derivation-source",))
        box += _assumptions(record["assumptions"])
        for number, step in enumerate(record["steps"], start=1):
            box += _step(number, step)
        for conclusion in record["conclusions"]:
            box += _conclusion(conclusion)
        if record["stopped"]:
            box += paragraph(nodes.strong("", "It stops here. "), record["stopped"])
        box += self._verification(derivation)
        box += code(command, "console")
        return [box]

    def _verification(self, derivation: Any) -> list[nodes.Node]:
        """Return what verifying says; its trials can be unfolded."""
        verification = derivation.verify()
        for outcome in verification.failed:
            LOG.warning("%s: %s", derivation.name, outcome, location=self.get_location())
        first, *others = str(verification).splitlines()
        words = f"When this page was built, {first.partition(': ')[2]}"
        if not others:
            return [paragraph(nodes.Text(f"{words}."))]
        trials = "\n".join(line.strip().removeprefix("by experiment: ") for line in others)
        return folded(f"{words}, these among them by experiment", code(trials, "text"))


def _assumptions(records: list[dict[str, str]]) -> nodes.Node:
    """Return the list of assumptions."""
    items = nodes.bullet_list()
    for record in records:
        name = nodes.strong("", record["name"].replace("_", " ") + ". ")
        items += nodes.list_item("", paragraph(name, record["statement"]))
    box = nodes.container("", nodes.rubric("", "Assumptions"), items, classes=["derivation-assumptions"])
    return box


def _step(number: int, record: dict[str, Any]) -> nodes.Node:
    """Return one step: what it says, its equation, what it rests on."""
    name = nodes.strong("", f"{number}. {record['name'].replace('_', ' ')}. ")
    box = nodes.container(classes=["derivation-step"])
    box += paragraph(name, record["statement"])
    box += _display(record["equation"]["latex"])
    if record["reason"]:
        box += paragraph(record["reason"], classes=("derivation-reason",))
    return box


def _conclusion(record: dict[str, Any]) -> nodes.Node:
    """Return a result, beside the printed equation where that differs."""
    box = nodes.container(classes=["derivation-result"])
    number, difference = record["number"], record["difference"]
    label = "The result. " if number is None else f"The paper's equation {number}. "
    words = difference or ("" if number is None else "Follows as printed.")
    box += paragraph(nodes.strong("", label), words)
    if record["printed"] is None or difference is None:
        box += _display(record["result"]["latex"])
        return box
    for what in ("printed", "result", "factor"):
        title = {"printed": "Printed", "result": "What follows", "factor": "Printed over what follows"}[what]
        box += paragraph(nodes.Text(f"{title}:"), classes=("derivation-reason",))
        box += _display(record[what]["latex"])
    return box


def _display(latex: str) -> nodes.math_block:
    return nodes.math_block(latex, latex, number=None, label=None)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("derivation", DerivationDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
