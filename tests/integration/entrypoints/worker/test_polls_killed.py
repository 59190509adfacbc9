"""A poll that is killed at any step: the next attempt takes it up, and the ledger says what the provider said, once.

A kill is an exception that nothing catches, at each place where the process waits for something: before a transaction begins, in it, at its
commit and right after, at a question to the provider, at a file. As with a real one the job's row is left running and the queue's row held
by nobody, until another worker takes it over.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, cast
from uuid import UUID

import pytest

from carbonledger.domains.connections import service
from carbonledger.infra import db, objects
from carbonledger.infra.queue import registry
from tests.integration.domains.telemetry import kit
from tests.integration.entrypoints.worker import provider
from tests.integration.entrypoints.worker.conftest import Bench


class Killed(BaseException):
    """The process is no more."""


class Fate:
    """Counts the places that are passed, and ends the process at one of them."""

    def __init__(self) -> None:
        self.passed = 0
        self.at: int | None = None
        self.places: list[str] = []

    def pass_by(self, place: str) -> None:
        self.passed += 1
        if self.passed == self.at:
            self.places.append(place)
            raise Killed(place)

    def start(self, at: int | None) -> None:
        self.passed, self.at = 0, at


class Watched:
    """A connection to the database that passes by its fate with every statement."""

    def __init__(self, conn: db.Connection, fate: Fate) -> None:
        self.conn = conn
        self.fate = fate

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever asyncpg has there
        found = getattr(self.conn, name)
        if name not in STATEMENTS:
            return found

        async def watched(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401 - as above
            self.fate.pass_by(name)
            return await found(*arguments, **more)

        return watched


STATEMENTS = frozenset({"execute", "executemany", "fetch", "fetchrow", "fetchval", "copy_to_table"})


@pytest.fixture
def fate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fate]:
    found = Fate()
    enter, leave, put = db.Transaction.__aenter__, db.Transaction.__aexit__, objects.Objects.put

    async def entering(self: db.Transaction) -> db.UnitOfWork:
        found.pass_by("before BEGIN")
        uow = await enter(self)
        uow.conn = cast("db.Connection", Watched(uow.conn, found))
        return uow

    async def leaving(
        self: db.Transaction, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uow.conn = cast("Watched", self._uow.conn).conn  # the pool wants its own back
        if error is None:
            try:
                found.pass_by("before COMMIT")
            except Killed as killed:
                await leave(self, Killed, killed, None)
                raise
        await leave(self, kind, error, trace)
        if error is None:
            found.pass_by("after COMMIT")

    async def putting(self: objects.Objects, key: str, content: bytes) -> None:
        found.pass_by("before file")
        await put(self, key, content)
        found.pass_by("after file")

    monkeypatch.setattr(db.Transaction, "__aenter__", entering)
    monkeypatch.setattr(db.Transaction, "__aexit__", leaving)
    monkeypatch.setattr(objects.Objects, "put", putting)
    yield found
    found.start(None)


def often_lost(bench: Bench) -> None:
    """Let a poll be taken up again as often as it is killed here."""
    handler = registry.declared.handlers[service.POLL_JOB]
    bench.declare(service.POLL_JOB, handler.run, in_transaction=False, attempts_max=100_000, timeout_s=handler.timeout_s)


async def attempt(bench: Bench, fate: Fate, at: int | None) -> bool:
    """Let a worker take what is due, and die at a place; say whether it lived."""
    entries = await bench.pick(heartbeat_timeout_s=0.0)
    if not entries:
        assert fate.places[-1] == "after COMMIT", "the job is lost"  # else its success was written before the process died
        return True
    fate.start(at)
    try:
        await bench.run(entries)
    except Killed:
        return False
    finally:
        fate.start(None)
    return True


async def test_a_first_read_is_killed_at_every_step(bench: Bench, fate: Fate) -> None:
    """Each time another account is read for the first time, and the process dies one step later; the next one goes on."""
    often_lost(bench)
    killed = 0
    while True:
        one = await provider.world(bench, provider.Provider(page_size=16, first_read_days=1))
        one.provider.before = lambda: fate.pass_by("question")
        for hours in range(0, 30, 5):
            hour = provider.NOW.replace(minute=0) - hours * provider.HOUR
            one.provider.truth[provider.COMPLETIONS.name, hour] = {provider.MODELS[0]: 10 + hours}
            one.provider.truth[provider.COSTS.name, hour.replace(hour=0)] = {"input": 3}
        connection_id = (await one.account.connect(key=provider.KEY)).view.connection.id
        if await attempt(bench, fate, killed + 1):
            break
        killed += 1
        assert await attempt(bench, fate, None)
        assert await one.read() == one.told(provider.NOW), fate.places[-1]
        assert (await one.account.show(connection_id)).connection.state.value == "active"
    assert killed > 150, killed
    waits = {"before BEGIN", "before COMMIT", "after COMMIT", "question", "before file", "after file"}
    assert waits | {"execute", "executemany", "fetch", "fetchrow", "copy_to_table"} <= set(fate.places)
    await all_is_told(one, bench, connection_id)


async def test_an_hourly_read_of_revisions_is_killed_at_every_step(bench: Bench, fate: Fate) -> None:
    """Each time the provider says something new, and the poll that would read it dies one step later; another one ends it."""
    often_lost(bench)
    one = await provider.world(bench, provider.Provider(streams=(provider.COMPLETIONS,), readable=("completions",)))
    connection_id = (await one.account.connect(key=provider.KEY)).view.connection.id
    await one.account.run()
    hour, killed = provider.NOW.replace(minute=0) - 3 * provider.HOUR, 0
    while True:
        count = killed + 1
        contents = {provider.MODELS[0]: count} if killed % 3 else {provider.MODELS[1]: count}  # one vanishes, another comes
        one.provider.truth[provider.COMPLETIONS.name, hour] = contents
        await bench.ask(service.POLL_JOB, organization_id=one.account.organization_id, connection_id=str(connection_id))
        if await attempt(bench, fate, count):
            break
        killed += 1
        assert await attempt(bench, fate, None)
        assert (await one.read())[provider.COMPLETIONS.name, hour] == contents, fate.places[-1]
    assert killed > 30, killed
    await all_is_told(one, bench, connection_id)


async def all_is_told(one: provider.World, bench: Bench, connection_id: UUID) -> None:
    assert await one.read() == one.told(provider.NOW)
    assert (await one.account.show(connection_id)).connection.state.value == "active"
    await kit.rollups_equal_raw(bench.database, one.account.organization_id)
