"""``telemetry``: the ledger's roll-ups, compared with its events or made anew; its costs and estimates computed anew."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The ledger's sums: compare them with its events, make them anew.")

Organization = Annotated[str, typer.Option("--organization", help="Its id, or `house`.")]
First = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day (UTC); else the first there is.")]
Last = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day (UTC); else the last there is.")]


@app.command()
def check(
    organization: Organization,
    first: First = None,
    last: Last = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare sums by hour and day with the events behind them. Exit code 1 where they differ."""
    from carbonledger.entrypoints.cli import rollups

    rollups.check(organization, first=first, last=last, json=json)


@app.command()
def rebuild(organization: Organization, first: First = None, last: Last = None) -> None:
    """Make sums by hour and day anew from the events, a day at a time. Ingest waits while a day is made."""
    from carbonledger.entrypoints.cli import rollups

    rollups.rebuild(organization, first=first, last=last)


@app.command()
def recompute(
    organization: Annotated[str | None, typer.Option("--organization", help="Its id, or `house`.", show_default=False)] = None,
    *,
    everybody: Annotated[bool, typer.Option("--all", help="Every organization, in place of one.")] = False,
    emissions: Annotated[bool, typer.Option(help="Energy, CO2e and water, by the factor set of this version.")] = True,
    costs: Annotated[bool, typer.Option("--costs", help="Costs too, by the price book of this version.")] = False,
) -> None:
    """Ask for events to be computed anew, in a job for each organization. What is replaced is kept with its versions; counts stay."""
    from carbonledger.entrypoints.cli import rollups

    rollups.recompute(organization, everybody=everybody, costs=costs, emissions=emissions)
