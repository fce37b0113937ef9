"""CoordinateCheck: sizes over widths and updates, with a verdict on each."""

from __future__ import annotations

from dataclasses import dataclass

from glorotlab import notebook
from glorotlab.arrays import Array
from glorotlab.scaling.verdicts import LayerVerdict, number

COLUMNS = ("layer", "update", "exponent", "standard error", "expected", "band", "inside")
"""Column headings of a table."""


@dataclass(frozen=True, eq=False)
class CoordinateCheck:
    """What a coordinate check measured, what theory expects, and whether they agree.

    Parameters
    ----------
    parametrization : str
        ``standard`` or ``mup``.
    optimizer : str
        ``sgd`` or ``adam``.
    widths : tuple of int
        The widths that were trained, ascending.
    names : tuple of str
        Layers, or modules of a PyTorch model. Modules with weights follow once more as ``(own weights)``: these rows
        have the change that the first update of their own weights makes to them, what enters them being as before it.
    coordinate, change : ndarray, shape (updates + 1, layers, widths, seeds)
        Root mean squares over units and examples of the pre-activations (outputs of modules), and of their changes
        since update 0; NaN where a row has none.
    level : float
        Probability that a healthy network is inside all bands.
    verdicts : tuple of LayerVerdict
        By update, then by layer.

    Examples
    --------
    >>> import glorotlab as gl
    >>> x, y = gl.shapeset(10)
    >>> check = gl.coordinate_check("1024,64x2,9", x, y, widths=(64, 128, 256), steps=1, seeds=4)
    >>> [verdict.name for verdict in check.select(update=0)]
    ['layer 1', 'layer 2', 'output layer']
    >>> check.coordinate.shape  # updates and the start, layers, widths, seeds
    (2, 3, 3, 4)
    >>> print(check.to_markdown().splitlines()[0])
    | layer | update | exponent | standard error | expected | band | inside |
    """

    parametrization: str
    optimizer: str
    widths: tuple[int, ...]
    names: tuple[str, ...]
    coordinate: Array
    change: Array
    level: float
    verdicts: tuple[LayerVerdict, ...]

    @property
    def healthy(self) -> bool:
        """Whether no layer is outside its band."""
        return not self.outside

    @property
    def outside(self) -> tuple[LayerVerdict, ...]:
        """The verdicts on layers outside of their bands."""
        return tuple(verdict for verdict in self.verdicts if verdict.inside is False)

    @property
    def summary(self) -> str:
        """The whole check in words, one line for each layer outside of its band."""
        judged = sum(verdict.inside is not None for verdict in self.verdicts)
        head = f"{judged - len(self.outside)} of {judged} exponents inside their bands under {self.parametrization}"
        wide = sum(bool(verdict.inside) and not verdict.decisive for verdict in self.verdicts)
        if wide:
            head += f", {wide} of them in bands that do not tell n^0 from n^0.5: take more seeds"
        return "\n".join([head, *(verdict.text for verdict in self.outside)])

    def select(self, update: int) -> list[LayerVerdict]:
        """Return the verdicts of one update, by layer."""
        return [verdict for verdict in self.verdicts if verdict.update == update]

    def to_markdown(self) -> str:
        """Return a table of all layers and updates, and below it the summary."""
        lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        lines += [f"| {' | '.join(_cells(verdict))} |" for verdict in self.verdicts]
        return "\n".join([*lines, "", *(f"- {line}" for line in self.summary.splitlines())])

    def _repr_html_(self) -> str:
        title = f"Coordinate check, {self.parametrization}, widths {', '.join(map(str, self.widths))}"
        rows = [_cells(verdict) for verdict in self.verdicts]
        texts = notebook.items(self.summary.splitlines())
        return notebook.form(title, notebook.table(COLUMNS, rows), texts)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


def _cells(verdict: LayerVerdict) -> tuple[str, ...]:
    """Return the row of a verdict."""
    (low, high), (least, most) = verdict.expected, verdict.band
    expected = _number(low) if _number(low) == _number(high) else f"{_number(low)} to {_number(high)}"
    band = f"{_number(least)} to {_number(most)}" if most == most else ""
    inside = {True: "yes", False: "no", None: ""}[verdict.inside]
    error = f"{verdict.standard_error:.3f}" if verdict.standard_error == verdict.standard_error else ""
    return verdict.name, str(verdict.update), _number(verdict.exponent), error, expected, band, inside


def _number(value: float) -> str:
    return "" if value != value else number(value)
