"""``demo``: what ``up --demo`` makes once the service is there. Not listed, because it needs the stand-ins that ``up`` runs."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(*, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Make the demo organization and its connections, or find them made."""
    from carbonledger.entrypoints.cli import demonstrating

    demonstrating.demo(json=json)
