"""``gl.torch.monitor``: statistics of every module at some steps of anybody's training loop."""

from __future__ import annotations

import weakref
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from glorotlab import files, netcdf, notebook
from glorotlab.checks import whole_number
from glorotlab.errors import GlorotlabError, InvalidValueError
from glorotlab.schema import QUANTILES, SATURATION_THRESHOLD, layer_statistics
from glorotlab.torch.reading.inputs import plain_model
from glorotlab.torch.requirement import require_module, require_torch
from glorotlab.torch.step_record import Row, StepRecord, rows_of

if TYPE_CHECKING:
    import xarray as xr

EVENTS = (
    "preactivation_second_moment",
    "activation_second_moment",
    "activation_saturation",
    "backprop_gradient_second_moment",
    "batch_weight_gradient_second_moment",
    "update_weight_ratio",
)
"""Variables in TensorBoard's event files, with a curve for each module."""


def monitor(model: Any, every: int = 100, *, prediction: xr.Dataset | None = None, scaler: Any = None) -> Monitor:
    """Record statistics of every module of a model while a training loop of your own runs.

    ``with gl.torch.monitor(model) as log:`` stands around the loop, which stays as it is. An update is a step of the
    first optimizer that holds parameters of the model. Before update 0, ``every``, 2 ``every``, ... hooks are put on
    all modules that have no modules of their own, and taken off after it; at other steps there are none.

    What a model computes by functions, such as ``F.relu(x)`` or ``+``, has no row, since hooks see modules alone. It
    could be seen in a second pass through a trace of the model, which would draw random numbers and count in the
    buffers of BatchNorm: the training would be another. ``gl.torch.measure`` makes such a pass, apart from training.

    A step's statistics are those of all its batches where gradients are accumulated; batches that are run without
    gradients, or whose update AMP skips, do not count. Weight gradients are as the optimizer gets them, after clipping.
    Gradients of results are those of single examples: times the number of examples of the update, so that the cost that
    is differentiated is to be their mean. Training ends with the same bits as without the monitor.

    Parameters
    ----------
    model : torch.nn.Module
        One that DistributedDataParallel wraps is seen with this process's share of the examples. Models that
        ``torch.compile`` or DataParallel wraps are refused.
    every : int
        Updates between two records.
    prediction : xarray.Dataset, optional
        Of ``gl.torch.predict``; ``gl.plot(log)`` draws it beside the first record.
    scaler : torch.amp.GradScaler, optional
        The one that multiplies the cost: gradients of results are divided by its scale. Without it they are those of
        the cost as it is differentiated; those of weights are divided by it anyway.

    Returns
    -------
    Monitor
        The context to train in; its ``statistics`` are there at any time.

    Raises
    ------
    InvalidValueError
        Where the model or a value is not allowed.
    GlorotlabError
        Where PyTorch is not installed.

    Examples
    --------
    >>> import glorotlab as gl
    >>> import torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> with gl.torch.monitor(model, every=2) as log:
    ...     for _ in range(5):
    ...         optimizer.zero_grad()
    ...         nn.functional.cross_entropy(model(torch.ones(3, 4)), torch.tensor([0, 1, 0])).backward()
    ...         optimizer.step()
    >>> log.updates, log.statistics["step"].values.tolist(), log.statistics["module"].values.tolist()
    (5, [0, 2, 4], ['0', '1', '2'])
    """
    _refuse_what_hides_its_modules(require_module(model))
    every = whole_number("every", every, 1)
    if prediction is not None and "module" not in getattr(prediction, "coords", {}):
        raise InvalidValueError("prediction without a coordinate module: allowed are results of gl.torch.predict")
    if scaler is not None and not callable(getattr(scaler, "get_scale", None)):
        raise InvalidValueError(f"scaler of type {type(scaler).__name__}: allowed is a torch.amp.GradScaler")
    return Monitor(plain_model(model), every, prediction, scaler)


