"""The user commands as the command line sees them: names, options, help. What they do is imported when they run, so that ``--help``
answers at once.

They join ``carbonledger`` through the entry-point group ``carbonledger.commands``. Exit codes are theirs: 0 done, 1 done but some rows
were rejected, 2 not done (usage, connection, refusal), 130 interrupted.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

Url = Annotated[str | None, typer.Option(help="Address of the server (CARBONLEDGER_URL). Default: `http://127.0.0.1:8400`.")]
KeyFile = Annotated[
    Path | None, typer.Option(help="File that holds the API key. Else CARBONLEDGER_API_KEY is used, and at a terminal you are asked.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of sentences.")]


class Kind(enum.Enum):
    """What a file is."""

    CSV = "csv"
    JSONL = "jsonl"
    LITELLM = "litellm"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    OPENROUTER = "openrouter"


def import_file(
    kind: Annotated[
        Kind,
        typer.Argument(
            metavar="FORMAT", help="csv and jsonl: any table or JSON lines; litellm, openai, anthropic, openrouter: their exports."
        ),
    ],
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file, gzip or not; - reads standard input.")],
    *,
    column: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="MEMBER=COLUMN", help="Which column (or dotted path, in JSON) is which member of an event; repeat."),
    ] = None,
    fixed: Annotated[
        list[str] | None, typer.Option("--set", metavar="MEMBER=VALUE", help="A member that is the same in all rows; repeat.")
    ] = None,
    time_zone: Annotated[str, typer.Option(help="Zone of times that have no offset, in csv and jsonl.")] = "UTC",
    delimiter: Annotated[str, typer.Option(help="What stands between the columns of a table; `tab` for a tab.")] = ",",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, send nothing; needs no server.")] = False,
    rejects: Annotated[Path | None, typer.Option(metavar="FILE", help="Write rejected rows with their reason to this CSV.")] = None,
    state: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to keep how far it came, instead of your state folder.")] = None,
    show: Annotated[int, typer.Option(min=0, max=10_000, help="How many rejected rows to name in the summary.")] = 20,
    url: Url = None,
    api_key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """Send usage from a file to the ledger; sending the same again adds nothing.

    Killed half-way, it goes on where it was when run again. Exit code 0: every row was taken; 1: some were rejected, the others are in;
    2: it could not be done.
    """
    from carbonledger_client.commands import importing

    importing.run(
        importing.Request(
            kind=kind.value,
            file=file,
            maps=tuple(column or ()),
            sets=tuple(fixed or ()),
            time_zone=time_zone,
            delimiter=delimiter,
            is_dry=dry_run,
            rejects=rejects,
            state=state,
            shown_max=show,
            url=url,
            api_key_file=api_key_file,
            as_json=json,
        )
    )


def summary(
    *,
    start: Annotated[str | None, typer.Option("--from", help="Begin, a date or a time (RFC 3339); inside.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, outside.")] = None,
    project: Annotated[str | None, typer.Option(help="Id of a project.")] = None,
    provider: Annotated[str | None, typer.Option(help="Such as openai.")] = None,
    model: Annotated[str | None, typer.Option(help="Such as gpt-4o.")] = None,
    url: Url = None,
    api_key_file: KeyFile = None,
    json: Json = False,
) -> None:
    """Show tokens, cost, energy and CO2e by model, and what part of them is covered."""
    from carbonledger_client.commands import summing

    filters = {"from": start, "to": end, "project_id": project, "provider": provider, "model": model}
    summing.run(filters, url=url, api_key_file=api_key_file, as_json=json)


log = typer.Typer(no_args_is_help=True, help="A public log of receipts and credits, seen from outside.")


@log.callback()
def _log() -> None:
    """A public log of receipts and credits, seen from outside."""


@log.command()
def audit(
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of the installation, or of the log's tiles.")],
    *,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The log's keys (jwks.json), got another way than from its own address.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to remember what was seen, instead of your state folder.")
    ] = None,
    mirror: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep a copy of the whole log here; what it has is not fetched again.")
    ] = None,
    json: Json = False,
) -> None:
    """Fetch a whole log, compute its tree anew and replay it: credits used twice, receipts doubled, history rewritten, keys unknown.

    It needs no account. What was seen is remembered, so that a log that tells another story later is found. Exit code 0: all is right;
    1: something is wrong; 2: it could not be done.
    """
    from carbonledger_client.commands import auditing

    auditing.run(auditing.Request(url=url, keys=keys, state=state, mirror=mirror, as_json=json))


def verify(
    target: Annotated[
        str, typer.Argument(metavar="FILE|SERIAL", help="A receipt's PDF or bundle, an event's proof, an audit pack; or a serial.")
    ],
    *,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The issuer's keys (jwks.json), got from the issuer and not with the file.")
    ] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Verify a carbon receipt or an audit pack and say what was checked. A file needs no network; a serial is asked for, then checked here.

    Exit code 0: all of it holds; 1: something does not, so do not rely on it; 2: it could not be checked.
    """
    from carbonledger_client.commands import verifying

    verifying.run(verifying.Request(target=target, keys=keys, url=url, as_json=json))
