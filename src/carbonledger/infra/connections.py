"""Database connections, handed from one unit of work to the next.

asyncpg's pool makes them, checks them and ends them. Going through it for every transaction costs a task and two callbacks, an eighth
of a small read, so those in use stay out of it between uses: a stack, whose bottom goes back to the pool when it was not needed for a
while, and a queue of those who wait.

A connection may be given back with a transaction open that has only read: whoever takes it next ends that in the message that begins
their own, a round trip less for each read, and if nobody does within ``LINGER_S`` it is ended here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

LINGER_S = 0.002  # a read's transaction stays open so long at most when nobody takes its connection: no vacuum and no lock waits for that
KEPT_S = 60.0  # a connection that nobody needed for so long goes back to the pool, which ends it after some minutes


class Connections:
    """The connections of one pool, which nobody else may take from: what is kept here counts as used there."""

    def __init__(self, pool: Pool, *, wait_s: float, end: Callable[[Connection], Awaitable[None]]) -> None:
        """``end`` ends the transaction of a read; it does not raise for a connection that breaks in doing so."""
        self._pool = pool
        self._wait_s = wait_s
        self._end = end
        self._held = 0
        self._is_closing = False
        self._idle: deque[tuple[float, Connection]] = deque()
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._ending: asyncio.Task[None] | None = None

    @property
    def idle(self) -> int:
        """Open connections that nobody uses now."""
        return len(self._idle) + self._pool.get_idle_size()

    async def take(self) -> Connection:
        """Return a connection, to be given back by ``give``; a read's transaction may still be open on it.

        Raises ``TimeoutError`` if none gets free, else what asyncpg raises.
        """
        while True:
            while self._idle:
                conn = self._idle.pop()[1]
                if not is_gone(conn):
                    return conn
                await self._let_go(conn)
            if self._held < self._pool.get_max_size():
                return await self._make()
            handed = await self._wait()
            if handed is not None:
                return handed

    async def give(self, conn: Connection) -> None:
        """Take a connection back: to whoever waits longest, else to the stack."""
        if self._is_closing or is_gone(conn):
            await self._let_go(conn)
        elif not self._hand(conn):
            now_s = asyncio.get_running_loop().time()
            self._idle.append((now_s, conn))
            if self._ending is None and is_open(conn):
                self._ending = asyncio.create_task(self._end_reads(), name="connections")
            if now_s - self._idle[0][0] > KEPT_S:
                await self._let_go(self._idle.popleft()[1])

    async def close(self) -> None:
        """Close every connection, waiting for those in use."""
        self._is_closing = True
        if self._ending is not None:
            await self._ending
        while self._idle:
            await self._let_go(self._idle.pop()[1])
        await self._pool.close()

    async def _make(self) -> Connection:
        self._held += 1
        try:
            return await self._pool.acquire()  # type: ignore[return-value]  # a proxy of the connection
        except BaseException:
            self._held -= 1
            self._hand(None)
            raise

    async def _end_reads(self) -> None:
        """End the transactions that nobody took over, until none is left."""
        try:
            while still_open := [each for each in self._idle if is_open(each[1])]:
                since_s, conn = oldest = still_open[0]
                left_s = since_s + LINGER_S - asyncio.get_running_loop().time()
                if left_s > 0 and not self._is_closing:
                    await asyncio.sleep(left_s)
                    continue
                self._idle.remove(oldest)
                await self._end(conn)
                await self.give(conn)
        finally:
            self._ending = None

    async def _let_go(self, conn: Connection) -> None:
        self._held -= 1
        try:
            if is_open(conn):
                await self._end(conn)
            await self._pool.release(conn)  # type: ignore[arg-type]  # the pool's proxy is the connection it gave
        finally:
            self._hand(None)

    def _hand(self, conn: Connection | None) -> bool:
        """Give a connection, or word that one may be made, to whoever waits longest; False if nobody does."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(conn)
                return True
        return False

    async def _wait(self) -> Connection | None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_later(self._wait_s, _give_up, waiter)  # asyncio.timeout does the same for several times the price
        try:
            return await waiter
        except (asyncio.CancelledError, TimeoutError):
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiter)
            # Cancelled in the moment in which it was handed one: that one is for the next.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                await self._pass_on(waiter.result())
            raise
        finally:
            timer.cancel()

    async def _pass_on(self, handed: Connection | None) -> None:
        if handed is None:
            self._hand(None)
        else:
            await self.give(handed)


def _give_up(waiter: asyncio.Future[Connection | None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("no connection got free"))


def is_open(conn: Connection) -> bool:
    """Whether a transaction is open on the connection."""
    return not is_gone(conn) and conn.is_in_transaction()


def is_gone(conn: Connection) -> bool:
    """Whether the connection is closed, or the pool has taken it back because it was lost."""
    try:
        return conn.is_closed()
    except asyncpg.InterfaceError:
        return True
