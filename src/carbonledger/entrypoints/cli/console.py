"""What commands print: progress and results on stdout, warnings and errors on stderr, JSON where a script asks for it.

Owns: the form of a line. Colours appear on terminals only (typer strips them elsewhere, and NO_COLOR is honoured by rich).
An error is one sentence and its remedy; a traceback is for those who set CARBONLEDGER_LOG_LEVEL=debug.
"""

from __future__ import annotations

import contextlib
import json as json_text
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeGuard

import typer

from carbonledger.entrypoints.cli import exits
from carbonledger.kernel import errors

_LABEL_COLUMNS = 11


class Shape(Protocol):
    """A document of the API; described here, so that a command without one need not import it."""

    def model_dump_json(self) -> str: ...


class Speak(Protocol):
    """Prints a line, on stderr if ``err``."""

    def __call__(self, line: str, *, err: bool = False) -> None: ...


def _print(line: str, *, err: bool = False) -> None:
    typer.echo(line, err=err)
    if not err:
        sys.stdout.flush()


_speak: Speak = _print


@contextlib.contextmanager
def spoken_by(speak: Speak) -> Iterator[None]:
    """Have another print what is said here until the end: a command that must outlive whoever reads its output."""
    global _speak  # noqa: PLW0603 - as stdout is the process's own, so is the way to it
    before, _speak = _speak, speak
    try:
        yield
    finally:
        _speak = before


def say(line: str = "") -> None:
    """Print a line of result or progress."""
    _speak(line)


def step(label: str, text: str) -> None:
    """Print a line of progress: what, and what came of it."""
    say(f"  {typer.style(label.ljust(_LABEL_COLUMNS), dim=True)}{text}")


def warn(text: str) -> None:
    """Print a warning."""
    _speak(typer.style("warning: ", fg="yellow") + text, err=True)


def json(document: Mapping[str, object] | Sequence[object]) -> None:
    """Print a document for a script: one line."""
    say(json_text.dumps(document, ensure_ascii=False, default=str))


def shape(document: Shape) -> None:
    """Print what the HTTP API would answer: a script reads the same fields from both."""
    say(document.model_dump_json())


def fail(error: Exception, *, debug: bool) -> exits.Code:
    """Print why a command failed and return its exit code, which is the same where nobody reads."""
    try:
        _explain(error, debug=debug)
    except OSError:  # stderr leads nowhere: what it could not take would be tried again at the exit, and cost the code
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    return exits.of(error) if _is_expected(error) else exits.Code.DEFECT


def _is_expected(error: Exception) -> TypeGuard[errors.Fault]:
    return isinstance(error, errors.Fault) and error.kind is not errors.Kind.INTERNAL


def _explain(error: Exception, *, debug: bool) -> None:
    if debug:
        typer.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    if not _is_expected(error):
        _complain(f"{type(error).__name__}: {error}")
        _detail("This is a defect of Carbon Ledger. Set CARBONLEDGER_LOG_LEVEL=debug to see where it happened, and report it.")
        return
    said = error.detail or type(error).title()
    same = [problem.pointer.strip("/") for problem in error.problems if problem.detail == said]
    _complain(f"{same[0]}: {said}" if same else said)
    for problem in error.problems:
        if problem.detail != said:
            _detail(f"{problem.pointer.strip('/')}: {problem.detail}")


def _complain(text: str) -> None:
    typer.echo(typer.style("error: ", fg="red", bold=True) + text, err=True)


def _detail(text: str) -> None:
    typer.echo(f"  {text}", err=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads; on a pipe as plain columns, whole."""
    from rich import box, console, table

    made = table.Table(*head, box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False)
    for row in rows:
        made.add_row(*row)
    # A pipe has no width: nothing is cut, so that scripts can read it.
    console.Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 1000).print(made)
