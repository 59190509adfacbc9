"""Serves the small API in a process of its own: ``python -m … <listening descriptor> <home>``, addresses of the database on stdin."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import uvicorn
import uvloop

from carbonledger import bootstrap
from carbonledger.entrypoints.asgi import server
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import reach
from carbonledger.infra.observe import logs
from tests import conftest
from tests.integration.entrypoints.edge import kit


async def serve(descriptor: int, home: Path, owner: str, app: str) -> None:
    registry.load()
    configuration = kit.configure(conftest.TestDatabase(name="", owner=owner, app=app, superuser=""), home, log_format="json")
    logs.configure(configuration)
    addresses = reach.given(configuration)
    assert addresses is not None
    async with bootstrap.build(configuration, addresses, application="test-edge-served") as services:
        with socket.socket(fileno=descriptor) as listener:
            await uvicorn.Server(server.config(kit.make_app(services))).serve(sockets=[listener])


if __name__ == "__main__":
    given = sys.stdin.read().split()
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2]), *given))
