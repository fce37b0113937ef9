"""Embeddings: a row of a table for every token."""

from __future__ import annotations

from dataclasses import dataclass

from glorotlab.spec.layers.base import WeightedLayer


@dataclass(frozen=True)
class Embedding(WeightedLayer):
    """z(position) = row of the token there.

    ``fan_in`` is the number of tokens, ``fan_out`` that of units, ``bias_variance`` 0.

    Parameters
    ----------
    padding_token : int or None
        A token whose row is 0.
    """

    kind = "embedding"
    padding_token: int | None = None
