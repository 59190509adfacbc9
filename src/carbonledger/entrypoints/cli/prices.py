"""``prices``: the price book beside others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The price book that costs are computed with.")


@app.callback()
def prices() -> None:
    """Keep ``diff`` a command of its own while it is the only one."""


@app.command("diff")
def diff(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The other book: LiteLLM's JSON of models and prices.")],
    *,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Compare the prices of this instant, such as 2026-11-21T00:00:00Z.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show where the price book and another one disagree. A difference is no failure: the exit code is 0."""
    from carbonledger.entrypoints.cli import pricing

    pricing.diff(file, at=at, json=json)
