"""predict, compare and advise: theory of a PyTorch model on a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glorotlab.arrays import Progress
from glorotlab.errors import InvalidValueError
from glorotlab.measurement.compare import Comparison
from glorotlab.measurement.compare import compare as set_side_by_side
from glorotlab.spec.initialised_graph import initialised
from glorotlab.spec.layers.graph import LayerGraph
from glorotlab.theory.advice.advise_graph import CANDIDATES, GraphAdvice, advise_graph
from glorotlab.theory.predict_graph import predict_graph
from glorotlab.torch.loss import NAMES, Loss, mean_loss
from glorotlab.torch.measurement import measure
from glorotlab.torch.requirement import require_torch
from glorotlab.torch.tracing import trace

if TYPE_CHECKING:
    import xarray as xr


def predict(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    loss: Loss = "cross_entropy",
    initializer: str | None = None,
    bias: str | None = None,
    level: float | None = None,
    networks: int = 1,
) -> xr.Dataset:
    """Predict what ``gl.torch.measure`` would find, by mean-field theory.

    Parameters
    ----------
    model : torch.nn.Module
        It is read, and not changed.
    x : torch.Tensor or array_like
        The batch.
    y : torch.Tensor or array_like, optional
        Classes or targets; without them gradients are not predicted.
    loss : str or callable
        ``cross_entropy`` or ``mse``; of a function of your own nothing is known, and gradients are not predicted.
    initializer, bias : str, optional
        Laws of the weights and biases; by default variances are those of the tensors as they stand.
    level : float, optional
        Probability of bands, such as .95, for the mean over as many ``networks``.
    networks : int
        The number of networks whose mean lies in the bands.

    Returns
    -------
    xarray.Dataset
        LayerStatistics with the rows of ``gl.torch.measure``. What the theory cannot follow is NaN, and so is what
        rests on it; attribute ``refused`` says why, by module, and ``no_band`` where there is none.

    Raises
    ------
    InvalidValueError
        Where the model, the batch, the loss or a name is not allowed.
    AssumptionError
        Where the theory does not follow even the first steps.

    Examples
    --------
    He's initializer gives pre-activations twice the second moment of the inputs, and ReLU halves it again:

    >>> import glorotlab as gl
    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 3))
    >>> prediction = gl.torch.predict(model, torch.ones(2, 50), initializer="he_normal")
    >>> prediction["preactivation_second_moment"].dropna("layer").round(6).values.tolist()
    [2.0, 2.0, 2.0]
    """
    graph, inputs, targets = _read(model, x, y)
    mean_loss(loss)
    if initializer is not None:
        graph = initialised(graph, initializer, bias)
    elif bias is not None:
        raise InvalidValueError(f"bias {bias!r} without an initializer: allowed are both, or the weights as they stand")
    named = isinstance(loss, str)
    prediction = predict_graph(
        graph, inputs, targets if named else None, loss if named else NAMES[0], level=level, networks=networks
    )
    prediction.attrs["model"] = type(model).__name__
    return prediction


def compare(
    model: Any, x: Any, y: Any = None, *, loss: Loss = "cross_entropy", level: float | None = 0.95
) -> Comparison:
    """Set the model as it stands beside its prediction: which step leaves the band that one network may scatter in.

    Parameters
    ----------
    model : torch.nn.Module
        It is not changed.
    x, y : torch.Tensor or array_like
        As ``predict`` takes them.
    loss : str or callable
        As ``predict`` takes it.
    level : float, optional
        Probability of the bands; None for no bands.

    Returns
    -------
    Comparison
        Steps have the names of their modules. For several draws take
        ``gl.compare(gl.torch.predict(...), gl.torch.measure(..., seeds=20))``.

    Raises
    ------
    InvalidValueError, AssumptionError
        Where ``predict`` or ``measure`` raises them.

    Examples
    --------
    >>> import glorotlab as gl
    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(20, 20), nn.Linear(20, 20))
    >>> drawn = gl.torch.initialize_(model, "orthogonal", seed=0)
    >>> comparison = gl.torch.compare(model, torch.ones(3, 20))
    >>> [(row.module, round(row.ratio, 4)) for row in comparison.select("preactivation_second_moment")]
    [('0', 1.0), ('1', 1.0)]
    """
    return set_side_by_side(predict(model, x, y, loss=loss, level=level), measure(model, x, y, loss=loss))


def advise(
    model: Any,
    x: Any,
    y: Any,
    *,
    loss: Loss = "cross_entropy",
    candidates: Sequence[str] = CANDIDATES,
    progress: Progress | None = None,
) -> GraphAdvice:
    """Predict what each initializer would do to the model, and recommend one, with the line that applies it.

    Parameters
    ----------
    model : torch.nn.Module
        It is not changed.
    x, y : torch.Tensor or array_like
        As ``predict`` takes them.
    loss : str
        ``cross_entropy`` or ``mse``.
    candidates : sequence of str
        Names of initializers to try.
    progress : callable, optional
        Called with (initializers done, initializers in all).

    Returns
    -------
    GraphAdvice
        A table of initializers, the recommended one, and ``code`` to apply it.

    Raises
    ------
    InvalidValueError
        Where an argument is not allowed.

    Examples
    --------
    >>> import glorotlab as gl
    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 3))
    >>> x, y = torch.ones(3, 50), torch.tensor([0, 1, 2])
    >>> print(gl.torch.advise(model, x, y, candidates=["lecun_normal", "he_normal"]).code)
    gl.torch.initialize_(model, "he_normal", seed=0)
    """
    if not isinstance(loss, str):
        raise InvalidValueError(f"loss of your own: allowed are {', '.join(NAMES)}, whose gradients can be predicted")
    mean_loss(loss)
    if y is None:
        raise InvalidValueError("y None: allowed are classes or targets, which gradients need")
    graph, inputs, targets = _read(model, x, y)
    return advise_graph(graph, inputs, targets, loss, candidates=candidates, progress=progress)


def _read(model: Any, x: Any, y: Any) -> tuple[LayerGraph, Any, Any]:
    """Return the model's graph, and the batch as NumPy arrays."""
    torch = require_torch()
    from glorotlab.torch.recording import as_numpy

    traced = trace(model, x)
    inputs, *more = traced.inputs
    if more:
        raise InvalidValueError(f"{1 + len(more)} inputs: the theory covers models of one input: measure instead")
    return traced.graph, as_numpy(inputs), None if y is None else as_numpy(torch.as_tensor(y))
