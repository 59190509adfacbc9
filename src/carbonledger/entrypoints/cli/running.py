"""Runs a whole installation in the foreground.

Owns: the order of start and stop, and what a person sees of it::

    data folder held ─> port bound ─> database ─> schema and house (a child: migrate) ─> API and workers (children, kept alive) ─> address
    Ctrl-C, SIGTERM, SIGHUP:  API drains ─> workers drain ─> database stops

This process stays small: it serves nothing itself and imports no driver, no web framework and no migration.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping

import typer

from carbonledger.entrypoints.cli import configured, console, demonstration, folder, healing, lifeline, listener, telling, tree, voice
from carbonledger.infra import postgres, reach, settings

API_DRAIN_S = 35.0  # a little longer than the API gives its own requests
WORKER_DRAIN_S = 35.0  # the same of the worker and its jobs
WORKERS_MAX = 4  # unless more are asked for: each takes some 150 MB
_PROBE_S = 0.05
_PROBE_TIMEOUT_S = 5.0
_WAITING_S = 30.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FIRST_START = ("CARBONLEDGER_BOOTSTRAP_EMAIL", "CARBONLEDGER_BOOTSTRAP_PASSWORD", "CARBONLEDGER_BOOTSTRAP_API_KEY")
_OWNER = ("DATABASE_URL", "CARBONLEDGER_DATABASE_URL")


def up(*, demo: bool = False, **given: str | int | None) -> None:
    """Run until asked to stop; ``given`` are settings of the command line. Raises a fault that says what is missing.

    ``demo`` also runs stand-ins of the providers, and an organization that reads from them.
    """
    with voice.Voice() as spoken, console.spoken_by(spoken.say):
        _up(configured.load(given), spoken, demo=demo)


def _up(configuration: settings.Settings, spoken: voice.Voice, *, demo: bool) -> None:
    for name, known in settings.unknown_variables(settings.environment()).items():
        console.warn(f"Nothing reads {name}." + (f" Is {known} meant?" if known else ""))
    try:
        _run(configuration, spoken, demo=demo)
    except _StopAskedEarly:
        pass  # what had begun was ended on the way here
    console.say("Stopped.")


class _StopAskedEarly(Exception):
    """Asked to stop before the event loop took the signals over."""


def _stop_early(*_: object) -> None:
    raise _StopAskedEarly


def _run(configuration: settings.Settings, spoken: voice.Voice, *, demo: bool) -> None:
    for number in _STOP_SIGNALS:
        signal.signal(number, _stop_early)
    with (
        folder.claimed(configuration.home) as claim,
        listener.listening(configuration.host, configuration.port) as sock,
        demonstration.providers(configuration) if demo else contextlib.nullcontext() as providers,
    ):
        configuration = configuration.model_copy(update={"port": sock.getsockname()[1]})
        claim.note(address=configuration.address)
        console.say(f"Carbon Ledger, data in {configuration.home}")
        with reach.reached(configuration, wait=True, patience=console.warn) as reached:
            lease = reached.lease
            console.step("database", f"PostgreSQL {lease.version}, embedded" if lease else "the server that DATABASE_URL names")
            asyncio.run(_Installation(configuration, sock, providers, forward=spoken.forward).serve(lease))


class _Installation:
    """The children of one installation, and their parent's signals."""

    def __init__(
        self, configuration: settings.Settings, sock: socket.socket, providers: demonstration.Providers | None, *, forward: tree.Forward
    ) -> None:
        self._configuration = configuration
        self._sock = sock
        self._providers = providers
        self._forward = forward
        self._stop = asyncio.Event()
        self._tree: tree.Tree | None = None
        self._environ = {**_child_environ(configuration), **({} if providers is None else providers.environ)}

    async def serve(self, lease: postgres.Lease | None) -> None:
        """Prepare the database, run the children, and return when they have been stopped."""
        for number in _STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._asked_to_stop)
        prepared = await self._prepare(embedded=lease is not None)
        if prepared is None:
            return
        self._tree = tree.Tree(self._parts(), forward=self._forward, notice=console.warn)
        beside = [asyncio.create_task(self._announce(prepared))]
        if lease is not None:
            beside.append(asyncio.create_task(healing.heal(lease, on_moved=self._tree.restart)))
        try:
            await self._tree.run()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    def _asked_to_stop(self) -> None:
        is_first = not self._stop.is_set()
        self._stop.set()
        if self._tree is not None:
            self._tree.stop()
        if is_first:
            console.say("\nStopping; once more to stop at once.")

    async def _prepare(self, *, embedded: bool) -> Mapping[str, str] | None:
        """Migrate and make the house; None if asked to stop meanwhile."""
        prepared = await telling.told_by("migrate", "--json", environ=self._environ, stop=self._stop, is_reached=embedded)
        if prepared is not None:
            console.step("schema", prepared["schema"])
        return prepared

    def _parts(self) -> tuple[tree.Part, ...]:
        # What only the first start needs, and the owner's address where the service has its own, are nobody else's business.
        apart = {*_FIRST_START, *(_OWNER if self._configuration.app_database_url is not None else ())}
        environ = {name: value for name, value in self._environ.items() if name not in apart}
        descriptor = self._sock.fileno()
        parts = (
            tree.Part("api", (*telling.SELF, "api", "--fd", str(descriptor)), environ, API_DRAIN_S, pass_fds=(descriptor,)),
            *(
                tree.Part(name, (*telling.SELF, "worker"), environ, WORKER_DRAIN_S, group="worker", later=number > 0)
                for number, name in enumerate(_workers(self._configuration))
            ),
        )
        return parts if self._providers is None else (*parts, self._providers.part(environ))

    async def _announce(self, prepared: Mapping[str, str]) -> None:
        """Say where the service is once it is ready; if that fails, say so and have the later parts started all the same."""
        try:
            await self._say_where(prepared)
        except Exception as error:  # nobody waits for this task: what ends it is told here or nowhere
            console.warn(f"The start could not be told to its end ({type(error).__name__}: {error}). The service runs on.")
            self._start_later()

    def _start_later(self) -> None:
        if self._tree is not None:
            self._tree.start_later()

    async def _say_where(self, prepared: Mapping[str, str]) -> None:
        host, port = listener.reachable_host(self._configuration.host), self._configuration.port
        loop = asyncio.get_running_loop()
        patience = loop.time() + _WAITING_S
        while (answer := await _probe(host, port)) != "200":
            if loop.time() > patience:
                console.warn(f"Not ready yet: /health/ready answers {answer or 'nothing'}. Waiting.")
                patience = loop.time() + _WAITING_S
            await asyncio.sleep(_PROBE_S)
        console.step("services", "API and worker are ready")
        self._start_later()
        console.say(f"\n  {typer.style(self._configuration.address, bold=True)}\n")
        for line in prepared.get("first_start", "").splitlines():
            console.say(f"  {line}")
        if self._providers is not None:
            shown = await telling.told_by("demo", "--json", environ=self._environ, stop=self._stop, is_reached=True)
            if shown is not None:
                console.say(demonstration.told(shown, address=self._configuration.address))
        console.say("Ctrl-C stops everything.")


