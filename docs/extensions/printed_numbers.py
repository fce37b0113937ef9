"""The directive ``printed``: numbers that somebody printed of a network, beside what a command predicts of it.

```{printed} selu
:layers: 1 11
:level: 0.95
```

What was printed is read from ``tests/references/printed_numbers.toml``, what is predicted from the JSON of the command
that is shown, run when the page is built. With ``:level:`` the command has the band of one network too.
"""

import json
import tomllib
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from run import ROOT, command_output
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from words import code, paragraph, table

FILE = ROOT / "tests/references/printed_numbers.toml"


class PrintedDirective(SphinxDirective):
    """Writes a table of layers, printed and predicted numbers, and the command below it."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"layers": directives.unchanged, "level": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the table."""
        self.env.note_dependency(str(FILE))
        networks = tomllib.loads(FILE.read_text(encoding="utf-8"))["networks"]
        network = {one["name"]: one for one in networks}.get(self.arguments[0])
        if network is None:
            raise self.error(f"nobody printed numbers of this name: {self.arguments[0]}")
        printed = dict(zip(network["layers"], network["printed"], strict=True))
        shown = [int(layer) for layer in self.options.get("layers", "").split()] or network["layers"]
        level, quantity = self.options.get("level"), network["quantity"]
        command = _command(network, max(shown), level)
        layers = {row["layer"]: row for row in json.loads(command_output(f"{command} --json"))["layers"]}
        head = ["layer", f"{quantity}, printed", "predicted", *([f"band of {float(level):.0%}"] if level else [])]
        rows = [[str(layer), f"{printed[layer]:.4g}", *_predicted(layers[layer], quantity)] for layer in shown]
        source = nodes.reference("", network["source"], refuri=network["source"])
        return [paragraph(nodes.Text("Printed at "), source), table(head, rows), code(command, "console")]


def _command(network: dict[str, Any], depth: int, level: str | None) -> str:
    """Return the command that predicts a network."""
    width, scale = network["width"], f"{network['gain'] ** 2:.12g}"
    command = f'glorotlab predict {width}x{depth + 1},2 -a "{network["activation"]}"'
    command += f' -i "variance_scaling(scale={scale}, distribution=normal)" --input-moment {network["input"]:g}'
    return f"{command} --level {level}" if level else command


def _predicted(layer: dict[str, Any], quantity: str) -> list[str]:
    """Return the limit of wide layers, and the band where there is one, less the square of the limit's mean."""
    mean = layer["activation_mean"]
    moments = [layer[f"activation_second_moment{end}"] for end in ("", "_low", "_high") if _has(layer, end)]
    values = {
        "mean": lambda _: mean,
        "variance": lambda moment: moment - mean**2,
        "std": lambda moment: (moment - mean**2) ** 0.5,
    }
    limit, *band = (f"{values[quantity](moment):.4g}" for moment in moments)
    return [limit, *([" to ".join(band)] if band else [])]


def _has(layer: dict[str, Any], end: str) -> bool:
    return layer.get(f"activation_second_moment{end}") is not None


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("printed", PrintedDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
