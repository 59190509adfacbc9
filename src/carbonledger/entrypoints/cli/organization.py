"""``org``: organizations, by the operator of the installation."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Organizations and their people: make, list, change the plan, let somebody in again.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    *,
    external_id: Annotated[str | None, typer.Option(help="Your own id of it, unique in this installation.")] = None,
    tier: Annotated[str, typer.Option(help="Plan: free, starter, growth, scale or enterprise.")] = "free",
    time_zone: Annotated[str, typer.Option(help="IANA name of its time zone.")] = "UTC",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    sandbox: Annotated[bool, typer.Option("--sandbox", help="With a clock of its own, which stands still until it is moved.")] = False,
    clock_start: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"], help="Where a sandbox's clock starts, in UTC.")
    ] = None,
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="Whom to invite as its first owner.")] = None,
    first_key: Annotated[str | None, typer.Option(metavar="LABEL", help="Make it a key with all scopes, too.")] = None,
    json: Json = False,
) -> None:
    """Make an organization, with a way in if one is asked for: an invitation, a first key."""
    from carbonledger.domains.identity.service.organizations import Draft
    from carbonledger.entrypoints.cli import organizations

    draft = Draft(
        name=name,
        external_id=external_id,
        tier=organizations.tier_of(tier),
        time_zone=time_zone,
        currency=currency,
        is_sandbox=sandbox,
        clock_start=None if clock_start is None else clock_start.replace(tzinfo=dt.UTC),
    )
    organizations.create(draft, owner=owner, first_key=first_key, json=json)


@app.command("list")
def list_all(*, json: Json = False) -> None:
    """List every organization, newest first."""
    from carbonledger.entrypoints.cli import organizations

    organizations.list_all(json=json)


@app.command()
def set_tier(
    organization: Annotated[str, typer.Argument(help="Its id, or `house`.")],
    tier: Annotated[str, typer.Argument(help="free, starter, growth, scale or enterprise.")],
) -> None:
    """Put an organization on another plan."""
    from carbonledger.entrypoints.cli import organizations

    organizations.set_tier(organization, tier)


@app.command()
def reset_link(
    email: Annotated[str, typer.Argument(help="The person's address.")],
) -> None:
    """Print a one-use link with which a person sets a new password; for those whom no e-mail reaches."""
    from carbonledger.entrypoints.cli import organizations

    organizations.reset_link(email)
