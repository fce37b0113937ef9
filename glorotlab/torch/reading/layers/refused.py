"""Common layers that the theory does not cover, with the reasons."""

from __future__ import annotations

from glorotlab.spec.layers.base import Layer
from glorotlab.spec.layers.graph import Unknown
from glorotlab.torch.reading.call import Call, Reader


def refused(what: str) -> Reader:
    """Return a reader that refuses a call with a reason."""

    def read(call: Call) -> Layer:
        return Unknown(f"{what} is not covered by the theory")

    return read


_ATTENTION = refused("softmax attention, whose weights depend on the values they weigh,")
_SOFTMAX = refused("a softmax inside the network")
_GATE = refused("a gate, a product of two values of the network,")
_GROUPS = refused("a normalization over positions too")
_JOIN = refused("a stack of values")
_PART = refused("a part of a value")
_TURN = refused("an exchange of axes")

MODULES: dict[str, Reader] = {
    "MultiheadAttention": _ATTENTION,
    "GLU": _GATE,
    **dict.fromkeys(("GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "LocalResponseNorm"), _GROUPS),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Softmin", "Softmax2d"), _SOFTMAX),
    **dict.fromkeys(("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"), refused("a recurrent layer")),
    **dict.fromkeys(("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"), refused("a transposed convolution")),
}
FUNCTIONS: dict[str, Reader] = {
    **dict.fromkeys(("scaled_dot_product_attention", "multi_head_attention_forward"), _ATTENTION),
    "glu": _GATE,
    **dict.fromkeys(("group_norm", "instance_norm", "local_response_norm"), _GROUPS),
    **dict.fromkeys(("softmax", "log_softmax", "softmin"), _SOFTMAX),
    **dict.fromkeys(("stack", "hstack", "vstack"), _JOIN),
    **dict.fromkeys(("getitem", "chunk", "split", "select", "narrow", "unbind", "index_select"), _PART),
    **dict.fromkeys(("transpose", "permute", "swapaxes", "swapdims", "movedim", "t"), _TURN),
}
