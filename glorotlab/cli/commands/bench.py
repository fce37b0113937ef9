"""glorotlab bench: the training step against every peer installed and against the machine's roofline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.benchmarking import ROUNDS
from glorotlab.cli.options import Json, Quiet
from glorotlab.cli.progress import progress_bar
from glorotlab.cli.terminal import console, note, number, table
from glorotlab.errors import InvalidValueError

if TYPE_CHECKING:
    from rich.table import Table

    from glorotlab.benchmarking.bench import Benchmark
    from glorotlab.benchmarking.roofline import Roofline

FORMATS = (".png", ".pdf", ".svg")
"""Endings of the names that --plot takes."""


def bench(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Cases: paper, widths, depths, nielsen, float64, levels or roofline.",
            show_default="all",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads of every side.", show_default="1, then all CPUs")
    ] = None,
    rounds: Annotated[int, typer.Option(metavar="N", help="Number of rounds; each times every side once.")] = ROUNDS,
    peers: Annotated[
        str | None,
        typer.Option(metavar="P,P,...", help="Peers to time, by name.", show_default="all that are installed"),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the cost of a step against the weights.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Time the training step against NumPy, PyTorch and JAX, and against the machine's roofline.

    First every side must compute the same two steps. Then all are timed in turn, round by round. Ctrl-C ends the run
    with what has been timed.
    """
    from glorotlab.benchmarking.bench import Benchmark, check
    from glorotlab.benchmarking.cases import cases_of
    from glorotlab.benchmarking.cpus import cpus
    from glorotlab.benchmarking.peers import chosen_peers

    counts = list(dict.fromkeys((1, cpus()))) if threads is None else [threads]
    check(counts, rounds)
    cases = cases_of(name)
    names = None if peers is None else [name for part in peers.split(",") if (name := part.strip())]
    benchmark = Benchmark(() if all(case.every_level for case in cases) else chosen_peers(names))
    if plot is not None:
        plot = _checked(plot)
    for peer, reason in benchmark.missing.items():
        note(f"{peer} is left out: {reason}")
    try:
        with progress_bar("cases", show=not quiet) as progress:
            benchmark.run(cases, counts, rounds=rounds, progress=progress)
    finally:
        if benchmark.rooflines:
            _report(benchmark, as_json, plot)


def _checked(plot: Path) -> Path:
    """Return where the picture goes; InvalidValueError where it cannot go there."""
    from glorotlab.files import user_path

    path = user_path(plot)
    if path.suffix not in FORMATS:
        raise InvalidValueError(f"--plot {str(plot)!r}: allowed are names that end in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise InvalidValueError(f"--plot {str(plot)!r}: there is no folder {str(path.parent)!r}")
    return path


def _report(benchmark: Benchmark, as_json: bool, plot: Path | None) -> None:
    if as_json:
        from glorotlab.cli.json_output import print_json

        print_json(benchmark.to_dict())
    else:
        _print(benchmark)
    if plot is not None and benchmark.timings:
        from glorotlab.benchmarking.figure import draw_costs
        from glorotlab.files import write_whole

        figure = draw_costs(benchmark)
        write_whole(plot, lambda file: figure.savefig(file, format=plot.suffix[1:]))
        note(f"{plot}")


def _print(benchmark: Benchmark) -> None:
    record, out = benchmark.to_dict(), console()
    machine = record["machine"]
    out.print(f"{machine['processor']}, {machine['cpus']} CPUs, {machine['platform']}")
    versions = (f"{name} {version}" for name, version in record["peers"].items() if name not in record["missing"])
    own = (f"{name} {machine[name]}" for name in ("glorotlab", "python", "simd"))
    out.print(", ".join([*own, *versions]))
    for roofline in benchmark.rooflines.values():
        out.print(_roofline_title(roofline), style="bold")
        if roofline.simd == machine["simd"]:
            out.print(_roofline_table(roofline, machine["caches"]))
    if benchmark.timings:
        out.print(_case_table(record["cases"]))
        out.print("ratio: time / glorotlab's of the same round, median and quartiles")
        out.print("GB/s: three passes over the weights; share: the roofline's bound / the fastest round")
    if not benchmark.complete:
        out.print("stopped before the end")


def _roofline_title(roofline: Roofline) -> str:
    noun = "thread" if roofline.threads == 1 else "threads"
    return (
        f"roofline, {roofline.threads} {noun}, {roofline.dtype}, {roofline.simd}: "
        f"{number(roofline.flops / 1e9, 4)} GFLOP/s of multiply-adds"
    )


def _roofline_table(roofline: Roofline, caches: dict[str, int]) -> Table:
    rows = table("buffer KB", "fits one CPU's", "read GB/s", "read + write GB/s", left=0)
    for size, read, read_write in zip(roofline.sizes, roofline.read, roofline.read_write, strict=True):
        level = next((name for name, capacity in caches.items() if size <= capacity), "memory" if caches else "–")
        rows.add_row(str(size >> 10), level, number(read / 1e9, 4), number(read_write / 1e9, 4))
    return rows


def _case_table(cases: list[dict[str, Any]]) -> Table:
    rows = table(
        *("layers", "dtype", "side", "batch", "threads", "weights"),
        *("ms a step", "ratio", "quartiles", "GFLOP/s", "GB/s", "share %"),
        left=3,
    )
    for case in cases:
        for index, side in enumerate(case["sides"]):
            first = index == 0
            rows.add_row(
                *((case["layers"], case["dtype"]) if first else ("", "")),
                side["name"],
                *((str(case["batch"]), str(case["threads"]), number(case["weights"], 3)) if first else ("", "", "")),
                number(1e3 * side["seconds"], 4),
                f"{side['ratio']:.2f}",
                f"{side['ratio_low']:.2f} .. {side['ratio_high']:.2f}",
                number(side["flops"] / 1e9, 4),
                number(side["bandwidth"] / 1e9, 4),
                f"{100 * side['roofline_share']:.1f}",
            )
        rows.add_section()
    return rows
