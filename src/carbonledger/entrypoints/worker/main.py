"""The worker process: picks and runs jobs, fires schedules, says that it lives, and stops in order.

    SIGTERM, SIGINT ─> picks no more ─> jobs in flight get ``drain_s`` to end ─> the rest is given back ─> exit code 0

When the database is away the worker stays and finds it again (a restarted one within seconds); only what can't pass by itself, such as a
schema that is not this version's, ends it with a traceback and exit code 1, for its supervisor to see and start it anew.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvloop
from prometheus_client import exposition

from carbonledger import bootstrap
from carbonledger.entrypoints.shared import collector
from carbonledger.entrypoints.worker import registry as registries
from carbonledger.entrypoints.worker import runner, schedules
from carbonledger.infra import clock, migrations, queue, reach, retry, settings
from carbonledger.infra.observe import logs, tracing
from carbonledger.infra.queue import engine, pgq, workers
from carbonledger.infra.queue import metrics as queue_metrics
from carbonledger.kernel import ids

_log = structlog.get_logger(__name__)
_SPARE_CONNECTIONS = 3  # picking, heartbeat and schedules must not wait behind the jobs
_REPORT_S = 10.0
_HOST_MAX = 150


@dataclass(frozen=True, slots=True)
class Options:
    """How this worker works; the defaults suit production, tests shorten them."""

    engine: engine.Options = field(default_factory=engine.Options)
    schedule_poll_s: float = 30.0
    metrics_port: int | None = None
    """Port on loopback for Prometheus; None: not served."""


def sized(configuration: settings.Settings) -> settings.Settings:
    """Return the settings with a pool that is large enough for as many jobs at once as they ask for."""
    size = max(configuration.database_pool_size, configuration.worker_concurrency + _SPARE_CONNECTIONS)
    return configuration.model_copy(update={"database_pool_size": size})


async def serve(services: bootstrap.Services, *, options: Options | None = None) -> None:
    """Work until SIGTERM or SIGINT. The pool of ``services`` should be that of ``sized`` settings."""
    chosen = options or Options(engine=engine.Options(concurrency=services.settings.worker_concurrency))
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    collector.settle()
    try:
        await bootstrap.publish(services.database, at=clock.now())
        await work(services, options=chosen, stopping=stopping)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def work(services: bootstrap.Services, *, options: Options, stopping: asyncio.Event) -> None:
    """Work until ``stopping``; raises what can't pass by itself, after the jobs in flight have had their time."""
    declared = registries.load()
    name = f"{socket.gethostname()[:_HOST_MAX]}:{os.getpid()}"
    running = runner.Runner(
        services=services, declared=declared, worker=name, busy_delay_s=options.engine.heartbeat_timeout_s, rng=random.SystemRandom()
    )
    picking = engine.Engine(
        services.database,
        tuple(declared.handlers),
        running.run,
        options.engine,
        hears=lambda: services.notifications.hears(pgq.CHANNEL),
    )
    firing = schedules.Scheduler(database=services.database, registry=declared, poll_s=options.schedule_poll_s)
    deaf = services.notifications.subscribe(pgq.CHANNEL, lambda told: _heard(picking, told), on_lost=picking.wake)
    _log.info("worker.started", worker=name, concurrency=options.engine.concurrency, handlers=len(declared.handlers))
    try:
        await _together(
            stopping,
            picking.serve(stopping),
            firing.serve(stopping),
            _report(services, picking, name, stopping),
        )
    finally:
        deaf()
        _log.info("worker.stopped", worker=name)


def _heard(picking: engine.Engine, told: str) -> None:
    if pgq.may_bring_work(told):
        picking.wake()


async def _together(stopping: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts; when one fails the others stop in order, and then its error is raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    for task in tasks:
        task.add_done_callback(lambda _: stopping.set())
    await asyncio.wait(tasks)
    failed = [error for task in tasks if (error := task.exception()) is not None]
    for error in failed[1:]:
        _log.error("worker.part_failed", exc_info=error)
    if failed:
        raise failed[0]


async def _report(services: bootstrap.Services, picking: engine.Engine, name: str, stopping: asyncio.Event) -> None:
    """Write that the worker lives, and measure the queue; a report that can't be written is a report less."""
    started_at = clock.now()
    worker_id = ids.new_id(started_at)

    async def report() -> None:
        async with services.database.transaction() as uow:
            await workers.report(uow, worker_id=worker_id, name=name, running=picking.running, started_at=started_at, at=clock.now())
            depth, oldest_s = await queue.depth(uow.conn)
        queue_metrics.RUNNING.set(picking.running)
        queue_metrics.DEPTH.set(depth)
        queue_metrics.OLDEST_S.set(oldest_s)

    async def sign_off() -> None:
        async with services.database.transaction() as uow:
            await workers.sign_off(uow, worker_id=worker_id, at=clock.now())

    while not stopping.is_set():
        await _try(report)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _REPORT_S)
    await _try(sign_off)


async def _try(write: Callable[[], Awaitable[None]]) -> None:
    try:
        await write()
    except Exception as error:
        if not retry.is_passing(error):
            raise
        _log.warning("worker.unreported", error=type(error).__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a worker by itself: ``python -m carbonledger.entrypoints.worker.main``."""
    configuration = sized(settings.load())
    logs.configure(configuration)
    tracing.configure(configuration, service="carbonledger-worker")
    options = _options(argv, configuration)
    if options.metrics_port is not None:
        exposition.start_http_server(options.metrics_port, addr="127.0.0.1")
    with reach.reached(configuration) as reached, asyncio.Runner(loop_factory=uvloop.new_event_loop) as run:
        run.run(_alone(configuration, reached.addresses, options))
    tracing.stop()
    return 0


async def _alone(configuration: settings.Settings, addresses: reach.Addresses, options: Options) -> None:
    await migrations.require_current(addresses.app)
    async with bootstrap.build(configuration, addresses, application="carbonledger-worker") as services:
        await serve(services, options=options)


def _options(argv: Sequence[str] | None, configuration: settings.Settings) -> Options:
    defaults, picking = Options(), engine.Options()
    parser = argparse.ArgumentParser(description="Run background jobs and schedules until SIGTERM.")
    parser.add_argument(
        "--heartbeat-timeout-s", type=float, default=picking.heartbeat_timeout_s, help="silence after which a job is taken over"
    )
    parser.add_argument("--drain-s", type=float, default=picking.drain_s, help="time that jobs get to end when the worker stops")
    parser.add_argument(
        "--schedule-poll-s", type=float, default=defaults.schedule_poll_s, help="longest wait between looks at the schedules"
    )
    parser.add_argument("--metrics-port", type=int, default=defaults.metrics_port, help="port on loopback for Prometheus")
    given = parser.parse_args(argv)
    return Options(
        engine=engine.Options(
            concurrency=configuration.worker_concurrency, heartbeat_timeout_s=given.heartbeat_timeout_s, drain_s=given.drain_s
        ),
        schedule_poll_s=given.schedule_poll_s,
        metrics_port=given.metrics_port,
    )


if __name__ == "__main__":
    sys.exit(main())
