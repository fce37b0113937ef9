"""Fuzz what reads files and texts of others: python benchmarks/robustness/fuzz.py TARGET --inputs 200000 --seed 0.

Inputs run in a process of its own, which is started again behind an input that ends it. What was found is written, with
the input and how to see it again, into a folder (--out); exit code 1 where something was. ``--first N --inputs 1``
makes input N alone again.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import Finding, Report, scratch

TARGETS = {
    "idx": "Idx",
    "npz": "Npz",
    "cifar10": "Cifar10",
    "spec": "SpecText",
    "sweep": "SweepText",
    "run_folder": "RunFolders",
    "checkpoint": "Checkpoints",
    "expression": "Expressions",
    "names": "Names",
    "command": "Commands",
}
"""The class of each target, in the module ``fuzz_`` and its name."""

CHUNK = 2000
"""Inputs between two reports of a process."""


def work(name: str, seed: int, numbers: range, megabytes: int, place: Any, reports: Any) -> None:
    """Run inputs, send a report of every ``CHUNK``, and keep the number of the one in hand in ``place``.

    None is sent at the end, and a traceback where the harness itself fails.
    """
    sys.stdout = sys.stderr
    try:
        with scratch() as folder:
            os.environ["XDG_STATE_HOME"] = os.path.join(folder, "state")  # where a resumed run remembers its data
            target = getattr(importlib.import_module(f"fuzz_{name}"), TARGETS[name])(folder)

            def begin(number: int) -> None:
                place.value = number

            for first in range(0, len(numbers), CHUNK):
                reports.send(target.fuzz(numbers[first : first + CHUNK], seed, megabytes=megabytes, begin=begin))
        reports.send(None)
    except Exception:
        reports.send(f"input {place.value}: {traceback.format_exc()}")


def fuzz(name: str, seed: int, numbers: range, megabytes: int) -> Iterator[Report]:
    """Yield reports of inputs that run in a process of its own; one that ends it is a finding, and the next goes on."""
    context = multiprocessing.get_context("spawn")
    while numbers:
        reader, writer = context.Pipe(duplex=False)
        place = context.Value("q", -1, lock=False)
        process = context.Process(target=work, args=(name, seed, numbers, megabytes, place, writer), daemon=True)
        process.start()
        writer.close()
        done = 0
        try:
            while report := reader.recv():
                if isinstance(report, str):
                    raise RuntimeError(report)
                done += report.inputs
                yield report
            return
        except EOFError:
            process.join()
        number = place.value
        if number < 0:
            raise RuntimeError(f"the process of {name} ended with {process.exitcode} before its first input")
        report = Report(inputs=numbers.index(number) + 1 - done)
        report.add(Finding(f"the process ended with {process.exitcode}", number, None, "no traceback"))
        yield report
        numbers = numbers[numbers.index(number) + 1 :]


def fuzz_all(name: str, options: argparse.Namespace) -> Report:
    """Return the report of all inputs of a target, shared between so many processes."""
    end, whole, reports = options.first + options.inputs, Report(), queue.SimpleQueue[Report | BaseException | None]()

    def follow(job: int) -> None:
        try:
            for report in fuzz(name, options.seed, range(options.first + job, end, options.jobs), options.megabytes):
                reports.put(report)
            reports.put(None)
        except BaseException as error:
            reports.put(error)

    for job in range(options.jobs):
        threading.Thread(target=follow, args=(job,), daemon=True).start()
    running = options.jobs
    while running:
        report = reports.get()
        if isinstance(report, BaseException):
            raise report
        if report is None:
            running -= 1
            continue
        whole.merge(report)
        if sys.stderr.isatty():
            print(f"{name}: {whole}", end="\r", file=sys.stderr)
    return whole


def write(finding: Finding, name: str, seed: int, out: Path) -> Path:
    """Write a finding, and the input as it is; return the path of the first."""
    out.mkdir(parents=True, exist_ok=True)
    stem = out / f"{name}-{seed}-{finding.number}"
    content = finding.input if isinstance(finding.input, bytes) else repr(finding.input).encode("utf-8", "replace")
    stem.with_suffix(".input").write_bytes(content)
    again = f"python benchmarks/robustness/fuzz.py {name} --seed {seed} --first {finding.number} --inputs 1"
    text = f"{finding.kind}\n\n{again}\n\n{finding.input!r:.2000}\n\n{finding.details}\n"
    path = stem.with_suffix(".txt")
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path


def main() -> int:
    """Fuzz one target, or all; return 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="+", metavar="TARGET", choices=[*TARGETS, "all"])
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with every so manyth input")
    parser.add_argument("--megabytes", type=int, default=1024, help="address space of the inputs")
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = False
    for name in TARGETS if "all" in options.targets else options.targets:
        whole = fuzz_all(name, options)
        paths = [write(finding, name, options.seed, options.out) for finding in whole.findings]
        if options.json:
            fields = vars(whole) | {"target": name, "findings": [str(path) for path in paths]}
            print(json.dumps(fields))
        else:
            print(f"{name}: {whole}")
            for kind, count in whole.kinds.most_common():
                print(f"  {count:6}  {kind}")
        found = found or bool(paths)
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
