"""``api`` and ``worker``: the two kinds of process of an installation, each alone in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer


def api(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on (CARBONLEDGER_HOST).", show_default=False)] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 lets the system choose (CARBONLEDGER_PORT).", show_default=False)
    ] = None,
    fd: Annotated[int | None, typer.Option(help="Listening socket that the parent process hands over.", hidden=True)] = None,
) -> None:
    """Serve the HTTP API until SIGTERM or Ctrl-C; requests in flight are answered first."""
    from carbonledger.entrypoints.cli import serving

    serving.api(host=host, port=port, fd=fd)


def worker(
    *,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port on loopback for Prometheus; none by default.", show_default=False)
    ] = None,
) -> None:
    """Run background jobs and schedules until SIGTERM or Ctrl-C; jobs in flight are finished first."""
    from carbonledger.entrypoints.cli import working

    working.worker(metrics_port=metrics_port)
