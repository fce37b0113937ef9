"""Options that several commands share, each group defined once as a dataclass."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glorotlab.cli import completion
from glorotlab.errors import InvalidValueError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from glorotlab.spec.network import NetworkSpec

NETWORK, DATA = "Network", "Data"

Layers = Annotated[str, typer.Argument(metavar="LAYERS", help="Layer sizes, such as 784,1000x5,10.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]


def _one_format(context: typer.Context, asked: bool) -> bool:
    """Refuse JSON and CSV together."""
    if asked and (context.params.get("as_json") or context.params.get("as_csv")):
        raise InvalidValueError("--json together with --csv: allowed is one of the two")
    return asked


Json = Annotated[bool, typer.Option("--json", callback=_one_format, help="Print JSON.")]
Csv = Annotated[
    bool, typer.Option("--csv", callback=_one_format, help="Print CSV: a header, then a line for each row.")
]


class Dtype(StrEnum):
    """Floating types that a network can have."""

    float32 = "float32"
    float64 = "float64"


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Expand every parameter annotated with a dataclass into the dataclass's fields, so that typer sees them."""
    groups: dict[str, type[Any]] = {}
    expanded: list[inspect.Parameter] = []
    for parameter in _parameters(command):
        if isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation):
            groups[parameter.name] = parameter.annotation
            expanded += _parameters(parameter.annotation)
        else:
            expanded.append(parameter)

    @functools.wraps(command)
    def call(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in _parameters(group)})
        command(**values)

    call.__signature__ = inspect.Signature(expanded)  # type: ignore[attr-defined]
    return call


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]


@dataclass(frozen=True)
class NetworkOptions:
    """Options of the network beyond its layer sizes, and of its computation."""

    activation: Annotated[
        str,
        typer.Option(
            "--activation",
            "-a",
            help="Activation of the hidden layers: a name, or an expression in x.",
            autocompletion=completion.activations,
            rich_help_panel=NETWORK,
        ),
    ] = "tanh"
    initializer: Annotated[
        str,
        typer.Option(
            "--initializer",
            "-i",
            help="Initializer of the weights.",
            autocompletion=completion.initializers,
            rich_help_panel=NETWORK,
        ),
    ] = "glorot_uniform"
    bias: Annotated[
        str,
        typer.Option(
            help="Initializer of the biases.",
            show_default="the one that goes with -i",
            autocompletion=completion.biases,
            rich_help_panel=NETWORK,
        ),
    ] = ""
    output: Annotated[
        str,
        typer.Option(
            help="Output layer: softmax, sigmoid or linear.",
            autocompletion=completion.outputs,
            rich_help_panel=NETWORK,
        ),
    ] = "softmax"
    cost: Annotated[
        str,
        typer.Option(
            help="Cost: log_likelihood, cross_entropy or quadratic.",
            show_default="the one that goes with --output",
            autocompletion=completion.costs,
            rich_help_panel=NETWORK,
        ),
    ] = ""
    autoencoder: Annotated[
        bool, typer.Option("--autoencoder", help="Train the outputs to equal the inputs.", rich_help_panel=NETWORK)
    ] = False
    extra_outputs: Annotated[
        bool,
        typer.Option("--extra-outputs", help="Allow more outputs than the data have classes.", rich_help_panel=NETWORK),
    ] = False
    seed: Annotated[
        int, typer.Option(help="Seed of generated data and of the first network.", rich_help_panel=NETWORK)
    ] = 0
    dtype: Annotated[Dtype, typer.Option(help="Floating type of the networks.", rich_help_panel=NETWORK)] = (
        Dtype.float32
    )
    threads: Annotated[
        int | None,
        typer.Option(
            help="Number of threads of the kernels; it changes no result.",
            show_default="all CPUs",
            rich_help_panel=NETWORK,
        ),
    ] = None

    def spec(self, layers: str) -> NetworkSpec:
        """Return the network's spec, and put ``--threads`` into effect."""
        from glorotlab.spec.network import NetworkSpec
        from glorotlab.streams import check_seed
        from glorotlab.threads import set_num_threads

        check_seed(self.seed)
        if self.threads is not None:
            set_num_threads(self.threads)
        names = ("activation", "initializer", "bias", "output", "cost", "autoencoder", "extra_outputs")
        return NetworkSpec.parse(layers, **{name: getattr(self, name) for name in names})


TRAINING = "Training"


class LearningRates(StrEnum):
    """Choices of the parameters' learning rates."""

    common = "common"
    hessian = "hessian"
    gradient_variance = "gradient_variance"


class MomentumSchedule(StrEnum):
    """Schedules of the momentum."""

    constant = "constant"
    sutskever = "sutskever"


@dataclass(frozen=True)
class MomentumOptions:
    """Options of the momentum."""

    momentum: Annotated[
        float,
        typer.Option(metavar="M", help="Momentum, or the largest momentum of a schedule.", rich_help_panel=TRAINING),
    ] = 0.0
    nesterov: Annotated[bool, typer.Option("--nesterov", help="Use Nesterov's momentum.", rich_help_panel=TRAINING)] = (
        False
    )
    momentum_schedule: Annotated[
        MomentumSchedule,
        typer.Option(help="Schedule of the momentum: constant, or rising every 250 updates.", rich_help_panel=TRAINING),
    ] = MomentumSchedule.constant
    final_momentum_updates: Annotated[
        int,
        typer.Option(metavar="N", help="Number of updates at the end with a lower momentum.", rich_help_panel=TRAINING),
    ] = 0
    final_momentum: Annotated[
        float, typer.Option(metavar="M", help="Largest momentum in these last updates.", rich_help_panel=TRAINING)
    ] = 0.9

    def fields(self) -> dict[str, Any]:
        """Return the fields of a TrainingSpec."""
        return vars(self) | {"momentum_schedule": self.momentum_schedule.value}


