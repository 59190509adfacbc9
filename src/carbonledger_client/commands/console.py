"""How the user commands speak: results on stdout, everything else on stderr, JSON where a script asks, and an exit code of their own."""

from __future__ import annotations

import contextlib
import enum
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
import typer

from carbonledger_client import client, errors, settings

_SILENT_S = 3.0  # whoever waits longer wants to know why


class Code(enum.IntEnum):
    """What an exit code of a user command says. Never renumber: scripts hold them."""

    DONE = 0
    REJECTED = 1
    FOUND = 1  # an audit found something
    NOT_DONE = 2
    INTERRUPTED = 130


@contextlib.contextmanager
def speaking(*, after: str = "") -> Iterator[None]:
    """Turn what goes wrong into one sentence and an exit code; ``after`` says what an interruption leaves."""
    try:
        yield
    except errors.LedgerError as error:
        typer.echo(typer.style("error: ", fg="red", bold=True) + str(error), err=True)
        for problem in error.problems if isinstance(error, errors.Refused) else ():
            typer.echo(f"  {problem.pointer.strip('/')}: {problem.detail}", err=True)
        raise typer.Exit(Code.NOT_DONE) from error
    except KeyboardInterrupt as error:
        typer.echo(f"Interrupted. {after}".rstrip(), err=True)
        raise typer.Exit(Code.INTERRUPTED) from error


def connect(url: str | None, api_key_file: Path | None) -> tuple[client.Client, str, str]:
    """Return a client with its address and key. Raises ``Misused``."""
    address = settings.url(url, os.environ)
    key = settings.api_key(api_key_file, os.environ, ask=lambda: str(typer.prompt("API key", hide_input=True, err=True)))
    return client.Client(address, key, sleep=wait), address, key


def wait(seconds: float) -> None:
    """Wait between attempts, and say so where it takes long."""
    if seconds >= _SILENT_S:
        note(f"The server is busy or away; the next attempt is in {seconds:.0f} s.")
    time.sleep(seconds)


def json(document: Mapping[str, object]) -> None:
    """Print a document for a script: one line."""
    typer.echo(orjson.dumps(document, default=str).decode())


def note(text: str) -> None:
    """Print a remark."""
    typer.echo(typer.style("note: ", fg="yellow") + text, err=True)


def table(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> None:
    """Print rows under their heads, figures to the right; on a pipe as plain columns, whole."""
    from rich import box, console, table  # noqa: PLC0415 - 50 ms that --json need not wait for

    is_terminal = sys.stdout.isatty()
    made = table.Table(box=box.SIMPLE_HEAD if is_terminal else None, pad_edge=False)
    for place, name in enumerate(head):
        made.add_column(name, justify="right" if place else "left", overflow="fold")
    for line in lines:
        made.add_row(*line)
    # A pipe has no width: nothing is cut, so that scripts can read it.
    console.Console(markup=False, highlight=False, width=None if is_terminal else 1000).print(made)
