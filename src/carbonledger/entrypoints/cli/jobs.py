"""``jobs``: background jobs that wait for an operator."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Background jobs that failed for good: list, try again.")


@app.command("list")
def list_parked(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the parked jobs of all organizations, the latest first."""
    from carbonledger.entrypoints.cli import parked

    parked.list_parked(limit=limit, json=json)


@app.command()
def unpark(
    job_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="The jobs' ids.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every parked job.")] = False,
) -> None:
    """Put parked jobs back into the queue, now that the cause is gone."""
    from carbonledger.entrypoints.cli import parked

    parked.unpark(tuple(job_ids or ()), every=every)
