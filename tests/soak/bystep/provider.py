"""The provider's stand-in, whose every request is a step: before it is answered, in the middle of the answer's body, after."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import uvicorn
from starlette.types import Message, Receive, Scope, Send

from carbonledger_sandbox import app, listening, state
from tests import until
from tests.soak.bystep.fate import Fate, Place

ANCHOR = datetime(2026, 11, 25, tzinfo=UTC)
"""The last day of the traces."""
Truth = Mapping[tuple[str, datetime], tuple[int | None, ...]]
"""Tokens (uncached, cached, written for 5 minutes, for an hour, output) by model and hour; null is what the provider does not tell."""


class _Gone(Exception):
    """Who asked was killed: there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the stand-in knows at one instant, to go back to."""

    now_s: int
    revisions: tuple[state.Revision, ...]
    vanished: tuple[state.Vanished, ...]


class Provider:
    """Three providers at ``address``."""

    def __init__(self) -> None:
        self.state = state.load(anchor=ANCHOR, now=ANCHOR, frozen=True)
        self.fate = Fate()
        self.address = ""
        self._app = app.create(self.state)

    def tells(self) -> Told:
        """Return what it knows."""
        return Told(self.state.clock.now_s(), *(tuple(copy.deepcopy(known)) for known in (self.state.revisions, self.state.vanished)))  # type: ignore[arg-type]

    def goes_back(self, told: Told) -> None:
        """Know again what it knew."""
        self.state.clock.set(told.now_s, frozen=True)
        self.state.revisions[:] = copy.deepcopy(told.revisions)
        self.state.vanished[:] = copy.deepcopy(told.vanished)

    def truth(self, account: str, *, since: datetime) -> dict[tuple[str, datetime], tuple[int, ...]]:
        """Return what was used of an account, as far as it would tell now: tokens as in ``Truth``."""
        found: dict[tuple[str, datetime], tuple[int, ...]] = {}
        for call in self.state.seen(account, int(since.timestamp()), self.state.clock.now_s()):
            hour = datetime.fromtimestamp((self.state.midnight_s + call.at_s) // 3600 * 3600, UTC)
            place, tokens = (call.application.model, hour), call.tokens
            counts = (tokens.uncached, tokens.cached, tokens.created_5m, tokens.created_1h, tokens.output)
            found[place] = tuple(map(sum, zip(found.get(place, (0,) * 5), counts, strict=True)))
        return found

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve in this event loop while the block runs."""
        with listening.on("127.0.0.1", 0) as sock:
            self.address = f"http://127.0.0.1:{sock.getsockname()[1]}"
            config = uvicorn.Config(self, log_level="critical", access_log=False, lifespan="off", ws="none", loop="asyncio")
            server = _Server(config)
            task = asyncio.create_task(server.serve(sockets=[sock]))
            await until.holds(lambda: server.started)
            try:
                yield
            finally:
                server.should_exit = server.force_exit = True
                await task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        step = self.fate.begins(f"provider: {scope['method']} {scope['path']}?{scope['query_string'].decode()}")
        self._meets(self.fate.strikes(step, Place.BEFORE))

        async def sending(message: Message) -> None:
            body = message.get("body", b"")
            if message["type"] != "http.response.body" or self.fate.at != (step, Place.WITHIN):
                await send(message)
                return
            await send({"type": message["type"], "body": body[: len(body) // 2], "more_body": True})
            self._meets(self.fate.strikes(step, Place.WITHIN))
            await send({**message, "body": body[len(body) // 2 :]})

        await self._app(scope, receive, sending)
        self._meets(self.fate.strikes(step, Place.AFTER))

    def _meets(self, has_struck: bool) -> None:
        if has_struck and self.fate.is_asker:
            raise _Gone


class _Server(uvicorn.Server):
    """uvicorn's server without its hold on the signals of this process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
