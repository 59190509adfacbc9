"""``migrate``: the schema of this version, and the house of a new installation."""

from __future__ import annotations

from typing import Annotated

import typer


def migrate(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of sentences.")] = False,
) -> None:
    """Bring the database to this version's schema; on the first run also make the house organization and its first owner.

    Safe to run at every start and by many at once: they take turns. CARBONLEDGER_BOOTSTRAP_EMAIL, _PASSWORD and _API_KEY name the first
    owner and make a first key; without a password a one-time sign-in link is printed.
    """
    from carbonledger.entrypoints.cli import preparing

    preparing.migrate(json=json)
