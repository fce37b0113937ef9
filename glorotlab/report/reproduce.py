"""Reproduction: run experiments, save their results, and write the page that shows them beside the paper."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from glorotlab import netcdf
from glorotlab.errors import DataError, InvalidValueError, RunError, UnknownNameError
from glorotlab.experiments.catalogue import CATALOGUE
from glorotlab.experiments.experiment import Claim, Experiment, Results
from glorotlab.experiments.scales import Scale, get_scale
from glorotlab.files import make_folder, write_whole
from glorotlab.report.csv_tables import csv_tables
from glorotlab.report.lanes import Check, side_by_side
from glorotlab.report.page import Section, page
from glorotlab.report.picture import Picture
from glorotlab.training.sweeps.store import RunStore
from glorotlab.training.sweeps.workers import Workers

PAGE = "report.html"

RUNS = "runs"
"""Folder of the training runs, below that of the report."""

LARGEST_TABLE = 10_000
"""Largest variable, in numbers, that is written as CSV; larger ones are in NetCDF alone."""

TargetProgress = Callable[[str, int, int], None]
"""Function that is called with the current target, the number of its steps done and their total."""


@dataclass(frozen=True)
class Reproduction:
    """Claims, page and time of a reproduction.

    Parameters
    ----------
    claims : list of Claim
        The claims of every target, in the order of the page.
    page : Path
        The report.
    seconds : float
        Wall-clock time in all.
    """

    claims: list[Claim]
    page: Path
    seconds: float


def reproduce(
    targets: Sequence[str],
    scale: str,
    out: str | os.PathLike[str],
    progress: TargetProgress | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
) -> Reproduction:
    """Run experiments and write a report.

    Below ``out`` every target gets a folder with its results (NetCDF, and CSV but for the largest) and its picture
    (PNG and SVG); claims and pictures are made from the saved results. Training runs stand in ``runs``: those that
    have ended are not made again. ``report.html`` holds everything and needs nothing else. A target whose data are
    not here is left out, and the report says how to get them.

    Parameters
    ----------
    targets : sequence of str
        Names of the catalogue; none stands for all.
    scale : str
    out : path-like
        Folder, made where it is missing.
    progress : callable, optional
    workers : int, optional
        Processes that train, by default one for each CPU.
    scheduler : str, optional
        Address of a Dask cluster's scheduler, in place of processes here.

    Returns
    -------
    Reproduction

    Raises
    ------
    UnknownNameError
        Where a target or the scale does not exist.
    InvalidValueError
        Where the folder cannot be written, or a number of workers is not allowed; before any work.
    RunFailedError
        Where a training run failed; a page of the targets that were finished has then been written.
    KeyboardInterrupt
        After a page of the targets that were finished has been written. Training goes on where it stopped when the
        same command is given again.
    """
    experiments, size, folder = _select(targets), get_scale(scale), Path(out)
    makers = Workers(workers=workers, scheduler=scheduler)
    _check_folder(folder)
    with makers:
        return run_experiments(experiments, size, folder, RunStore(folder / RUNS, makers), progress)


def run_experiments(
    experiments: Sequence[Experiment],
    scale: Scale,
    folder: Path,
    store: RunStore,
    progress: TargetProgress | None = None,
) -> Reproduction:
    """Run experiments of any scale in a writable folder; see ``reproduce``.

    Those that train wait for other processes while this one works on the others; in both lanes the longest come first,
    so that work which is shared is there when it is asked for.
    """
    started = time.perf_counter()
    drawn: dict[str, Future[Section]] = {}
    report = _one_at_a_time(progress)

    def lane(own: Sequence[Experiment]) -> Callable[[Check], None]:
        def run(check: Check) -> None:
            for experiment in sorted(own, key=lambda experiment: -experiment.effort):
                computed = _compute(experiment, scale, store, report, check)
                drawn[experiment.name] = drawing.submit(_show, experiment, computed, folder)

        return run

    try:
        with ThreadPoolExecutor(1, "glorotlab drawing") as drawing:  # beside the work of the next experiment
            side_by_side(
                lane([experiment for experiment in experiments if not experiment.trains]),
                lane([experiment for experiment in experiments if experiment.trains]),
            )
    finally:
        pictures = [drawn[experiment.name] for experiment in experiments if experiment.name in drawn]
        sections = [picture.result() for picture in pictures if picture.exception() is None]
        seconds = time.perf_counter() - started
        if sections:
            write_whole(folder / PAGE, page(sections, scale, seconds, asked=len(experiments)))
    for picture in pictures:
        picture.result()  # an error of drawing is raised
    return Reproduction([claim for section in sections for claim in section.claims], folder / PAGE, seconds)


def _one_at_a_time(progress: TargetProgress | None) -> TargetProgress:
    """Return a function that calls ``progress`` from one thread at a time."""
    lock = threading.Lock()

    def tell(name: str, done: int, total: int) -> None:
        if progress:
            with lock:
                progress(name, done, total)

    return tell


def _select(targets: Sequence[str]) -> list[Experiment]:
    for target in targets:
        if target not in CATALOGUE:
            raise UnknownNameError("target", target, CATALOGUE)
    return [experiment for name, experiment in CATALOGUE.items() if not targets or name in targets]


def _check_folder(folder: Path) -> None:
    try:
        make_folder(folder)
    except RunError as error:
        raise InvalidValueError(str(error)) from None


@dataclass(frozen=True)
class _Computed:
    """The results of an experiment's own work.

    Parameters
    ----------
    results : dict
    seconds : float
        Wall-clock time that it took.
    missing : str
        Why its data are not here; ``""`` where they are.
    """

    results: Results
    seconds: float
    missing: str = ""


def _compute(
    experiment: Experiment, scale: Scale, store: RunStore, progress: TargetProgress, check: Check
) -> _Computed:
    """Do an experiment's own work; its progress then ends, although it is not drawn yet."""

    def report(done: int, total: int) -> None:
        check()
        progress(experiment.name, done, total)

    started, missing = time.perf_counter(), ""
    report(0, 1)
    try:  # the end is a step more
        results = experiment.run(scale, store, lambda done, total: report(done, total + 1))
    except DataError as error:
        results, missing = {}, str(error)
    report(1, 1)
    return _Computed(results, time.perf_counter() - started, missing)


