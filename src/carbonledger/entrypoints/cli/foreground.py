"""What the API and the worker have in common as processes in the foreground: observed, and begun only when their database is ready."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine, Iterator

import uvloop

from carbonledger.entrypoints.cli import healing
from carbonledger.infra import db, migrations, passing, postgres, reach, server, settings
from carbonledger.infra.observe import logs, tracing


@contextlib.contextmanager
def observed(configuration: settings.Settings, service: str) -> Iterator[None]:
    """Have this process noticed in the log and in traces."""
    logs.configure(configuration)
    tracing.configure(configuration, service=service)
    try:
        yield
    finally:
        tracing.stop()


def run(work: Coroutine[None, None, None], lease: postgres.Lease | None) -> None:
    """Run until the work ends; ``lease`` is of an embedded database that no parent looks after.

    Raises ``DatabaseUnavailable`` where the database went away before the work could stay up without it.
    """
    with passing.told(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work if lease is None else _heal_beside(work, lease))


async def _heal_beside(work: Coroutine[None, None, None], lease: postgres.Lease) -> None:
    # An address that moved can't be told to the pools: end in order, to be started again.
    moved = asyncio.Event()

    def end() -> None:
        moved.set()
        os.kill(os.getpid(), signal.SIGTERM)

    healer = asyncio.create_task(healing.heal(lease, on_moved=end))
    try:
        await work
    finally:
        healer.cancel()
    if moved.is_set():
        raise db.DatabaseUnavailable("The embedded database was started again at another address. Start this again.")


async def require_ready(addresses: reach.Addresses) -> None:
    """Raise a fault unless the database is at this version's schema and the service's role is safe."""
    async with server.connected(addresses.app, role=addresses.app_role) as conn:
        await server.version(conn)
        await server.require_safe(conn)
    await migrations.require_current(addresses.app)
