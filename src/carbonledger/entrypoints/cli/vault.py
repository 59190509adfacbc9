"""``vault``: the keys that seal secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The keys that seal secrets: back up, change, show.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write them; keep it apart from the database's dumps.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace the file that is there.")] = False,
) -> None:
    """Write the vault's keys to FILE (mode 0600), in the clear: whoever has FILE and a dump can open every secret.

    To put them back, copy FILE to where `carbonledger vault status` says that the keys are.
    """
    from carbonledger.entrypoints.cli import vaulting

    vaulting.export(file, force=force)


@app.command()
def rotate(
    *,
    finish: Annotated[bool, typer.Option("--finish", help="Drop the old keys, now that nothing is sealed with them.")] = False,
) -> None:
    """Make a new key and have the worker seal every secret anew, while serving; then drop the old keys with --finish."""
    from carbonledger.entrypoints.cli import vaulting

    if finish:
        vaulting.finish()
    else:
        vaulting.rotate()


@app.command()
def status(*, json: Json = False) -> None:
    """Show the keys by fingerprint: where they are, how many secrets each seals, and when it was backed up."""
    from carbonledger.entrypoints.cli import vaulting

    vaulting.status(json=json)
