"""RunSpec: everything that determines a run."""

import hashlib
from typing import Any, ClassVar, Literal

import tomli_w
from pydantic import Field, field_validator, model_validator

from glorotlab.documents import parse_toml
from glorotlab.errors import InvalidValueError
from glorotlab.schema import SCHEMA_VERSION
from glorotlab.spec.base import Spec
from glorotlab.spec.generated_data import canonical_data
from glorotlab.spec.network import NetworkSpec
from glorotlab.spec.training import TrainingSpec
from glorotlab.streams import MAX_SEED


class RunSpec(Spec):
    """Everything that determines a run's numbers: network, training, data, seed, dtype.

    Parameters
    ----------
    network : NetworkSpec
        The network before training.
    training : TrainingSpec
        How it is trained.
    data : str
        A name of ``glorotlab data list``, of generated data with its numbers of examples where they are not the
        defaults (``shapeset(test=2000)``), or a path that ends in ``.npz``.
    data_digest : str
        SHA-256 of the user's own arrays; it then identifies the data in place of the path.
    seed : int
        Seed of the weights, the streams and the order of batches.
    dtype : str
        ``float32`` or ``float64``.
    regression : bool
        Whether the examples have targets, numbers for the outputs to reach, in place of classes; ``train`` writes here
        what it finds in the data.

    Raises
    ------
    InvalidValueError
        Where a field is not allowed, or fields do not go together.

    Examples
    --------
    >>> import glorotlab as gl
    >>> network = gl.NetworkSpec.parse("1024,300x3,9")
    >>> spec = gl.RunSpec(network=network, training=gl.TrainingSpec(updates=1000), seed=3)
    >>> gl.RunSpec.from_toml(spec.to_toml()) == spec
    True
    >>> spec.by_field()["layers"], spec.by_field()["updates"], spec.is_regression(targets=0)
    ('1024,300x3,9', 1000, False)
    >>> len(spec.content_hash)  # equal specs have equal ones, and name equal runs
    64
    """

    added_fields: ClassVar[frozenset[str]] = frozenset({"regression"})

    network: NetworkSpec
    training: TrainingSpec
    data: str = "shapeset"
    data_digest: str = ""
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    dtype: Literal["float32", "float64"] = "float32"
    regression: bool = False

    @field_validator("data")
    @classmethod
    def _canonical_data(cls, data: str) -> str:
        return canonical_data(data)

    @model_validator(mode="after")
    def _there_is_a_layer_to_pretrain(self) -> "RunSpec":
        if self.training.pretraining_updates and len(self.network.layer_sizes) < 3:
            raise InvalidValueError(
                f"pretraining_updates {self.training.pretraining_updates} with layers {self.network.layers}: "
                "allowed is 0, as there is no hidden layer"
            )
        return self

    @property
    def content_hash(self) -> str:
        """SHA-256, hexadecimal, of the schema version and of what determines the numbers: no paths, no threads."""
        fields = self.model_copy(update={"data": ""}) if self.data_digest else self
        return hashlib.sha256(f"{SCHEMA_VERSION}\n{fields.canonical_json()}".encode()).hexdigest()

    @property
    def squared_errors(self) -> bool:
        """Whether validation and test errors are squared distances rather than shares of examples misclassified."""
        return self.regression or self.network.autoencoder

    def is_regression(self, targets: int) -> bool:
        """Return whether data make the run a regression.

        Parameters
        ----------
        targets : int
            How many numbers an example of the data gives the outputs to reach; 0 where it has a class.

        Returns
        -------
        bool

        Raises
        ------
        InvalidValueError
            Where the spec says so and the data have classes.
        """
        if self.regression and not targets:
            raise InvalidValueError(
                f"regression with data {self.data!r:.120}, whose labels are classes: allowed are labels that are floats"
            )
        return targets > 0

    def by_field(self) -> dict[str, Any]:
        """Return every field by its own name, tables unfolded, layer sizes as text."""
        fields: dict[str, Any] = self.model_dump(mode="json")
        network, training = fields.pop("network"), fields.pop("training")
        del network["layer_sizes"]
        return {"layers": self.network.layers, **network, **training, **fields}

    def to_toml(self) -> str:
        """Return the spec as TOML, which ``from_toml`` reads back."""
        return tomli_w.dumps(self.model_dump(mode="json"))

    @classmethod
    def from_toml(cls, text: str, origin: str = "spec") -> "RunSpec":
        """Return the spec that a TOML text is; InvalidValueError, which names ``origin``, where it is none."""
        try:
            return cls(**expand(parse_toml(text)))
        except InvalidValueError as error:
            raise InvalidValueError(f"{origin}: {error}") from None


def expand(fields: dict[str, object]) -> dict[str, object]:
    """Allow ``layers = "784,1000x5,10"``, or a list of sizes, in a network written by hand."""
    network = fields.get("network")
    if isinstance(network, dict) and "layers" in network:
        rest = {key: value for key, value in network.items() if key != "layers"}
        return fields | {"network": NetworkSpec.parse(network["layers"], **rest)}
    return fields
