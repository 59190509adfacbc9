"""One scene from beginning to end, with one kill or none, and what is then wrong."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from carbonledger.infra import db
from tests.soak.bystep import asking, judge, parts
from tests.soak.bystep.fate import Fate, Place, Step
from tests.soak.bystep.scenes import Scene
from tests.soak.bystep.sendings import SENT
from tests.soak.bystep.stage import Stage
from tests.soak.storm import pacing

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

ENDS_S = 90.0
_LOOK_S = 0.03
_REACHED_S = 1.0
"""What a step after the last answer has to come."""
_AGED_EVERY_S = 5.0
_AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TimeoutError,
)
_TIME_PASSES = "UPDATE pgqueuer SET heartbeat = heartbeat - interval '1 hour' WHERE status = 'picked'"
_DUE = "UPDATE pgqueuer SET execute_after = now() WHERE status = 'queued' AND execute_after > now()"
_WAKE = "SELECT pg_notify('ch_pgqueuer', 'again')"
_SERVES = ("pgqueuer", "key_by_hash")
"""In the first steps of a worker, or of an API, that has come up: it looks for jobs, or for who asks."""
_LIVE = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"


class Victim(enum.Enum):
    """What is killed: the worker or API that asks, the backend that answers, the whole server."""

    PROCESS = "process"
    BACKEND = "backend"
    POSTMASTER = "postmaster"


@dataclass(frozen=True, slots=True)
class Kill:
    """What is killed where."""

    scene: Scene
    step: Step
    place: Place
    victim: Victim

    def __str__(self) -> str:
        return f"{self.scene.name}: {self.victim.value} killed {self.place.value} {self.step}"


@dataclass(slots=True)
class Run:
    """One run; ``violations`` are what is wrong in the end."""

    stage: Stage
    scene: Scene
    kill: Kill | None = None
    expected: Run | None = None
    """The run without a kill."""
    fate: Fate = field(default_factory=Fate)
    books: judge.Books = field(default_factory=dict)
    answer: asking.Answer | None = None
    violations: list[str] = field(default_factory=list)
    _part: parts.Part | None = None
    _was_killed: bool = False
    _since: int = 0  # steps that had passed when the process was started

    async def go(self) -> None:
        """Do the scene, judge it, and leave nothing running."""
        await self.stage.back_to(self.scene.kept)
        self.stage.provider.goes_back(self.scene.told)
        self._part = self.stage.part(self.scene.part)
        self.fate.names = {str(self.stage.organization_id): "ours"}
        if self.kill is not None:
            self.fate.at, self.fate.kill = (self.kill.step, self.kill.place), self._strike
            self.fate.is_asker = self.kill.victim is Victim.PROCESS
        self.stage.begin(self.fate)
        try:
            self._part.start()
            await (self._send() if self.scene.request is not None else self._work())
            if self.kill is not None and not self.fate.has_struck:
                await pacing.holds(self._has_struck, deadline_s=_REACHED_S)
        except (asking.NeverAnswered, TimeoutError) as failure:
            self.violations.append(str(failure))
        finally:
            self._part.kill()
            self.stage.begin(Fate())
            await self.stage.relay.cut()
        await self._judge()

    async def _has_struck(self) -> bool:
        return self.fate.has_struck

    def _strike(self, backend: int | None) -> None:
        assert self.kill is not None
        assert self._part is not None
        ground = self.stage.ground
        if self.kill.victim is Victim.PROCESS:
            self._part.kill()
        elif self.kill.victim is Victim.POSTMASTER:
            ground.kill_postmaster()
        elif (pid := backend or self.stage.relay.backend) is not None:
            ground.kill_backend(pid)

    async def _send(self) -> None:
        """Send until it is acknowledged."""
        assert self.scene.request is not None
        # Not into the queue of a socket that nobody serves yet: what is cut off later is to be cut off in the API's own hands.
        await asking.ask(self.stage.api_port, asking.Request("GET", "/health"), Fate(), between=self._bring_back)
        request = self.stage.signed(self.scene.request)
        self.answer = await asking.ask(self.stage.api_port, request, self.fate, between=self._bring_back)
        if self.answer.status >= 300:
            self.violations.append(f"answered {self.answer.status} {self.answer.body[:300]!r}")

    async def _work(self) -> None:
        """Wait until every job has ended; time passes for those that wait."""
        end, aged_at = time.monotonic() + ENDS_S, time.monotonic()
        while time.monotonic() < end:
            was_killed = self._bring_back()
            is_late = time.monotonic() - aged_at > _AGED_EVERY_S
            if is_late:
                aged_at = time.monotonic()
            try:
                async with self.stage.ground.connected() as conn:
                    while not self._is_over():
                        if await self._has_ended(conn, is_aging=was_killed or is_late):
                            return
                        was_killed = is_late = False
                        if time.monotonic() > end or time.monotonic() - aged_at > _AGED_EVERY_S:
                            break
                        await pacing.pause(_LOOK_S)
            except _AWAY:
                await pacing.pause(_LOOK_S)
        raise TimeoutError(f"jobs have not ended in {ENDS_S:.0f} s")

    def _is_over(self) -> bool:
        """Whether the process that works is dead and not yet replaced."""
        assert self._part is not None
        return self._part.ended() is not None

    def _bring_back(self) -> bool:
        """Start another process in place of one that is gone, and say so."""
        assert self._part is not None
        code = self._part.ended()
        if code is None:
            return False
        if not self._may_end():
            self.violations.append(f"the {self._part.name} ended by itself, with {code}")
        self._was_killed = self._was_killed or self._is_victim()
        self._since = len(self.fate.passed)
        self._part.start()
        return True

    def _is_victim(self) -> bool:
        return self.kill is not None and self.kill.victim is Victim.PROCESS and self.fate.has_struck

    def _may_end(self) -> bool:
        """Whether it was killed, or had not begun to serve when the database went: then it ends, to be started until that is back."""
        if self._is_victim():
            return not self._was_killed
        return self.fate.has_struck and not any(word in step.what for step in self.fate.passed[self._since :] for word in _SERVES)

    @staticmethod
    async def _has_ended(conn: Connection, *, is_aging: bool) -> bool:
        if is_aging:
            await conn.execute(_TIME_PASSES)
            await conn.execute(_WAKE)
        if await conn.execute(_DUE) != "UPDATE 0":
            await conn.execute(_WAKE)
        return bool(await conn.fetchval(_LIVE) == 0)

    async def _judge(self) -> None:
        """Judge, as soon as the server is there and stays: it may only now come to its end."""
        judged: list[str] | None = None

        async def is_judged() -> bool:
            nonlocal judged
            try:
                judged = await self._judged()
            except (*_AWAY, db.DatabaseUnavailable):
                return False
            return True

        if not await pacing.holds(is_judged, deadline_s=ENDS_S):
            judged = [f"the server is not back in {ENDS_S:.0f} s"]
        self.violations += judged or []

    async def _judged(self) -> list[str]:
        organization_id, words = self.stage.organization_id, list[str]()
        async with self.stage.ground.connected() as conn:
            self.books = await judge.books(conn, organization_id)
            if self.expected is not None:
                words += [*self._misanswered(self.expected), *judge.differences(self.expected.books, self.books)]
            if self.scene.truth is not None:
                words += await judge.untrue(conn, organization_id, self.scene.truth)
                words += await judge.stuck(conn)
                words += await judge.untraceable(conn, organization_id, self.stage.objects)
            if self.scene.sent:
                words += await judge.unsent(conn, organization_id, self.scene.sent, named=SENT)
            words += await judge.left(conn)
        async with self.stage.database() as database:
            return words + await judge.unsummed(database, organization_id)

    def _misanswered(self, expected: Run) -> list[str]:
        """Say whether the answer is another than it was without a kill, where a key says that it must not be."""
        if not self.scene.is_replayed or self.answer is None or expected.answer is None or self.answer.body == expected.answer.body:
            return []
        return [f"answered {self.answer.body[:300]!r} at sending {self.answer.sent}"]
