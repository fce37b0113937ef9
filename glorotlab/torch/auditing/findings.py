"""Findings of an audit by name: faults, and notices of unusual but possibly intended choices."""

from __future__ import annotations

from dataclasses import dataclass

FAULT, NOTICE = "fault", "notice"


@dataclass(frozen=True)
class Finding:
    """A fault or a notice of one weight.

    Parameters
    ----------
    name : str
        A key of ``FAULTS`` or ``NOTICES``.
    severity : str
        ``fault`` or ``notice``.
    text : str
        What was seen, with its numbers.
    """

    name: str
    severity: str
    text: str


FAULTS = {
    "not finite": "NaN or an infinite number",
    "all zero": "every weight is 0: nothing passes, on purpose or not",
    "constant": "every weight is the same: all units are one",
    "equal units": "units with equal weights stay equal",
    "equal inputs": "inputs with equal weights cannot be told apart",
    "units without weights": "units that hear nothing",
    "same values as another": "two weights from one state of the random generator",
    "mean is not 0": "the mean of the weights is not 0: it adds the mean of the inputs to every unit",
    "transposed fans": "fan_out stands where fan_in belongs",
    "half of Glorot": "sqrt(3 / (fan_in + fan_out)) stands where sqrt(6 / (fan_in + fan_out)) belongs",
    "standard deviation used as bound": "a uniform law is sqrt(3) times as wide as its standard deviation",
    "bound used as standard deviation": "the bound of a uniform law is given to a normal one",
    "variance used as standard deviation": "the square root is missing",
    "standard deviation used as variance": "the square root is taken twice",
    "square root forgotten": "the bound lacks its square root",
    "truncation not corrected": "a normal law truncated at two standard deviations has .8796 of them left",
    "truncation corrected twice": "divided by .8796 for a truncation that is not there",
    "receptive field forgotten": "fans of a convolution are channels times the receptive field",
    "groups forgotten": "a sum runs over the channels of one group",
    "not orthogonal": "far more orthogonal than independent weights, and not orthogonal",
    "norms differ": "orthogonal, but not of one norm",
    "no known law": "neither uniform, normal, truncated normal, orthogonal nor sparse: trained, or drawn otherwise",
}
"""Faults, which no initializer intends."""

NOTICES = {
    "default of nn.Linear": "a = sqrt 5 gives eq. 1 of Glorot & Bengio (2010): fan_in Var[W] = 1/3",
    "fan_out": "keeps the gradient, not the signal; transposed fans unless mode='fan_out' was meant",
    "transposed default": "PyTorch's default for transposed convolutions divides by fan_out",
    "packed projections": "fans of queries, keys and values stacked: half the variance of each by itself",
    "fans of the table": "fans of an embedding taken from its shape, as of a matrix: rows count as inputs",
    "scale of its own": "the law is known, the scale is of no known initializer",
    "gain of another activation": "the gain was made for another activation than feeds this layer",
    "left at the default": "other weights of the model were drawn otherwise",
    "many zeros": "some weights are 0, not as many for each unit: masked or pruned",
    "signal far off": "one layer changes the second moment of the signal more than tenfold",
}
"""Notices, which leave an audit healthy."""


def fault(name: str, text: str = "") -> Finding:
    """Return a finding of ``FAULTS``, with its default text unless another is passed."""
    return Finding(name, FAULT, text or FAULTS[name])


def notice(name: str, text: str = "") -> Finding:
    """Return a finding of ``NOTICES``."""
    return Finding(name, NOTICE, text or NOTICES[name])