def _workers(configuration: settings.Settings) -> list[str]:
    """Return the names of the worker processes; unless the settings say how many, there is one for each processor, up to a few."""
    count = configuration.workers or min(os.cpu_count() or 1, WORKERS_MAX)
    return ["worker", *(f"worker {number}" for number in range(2, count + 1))]


def _child_environ(configuration: settings.Settings) -> dict[str, str]:
    """Return the environment of the children: ours, with what the command line and the system chose."""
    log_format = configuration.log_format
    if log_format == "auto":
        log_format = "console" if sys.stderr.isatty() else "json"  # a child writes to a pipe and can't tell
    return {
        **settings.environment(),
        "CARBONLEDGER_HOME": str(configuration.home),
        "CARBONLEDGER_HOST": configuration.host,
        "CARBONLEDGER_PORT": str(configuration.port),
        "CARBONLEDGER_LOG_FORMAT": log_format,
        lifeline.CHILD: "1",
    }


async def _probe(host: str, port: int) -> str:
    """Return the status of ``/health/ready``, or an empty string if nothing answers."""
    request = f"GET /health/ready HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    writer = None
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(request.encode())
            status = (await reader.readline()).decode("ascii", "replace").split()
    except (OSError, TimeoutError):
        return ""
    finally:
        if writer is not None:
            writer.close()
    return status[1] if len(status) > 1 else ""
