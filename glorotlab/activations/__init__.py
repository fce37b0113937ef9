"""Activations: one record per name, its SymPy expression, NumPy reference and properties.

The compiled counterpart of a record, where there is one, carries the name of its family in
``glorotlab.kernels.elementwise.CODES``; a record without one trains through NumPy.
"""

from glorotlab.activations import named
from glorotlab.activations.named import RECORDS
from glorotlab.activations.record import Activation
from glorotlab.errors import UnknownNameError

__all__ = ["RECORDS", "Activation", "get"]


def get(text: str) -> Activation:
    """Return the record of an activation.

    Parameters
    ----------
    text : str
        A name of ``RECORDS``, with its parameter in brackets where it takes one: ``leaky_relu(slope=0.2)``.

    Raises
    ------
    UnknownNameError, InvalidValueError
        Where the name, the parameter or its value is not allowed.
    """
    record = named.read(text)
    if record is None:
        raise UnknownNameError("activation", text[:60], RECORDS)
    return record