class Monitor:
    """What ``gl.torch.monitor`` records, and the context that it records in; that function makes it.

    Parameters
    ----------
    model : torch.nn.Module
        The model that is trained.
    every : int
        Updates between two records.
    prediction : xarray.Dataset or None
        What ``gl.torch.predict`` expects of the first record.
    scaler : torch.amp.GradScaler or None
        The one that multiplies the cost.

    Attributes
    ----------
    updates : int
        Updates done.
    prediction : xarray.Dataset or None
        As it was given.

    Examples
    --------
    >>> import glorotlab as gl
    >>> import torch
    >>> model = torch.nn.Linear(4, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> with gl.torch.monitor(model, every=1) as log:
    ...     model(torch.ones(3, 4)).square().mean().backward()
    ...     optimizer.step()
    >>> log
    <Monitor of Linear: 1 records in 1 updates>
    >>> log.to_tensorboard("events")  # doctest: +SKIP
    """

    def __init__(self, model: Any, every: int, prediction: xr.Dataset | None, scaler: Any) -> None:
        self.prediction, self.updates = prediction, 0
        self._model, self._every, self._scaler = model, every, scaler
        self._rows: list[Row] = rows_of(model)
        self._order: list[str] = []
        self._records: dict[int, dict[str, dict[str, Any]]] = {}
        self._record: StepRecord | None = None
        self._at, self._scale = 0, 1.0
        self._hooks: list[Any] = []
        self._clock: weakref.ref[Any] | None = None
        self._parameters = {id(tensor) for tensor in model.parameters()}

    def __enter__(self) -> Monitor:
        if self._hooks:
            raise InvalidValueError("this monitor is recording already: allowed is one with statement at a time")
        from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

        self._hooks = [
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        self._finish()

    def __repr__(self) -> str:
        return f"<Monitor of {type(self._model).__name__}: {len(self._records)} records in {self.updates} updates>"

    def _repr_html_(self) -> str:
        if not self._records:
            return notebook.form(repr(self).strip("<>"))
        last = self.statistics.isel(step=-1)
        names = [name for name in EVENTS if name in last]
        rows = zip(last["module"].values, *(last[name].values for name in names), strict=True)
        head = ("module", *(name.replace("_", " ") for name in names))
        return notebook.form(repr(self).strip("<>"), notebook.table(head, rows, f"before update {int(last['step'])}"))

    def _open(self) -> StepRecord | None:
        """Put hooks on the model if the next update is to be recorded."""
        if self.updates % self._every == 0:
            self._record, self._at = StepRecord(self._model, self._rows, self._next_step), self.updates
        return self._record

    def _finish(self) -> None:
        """Remove the hooks, and keep what they recorded if the step was made."""
        record, self._record = self._record, None
        if record is None:
            return
        record.close()
        if record.done:
            self._records[self._at] = record.values(self._scale)
            self._order += [name for name in record.order if name not in self._order]

    def _next_step(self) -> StepRecord | None:
        """Finish the record of a completed step, and begin the next one if it is due."""
        self._finish()
        return self._open()

    def _mine(self, optimizer: Any) -> bool:
        """Whether an optimizer holds parameters of the model; the first that does counts the updates."""
        if not any(id(tensor) in self._parameters for group in optimizer.param_groups for tensor in group["params"]):
            return False
        if self._clock is None or self._clock() is None:
            self._clock = weakref.ref(optimizer)
        return True

    def _before_step(self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self._mine(optimizer):
            return
        if self._record is not None and self._record.done and self._counts(optimizer):
            self._next_step()
        if self._record is not None:
            self._record.before_step(optimizer)

    def _after_step(self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self._mine(optimizer):
            return
        if self._record is not None:
            self._record.after_step()
        if not self._counts(optimizer):
            return
        self.updates += 1
        if self._record is None:
            self._open()
        else:
            self._record.done = True
            self._scale = 1.0 if self._scaler is None else float(self._scaler.get_scale())

    def _counts(self, optimizer: Any) -> bool:
        return self._clock is not None and self._clock() is optimizer

    @property
    def statistics(self) -> xr.Dataset:
        """LayerStatistics so far: dimensions ``step`` and ``layer``, coordinates ``module`` and ``kind``.

        Raises
        ------
        InvalidValueError
            Where no update has been recorded yet.
        """
        if self._record is not None and self._record.done:
            self._next_step()
        if not self._records:
            raise InvalidValueError(
                "no update of the model is recorded: step an optimizer of its parameters inside the with"
            )
        by_name = {row.name: row for row in self._rows}
        seen = {name for record in self._records.values() for name in record}
        names = [*self._order, *(name for name in by_name if name in seen and name not in self._order)]
        variables = dict.fromkeys(key for record in self._records.values() for row in record.values() for key in row)
        values = {key: np.array([_along(record, names, key) for record in self._records.values()]) for key in variables}
        return layer_statistics(
            values,
            leading=("step",),
            coords={
                "step": list(self._records),
                "module": names,
                "kind": [by_name[name].kind for name in names],
            },
            attributes={
                "kind": "measurement",
                "model": type(self._model).__name__,
                "every": self._every,
                "saturation_threshold": SATURATION_THRESHOLD,
            },
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write the statistics as NetCDF.

        Parameters
        ----------
        path : path-like
            The file to write, which ``xarray.open_dataset`` reads; ``~`` is the home folder.

        Examples
        --------
        >>> import glorotlab as gl
        >>> import torch
        >>> import xarray as xr
        >>> from tempfile import TemporaryDirectory
        >>> model = torch.nn.Linear(4, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with gl.torch.monitor(model, every=1) as log:
        ...     model(torch.ones(3, 4)).square().mean().backward()
        ...     optimizer.step()
        >>> with TemporaryDirectory() as folder:
        ...     log.save(f"{folder}/log.nc")
        ...     print(xr.load_dataset(f"{folder}/log.nc").sizes["step"])
        1
        """
        netcdf.write(files.user_path(path), self.statistics)

    def to_tensorboard(self, folder: str | PathLike[str]) -> None:
        """Write event files of TensorBoard, a curve for each module of what is most looked at.

        Parameters
        ----------
        folder : path-like
            The folder to write them to; ``~`` is the home folder.

        Raises
        ------
        GlorotlabError
            Where TensorBoard is not installed.
        """
        statistics = self.statistics
        require_torch()
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise GlorotlabError("event files need TensorBoard: python -m pip install tensorboard") from None
        with SummaryWriter(str(files.user_path(folder))) as writer:
            for name in EVENTS:
                if name not in statistics:
                    continue
                for place, module in enumerate(statistics["module"].values):
                    for step, value in zip(statistics["step"].values, statistics[name].values[:, place], strict=True):
                        if not np.isnan(value):
                            writer.add_scalar(f"{name}/{module}", float(value), int(step))


def _along(record: dict[str, dict[str, Any]], names: list[str], key: str) -> Any:
    missing: Any = np.full(len(QUANTILES), np.nan) if key == "activation_quantile" else np.nan
    return np.array([record.get(name, {}).get(key, missing) for name in names])


def _refuse_what_hides_its_modules(model: Any) -> None:
    """Refuse models whose modules are not called one by one in this process."""
    torch = require_torch()
    if isinstance(model, torch.nn.DataParallel):
        raise InvalidValueError(
            "a DataParallel model runs copies of its modules: allowed are DistributedDataParallel, or the model itself"
        )
    if any(hasattr(one, "_orig_mod") or getattr(one, "_compiled_call_impl", None) for one in model.modules()):
        raise InvalidValueError(
            "a model that torch.compile has compiled calls no modules: train the model itself while it is monitored"
        )
