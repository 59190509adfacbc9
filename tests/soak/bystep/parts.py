"""The product's own processes, each the real command's body, forked from a server that has loaded everything.

So a new one after a kill costs its own start and no imports. What it logs goes to a file.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

WORKER, API = "worker", "api"
_LOADED = "tests.soak.bystep.loaded"


class Part:
    """The worker or the API, from outside."""

    def __init__(self, name: str, environ: Mapping[str, str], log: Path, *, port: int = 0) -> None:
        self.name = name
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([_LOADED])
        self._arguments = (name, dict(environ), str(log), port)
        self._process: ForkServerProcess | None = None

    def start(self) -> None:
        """Start it, or another one after a kill."""
        self._process = self._context.Process(target=_run, args=self._arguments, daemon=True)
        self._process.start()

    def kill(self) -> None:
        """Have the kernel end it, and return when it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def ended(self) -> int | None:
        """Return its exit code, if it has ended."""
        return None if self._process is None else self._process.exitcode

    async def run(self) -> int:
        """Run it to its end and return its exit code."""
        self.start()
        assert self._process is not None
        await asyncio.to_thread(self._process.join)
        return self._process.exitcode or 0


def _run(name: str, environ: dict[str, str], log: str, port: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends its children
    os.environ.clear()
    os.environ.update(environ)
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(opened, sys.stdout.fileno())
    os.dup2(opened, sys.stderr.fileno())
    from carbonledger.entrypoints.cli import preparing, serving, working  # loaded before the fork, and by nobody else

    if name == WORKER:
        working.worker(metrics_port=None)
    elif name == API:
        serving.api(host="127.0.0.1", port=port, fd=None)
    else:
        preparing.migrate(json=True)
