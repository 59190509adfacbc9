"""The stand-ins of the usage APIs, served over a real socket from a thread of this process; their state is the test's to steer."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import uvicorn

from carbonledger_sandbox import app, listening, state
from tests import until

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
"""Noon of the anchor day, the last of the 60 days."""
KEYS = {"openai": "sk-admin-demo-openai", "anthropic": "sk-ant-admin-demo-anthropic", "openrouter": "sk-or-v1-demo-management"}


@functools.cache
def _loaded(anchor: datetime) -> state.State:
    """The traces, read once a process for each last day."""
    return state.load(anchor=anchor, now=anchor, frozen=True)


def new_key(provider: str, *, anchor: datetime = NOON) -> str:
    """Return another key of the provider's account that may read its usage."""
    known, key = _loaded(anchor).keys, f"{KEYS[provider]}-{secrets.token_hex(16)}"
    known[key] = dataclasses.replace(known[KEYS[provider]], key=key)
    return key


def new_account(provider: str, *, anchor: datetime = NOON) -> str:
    """Return a key of another account of the provider, in which nothing was used."""
    known, key = _loaded(anchor).keys, new_key(provider, anchor=anchor)
    known[key] = dataclasses.replace(known[key], account=f"acme-{provider}-{secrets.token_hex(8)}")
    return key


@dataclass(frozen=True, slots=True)
class StandIns:
    """Three providers that listen at ``address``."""

    address: str
    state: state.State

    @property
    def settings(self) -> dict[str, str]:
        """The settings that point the service here."""
        return {f"{provider}_url": f"{self.address}/{provider}" for provider in KEYS}

    def now(self) -> datetime:
        """Return where their clock stands."""
        return datetime.fromtimestamp(self.state.clock.now_s(), UTC)

    def set_clock(self, now: datetime) -> None:
        """Let their clock stand at ``now``."""
        self.state.clock.set(int(now.timestamp()), frozen=True)

    def spoil(self, provider: str, kind: str, **more: object) -> None:
        """Let the next answers of a provider be bad; see ``carbonledger_sandbox.faults``."""
        self.state.failures.append(state.Failure(provider, kind, **more))  # type: ignore[arg-type]  # its fields, as the test names them

    def asked(self, provider: str) -> int:
        """Return how many requests the provider has answered."""
        return sum(request["provider"] == provider for request in self.state.requests)


@contextlib.contextmanager
def running(anchor: datetime = NOON, *, now: datetime | None = None) -> Iterator[StandIns]:
    """Serve, as at the demo's start, with the clock standing at ``anchor``, whose day is the last of the 60, or going on from ``now``.

    It must go on where the product reads them by the machine's clock: over midnight one that stands still refuses the day that has ended.
    """
    world = _loaded(anchor)
    world.reset()
    world.clock.set(int((now or anchor).timestamp()), frozen=now is None)
    with listening.on("127.0.0.1", 0) as sock:
        config = uvicorn.Config(app.create(world), log_level="critical", access_log=False, lifespan="off", ws="none", loop="asyncio")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])), daemon=True)
        thread.start()
        until.holds_now(lambda: server.started)
        try:
            yield StandIns(f"http://127.0.0.1:{sock.getsockname()[1]}", world)
        finally:
            server.should_exit = True
            thread.join(until.DEADLINE_S)
            world.reset()
