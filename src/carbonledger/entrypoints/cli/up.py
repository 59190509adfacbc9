"""``up``: everything in one command."""

from __future__ import annotations

from typing import Annotated

import typer


def up(
    *,
    home: Annotated[str | None, typer.Option(help="Data folder (CARBONLEDGER_HOME).", show_default=False)] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (CARBONLEDGER_HOST).", show_default=False)] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 lets the system choose (CARBONLEDGER_PORT).", show_default=False)
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Add an organization whose providers are stand-ins fed with real traces of 60 days.")
    ] = False,
) -> None:
    """Start everything: database, schema, house organization, API and worker; print the address; stop it all with Ctrl-C.

    Uses the embedded PostgreSQL in the data folder, or the server that DATABASE_URL names. A second Ctrl-C ends what is in flight.
    """
    from carbonledger.entrypoints.cli import running

    running.up(home=home, host=host, port=port, demo=demo)
