"""``period``: an organization's months: list them, record whether they were paid, compare them with a fresh computation."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Months: list them, record a payment, compare them with a fresh computation.")

Organization = Annotated[str, typer.Argument(help="Its id, or `house`.")]
Month = Annotated[str, typer.Argument(help="Such as 2026-10.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_periods(organization: Organization, *, json: Json = False) -> None:
    """List an organization's months, the latest first."""
    from carbonledger.entrypoints.cli import closing

    closing.list_periods(organization, json=json)


@app.command()
def paid(organization: Organization, month: Month) -> None:
    """Record that the organization paid for its own plan in MONTH: the month closes 48 hours after its end, or now if that is past."""
    from carbonledger.entrypoints.cli import closing

    closing.record(organization, month, is_paid=True)


@app.command("payment-failed")
def payment_failed(organization: Organization, month: Month) -> None:
    """Record that the payment for MONTH failed: nothing is closed until it is paid, and the owners are told."""
    from carbonledger.entrypoints.cli import closing

    closing.record(organization, month, is_paid=False)


@app.command()
def check(
    organization: Annotated[str | None, typer.Argument(help="Its id, or `house`; every one where left out.")] = None, *, json: Json = False
) -> None:
    """Show that each frozen month and its adjustments are what a fresh computation gives. Exit code 1 where they are not."""
    from carbonledger.entrypoints.cli import closing

    closing.check(organization, json=json)
