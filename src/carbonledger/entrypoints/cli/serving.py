"""Runs the API in this process until it is asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn

from carbonledger import bootstrap
from carbonledger.entrypoints import asgi
from carbonledger.entrypoints.asgi import server as asgi_server
from carbonledger.entrypoints.cli import configured, foreground, lifeline, listener
from carbonledger.entrypoints.shared import collector
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import reach, settings


def api(*, host: str | None, port: int | None, fd: int | None) -> None:
    """Serve the API on ``fd``, or on an address of its own."""
    is_child = lifeline.watch()
    configuration = configured.load({"host": host, "port": port})
    with (
        foreground.observed(configuration, "carbonledger-api"),
        _listening(configuration, fd) as sock,
        reach.reached(configuration) as reached,
    ):
        foreground.run(_serve(configuration, reached.addresses, sock), None if is_child else reached.lease)


@contextlib.contextmanager
def _listening(configuration: settings.Settings, fd: int | None) -> Iterator[socket.socket]:
    if fd is None:
        with listener.listening(configuration.host, configuration.port) as sock:
            yield sock
    else:
        with socket.socket(fileno=fd) as sock:
            yield sock


async def _serve(configuration: settings.Settings, addresses: reach.Addresses, sock: socket.socket) -> None:
    await foreground.require_ready(addresses)
    registry.load()
    async with bootstrap.build(configuration, addresses, application="carbonledger-api") as services:
        collector.settle()
        app = asgi.create_app(services)
        # Not left to uvicorn's lifespan: whatever keeps an application from starting, it ends the process with code 3, and ours says more.
        async with app.running():
            await _Server(asgi_server.config(app, lifespan="off")).serve(sockets=[sock])


class _Server(uvicorn.Server):
    """uvicorn's server, but it returns when it was asked to stop: raising the signal again would skip the closing of what is around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
