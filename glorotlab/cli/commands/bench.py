"""glorotlab bench: the training step against every peer installed and against the machine's roofline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.benchmarking import ROUNDS
from glorotlab.cells import number
from glorotlab.cli import completion
from glorotlab.cli.options import Csv, Dtype, Json, Quiet
from glorotlab.cli.progress import progress_bar
from glorotlab.cli.tables import table, typed
from glorotlab.cli.terminal import note, say, say_folded
from glorotlab.errors import InvalidValueError

if TYPE_CHECKING:
    from glorotlab.benchmarking.bench import Benchmark
    from glorotlab.benchmarking.cases import Case
    from glorotlab.benchmarking.roofline import Roofline

FORMATS = (".png", ".pdf", ".svg")
"""Endings of the names that --plot takes."""


def bench(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|LAYERS",
            help="Cases: paper, widths, depths, nielsen, small, float64, levels or roofline; or layer sizes.",
            show_default="all cases",
            autocompletion=completion.benchmarks,
        ),
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(
            "--activation",
            "-a",
            metavar="F",
            help="Activation of LAYERS.",
            show_default="tanh",
            autocompletion=completion.activations,
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(metavar="B", help="Mini-batch size of LAYERS.", show_default="10")
    ] = None,
    dtype: Annotated[Dtype | None, typer.Option(help="Floating type of LAYERS.", show_default="float32")] = None,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of threads of every implementation.", show_default="1, then all CPUs"),
    ] = None,
    rounds: Annotated[
        int, typer.Option(metavar="N", help="Number of rounds; each times every implementation once.")
    ] = ROUNDS,
    peers: Annotated[
        str | None,
        typer.Option(metavar="P,P,...", help="Peers to time, by name.", show_default="all that are installed"),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Also draw the time of a step over the number of weights."),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Time the training step against NumPy, PyTorch and JAX, and against the machine's roofline.

    First every side must compute the same two steps. Then all are timed in turn, round by round. Ctrl-C ends the run
    with what has been timed.
    """
    from glorotlab.benchmarking.bench import Benchmark, check
    from glorotlab.benchmarking.cpus import cpus
    from glorotlab.benchmarking.peers import chosen_peers

    counts = list(dict.fromkeys((1, cpus()))) if threads is None else [threads]
    check(counts, rounds)
    cases = _cases(name, {"--activation": activation, "--batch": batch, "--dtype": dtype})
    names = None if peers is None else [name for part in peers.split(",") if (name := part.strip())]
    benchmark = Benchmark(() if all(case.every_level for case in cases) else chosen_peers(names))
    if plot is not None:
        plot = _checked(plot)
    for peer, reason in benchmark.missing.items():
        note(f"{peer} is left out: {reason}")
    for unable in [peer for peer in benchmark.runnable for case in cases if not peer.has(case.spec.activation)]:
        note(f"{unable.name} is left out: it has no {activation}")
    try:
        with progress_bar("cases", show=not quiet) as progress:
            benchmark.run(cases, counts, rounds=rounds, progress=progress)
    finally:
        if benchmark.rooflines:
            _report(benchmark, as_json, as_csv, plot)


def _cases(name: str | None, own: dict[str, Any]) -> tuple[Case, ...]:
    """Return the cases of a name, or the user's own case; InvalidValueError if options do not fit."""
    from glorotlab.benchmarking.cases import cases_of, own_case

    if name is not None and name[:1].isdigit():
        return (own_case(name, *own.values()),)
    options = [option for option, value in own.items() if value is not None]
    if options:
        raise InvalidValueError(f"{', '.join(options)} beside {name or 'all cases'}: allowed only beside layer sizes")
    return cases_of(name)


