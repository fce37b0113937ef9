"""Fuzz target command: command lines, run in this process as a terminal's are run in their own.

An exit code is 0, 1, 2 or 130; bad input leaves exactly one line on standard error and nothing on standard output.
Networks are tiny and updates few: what is accepted is cheap. A benchmark, a sweep and a reproduction are only refused
here; what they do when they run is other tests' business.
"""

import contextlib
import io
import json
import os
import random
import shutil
from typing import Any

from fuzz_expression import SAMPLES as EXPRESSIONS
from harness import Target, Wrong
from mutations import NUMBERS, WORDS, mutate_text
from runs import make_run, run_spec, write_dataset

from glorotlab import initializers
from glorotlab.activations import RECORDS
from glorotlab.cli.main import main
from glorotlab.derivations.catalogue import CATALOGUE
from glorotlab.threads import set_num_threads

LAYERS = (
    "4,5,3",
    "4,5x2,3",
    "4,3",
    "4,1,3",
    "4,6,5,3",
    "4,5,4",
    "5,5,3",
    "4,5,1",
    "4,5x0,3",
    "4,-5,3",
    "4,5x",
    "4 ,5, 3",
    "",
)
LAYERS += (
    "4,99999999999,3",
    "4,5x1000000000,3",
    "3",
    ",",
    "4,5,3,",
    "4x5",
    "1e1,3",
    "٤,٥,3",
    "4,5.0,3",
    "a",
    "spec.toml",
    "sweep.toml",
)
DATASETS = (
    "data.npz",
    "missing.npz",
    "broken.npz",
    "runs",
    "mnist",
    "shapeset",
    "",
    "~/data.npz",
    "x.pkl",
    "a\nb.npz",
    ".npz",
)
COUNTS = ("1", "2", "3", "0", "-1", "1.0", "x", "", "9" * 25, "1e3", "٣", "nan", " 2 ", "+2", "0x2", "1_0")
RATES = (*NUMBERS, "0.05", "0.1", "1e6")
PATHS = (
    "out",
    "out/a",
    "runs/a",
    "runs",
    "data.npz",
    "~/out",
    "/proc/nowhere",
    "a\x00b",
    "x" * 300,
    "",
    "\udcff",
    "out/\x1b[31m",
)
FOLDERS = ("runs", "runs/a", "runs/bad", "out", "missing", "data.npz", "", "~", "empty", "a\x00b", "/proc/1/root")
DERIVATIONS = (*CATALOGUE, "forward_varianc", "", "all")
FLAG: tuple[str, ...] = ()

NETWORK: dict[str, tuple[str, ...]] = {
    "-a": (*RECORDS, *EXPRESSIONS[:4], "leaky_relu(slope=0.2)", "GELU", "tan", "x**", "1", ""),
    "--activation": ("relu", "tanh", "x"),
    "-i": (*initializers.NAMES, "normal(std=0.1)", "normal(std=1e18)", "sparse(k=2)", "xavier", "normal(std=)", ""),
    "--bias": ("zeros", "normal", "uniform(bound=2)", "constant(value=1)", "normal(std=0)", "nonsense", ""),
    "--output": ("softmax", "sigmoid", "linear", "relu", ""),
    "--cost": ("log_likelihood", "cross_entropy", "quadratic", "mse", ""),
    "--autoencoder": FLAG,
    "--seed": (*COUNTS, "18446744073709551615", "18446744073709551616"),
    "--dtype": ("float32", "float64", "float16", ""),
    "--threads": ("1", "0", "-1", "1025", "x"),
}
DATA = {
    "--dataset": DATASETS,
    "--examples": COUNTS,
    "--batch": COUNTS,
    "--input-moment": RATES,
    "--level": (*RATES, "0.95"),
}
COMMON = {"--json": FLAG, "--quiet": FLAG, "--nonsense": FLAG, "--help": FLAG}
TRAINING: dict[str, tuple[str, ...]] = {
    "--dataset": DATASETS,
    "--updates": COUNTS,
    "--lr": RATES,
    "--batch": COUNTS,
    "--momentum": (*RATES, "0.9"),
    "--nesterov": FLAG,
    "--momentum-schedule": ("constant", "sutskever", "x"),
    "--final-momentum-updates": COUNTS,
    "--final-momentum": (*RATES, "0.4"),
    "--l2": RATES,
    "--learning-rates": ("common", "hessian", "gradient_variance", "x"),
    "--damping": RATES,
    "--curvature-every": COUNTS,
    "--curvature-examples": COUNTS,
    "--pretraining-updates": COUNTS,
    "--pretraining-lr": RATES,
    "--corruption": RATES,
    "--validation-every": (*COUNTS, "auto"),
    "--monitor-every": (*COUNTS, "auto"),
    "--out": PATHS,
    "--resume": FLAG,
    "--checkpoint-every": (*RATES, "60"),
}
SEEDS = {"--seeds": ("1", "2", "3", "0", "-1", "x", "9" * 25, "")}

