"""``credits``: the operator's inventory of retired credits, and what is ordered ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Retired carbon credits: import and list them; order removal ahead.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV of lots that were retired at their registry.")],
    *,
    json: Json = False,
) -> None:
    """Add lots to the inventory: all of the file or nothing. The same file again adds nothing."""
    from carbonledger.entrypoints.cli import inventory

    inventory.import_file(file, json=json)


@app.command("list")
def list_all(*, json: Json = False) -> None:
    """List the inventory, the last imported first, with what is left of each lot."""
    from carbonledger.entrypoints.cli import inventory

    inventory.list_all(json=json)


@app.command()
def check() -> None:
    """Compare what is left and what was given with what each lot has. Exit code 1 where they differ."""
    from carbonledger.entrypoints.cli import inventory

    inventory.check()
