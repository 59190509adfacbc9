"""``import``: from options to a run, with progress on a terminal, and the summary at its end."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

import typer

from carbonledger_client import errors
from carbonledger_client.commands import console
from carbonledger_client.formats import mapped
from carbonledger_client.importing import plans, rejects, state, tally
from carbonledger_client.importing.run import Run
from carbonledger_client.reading import source

_TABLE_ONLY = "--delimiter is for tables, and jsonl is none."


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked on the command line."""

    kind: str
    file: str
    maps: tuple[str, ...]
    sets: tuple[str, ...]
    time_zone: str
    delimiter: str
    is_dry: bool
    rejects: Path | None
    state: Path | None
    shown_max: int
    url: str | None
    api_key_file: Path | None
    as_json: bool


def run(request: Request) -> None:
    """Do the import, print its summary, and end with its exit code."""
    with console.speaking(after="What was sent is in; run the same command again to go on."):
        began = time.monotonic()
        recipe = plans.Recipe(request.kind, mapped.stated(request.maps, request.sets), *_zone(request), _delimiter(request))
        counts, notes = _imported(request, recipe)
        document = {
            **counts.document(),
            "dry_run": request.is_dry,
            "time_zone": recipe.zone_name,
            "notes": notes,
            "seconds": round(time.monotonic() - began, 3),
        }
        if request.is_dry:
            document["valid"] = counts.valid
        (console.json if request.as_json else _print)(document)
        for text in notes:
            console.note(text)
        if counts.rejected:
            raise typer.Exit(console.Code.REJECTED)


def _imported(request: Request, recipe: plans.Recipe) -> tuple[tally.Tally, list[str]]:
    with contextlib.ExitStack() as stack:
        ledger, url, key = (None, "", "") if request.is_dry else console.connect(request.url, request.api_key_file)
        if ledger is not None:
            stack.enter_context(ledger)
        found = stack.enter_context(source.opened(request.file, sys.stdin.buffer))
        if request.rejects is not None and found.is_at(request.rejects):
            raise errors.Misused("--rejects names the file that is imported.")
        plan = plans.made(recipe, stack.enter_context(found.reading()))
        file = stack.enter_context(rejects.opened(request.rejects))
        made = Run(
            plan,
            found.digest,
            tally.Tally(request.shown_max),
            rejects.Rejects(file, plan.header),
            ledger,
            told=stack.enter_context(_bar(found)),
        )
        if ledger is not None:
            _resume(made, request, state.subject(digest=found.digest, recipe=recipe.digest, url=url, api_key=key))
        made.all()
        found.require_unchanged()
        if made.state_path is not None:
            state.clear(made.state_path)
        return made.counts, made.notes


def _resume(made: Run, request: Request, subject: str) -> None:
    place = state.path(request.state, subject, os.environ, Path.home())
    found = state.load(place, subject)
    made.state, made.state_path = found.state, place if found.is_ours else None
    if found.word:
        made.notes.append(found.word)
    if made.state.row:
        made.notes.append(f"Went on after row {made.state.row}, up to which an earlier run had come.")


def _zone(request: Request) -> tuple[tzinfo, str]:
    if request.time_zone == "UTC":
        return UTC, "UTC"
    if request.kind in plans.KNOWN:
        raise errors.Misused(f"--time-zone is for csv and jsonl: times of {request.kind} exports are in UTC.")
    try:
        return zoneinfo.ZoneInfo(request.time_zone), request.time_zone
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise errors.Misused(f"There is no time zone {request.time_zone!r}; name one like Europe/Berlin.") from error


def _delimiter(request: Request) -> str:
    mark = "\t" if request.delimiter in {"tab", "\\t"} else request.delimiter
    if len(mark) != 1 or mark in '"\r\n':
        raise errors.Misused(f"--delimiter {request.delimiter!r} is not one character.")
    if request.kind == "jsonl" and mark != ",":
        raise errors.Misused(_TABLE_ONLY)
    return mark


@contextlib.contextmanager
def _bar(found: source.Source) -> Iterator[Callable[[int], None]]:
    """Show how far it is, on a terminal; elsewhere be quiet."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich import console as terminal  # noqa: PLC0415 - 50 ms that a pipe need not wait for
    from rich import progress  # noqa: PLC0415

    columns = (
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[rows]:,} rows"),
        progress.TextColumn("{task.fields[rate]:,.0f}/s"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=terminal.Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=found.size_bytes, rows=0, rate=0.0)

        def tell(rows: int) -> None:
            elapsed = shown.tasks[0].elapsed or 0.0
            shown.update(task, completed=found.read_bytes(), rows=rows, rate=rows / elapsed if elapsed else 0.0)

        yield tell


def _print(document: dict[str, Any]) -> None:
    did = (
        f"{document['valid']:,} would be sent"
        if document["dry_run"]
        else ", ".join(f"{document[name]:,} {name}" for name in ("accepted", "duplicate", "revised"))
    )
    typer.echo(f"{document['rows']:,} rows: {did}, {document['rejected']:,} rejected, {document['skipped']:,} skipped.")
    for reason, number in document["skipped_by_reason"].items():
        typer.echo(f"  skipped: {number:,} x {reason}")
    if document["by_model"]:
        _print_models(document)
    if document["rows_with_raw_usage"]:
        typer.echo(f"{document['rows_with_raw_usage']:,} rows carry a provider's own usage object, which the server counts.")
    typer.echo(f"Times without an offset were taken as {document['time_zone']}. {document['seconds']:.1f} s.")
    for refusal in document["rejections"]:
        typer.echo(f"  row {refusal['row']}: {refusal['code']}: {refusal['detail']}")
    rest = document["rejected"] - len(document["rejections"])
    if rest > 0:
        typer.echo(f"  and {rest:,} more rejected rows; --rejects FILE writes them all.")


def _print_models(document: dict[str, Any]) -> None:
    buckets = tuple(document["tokens"])
    lines = [
        (f"{row['provider']} {row['model']}", *(f"{row.get(name, 0):,}" for name in ("rows", *buckets))) for row in document["by_model"]
    ]
    total = ("all", f"{sum(row['rows'] for row in document['by_model']):,}", *(f"{number:,}" for number in document["tokens"].values()))
    console.table(("model", "rows", *buckets), [*lines, total])
