"""Commands that other distributions add to ``carbonledger``, without an import until one is run.

Owns: the entry-point group ``carbonledger.commands``. An entry is named as its command and points to a ``typer.Typer``, a click
command or a plain function; the client's commands (``verify``, ``import``, …) join this way, so neither side imports the other.
A command of our own wins over a joined one of the same name. The installed packages are only looked at when a name is not ours, or when
the list is asked for.
"""

from __future__ import annotations

import functools
import importlib.metadata
from typing import Any

import typer
import typer.core
import typer.main

from carbonledger.kernel import errors

GROUP = "carbonledger.commands"


class CommandBroken(errors.Unavailable):
    """A command that another package adds can't be loaded."""

    code = "command_broken"


@functools.cache
def entries() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the joined commands by name, in order of their names."""
    found = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name)
    return {entry.name: entry for entry in found}


class Placeholder(typer.core.TyperCommand):
    """A joined command as the list shows it: name and origin, nothing imported."""

    def __init__(self, entry: importlib.metadata.EntryPoint) -> None:
        origin = entry.dist.name if entry.dist is not None else entry.module
        super().__init__(entry.name, help=f"From the package {origin}.", rich_help_panel="More commands")
        self._entry = entry

    def load(self) -> Any:  # noqa: ANN401 - a click command; typer keeps click's classes to itself
        """Import the command. Raises ``CommandBroken``."""
        try:
            loaded = self._entry.load()
        except (ImportError, AttributeError) as error:
            raise CommandBroken(
                f"The command {self._entry.name} ({self._entry.value}) can't be loaded: {error}. Install its package again."
            ) from error
        return _as_command(loaded, name=self._entry.name)


def _as_command(loaded: Any, *, name: str) -> Any:  # noqa: ANN401 - as in load
    if isinstance(loaded, (typer.core.TyperCommand, typer.core.TyperGroup)):
        return loaded
    if not isinstance(loaded, typer.Typer):
        function, loaded = loaded, typer.Typer(add_completion=False)
        loaded.command(name)(function)
    return typer.main.get_command(loaded)


class JoinedGroup(typer.core.TyperGroup):
    """A group that also knows the joined commands."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - as in Placeholder.load
        own = super().list_commands(ctx)
        return [*own, *(name for name in entries() if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as in Placeholder.load
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        entry = entries().get(cmd_name)
        return None if entry is None else Placeholder(entry)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - as in Placeholder.load
        """Put the command itself in the placeholder's place, now that it is wanted (run, or its completion asked)."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Placeholder) else command, rest
