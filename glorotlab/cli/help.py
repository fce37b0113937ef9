"""Help in plain text: words in brackets are kept, options are grouped, and no slow module is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer import Typer
from typer.core import TyperCommand, TyperGroup

WHOLE_SENTENCE = 200
"""Longest first sentence of a command, in characters, that a list of commands shows."""


class _WithExample:
    """Mix-in for a command whose help ends with an example, its ``epilog``."""

    epilog: str | None

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the example as it is typed, on a line that is never folded."""
        if self.epilog:
            with formatter.section("Example"):
                formatter.write(f"  {self.epilog}\n")


class Command(_WithExample, TyperCommand):
    """A command whose help groups its options by their ``rich_help_panel``."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section for arguments, and one for each group of options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                default = "Arguments" if parameter.param_type_name == "argument" else "Options"
                sections.setdefault(getattr(parameter, "rich_help_panel", None) or default, []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)


class Group(_WithExample, TyperGroup):
    """A group of commands that lists the whole first sentence of each."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a line for each command, folded where it is too long."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(WHOLE_SENTENCE)) for name, command in commands if command]
            )


class App(Typer):
    """A Typer application with this help."""

    def __init__(self, **settings: Any) -> None:
        names = {"help_option_names": ["-h", "--help"]}  # of the whole program: commands take them over
        super().__init__(cls=Group, rich_markup_mode=None, context_settings=names, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Return a decorator that adds a function as a command."""
        return super().command(name, cls=Command, **settings)
