"""Where compiled loops get their mini-batches: rows of an array, or a stream that is drawn as it is used."""

from glorotlab.arrays import Labels
from glorotlab.kernels._types import Matrix

class BatchSource:
    """Examples 0, 1, 2, ... with their labels, which a compiled loop loads into its own buffer.

    Attributes
    ----------
    fan_in : int
        Number of inputs of an example.
    classes : int
        Number of classes: labels lie in [0, classes).
    targets : int
        How many numbers each example gives the outputs to reach, beside its label; 0 where it has a label alone.
    length : int
        Number of examples; the largest number of ``Py_ssize_t`` where there is no end.
    """

    fan_in: int
    classes: int
    targets: int
    length: int

    def load(self, first: int, x: Matrix, labels: Labels, targets: Matrix | None = None) -> None:
        """Fill ``x`` (count, fan_in) and ``labels`` (count,) with examples first, ..., first + count - 1.

        ``targets`` (count, outputs) are filled too where the source has some.

        Raises
        ------
        InvalidValueError
            Where the source has no examples of this dtype. Nothing else is checked.
        """

class RowSource(BatchSource):
    """Rows of an array, as they stand or in an order. Callers have checked shapes and labels: nothing is checked here.

    Parameters
    ----------
    x : Matrix
        Examples, of shape (examples, fan_in). A compiled loop of another dtype cannot take them.
    labels : Labels
        Class of each row.
    order : Labels or None
        Rows of x in the order they are taken; None takes them as they stand.
    classes : int
    targets : Matrix or None
        Numbers for the outputs to reach, of shape (examples, outputs) and the dtype of ``x``; None of classes alone.
    """

    def __init__(
        self, x: Matrix, labels: Labels, order: Labels | None, classes: int, targets: Matrix | None = None
    ) -> None: ...
