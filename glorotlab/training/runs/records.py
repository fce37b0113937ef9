"""Records: typed contents of the small files of a run folder, checked whenever one is read."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glorotlab.errors import InvalidValueError

Count = Annotated[int, Field(ge=0, le=10**15)]
"""A number of updates, examples or processes."""

Seconds = Annotated[float, Field(ge=0, le=1e12)]
Text = Annotated[str, Field(max_length=1000)]


class Record(BaseModel):
    """A table of typed fields; unknown fields are kept, because a later version may have written them."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    @classmethod
    def check(cls, table: Any, what: str) -> Self:
        """Return a record of a table that was read; InvalidValueError names the first wrong field."""
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place, message = ".".join(str(part) for part in first["loc"]), " ".join(first["msg"].split())
            raise InvalidValueError(f"{what} {place:.60}: {message[0].lower()}{message[1:]:.120}") from None


class Session(Record):
    """The machine and versions of a session that trained a run; ``provenance.session`` has all fields."""

    from_update: Count
    started: Text
    host: Text
    glorotlab: Text
    processor: Text
    simd: Text
    threads: Count
