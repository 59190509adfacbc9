"""``db``: take the whole database out into a file, and put it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The whole database: dump and restore.")

Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def dump(
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    *,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write the whole database to FILE while serving. Never holds the vault's keys: back those up with `carbonledger vault export`."""
    from carbonledger.entrypoints.cli import dumping

    dumping.dump(file, force=force, json=json)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `carbonledger db dump` wrote.")],
    *,
    force: Force = False,
    json: Json = False,
) -> None:
    """Put a dump back, all or nothing. Refuses without the keys that its secrets need, or where data is, unless told to replace it."""
    from carbonledger.entrypoints.cli import dumping

    dumping.restore(file, force=force, json=json)