COMMANDS: dict[tuple[str, ...], tuple[int, tuple[str, ...], dict[str, tuple[str, ...]]]] = {
    ("predict",): (8, LAYERS, NETWORK | DATA | COMMON | {"--all": FLAG}),
    ("measure",): (6, LAYERS, NETWORK | DATA | SEEDS | COMMON),
    ("compare",): (2, LAYERS, NETWORK | DATA | SEEDS | COMMON | {"--all": FLAG, "--no-bands": FLAG}),
    ("advise",): (1, LAYERS, NETWORK | DATA | COMMON),
    ("train",): (9, LAYERS, NETWORK | TRAINING | COMMON),
    ("sweep",): (
        1,
        ("missing.toml", "spec.toml", "runs", "", "data.npz"),
        {"--workers": COUNTS, "--out": PATHS} | COMMON,
    ),
    ("reproduce",): (
        1,
        ("figure_99", "", "all"),
        {"--list": FLAG, "--scale": ("quick", "huge", ""), "--strict": FLAG} | COMMON,
    ),
    ("bench",): (1, ("nonsense", ""), {"--threads": COUNTS, "--rounds": COUNTS, "--peers": ("x", "")} | COMMON),
    ("derive",): (
        2,
        DERIVATIONS,
        {"--format": ("text", "latex", "mathml", "json", "x"), "--without": ("x", "")} | COMMON,
    ),
    ("info",): (1, ("x",), COMMON),
    ("runs", "list"): (3, FOLDERS, COMMON),
    ("runs", "compare"): (3, FOLDERS, COMMON),
    ("runs", "show"): (2, FOLDERS, COMMON),
    ("data", "show"): (2, DATASETS, COMMON),
    ("data", "path"): (1, DATASETS, COMMON),
    ("data", "list"): (1, ("x",), COMMON),
    ("data", "fetch"): (1, ("x", "shapeset", ""), COMMON),
    ("nonsense",): (1, ("x",), COMMON),
}
"""How often each command comes, its arguments and its options with their values."""

USUAL = {"measure": {"--dataset": "data.npz", "--seeds": "2"}, "compare": {"--dataset": "data.npz", "--seeds": "2"}}
USUAL |= {"train": {"--dataset": "data.npz", "--updates": "3"}}
"""Options that a command needs."""

DEAR = ("sweep", "reproduce", "bench")
"""Commands whose words are never mutated: what they would do takes seconds or longer."""

COSTS = ("--updates", "--seeds", *COUNTS)
"""Words that are never mutated, so that nothing large comes of them."""

LONGEST_LINE = 1200
"""Characters of the line that says what is wrong, beside a word that it quotes."""

STATUS = '{"status": "finished", "updates": 3, "fields": {"layers": "4,5,3"}}'


