"""``audit-pack``: audit packs of closed months, as the operator sees them: list, order, save as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Audit packs: list, order, save.")

Organization = Annotated[str, typer.Argument(help="Its id, or `house`.")]
Month = Annotated[str, typer.Argument(help="Such as 2026-10.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_packs(organization: Organization, *, json: Json = False) -> None:
    """List an organization's audit packs, the last ordered first."""
    from carbonledger.entrypoints.cli import packing

    packing.list_packs(organization, json=json)


@app.command()
def order(organization: Organization, month: Month) -> None:
    """Order the audit pack of a closed month, which the worker then makes. While one of the month is being made, nothing more is done."""
    from carbonledger.entrypoints.cli import packing

    packing.order(organization, month)


@app.command()
def save(
    organization: Organization,
    month: Month,
    file: Annotated[Path, typer.Argument(help="Where to write it; a file that is there stays.")],
    *,
    number: Annotated[int | None, typer.Option(min=1, help="An earlier pack of the month; by default the newest.")] = None,
) -> None:
    """Save an audit pack that was made as a file."""
    from carbonledger.entrypoints.cli import packing

    packing.save(organization, month, file, number=number)
