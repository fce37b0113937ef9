"""The user's own model from ``PACKAGE.MODULE:FACTORY``: the module is imported, which runs the user's code."""

from __future__ import annotations

import importlib
import sys
import traceback
from typing import Any

from glorotlab.errors import InvalidValueError

FORM = "PACKAGE.MODULE:FACTORY, a function without arguments that returns a torch.nn.Module, or such a module"


def made_by(factory: str) -> Any:
    """Return the model that a factory makes; modules are searched as by ``python -m``, in this folder first.

    Raises
    ------
    InvalidValueError
        Where there is no such module or name, or the user's code raises; the message has its line.
    """
    place, colon, name = factory.partition(":")
    if not (colon and name.isidentifier() and all(part.isidentifier() for part in place.split("."))):
        raise InvalidValueError(f"model {factory!r:.60}: allowed is {FORM}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is not None and (place == error.name or place.startswith(f"{error.name}.")):
            raise InvalidValueError(f"no module {place} in this folder or among what is installed") from None
        raise InvalidValueError(f"importing {place}: {_told(error)}") from None
    except Exception as error:
        raise InvalidValueError(f"importing {place}: {_told(error)}") from None
    made = getattr(module, name, None)
    if made is None:
        raise InvalidValueError(f"module {place} has no {name}: allowed is {FORM}")
    if isinstance(made, type) or not hasattr(made, "named_modules"):
        if not callable(made):
            raise InvalidValueError(f"{factory} is a {type(made).__name__}: allowed is {FORM}")
        try:
            made = made()
        except Exception as error:
            raise InvalidValueError(f"{factory}(): {_told(error)}") from None
    return made


def _told(error: BaseException) -> str:
    """Return a one-line message of an error in the user's code, with the line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" at {last[0].filename.rpartition('/')[2]}:{last[0].lineno}" if last else ""
    words = str(error).strip().splitlines()
    return f"{type(error).__name__}{place}: {words[0][:200] if words else ''}".rstrip(": ")
