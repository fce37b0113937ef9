"""TrainingSpec and RunSpec: how a network is trained, and everything that determines a run."""

import hashlib
import tomllib
from typing import Any, Literal

import tomli_w
from pydantic import Field, field_validator, model_validator

from glorotlab.errors import InvalidValueError
from glorotlab.schema import SCHEMA_VERSION
from glorotlab.spec.base import Spec
from glorotlab.spec.network import NetworkSpec
from glorotlab.streams import MAX_SEED


class TrainingSpec(Spec):
    """Stochastic gradient descent on mini-batches.

    Parameters
    ----------
    updates : int
        Mini-batch updates in all.
    batch_size : int
    learning_rate : float
        Applied to the batch-mean gradient.
    momentum : float
        Of a velocity, v <- momentum v - learning_rate gradient, theta <- theta + v; 0 is plain descent.
    nesterov : bool
        With momentum the gradient is then that of the place it is about to lead to (Sutskever, Martens, Dahl & Hinton
        2013): theta <- theta + momentum v - learning_rate gradient, of the new v, where theta stands for that place.
    l2 : float
        The cost gains (l2 / 2) |W|^2; biases do not decay. Nielsen's lambda / n.
    batch_order : str
        ``sequential`` takes consecutive examples, ``shuffled`` a new permutation each epoch; an endless stream
        is always sequential.
    validation_every : int
        Updates between two points of the error curves; 0 leaves the choice to ``training.cadence``: at most 20
        intervals, and no more than a fixed share of the training's own work.
    monitor_every : int
        Updates between two records of LayerStatistics; 0 as above.
    """

    updates: int = Field(ge=0, le=10**12)
    batch_size: int = Field(default=10, ge=1, le=10**6)
    learning_rate: float = Field(default=0.05, ge=0, le=1e6)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    nesterov: bool = False
    l2: float = Field(default=0.0, ge=0, le=1e3)
    batch_order: Literal["sequential", "shuffled"] = "shuffled"
    validation_every: int = Field(default=0, ge=0)
    monitor_every: int = Field(default=0, ge=0)

    @field_validator("learning_rate", "momentum", "l2")
    @classmethod
    def _without_negative_zero(cls, value: float) -> float:
        return value + 0.0  # -0.0 equals 0.0, so the canonical text must be the same

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> "TrainingSpec":
        if self.nesterov and not self.momentum:  # else equal runs would have unequal specs
            raise InvalidValueError("nesterov True with momentum 0: allowed is a momentum above 0")
        return self


class RunSpec(Spec):
    """Everything that determines a run's numbers: network, training, data, seed, dtype.

    Parameters
    ----------
    network : NetworkSpec
    training : TrainingSpec
    data : str
        A name of ``glorotlab data list``, or a path that ends in ``.npz``.
    data_digest : str
        SHA-256 of the user's own arrays; it then identifies the data in place of the path.
    seed : int
        Of weights, streams and batch order.
    dtype : str
        ``float32`` or ``float64``.
    """

    network: NetworkSpec
    training: TrainingSpec
    data: str = "shapeset"
    data_digest: str = ""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    dtype: Literal["float32", "float64"] = "float32"

    @property
    def content_hash(self) -> str:
        """SHA-256 of the schema version and of what determines the numbers: no paths, no threads."""
        fields = self.model_copy(update={"data": ""}) if self.data_digest else self
        return hashlib.sha256(f"{SCHEMA_VERSION}\n{fields.canonical_json()}".encode()).hexdigest()

    def by_field(self) -> dict[str, Any]:
        """Return every field by its own name, tables unfolded, layer sizes as text."""
        found: dict[str, Any] = self.model_dump(mode="json")
        network, training = found.pop("network"), found.pop("training")
        del network["layer_sizes"]
        return {"layers": self.network.layers, **network, **training, **found}

    def to_toml(self) -> str:
        """Return the spec as TOML, which ``from_toml`` reads back."""
        return tomli_w.dumps(self.model_dump(mode="json"))

    @classmethod
    def from_toml(cls, text: str, origin: str = "spec") -> "RunSpec":
        """Read a spec; InvalidValueError, with ``origin`` in its message, where the text is not one."""
        try:
            fields = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidValueError(f"{origin}: not TOML: {error}") from None
        try:
            return cls(**expand(fields))
        except InvalidValueError as error:
            raise InvalidValueError(f"{origin}: {error}") from None


def expand(fields: dict[str, object]) -> dict[str, object]:
    """Allow ``layers = "784,1000x5,10"`` in a network written by hand."""
    network = fields.get("network")
    if isinstance(network, dict) and "layers" in network:
        rest = {key: value for key, value in network.items() if key != "layers"}
        return fields | {"network": NetworkSpec.parse(str(network["layers"]), **rest)}
    return fields
