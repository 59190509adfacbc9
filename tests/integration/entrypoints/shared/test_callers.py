"""Who calls, as the edge finds out: keys are remembered for a moment, and a revoked one is refused at once in every process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import api_keys
from carbonledger.domains.identity.service import callers as identity_callers
from carbonledger.entrypoints.shared import callers as edge_callers
from carbonledger.infra import db, notify
from tests import conftest, until
from tests.integration.infra import test_notify

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


@contextlib.asynccontextmanager
async def process(database: conftest.TestDatabase, *, name: str = "test-callers") -> AsyncIterator[edge_callers.Callers]:
    """A process of its own: its own pool, its own listening connection, its own memory of keys."""
    opened = await db.connect(database.app, size=3, application="test")
    try:
        async with (
            notify.listening(database.app, application=name) as notifications,
            edge_callers.opened(opened, notifications=notifications, is_https=False) as callers,
        ):
            await until.holds(lambda: notifications.hears(identity_callers.CHANNEL))
            yield callers
    finally:
        await opened.close()


async def make_key(
    database: db.Database, organization_id: UUID, *, granted: tuple[str, ...] = ("members:read",), expires_at: datetime | None = None
) -> types.NewApiKey:
    actor = identity_callers.operator_actor(organization_id)
    async with database.transaction(organization_id) as uow:
        return await api_keys.create(
            uow, actor=actor, now=AT, at=AT, organization_id=organization_id, label="test", granted=granted, expires_at=expires_at
        )


async def revoke(database: db.Database, key: types.ApiKey) -> None:
    actor = identity_callers.operator_actor(key.organization_id)
    async with database.transaction(key.organization_id) as uow:
        await api_keys.revoke(uow, actor=actor, now=AT, at=AT, organization_id=key.organization_id, key_id=key.id)


async def revoke_silently(database: conftest.TestDatabase, key: types.ApiKey) -> None:
    """Revoke a key without a word to anybody, as if the message were lost."""
    conn = await asyncpg.connect(database.superuser)
    try:
        await conn.execute("UPDATE api_keys SET revoked_at = $2 WHERE id = $1", key.id, AT)
    finally:
        await conn.close()


async def call(callers: edge_callers.Callers, secret: str, *, at: datetime = AT) -> types.Caller:
    return await callers.identify(authorization=f"Bearer {secret}", cookies={}, at=at)


async def is_refused(callers: edge_callers.Callers, secret: str, *, at: datetime = AT) -> bool:
    try:
        await call(callers, secret, at=at)
    except types.CredentialsMissing:
        return True
    return False


async def becomes_refused(callers: edge_callers.Callers, secret: str, database: db.Database) -> None:
    """Wait for the announcement; the ping lets the loop hear it while the key is still remembered."""
    async with asyncio.timeout(until.DEADLINE_S):
        while not await is_refused(callers, secret):
            await database.ping()


async def test_a_key_leads_to_its_organization_and_its_scopes(
    worker_database: conftest.TestDatabase, database: db.Database, organization_id: UUID
) -> None:
    made = await make_key(database, organization_id, granted=("members:write",))
    async with process(worker_database) as callers:
        caller = await call(callers, made.secret)
    assert caller.organization_id == organization_id
    assert caller.actor.id == caller.credential_id == made.key.id
    assert caller.actor.scopes == {"members:write", "members:read"}
    assert (caller.credential, caller.is_house, caller.is_sandbox, caller.csrf_token) == ("key", False, False, None)


async def test_a_revoked_key_is_refused_at_once_in_every_process(
    worker_database: conftest.TestDatabase, database: db.Database, organization_id: UUID
) -> None:
    made = await make_key(database, organization_id)
    async with process(worker_database) as here, process(worker_database, name="test-there") as there:
        for callers in (here, there):
            assert not await is_refused(callers, made.secret)
        await revoke(database, made.key)
        # The same instant throughout: only the announcement can make a process forget.
        for callers in (here, there):
            await becomes_refused(callers, made.secret, database)
            assert await is_refused(callers, made.secret)


async def test_a_key_is_remembered_two_seconds_and_no_longer(
    worker_database: conftest.TestDatabase, database: db.Database, organization_id: UUID
) -> None:
    made = await make_key(database, organization_id)
    async with process(worker_database) as callers:
        assert not await is_refused(callers, made.secret)
        await revoke_silently(worker_database, made.key)
        assert not await is_refused(callers, made.secret, at=AT + timedelta(seconds=1, milliseconds=999))
        assert await is_refused(callers, made.secret, at=AT + timedelta(seconds=2))


async def test_a_clock_that_steps_back_does_not_keep_a_key_alive(
    worker_database: conftest.TestDatabase, database: db.Database, organization_id: UUID
) -> None:
    made = await make_key(database, organization_id)
    async with process(worker_database) as callers:
        assert not await is_refused(callers, made.secret)
        await revoke_silently(worker_database, made.key)
        assert await is_refused(callers, made.secret, at=AT - timedelta(microseconds=1))


async def test_everything_is_forgotten_when_the_listening_connection_is_lost(
    worker_database: conftest.TestDatabase, database: db.Database, organization_id: UUID
) -> None:
    made = await make_key(database, organization_id)
    async with process(worker_database, name="test-cut") as callers:
        assert not await is_refused(callers, made.secret)
        await revoke_silently(worker_database, made.key)
        await test_notify.cut(worker_database, "test-cut")
        await becomes_refused(callers, made.secret, database)
        assert await is_refused(callers, made.secret)


async def test_nothing_is_remembered_while_no_message_could_arrive(database: db.Database, organization_id: UUID) -> None:
    made = await make_key(database, organization_id)
    callers = edge_callers.Callers(database, is_listening=lambda: False, is_https=False, trust=None)
    assert not await is_refused(callers, made.secret)
    await revoke(database, made.key)
    assert await is_refused(callers, made.secret)


async def test_a_sandbox_is_never_remembered_so_that_its_clock_is_seen_at_once(database: db.Database) -> None:
    sandbox_id = await conftest.make_organization(database, sandbox=True)
    made = await make_key(database, sandbox_id)
    assert made.secret.startswith("cl_test_")
    callers = edge_callers.Callers(database, is_listening=lambda: True, is_https=False, trust=None)
    before = await call(callers, made.secret)
    assert before.clock_at is not None
    async with database.transaction(sandbox_id) as uow:
        await uow.conn.execute("UPDATE organizations SET clock_at = clock_at + interval '1 day'")
    after = await call(callers, made.secret)
    assert after.business_now(AT) - before.clock_at == timedelta(days=1)


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer cl_live_" + "x" * 40,  # the form of a key, and nobody's
        "Bearer cl_live_" + "x" * 31,  # too short for a key
        "Bearer cl_live_" + "ä" * 32,
        "Bearer cl_live_" + "x" * 40 + "\x00",
        "Bearer ",
        "Bearer",
        "",
        "Basic YW5uOnB3",
        "Bearer a.b.c",  # a JWT, though no issuer is trusted
        "Bearer " + "a" * 100_000,
        "\udcff" * 10,  # what latin-1 headers can't even hold
    ],
)
async def test_whatever_is_no_credential_is_refused_in_the_same_way(database: db.Database, authorization: str) -> None:
    callers = edge_callers.Callers(database, is_listening=lambda: True, is_https=False, trust=None)
    with pytest.raises(types.CredentialsMissing):
        await callers.identify(authorization=authorization, cookies={}, at=AT)


async def test_a_call_without_any_credentials_is_refused(database: db.Database) -> None:
    callers = edge_callers.Callers(database, is_listening=lambda: True, is_https=False, trust=None)
    with pytest.raises(types.CredentialsMissing):
        await callers.identify(authorization=None, cookies={}, at=AT)


async def test_a_key_ends_at_the_instant_of_its_expiry_though_it_is_remembered(database: db.Database, organization_id: UUID) -> None:
    made = await make_key(database, organization_id, expires_at=AT + timedelta(seconds=1))
    callers = edge_callers.Callers(database, is_listening=lambda: True, is_https=False, trust=None)
    assert not await is_refused(callers, made.secret)
    assert not await is_refused(callers, made.secret, at=AT + timedelta(microseconds=999_999))
    assert await is_refused(callers, made.secret, at=AT + timedelta(seconds=1))


async def test_a_use_is_written_down_at_most_once_a_minute(database: db.Database, organization_id: UUID) -> None:
    made = await make_key(database, organization_id)
    callers = edge_callers.Callers(database, is_listening=lambda: True, is_https=False, trust=None)

    async def last_used() -> datetime | None:
        await callers.flush()
        async with database.transaction(organization_id) as uow:
            return (await api_keys.find(uow, organization_id=organization_id, key_id=made.key.id)).last_used_at

    assert await last_used() is None
    await call(callers, made.secret)
    assert await last_used() == AT
    await call(callers, made.secret, at=AT + timedelta(seconds=59))
    assert await last_used() == AT
    await call(callers, made.secret, at=AT + timedelta(seconds=60))
    assert await last_used() == AT + timedelta(seconds=60)


async def test_uses_are_written_after_the_request_and_when_the_process_ends(
    worker_database: conftest.TestDatabase, database: db.Database, organization_id: UUID
) -> None:
    made = await make_key(database, organization_id)
    async with process(worker_database) as callers:
        await call(callers, made.secret)
    async with database.transaction(organization_id) as uow:
        assert (await api_keys.find(uow, organization_id=organization_id, key_id=made.key.id)).last_used_at == AT
