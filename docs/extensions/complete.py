"""What a finished site is asked: that nothing is left out, and that no page loads anything from elsewhere.

Every public name has a page, every derivation and every experiment is shown. What fails is a warning, and so fails
``sphinx-build -W``.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

import glorotlab as gl
from glorotlab.experiments.catalogue import CATALOGUE

LOG = logging.getLogger(__name__)
ELSEWHERE = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href|srcset)=\"(?:https?:)?//[^\"]*\"")
IMPORTED = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^\"')]*")
CANONICAL = 'rel="canonical"'


def check_names(_app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of public names, derivations and experiments that no page has."""
    described = {name for name, *_ in env.get_domain("py").get_objects()}
    _missing("public name", set(_public_names(gl)) - described)
    shown = {word for name in env.found_docs for word in _arguments(env, name)}
    _missing("derivation", set(gl.derive()) - shown)
    _missing("experiment", CATALOGUE.keys() - shown)


def check_requests(app: Sphinx, error: Exception | None) -> None:
    """Warn of pages and style sheets that load something from a network."""
    if error or app.builder.format != "html":
        return
    for file in Path(app.outdir).rglob("*.*"):
        pattern = {".html": ELSEWHERE, ".css": IMPORTED}.get(file.suffix)
        for found in pattern.findall(file.read_text(encoding="utf-8")) if pattern else ():
            if CANONICAL not in found:
                LOG.warning("%s loads %s", file.relative_to(app.outdir), found)


def _arguments(env: BuildEnvironment, name: str) -> Iterable[str]:
    """Return the names that directives of a page were given: they leave them as classes of their boxes."""
    return (word for box in env.get_doctree(name).findall(nodes.container) for word in box["classes"])


def _public_names(module: ModuleType) -> Iterable[str]:
    """Yield the full names of a public face, those of its modules in their place."""
    for name in module.__all__:
        value = getattr(module, name)
        yield from _public_names(value) if isinstance(value, ModuleType) else (f"{module.__name__}.{name}",)


def _missing(what: str, names: Iterable[str]) -> None:
    for name in sorted(names):
        LOG.warning("the %s %s is on no page", what, name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Ask when pages have been read, and when they have been written."""
    app.connect("env-check-consistency", check_names)
    app.connect("build-finished", check_requests)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
