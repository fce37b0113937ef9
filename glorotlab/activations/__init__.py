"""Activations: one record per name, its SymPy expression, NumPy reference and properties.

The compiled counterpart of a record, where there is one, carries the name of its family in
``glorotlab.kernels.network.elementwise.CODES``; a record without one trains through NumPy.
"""

import copyreg
import re
from collections.abc import Callable

from glorotlab.activations import named
from glorotlab.activations.expression.syntax import MAX_LENGTH, parse
from glorotlab.activations.named import RECORDS
from glorotlab.activations.record import Activation
from glorotlab.checks import instance_of
from glorotlab.errors import UnknownNameError

__all__ = ["RECORDS", "Activation", "get"]


def get(text: str | Activation) -> Activation:
    """Return the record of an activation.

    Parameters
    ----------
    text : str or Activation
        A record is returned as it is. A text is
        a name of ``RECORDS``, with its parameter in brackets where it takes one: ``leaky_relu(slope=0.2)``; or an
        expression in x, for example ``x*exp(-x**2)``, of the functions of ``syntax.FUNCTIONS``.

    Raises
    ------
    UnknownNameError, InvalidValueError
        Where the name, the parameter or its value is not allowed, or the expression is refused; it is never run.
    """
    if isinstance(text, Activation):
        return text
    instance_of("activation", text, str, "a name such as tanh, or an expression in x")
    record = named.read(text)
    if record is not None:
        return record
    if text.strip() != "x" and re.fullmatch(r"\s*[^\W\d]\w*\s*", text[:MAX_LENGTH], re.ASCII):
        raise UnknownNameError("activation", text.strip()[:60], (*RECORDS, "an expression in x like x*exp(-x**2)"))
    parse(text)  # refuses without SymPy, which takes half a second to import

    from glorotlab.activations.expression.record import read

    return read(text.strip())


def _by_name(record: Activation) -> tuple[Callable[[str], Activation], tuple[str]]:
    return get, (record.name,)


copyreg.pickle(Activation, _by_name)  # its functions do not travel: those of an expression are made where it is read
