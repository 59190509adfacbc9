"""``doctor``: whether this installation is well, and what to do where it isn't."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check settings, database, schema, queue, clock, disk, keys, factors, log, Redis, e-mail and objects; exit code 1 if one fails."""
    from carbonledger.entrypoints.cli import checkup

    checkup.doctor(json=json)
