"""`python -m carbonledger_sandbox`: serve the stand-ins of the three usage APIs, fed with the shipped traces, until told to stop.

Prints one line of JSON with the addresses when ready. `--anchor` is the day (UTC) that the 60 days end with; keep it over restarts, or
the same calls happen on other days. `--now` stops the clock at an instant; without it the clock is the machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import uvicorn

from carbonledger_sandbox import app, control, listening, state

DRAIN_S = 5


class _Server(uvicorn.Server):
    """uvicorn's server, but it says when it is ready, and returns when it was asked to stop instead of dying by the signal."""

    def __init__(self, config: uvicorn.Config, ready: dict[str, Any] | None) -> None:
        super().__init__(config)
        self.ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and only then say so: whoever reads the line may connect, or stop us, at once."""
        await super().startup(sockets)
        if self.ready is not None:
            print(json.dumps(self.ready), flush=True)


def addresses(host: str, port: int) -> dict[str, Any]:
    """Return where everything is, each provider's base address as its setting wants it."""
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return {"address": base, **{name: f"{base}/{name}" for name in (*control.PROVIDERS, "control")}}


async def _serve(options: argparse.Namespace) -> None:
    now = datetime.now(UTC)
    held = options.now is not None
    world = state.load(anchor=options.anchor or options.now or now, now=options.now or now, frozen=held)
    with _listener(options) as sock:
        config = uvicorn.Config(
            app.create(world), log_level="error", access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=DRAIN_S
        )
        ready = {**addresses(options.host, sock.getsockname()[1]), "anchor_day": control.told(world)["anchor_day"]}
        await _Server(config, ready if options.fd is None else None).serve(sockets=[sock])


def _listener(options: argparse.Namespace) -> socket.socket:
    """Return the socket that was handed over, whose owner knows the address, or a new one."""
    if options.fd is not None:
        return listening.prompt(socket.socket(fileno=options.fd))
    return listening.on(options.host, options.port)


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m carbonledger_sandbox", description="Stand-ins of the providers' usage APIs.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8410, help="0 lets the system choose")
    parser.add_argument("--fd", type=int, help="serve on this socket, which is bound already, and print nothing")
    parser.add_argument("--until-input-ends", action="store_true", help="also stop when standard input ends, as a child of another program")
    parser.add_argument("--anchor", type=control.instant, help="the last of the 60 days, for example 2026-11-25; default today (UTC)")
    parser.add_argument("--now", type=control.instant, help="an instant at which the clock stands; default the running clock")
    options = parser.parse_args(arguments)
    if options.until_input_ends:
        threading.Thread(target=_stop_with_input, name="lifeline", daemon=True).start()
    asyncio.run(_serve(options))
    return 0


def _stop_with_input() -> None:
    """Stop when whoever holds the other end of standard input is gone, however it went."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