def _checked(plot: Path) -> Path:
    """Return the path of the picture; InvalidValueError if it cannot be written there."""
    from glorotlab.files import user_path

    path = user_path(plot)
    if path.suffix not in FORMATS:
        raise InvalidValueError(f"--plot {str(plot)!r}: allowed are names that end in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise InvalidValueError(f"--plot {str(plot)!r}: there is no folder {str(path.parent)!r}")
    return path


def _report(benchmark: Benchmark, as_json: bool, as_csv: bool, plot: Path | None) -> None:
    if as_json:
        from glorotlab.cli.json_output import print_json

        print_json(benchmark.to_dict())
    elif as_csv:
        from glorotlab.cli.csv_output import print_csv

        cases = benchmark.to_dict()["cases"]
        print_csv([case | {"sides": None, "side": side["name"]} | side for case in cases for side in case["sides"]])
    else:
        _print(benchmark)
    if plot is not None and benchmark.timings:
        from glorotlab.benchmarking.figure import draw_costs
        from glorotlab.files import write_whole

        figure = draw_costs(benchmark)
        write_whole(plot, lambda file: figure.savefig(file, format=plot.suffix[1:]))
        note(f"{plot}")


def _print(benchmark: Benchmark) -> None:
    record = benchmark.to_dict()
    machine = record["machine"]
    say_folded(f"{machine['processor']}, {machine['cpus']} CPUs, {machine['platform']}")
    versions = (f"{name} {version}" for name, version in record["peers"].items() if name not in record["missing"])
    own = (f"{name} {machine[name]}" for name in ("glorotlab", "python", "simd"))
    say_folded(", ".join([*own, *versions]))
    for roofline in benchmark.rooflines.values():
        say(f"\n{_roofline_title(roofline)}", bold=True)
        if roofline.simd == machine["simd"]:
            say(_roofline_table(roofline, machine["caches"]))
    for case in record["cases"]:
        say(f"\n{_case_title(case)}", bold=True)
        say(_case_table(case["sides"]))
    if benchmark.timings:
        say()
        say_folded("ratio: time / glorotlab's of the same round, median and quartiles; CPU: time of all threads")
        say_folded("share: the roofline's bound / the fastest round")
    if not benchmark.complete:
        say("stopped before the end")


def _roofline_title(roofline: Roofline) -> str:
    return (
        f"roofline, {_threads(roofline.threads)}, {roofline.dtype}, {roofline.simd}: "
        f"{number(roofline.flops / 1e9, 4)} GFLOP/s of multiply-adds"
    )


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count != 1)}"


def _roofline_table(roofline: Roofline, caches: dict[str, int]) -> str:
    rows = []
    for size, read, read_write in zip(roofline.sizes, roofline.read, roofline.read_write, strict=True):
        level = next((name for name, capacity in caches.items() if size <= capacity), "memory" if caches else "–")
        rows.append([str(size >> 10), level, number(read / 1e9, 4), number(read_write / 1e9, 4)])
    return table(["buffer KB", "fits one CPU's", "read GB/s", "read + write GB/s"], rows)


def _case_title(case: dict[str, Any]) -> str:
    network = f"{case['layers']} {case['activation']}, {case['dtype']}, batch {case['batch']}"
    return f"{network}, {_threads(case['threads'])}, {number(case['weights'], 3)} weights"


def _case_table(sides: list[dict[str, Any]]) -> str:
    rows = [
        [
            side["name"],
            number(1e3 * side["seconds"], 4),
            _ratio(side["ratio"]),
            f"{_ratio(side['ratio_low'])} .. {_ratio(side['ratio_high'])}",
            number(1e3 * side["cpu_seconds"], 4),
            _ratio(side["cpu_ratio"]),
            number(side["flops"] / 1e9, 4),
            f"{100 * side['roofline_share']:.1f}",
        ]
        for side in sides
    ]
    return table([typed("side"), "ms a step", "ratio", "quartiles", "CPU ms", "CPU ratio", "GFLOP/s", "share %"], rows)


def _ratio(value: float) -> str:
    """Return a ratio with two decimals, or as many as three digits leave."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"
