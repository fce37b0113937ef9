"""Cubic interpolation on an equally spaced grid, as the page does it, so that its error is measured here.

Each cell is the cubic of its ends' values and slopes; slopes are differences of fourth order, at the ends of the grid
of second order. ``templates/interpolation.js`` is the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glorotlab.arrays import Array


@dataclass(frozen=True)
class Axis:
    """An equally spaced grid of ln x.

    Parameters
    ----------
    low, high : float
        Least and largest x.
    cells : int
        Number of cells between nodes.
    """

    low: float
    high: float
    cells: int

    @property
    def nodes(self) -> Array:
        """The x of the grid, (cells + 1,)."""
        return np.geomspace(self.low, self.high, self.cells + 1)

    @property
    def middles(self) -> Array:
        """The x in the middle of every cell in ln x, (cells,), where interpolation errs most."""
        nodes = self.nodes
        return np.asarray(np.sqrt(nodes[1:] * nodes[:-1]))

    @property
    def start(self) -> float:
        """The ln x of the first node."""
        return float(np.log(self.low))

    @property
    def step(self) -> float:
        """Distance of two nodes in ln x."""
        return float(np.log(self.high / self.low) / self.cells)


def at_middles(values: Array) -> Array:
    """Return the interpolant in the middle of every cell; values and result have the grid along their last axis."""
    slopes = _slopes(values)
    mean = (values[..., 1:] + values[..., :-1]) / 2
    return np.asarray(mean + (slopes[..., :-1] - slopes[..., 1:]) / 8)


def _slopes(values: Array) -> Array:
    """Return slopes at the nodes, for a step of 1."""
    slopes = np.gradient(values, axis=-1, edge_order=2)
    inner = 8 * (values[..., 3:-1] - values[..., 1:-3]) - (values[..., 4:] - values[..., :-4])
    slopes[..., 2:-2] = inner / 12
    return np.asarray(slopes)
