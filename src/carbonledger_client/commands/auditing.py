"""``log audit``: from options to an audit, its outcome in words, and its exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from carbonledger_client import errors
from carbonledger_client.auditing import memory as memories
from carbonledger_client.auditing import monitor as monitors
from carbonledger_client.auditing import run as runs
from carbonledger_client.commands import console
from carbonledger_proof import errors as proof_errors
from carbonledger_proof import keys

SHOWN_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked on the command line."""

    url: str
    keys: Path | None
    state: Path | None
    mirror: Path | None
    as_json: bool


def run(request: Request) -> None:
    """Audit the log, print what was found, and end with its exit code."""
    with console.speaking(after="Nothing was remembered of this audit."):
        place = memories.path(request.state, request.url, os.environ, Path.home())
        memory = memories.load(place)
        monitor = monitors.opened(request.url, mirror=request.mirror, sleep=console.wait)
        with contextlib.closing(monitor), _counting() as told:
            outcome = runs.run(monitor, memory=memory, pinned=_pinned(request.keys), told=told)
        if not outcome.findings:
            monitor.keep_checkpoint(outcome.note)
            memories.save(place, outcome.memory)
        (_print_json if request.as_json else _print)(outcome, is_first=memory is None and request.keys is None)
        if outcome.findings:
            raise typer.Exit(console.Code.FOUND)


def _pinned(place: Path | None) -> keys.KeySet | None:
    if place is None:
        return None
    try:
        return keys.pinned(place.read_bytes())
    except (OSError, proof_errors.ProofError) as error:
        raise errors.Misused(f"The keys in {place} can't be read: {error}") from error


@contextlib.contextmanager
def _counting() -> Iterator[Callable[[int], None]]:
    """Show how far it is, on a terminal; elsewhere be quiet."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    yield lambda count: typer.echo(f"\r{count:,} leaves", err=True, nl=False)
    typer.echo("", err=True)


def _print_json(outcome: runs.Outcome, *, is_first: bool) -> None:
    console.json(
        {
            "origin": outcome.origin,
            "size": outcome.size,
            "root": outcome.root,
            "audited_before": outcome.before,
            "keys_at_first_sight": is_first,
            "findings": [asdict(finding) for finding in outcome.findings],
        }
    )


def _print(outcome: runs.Outcome, *, is_first: bool) -> None:
    typer.echo(f"{outcome.origin}: {outcome.size:,} leaves, root {outcome.root}.")
    if not outcome.findings:
        typer.echo("Every leaf and every tile is what the signed checkpoint says, and nothing is used twice.")
        if outcome.before is not None:
            typer.echo(f"It continues the {outcome.before:,} leaves that were audited before.")
        if is_first:
            console.note("Its keys were taken from its own address, at first sight. Give keys that you got another way with --keys.")
        return
    for finding in outcome.findings[:SHOWN_MAX]:
        typer.echo(f"  {finding.problem}{f' ({finding.place})' if finding.place else ''}: {finding.text}")
    rest = len(outcome.findings) - SHOWN_MAX
    if rest > 0:
        typer.echo(f"  and {rest:,} more; --json names them all.")
    typer.echo(f"{len(outcome.findings):,} things are wrong. Nothing was remembered of this audit.")
