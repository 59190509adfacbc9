"""``signing-key``: the keys that sign receipts and the public log."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The keys that sign receipts and the public log: show, replace, revoke.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Purpose(enum.Enum):
    """What a key signs."""

    RECEIPTS = "receipts"
    LOG = "log"


class Reason(enum.Enum):
    """Why a key is revoked."""

    COMPROMISED = "compromised"
    SUPERSEDED = "superseded"
    UNSPECIFIED = "unspecified"


@app.command("list")
def list_keys(*, json: Json = False) -> None:
    """Show every key there ever was, with the time in which it may sign. Private parts are shown nowhere."""
    from carbonledger.entrypoints.cli import signing_keys

    signing_keys.show(json=json)


@app.command()
def rotate(purpose: Annotated[Purpose, typer.Argument(help="Which of the two.")]) -> None:
    """Let a new key follow the current one. The log says so, signed by both; the old private part is destroyed.

    What the old key signed goes on being verified. Processes open the new key by themselves.
    """
    from carbonledger.entrypoints.cli import signing_keys

    signing_keys.rotate(purpose.value)


@app.command()
def revoke(
    kid: Annotated[str, typer.Argument(help="The key, as `carbonledger signing-key list` shows it.")],
    *,
    reason: Annotated[Reason, typer.Option(help="`compromised`: somebody else may sign with it.")],
    lost: Annotated[
        bool, typer.Option("--lost", help="Its private part can't be opened, so that it can't vouch for the one that follows.")
    ] = False,
) -> None:
    """End a key before its time; if it is current, another follows first. It can't be taken back, and everybody can see it."""
    from carbonledger.entrypoints.cli import signing_keys

    signing_keys.revoke(kid, reason=reason.value, lost=lost)