def _show(experiment: Experiment, computed: _Computed, folder: Path) -> Section:
    """Save results, then decide the claims and draw the picture from the saved files."""
    if computed.missing:
        return Section(experiment, [], None, None, computed.seconds, missing=computed.missing)
    started, own = time.perf_counter(), folder / experiment.name
    make_folder(own)
    data = save(computed.results, own)
    results = load(own, computed.results)
    claims, caption = experiment.claims(results), experiment.caption
    alt = f"{experiment.title}. {caption}"
    picture = Picture.of(experiment.draw(results), alt, caption, data, folder=experiment.name)
    write_whole(own / f"{experiment.name}.png", picture.png)
    write_whole(own / f"{experiment.name}.svg", picture.svg)
    files = (f"{experiment.name}.svg", f"{experiment.name}.png", *(f"{name}.nc" for name in results))
    table = experiment.table(results) if experiment.table else None
    seconds = computed.seconds + time.perf_counter() - started
    return Section(experiment, claims, picture, table, seconds, files=files)


def save(results: Results, folder: Path) -> dict[str, str]:
    """Write results, each to a NetCDF file, and as CSV: a table for the variables of the same dimensions.

    Returns
    -------
    dict of str to str
        The tables by file name.
    """
    written: dict[str, str] = {}
    for name, dataset in results.items():
        netcdf.write(folder / f"{name}.nc", dataset)
        written |= csv_tables(name, dataset, LARGEST_TABLE)
    for name, table in written.items():
        write_whole(folder / name, table)
    return written


def load(folder: Path, names: Sequence[str] | Results) -> Results:
    """Read results of the given names back."""
    return {name: netcdf.read(folder / f"{name}.nc") for name in names}
