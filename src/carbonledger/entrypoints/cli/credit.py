"""``credits``: the operator's inventory of retired credits, and removal that is ordered ahead."""

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


@app.command()
def offers(*, json: Json = False) -> None:
    """Show the carbon removal that can be ordered ahead, with its price. It is delivered years later and retires nothing now."""
    from carbonledger.entrypoints.cli import ordering

    ordering.offers(json=json)


@app.command()
def commit(
    offer: Annotated[str, typer.Argument(help="Id of an offer.")],
    tonnes: Annotated[str, typer.Argument(help="How much, such as 1.5.")],
    *,
    beneficiary: Annotated[str | None, typer.Option(help="Whom the seller shows in public; else your account.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Order without asking.")] = False,
    json: Json = False,
) -> None:
    """Order removal ahead, with money of your account at the seller. A commitment is no credit and compensates nothing."""
    from carbonledger.entrypoints.cli import ordering

    ordering.order(offer, tonnes, beneficiary=beneficiary, yes=yes, json=json)


@app.command()
def commitments(*, json: Json = False) -> None:
    """List what was ordered ahead, and how it stands."""
    from carbonledger.entrypoints.cli import ordering

    ordering.list_all(json=json)
