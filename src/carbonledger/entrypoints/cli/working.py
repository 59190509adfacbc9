"""Runs the worker in this process until it is asked to stop. It has no part in the API's, which it would take a second to import."""

from __future__ import annotations

from typing import Final

from prometheus_client import exposition

from carbonledger import bootstrap
from carbonledger.entrypoints.cli import configured, foreground, lifeline, listener
from carbonledger.entrypoints.worker import main as worker_main
from carbonledger.infra import reach, settings

_LOOPBACK: Final = "127.0.0.1"


def worker(*, metrics_port: int | None) -> None:
    """Run jobs; ``metrics_port`` is where Prometheus finds this process on loopback."""
    is_child = lifeline.watch()
    configuration = worker_main.sized(configured.load())
    with foreground.observed(configuration, "carbonledger-worker"):
        if metrics_port is not None:
            _expose(metrics_port)
        with reach.reached(configuration) as reached:
            foreground.run(_work(configuration, reached.addresses), None if is_child else reached.lease)


def _expose(port: int) -> None:
    """Serve metrics. Raises ``listener.PortTaken``, ``listener.AddressUnusable``."""
    try:
        exposition.start_http_server(port, addr=_LOOPBACK)
    except OSError as error:
        raise listener.refusal(error, _LOOPBACK, port, chosen_with="--metrics-port") from error


async def _work(configuration: settings.Settings, addresses: reach.Addresses) -> None:
    await foreground.require_ready(addresses)
    async with bootstrap.build(configuration, addresses, application="carbonledger-worker") as services:
        await worker_main.serve(services)
