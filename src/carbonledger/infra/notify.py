"""LISTEN for the whole process: one connection, any number of channels and listeners.

Owns that connection: it is opened again when it breaks, and every listener is told that it was lost, because what was sent
meanwhile is gone. It does not own what a message means, nor sending (``pg_notify`` in the transaction of the change).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import asyncpg
import structlog

from carbonledger.infra import retry

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record]

_log = structlog.get_logger(__name__)

_CHANNEL = re.compile(r"[a-z][a-z0-9_]{0,62}")  # goes into LISTEN as it is
_CONNECT_TIMEOUT_S = 5.0
_PING_EVERY_S = 5.0  # a connection that was cut without a word is found dead within this and the next bound
_PING_TIMEOUT_S = 3.0
_RETRY_FIRST_S = 0.1
_RETRY_MAX_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class _Listener:
    on_message: Callable[[str], None]
    on_lost: Callable[[], None]


class Notifications:
    """What the database tells this process. Made by ``listening`` only."""

    def __init__(self, dsn: str, *, application: str) -> None:
        self._dsn = dsn
        self._application = application
        self._listeners: dict[str, list[_Listener]] = {}
        self._heard: set[str] = set()
        self._wake = asyncio.Event()

    def hears(self, channel: str) -> bool:
        """Say whether messages of the channel arrive now. What they keep fresh must not be trusted while they don't."""
        return channel in self._heard

    def subscribe(self, channel: str, on_message: Callable[[str], None], *, on_lost: Callable[[], None]) -> Callable[[], None]:
        """Call ``on_message`` with the payload of each message, ``on_lost`` when messages may have been missed; returns the way to end it.

        Callbacks run in the event loop and must not block. See ``hears`` for when messages begin to arrive.
        """
        if not _CHANNEL.fullmatch(channel):
            raise ValueError(f"{channel!r} is not a channel's name")
        listener = _Listener(on_message, on_lost)
        self._listeners.setdefault(channel, []).append(listener)
        self._wake.set()
        return lambda: self._listeners[channel].remove(listener)

    async def run(self) -> None:
        """Listen until cancelled, through every loss of the connection."""
        delay_s = _RETRY_FIRST_S
        while True:
            try:
                await self._listen()
            except Exception as error:  # whatever it was: nobody waits for this task, and who trusts what it hears must be told
                delay_s = _RETRY_FIRST_S if self._heard else min(delay_s * 2, _RETRY_MAX_S)
                self._tell_lost()
                said = None if retry.is_passing(error) else error
                _log.warning("notify.lost", error=type(error).__name__, retry_s=delay_s, exc_info=said)
                await asyncio.sleep(delay_s)

    async def _listen(self) -> NoReturn:
        """Hold one connection; raises what broke it."""
        connection = await asyncpg.connect(
            self._dsn, timeout=_CONNECT_TIMEOUT_S, server_settings={"application_name": f"{self._application} listen"}
        )
        try:
            connection.add_termination_listener(lambda _: self._wake.set())
            while True:
                self._wake.clear()
                for channel in self._listeners.keys() - self._heard:
                    await connection.add_listener(channel, self._deliver)
                    self._heard.add(channel)
                # Not wait_for: in Python 3.11 it may swallow a cancellation that comes with the wake, and this would never end.
                with contextlib.suppress(TimeoutError):  # time to ask whether anybody is there
                    async with asyncio.timeout(_PING_EVERY_S):
                        await self._wake.wait()
                async with asyncio.timeout(_PING_TIMEOUT_S):
                    await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    def _deliver(self, _: Connection | PoolConnectionProxy[asyncpg.Record], __: int, channel: str, payload: object) -> None:
        for listener in tuple(self._listeners.get(channel, ())):
            try:
                listener.on_message(str(payload))
            except Exception:
                _log.exception("notify.listener_failed", channel=channel)  # the others must still hear it

    def _tell_lost(self) -> None:
        self._heard.clear()
        for channel, listeners in self._listeners.items():
            for listener in tuple(listeners):
                try:
                    listener.on_lost()
                except Exception:
                    _log.exception("notify.listener_failed", channel=channel)  # the others must still hear it


@contextlib.asynccontextmanager
async def listening(dsn: str, *, application: str) -> AsyncIterator[Notifications]:
    """Listen while the block runs. The first connection may come later than the block: see ``hears``."""
    notifications = Notifications(dsn, application=application)
    task = asyncio.create_task(notifications.run(), name="notify")
    try:
        yield notifications
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