class Commands(Target):
    """A command line is run: it prints its result and returns 0, or says in one line what is wrong."""

    name = "command"
    seconds = 2.0

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        self.home = self.folder / "home"
        self.home.mkdir()
        write_dataset(self.home / "data.npz")
        spec = run_spec(self.home / "data.npz")
        make_run(spec, self.home / "runs" / "a")
        (self.home / "runs" / "bad").mkdir()
        (self.home / "runs" / "bad" / "status.json").write_text(STATUS.replace("3,", "-3,"))
        (self.home / "empty").mkdir()
        (self.home / "broken.npz").write_bytes((self.home / "data.npz").read_bytes()[:-100])
        (self.home / "spec.toml").write_text(spec.to_toml())
        (self.home / "sweep.toml").write_text("[sweep]\n")
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("GLOROTLAB", "XDG"))
        }
        self.environment |= {"HOME": str(self.home), "COLUMNS": "80"}

    def make(self, rng: random.Random) -> list[str]:
        """Return the words of a command line; one word in twenty is mutated."""
        command = rng.choices(list(COMMANDS), [weight for weight, _, _ in COMMANDS.values()])[0]
        _, targets, options = COMMANDS[command]
        words: list[str] = []
        if rng.random() < 0.95 or command[0] in DEAR:
            words.append(targets[0] if rng.random() < 0.5 else rng.choice(targets))
        chosen = {name: value for name, value in USUAL.get(command[0], {}).items() if rng.random() < 0.95}
        for name in rng.choices(list(options), k=rng.choice((0, 1, 1, 2, 3, 5))):
            if name != "--help" or rng.random() < 0.1:
                chosen[name] = rng.choice(options[name] or ("",))
        for name, value in chosen.items():
            words += [name] if not options.get(name, FLAG) else rng.choice(([name, value], [f"{name}={value}"]))
        words = [*command, *words]
        if rng.random() < 0.03 and command[0] not in DEAR:
            rng.shuffle(words)
        if command[0] in DEAR:
            return words
        return [mutate_text(rng, word, WORDS) if rng.random() < 0.05 and word not in COSTS else word for word in words]

    def run(self, made: list[str]) -> bool:
        """Run the command, and look at its exit code and at all it has printed."""
        code, out, err = self.call([word.replace("~/", f"{self.home}/") for word in made])
        check(made, code, out, err)
        return code != 2

    def call(self, words: list[str]) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error of a command."""
        shutil.rmtree(self.home / "out", ignore_errors=True)
        before, place = dict(os.environ), os.getcwd()
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace"))
        try:
            os.environ.clear()
            os.environ.update(self.environment)
            os.chdir(self.home)
            set_num_threads(1)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(words)
        finally:
            os.chdir(place)
            os.environ.clear()
            os.environ.update(before)
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode("utf-8"))  # type: ignore[attr-defined]
        return code, *texts


def check(words: list[str], code: int, out: str, err: str) -> None:
    """Raise Wrong where an exit code, or what goes with it, is not as docs/command_line.md says."""
    if code not in (0, 1, 2):
        raise Wrong(f"exit code {code}")
    lines = err.splitlines()
    if code == 2 and len(lines) != 1:
        raise Wrong(f"exit code 2 and {len(lines)} lines on standard error")
    if code == 2 and not lines[0].startswith("glorotlab: error: "):
        raise Wrong("exit code 2, and the line does not begin with glorotlab: error:")
    if code == 2 and len(err) > LONGEST_LINE + max(map(len, words)):
        raise Wrong("exit code 2, and the line is too long")
    if code == 2 and out:
        raise Wrong("exit code 2, and something on standard output")
    if code == 1 and len(lines) > 1:
        raise Wrong(f"exit code 1 and {len(lines)} lines on standard error")
    if "Traceback" in err or "Warning" in err:
        raise Wrong(f"a traceback or a warning: {lines[-1]}")
    if control := sorted({character for character in out + err if ord(character) < 32 and character not in "\n\t"}):
        raise Wrong(f"control characters {control!r} in what is printed")
    if code == 0 and "--json" in words and "--help" not in words:
        json.loads(out, parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise Wrong(f"{name} in JSON")
