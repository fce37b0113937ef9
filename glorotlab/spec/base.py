"""The base of every spec: frozen, without unknown fields, one line for an error, a canonical JSON text."""

import inspect
import json
from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from glorotlab import notebook
from glorotlab.checks import shown
from glorotlab.errors import InvalidValueError


def _one_line(error: ValidationError, known: Iterable[str]) -> str:
    """Return a message with the first wrong field, its value and what is allowed."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return message
    if first["type"] == "extra_forbidden":
        return f"unknown field {place!r:.60}: allowed are {', '.join(known)}"
    if first["type"] == "missing":
        return f"missing field {place!r:.60}"
    text = shown(first["input"], 61)
    return f"{place} {text if len(text) <= 60 else text[:57] + '...'}: {message[0].lower()}{message[1:]}"


_BOOLEANS = (bool, np.bool_)


def _is_row_of_numbers(kind: Any, value: Any) -> bool:
    return kind == tuple[int, ...] and isinstance(value, (list, tuple, np.ndarray))


@cache
def field_of(spec: "type[Spec]", name: str) -> FieldInfo:
    """Return a field of a spec class from a cache, because pydantic's own table is slow."""
    return spec.model_fields[name]


class Spec(BaseModel):
    """Base of the specs: plain, frozen, validated; InvalidValueError if a field is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    added_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that earlier versions lacked; at its default such a field does not change the canonical text."""

    def __init__(self, /, *unnamed: object, **fields: Any) -> None:
        if unnamed:
            raise InvalidValueError(f"{type(self).__name__}({shown(unnamed[0])}): allowed are fields by their names")
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise InvalidValueError(_one_line(error, type(self).model_fields)) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **settings: Any) -> None:
        """Remove positional arguments, which are refused, from the signature that help and editors show."""
        shown = inspect.signature(cls)
        named = [field for field in shown.parameters.values() if field.kind is not field.VAR_POSITIONAL]
        cls.__signature__ = shown.replace(parameters=named)

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_own_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse bools and texts as numbers, and numbers and texts as bools."""
        kind = field_of(cls, str(info.field_name)).annotation
        if kind is bool and not isinstance(value, _BOOLEANS):
            raise InvalidValueError(f"{info.field_name} {shown(value)}: input should be true or false")
        for number in (value,) if kind in (int, float) else value if _is_row_of_numbers(kind, value) else ():
            if isinstance(number, (*_BOOLEANS, str)):
                raise InvalidValueError(f"{info.field_name} {shown(number)}: input should be a number")
        return value

    def _repr_html_(self) -> str:
        return notebook.form(type(self).__name__, notebook.fields(self._unfolded()))

    def _unfolded(self) -> dict[str, object]:
        """Return every field by its name; those of a spec within are named after both."""
        fields: dict[str, object] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Spec):
                fields |= {f"{name}.{inner}": one for inner, one in value._unfolded().items()}
            else:
                fields[name] = value
        return fields

    def canonical_json(self) -> str:
        """Return the spec as JSON with sorted keys and canonical names: equal specs give equal text."""
        return json.dumps(self._canonical_fields(), sort_keys=True, separators=(",", ":"))

    def _canonical_fields(self) -> dict[str, Any]:
        fields = self.model_dump(mode="json")
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, Spec):
                fields[name] = value._canonical_fields()
            elif name in self.added_fields and value == field.default:
                del fields[name]
        return fields
