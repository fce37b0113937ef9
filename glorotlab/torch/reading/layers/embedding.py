"""Embeddings of tokens."""

from __future__ import annotations

from glorotlab.spec.layers.base import Layer
from glorotlab.spec.layers.embedding import Embedding
from glorotlab.spec.layers.graph import Unknown
from glorotlab.torch.reading.call import Call, second_moment


def embedding(call: Call) -> Layer:
    """Read a table of shape (tokens, units); the row of a padding token is left out of its second moment."""
    weight, padding = call.tensor("weight", 1), call.option("padding_idx", 2, None)
    if not call.inputs:
        return Unknown("an embedding of constants, such as positions, is not covered by the theory")
    if weight is None:
        return Unknown("an embedding from values of the network is not covered by the theory")
    if call.option("max_norm", 3, None) is not None or call.option("scale_grad_by_freq", 5, False):
        return Unknown("an embedding with bounded norms or rescaled gradients is not covered by the theory")
    tokens, units = (int(size) for size in weight.shape)
    padding = None if padding is None else padding % tokens
    rows = weight if padding is None else weight[[token for token in range(tokens) if token != padding]]
    return Embedding(tokens, units, second_moment(rows), 0.0, padding)


MODULES = {"Embedding": embedding}
FUNCTIONS = {"embedding": embedding}
