"""Runs the API or the worker in this process until it is asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Coroutine, Iterator

import uvicorn
import uvloop
from prometheus_client import exposition

from carbonledger import bootstrap
from carbonledger.entrypoints import asgi
from carbonledger.entrypoints.asgi import server as asgi_server
from carbonledger.entrypoints.cli import configured, healing, lifeline, listener
from carbonledger.entrypoints.shared import collector
from carbonledger.entrypoints.worker import main as worker_main
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import migrations, postgres, reach, server, settings
from carbonledger.infra.observe import logs, tracing


def api(*, host: str | None, port: int | None, fd: int | None) -> None:
    """Serve the API on ``fd``, or on an address of its own."""
    is_child = lifeline.watch()
    configuration = configured.load({"host": host, "port": port})
    with _observed(configuration, "carbonledger-api"), _listening(configuration, fd) as sock, reach.reached(configuration) as reached:
        _run(_serve(configuration, reached.addresses, sock), None if is_child else reached.lease)


def worker(*, metrics_port: int | None) -> None:
    """Run jobs; ``metrics_port`` is where Prometheus finds this process on loopback."""
    is_child = lifeline.watch()
    configuration = worker_main.sized(configured.load())
    with _observed(configuration, "carbonledger-worker"), reach.reached(configuration) as reached:
        if metrics_port is not None:
            exposition.start_http_server(metrics_port, addr="127.0.0.1")
        _run(_work(configuration, reached.addresses), None if is_child else reached.lease)


@contextlib.contextmanager
def _observed(configuration: settings.Settings, service: str) -> Iterator[None]:
    """Have this process noticed in the log and in traces."""
    logs.configure(configuration)
    tracing.configure(configuration, service=service)
    try:
        yield
    finally:
        tracing.stop()


def _run(work: Coroutine[None, None, None], lease: postgres.Lease | None) -> None:
    """Run until the work ends; ``lease`` is of an embedded database that no parent looks after."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work if lease is None else _heal_beside(work, lease))


async def _heal_beside(work: Coroutine[None, None, None], lease: postgres.Lease) -> None:
    # An address that moved can't be told to the pools: end in order, to be started again.
    healer = asyncio.create_task(healing.heal(lease, on_moved=lambda: os.kill(os.getpid(), signal.SIGTERM)))
    try:
        await work
    finally:
        healer.cancel()


@contextlib.contextmanager
def _listening(configuration: settings.Settings, fd: int | None) -> Iterator[socket.socket]:
    if fd is None:
        with listener.listening(configuration.host, configuration.port) as sock:
            yield sock
    else:
        with socket.socket(fileno=fd) as sock:
            yield sock


async def _serve(configuration: settings.Settings, addresses: reach.Addresses, sock: socket.socket) -> None:
    await _require_ready(addresses)
    registry.load()
    async with bootstrap.build(configuration, addresses, application="carbonledger-api") as services:
        collector.settle()
        await _Server(asgi_server.config(asgi.create_app(services))).serve(sockets=[sock])


async def _work(configuration: settings.Settings, addresses: reach.Addresses) -> None:
    await _require_ready(addresses)
    async with bootstrap.build(configuration, addresses, application="carbonledger-worker") as services:
        await worker_main.serve(services)


class _Server(uvicorn.Server):
    """uvicorn's server, but it returns when it was asked to stop: raising the signal again would skip the closing of what is around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


async def _require_ready(addresses: reach.Addresses) -> None:
    """Raise a fault unless the database is at this version's schema and the service's role is safe."""
    async with server.connected(addresses.app, role=addresses.app_role) as conn:
        await server.version(conn)
        await server.require_safe(conn)
    await migrations.require_current(addresses.app)
