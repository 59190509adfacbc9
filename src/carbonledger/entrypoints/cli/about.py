"""``version`` and ``openapi``: what is installed, and what it serves."""

from __future__ import annotations

from typing import Annotated

import typer

from carbonledger.entrypoints.cli import console


def version(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the version of Carbon Ledger, of Python and of the schema it needs."""
    import platform

    import carbonledger
    from carbonledger.infra import migrations

    if json:
        console.json({"version": carbonledger.__version__, "python": platform.python_version(), "revision": migrations.head()})
    else:
        console.say(f"carbonledger {carbonledger.__version__} (Python {platform.python_version()}, schema {migrations.head()})")


def openapi() -> None:
    """Print the OpenAPI document of the HTTP API."""
    import json

    from carbonledger.entrypoints.rest import openapi

    console.say(json.dumps(openapi.document(), indent=2, ensure_ascii=False))
