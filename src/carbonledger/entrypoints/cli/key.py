"""``key``: API keys, by the operator of the installation."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="API keys: make, list, revoke.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Organization = Annotated[str, typer.Option("--organization", help="Id of its organization, or `house`.")]


@app.command()
def create(
    *,
    label: Annotated[str, typer.Option(help="What it is for.")],
    organization: Organization = "house",
    scope: Annotated[
        list[str] | None, typer.Option(help="A right it holds, such as api_keys:read; repeat for more. All by default.")
    ] = None,
    expires_at: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"], help="When it ends, in UTC; never by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a key and print its secret, which is shown this once."""
    from carbonledger.entrypoints.cli import keys

    end = None if expires_at is None else expires_at.replace(tzinfo=dt.UTC)
    keys.create(label, organization=organization, scopes=tuple(scope or ("*",)), expires_at=end, json=json)


@app.command("list")
def list_all(*, organization: Organization = "house", json: Json = False) -> None:
    """List an organization's keys, newest first, without their secrets."""
    from carbonledger.entrypoints.cli import keys

    keys.list_all(organization=organization, json=json)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")],
    *,
    organization: Organization = "house",
) -> None:
    """End a key at once, in every process."""
    from carbonledger.entrypoints.cli import keys

    keys.revoke(key_id, organization=organization)