@dataclass(frozen=True)
class LearningRateOptions:
    """Options of the parameters' learning rates."""

    learning_rates: Annotated[
        LearningRates,
        typer.Option(
            help="Learning rates: one for all parameters, or one for each.",
            rich_help_panel=TRAINING,
        ),
    ] = LearningRates.common
    damping: Annotated[
        float,
        typer.Option(
            metavar="MU",
            help="Damping of the factors of the learning rates.",
            rich_help_panel=TRAINING,
        ),
    ] = 0.1
    curvature_every: Annotated[
        int,
        typer.Option(
            metavar="N", help="Number of updates between two estimates of these factors.", rich_help_panel=TRAINING
        ),
    ] = 1000
    curvature_examples: Annotated[
        int, typer.Option(metavar="N", help="Number of training examples of each estimate.", rich_help_panel=TRAINING)
    ] = 500

    def fields(self) -> dict[str, Any]:
        """Return the fields of a TrainingSpec."""
        return vars(self) | {"learning_rates": self.learning_rates.value}


@dataclass(frozen=True)
class PretrainingOptions:
    """Options of the pre-training of hidden layers."""

    pretraining_updates: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Number of updates that pre-train each hidden layer as an autoencoder.",
            rich_help_panel=TRAINING,
        ),
    ] = 0
    pretraining_lr: Annotated[
        float, typer.Option(metavar="E", help="Learning rate of the pre-training.", rich_help_panel=TRAINING)
    ] = 0.01
    corruption: Annotated[
        float,
        typer.Option(
            metavar="P", help="Probability of setting an input of pre-training to 0.", rich_help_panel=TRAINING
        ),
    ] = 0.25

    def fields(self) -> dict[str, Any]:
        """Return the fields of a TrainingSpec."""
        return {
            "pretraining_updates": self.pretraining_updates,
            "pretraining_learning_rate": self.pretraining_lr,
            "corruption": self.corruption,
        }


Level = Annotated[
    float | None,
    typer.Option(metavar="P", help="Probability of a band, such as .95.", rich_help_panel=NETWORK),
]

DEFAULT_EXAMPLES = 300
"""Default number of examples of the statistics, as in Glorot & Bengio (2010)."""


@dataclass(frozen=True)
class ExampleOptions:
    """Options of the examples of the statistics, which are the first of a dataset's test split."""

    dataset: Annotated[
        str,
        typer.Option(
            metavar="D",
            help="Dataset: a name that 'glorotlab data list' prints, or FILE.npz.",
            autocompletion=completion.datasets,
            rich_help_panel=DATA,
        ),
    ]
    examples: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Number of examples from the start of the test split.",
            show_default=f"at most {DEFAULT_EXAMPLES}",
            rich_help_panel=DATA,
        ),
    ] = None

    def load(
        self, spec: NetworkSpec, seed: int, default: int = DEFAULT_EXAMPLES
    ) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.int64]]:
        """Return inputs and labels, at most ``default`` examples unless the user says how many.

        InvalidValueError where the dataset does not fit the network.
        """
        from glorotlab.data.catalogue import load_dataset

        data = load_dataset(self.dataset, seed=seed)
        data.check_fits(spec)
        examples = int(min(default, data.test.length)) if self.examples is None else self.examples
        if not 1 <= examples <= data.test.length:
            raise InvalidValueError(
                f"--examples {examples}: allowed are 1 to {data.test.length}, the test split of {data.name!r}"
            )
        return data.test.batch(0, examples)


@dataclass(frozen=True)
class InputOptions:
    """Options of the inputs of a theory: examples of a dataset, or the second moment of the inputs."""

    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="D",
            help="Dataset of the inputs: a name that 'glorotlab data list' prints, or FILE.npz.",
            autocompletion=completion.datasets,
            rich_help_panel=DATA,
        ),
    ] = None
    input_moment: Annotated[
        float | None,
        typer.Option(
            metavar="Q",
            help="Second moment of the inputs, instead of a dataset.",
            show_default="1",
            rich_help_panel=DATA,
        ),
    ] = None
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            "--examples",
            metavar="B",
            help="Number of examples from the start of the test split.",
            show_default=f"at most {DEFAULT_EXAMPLES}, for advice 100",
            rich_help_panel=DATA,
        ),
    ] = None

    def check(self) -> None:
        """Refuse options that exclude each other."""
        if self.dataset is not None and self.input_moment is not None:
            raise InvalidValueError("--dataset together with --input-moment: allowed is one of the two")
        if self.dataset is None and self.batch is not None:
            raise InvalidValueError(f"--batch {self.batch} without --dataset: allowed is both, or neither")

    def load(
        self, spec: NetworkSpec, seed: int, default: int = DEFAULT_EXAMPLES
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the arguments of a theory, and their description for JSON."""
        if self.dataset is None:
            moment = 1.0 if self.input_moment is None else self.input_moment
            return {"input_second_moment": moment}, {"input_second_moment": moment}
        x, y = ExampleOptions(self.dataset, self.batch).load(spec, seed, default)
        return {"inputs": x, "labels": y}, {"dataset": self.dataset, "examples": len(x), "seed": seed}
