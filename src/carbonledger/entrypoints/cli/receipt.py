"""``receipt``: carbon receipts, as the operator sees them: list, issue, put another in the place of one, revoke."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Carbon receipts: list, issue, supersede, revoke.")

Organization = Annotated[str, typer.Argument(help="Its id, or `house`.")]
Month = Annotated[str, typer.Argument(help="Such as 2026-10.")]
Serial = Annotated[str, typer.Argument(help="As it is printed, such as CL-202610-E9PEJ.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Reason(enum.Enum):
    """Why a receipt is revoked. The public log says it."""

    ISSUED_IN_ERROR = "issued_in_error"
    CREDITS_INVALID = "credits_invalid"
    KEY_COMPROMISED = "key_compromised"
    REQUESTED = "requested"


@app.command("list")
def list_receipts(organization: Organization, *, json: Json = False) -> None:
    """List an organization's receipts, the newest first, with those that wait for credits and those that are no longer valid."""
    from carbonledger.entrypoints.cli import receipting

    receipting.list_receipts(organization, json=json)


@app.command()
def issue(
    organization: Organization,
    month: Month,
    *,
    again: Annotated[bool, typer.Option("--again", help="Also where the month's receipt was revoked.")] = False,
) -> None:
    """Issue the receipt of a closed month, if that did not happen by itself. One that stands is left as it is."""
    from carbonledger.entrypoints.cli import receipting

    receipting.issue(organization, month, again=again)


@app.command()
def supersede(serial: Serial) -> None:
    """Put a new receipt in the place of one, with the plan, the key and the credits of today. The old one stays, and says so."""
    from carbonledger.entrypoints.cli import receipting

    receipting.supersede(serial)


@app.command()
def revoke(serial: Serial, *, reason: Annotated[Reason, typer.Option(help="What the public log says of it.")]) -> None:
    """End a receipt; what it held is free again. It can't be taken back, and everybody can see it."""
    from carbonledger.entrypoints.cli import receipting

    receipting.revoke(serial, reason=reason.value)
