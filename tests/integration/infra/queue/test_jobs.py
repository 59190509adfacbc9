"""Asking for a job: it exists exactly when its transaction commits, once for each live key, and only for its organization."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import UUID, uuid4

import asyncpg
import pytest
import structlog

from carbonledger.infra import clock, db, queue
from carbonledger.infra.queue import pgq, registry, types
from carbonledger.kernel import actor
from tests import conftest

NAME = "tests.work"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"  # the example of W3C Trace Context, section 3.2.2.5


async def _nothing(uow: db.UnitOfWork, job: object) -> None:
    """Do nothing: these tests ask for jobs and never run them."""


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    registry.declared.handlers[NAME] = registry.Handler(NAME, _nothing, in_transaction=True, timeout_s=1, attempts_max=None)
    yield
    del registry.declared.handlers[NAME]


async def ask(uow: db.UnitOfWork, *, dedupe_key: str | None = None, delay_s: float = 0) -> UUID:
    return await queue.enqueue(uow, name=NAME, args={"n": 1}, now=clock.now(), dedupe_key=dedupe_key, delay_s=delay_s)


async def in_queue(database: db.Database, job_id: UUID) -> int:
    async with database.transaction() as uow:
        count: int = await uow.conn.fetchval("SELECT count(*) FROM pgqueuer WHERE dedupe_key = $1", str(job_id))
    return count


async def test_a_committed_job_is_queued_with_its_row_in_the_queue(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as uow:
        job_id = await ask(uow)
    async with database.transaction(organization_id) as uow:
        job = await queue.job(uow, job_id=job_id)
    assert (job.state, job.name, job.args, job.attempts) == (types.JobState.QUEUED, NAME, {"n": 1}, 0)
    assert await in_queue(database, job_id) == 1


async def test_a_rolled_back_transaction_leaves_no_job(database: db.Database, organization_id: UUID) -> None:
    job_id = None
    with pytest.raises(RuntimeError, match="undo"):
        async with database.transaction(organization_id) as uow:
            job_id = await ask(uow)
            raise RuntimeError("undo")
    assert job_id is not None
    assert await in_queue(database, job_id) == 0
    async with database.transaction(organization_id) as uow:
        with pytest.raises(queue.JobMissing):
            await queue.job(uow, job_id=job_id)


async def test_a_live_key_gives_the_same_job(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as uow:
        first = await ask(uow, dedupe_key="daily")
    async with database.transaction(organization_id) as uow:
        assert await ask(uow, dedupe_key="daily") == first
        assert await ask(uow, dedupe_key="other") != first
    assert await in_queue(database, first) == 1


async def test_a_key_is_free_again_when_its_job_has_ended(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as uow:
        first = await ask(uow, dedupe_key="daily")
        await queue.cancel(uow, job_id=first)
    async with database.transaction(organization_id) as uow:
        assert await ask(uow, dedupe_key="daily") != first


async def test_a_key_is_an_organizations_own(database: db.Database, organization_id: UUID) -> None:
    other = await conftest.make_organization(database)
    async with database.transaction(organization_id) as uow:
        first = await ask(uow, dedupe_key="daily")
    async with database.transaction(other) as uow:
        assert await ask(uow, dedupe_key="daily") != first


async def test_many_who_ask_at_once_with_one_key_get_one_job(database: db.Database, organization_id: UUID) -> None:
    async def one() -> UUID:
        async with database.transaction(organization_id) as uow:
            return await ask(uow, dedupe_key="rush")

    assert len(set(await asyncio.gather(*(one() for _ in range(8))))) == 1


async def test_the_cause_travels_with_the_job(database: db.Database, organization_id: UUID) -> None:
    who = actor.system(organization_id, request_id="req-7")
    with structlog.contextvars.bound_contextvars(request_id="of-the-log", traceparent=TRACE):
        async with database.transaction(organization_id) as uow:
            given = await queue.enqueue(uow, name=NAME, args={}, now=clock.now(), actor=who)
            bound = await queue.enqueue(uow, name=NAME, args={}, now=clock.now())
    async with database.transaction(organization_id) as uow:
        assert [(job.request_id, job.traceparent) for job in [await queue.job(uow, job_id=each) for each in (given, bound)]] == [
            ("req-7", TRACE),
            ("of-the-log", TRACE),
        ]


async def test_a_job_without_a_handler_is_refused(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as uow:
        with pytest.raises(types.JobUnknown):
            await queue.enqueue(uow, name="nobody.listens", args={}, now=clock.now())


async def test_a_job_outside_an_organization_is_refused(database: db.Database) -> None:
    async with database.transaction() as uow:
        with pytest.raises(queue.NoOrganization):
            await ask(uow)


async def test_the_depth_counts_what_is_due_and_no_more(fresh_database: conftest.TestDatabase) -> None:
    opened = await db.connect(fresh_database.app, size=2, application="test")
    try:
        organization_id = await conftest.make_organization(opened)
        async with opened.transaction(organization_id) as uow:
            await ask(uow)
            await ask(uow, delay_s=3600)
        async with opened.transaction() as uow:
            depth, oldest_s = await queue.depth(uow.conn)
        assert depth == 1
        assert 0 <= oldest_s < 60
    finally:
        await opened.close()


# --- attacks: what row-level security and the grants must refuse

TENANT_TABLES = ["jobs", "job_attempts", "job_steps"]


async def make_rows(database: db.Database, organization_id: UUID) -> UUID:
    async with database.transaction(organization_id) as uow:
        job_id = await ask(uow)
        await uow.conn.execute(
            "INSERT INTO job_attempts (organization_id, id, job_id, number, worker, started_at) VALUES ($1, $2, $3, 1, 'w', now())",
            organization_id,
            uuid4(),
            job_id,
        )
        await uow.conn.execute(
            "INSERT INTO job_steps (organization_id, job_id, key, finished_at) VALUES ($1, $2, 'k', now())", organization_id, job_id
        )
    return job_id


@pytest.mark.parametrize("table", TENANT_TABLES)
async def test_another_tenant_and_no_tenant_see_no_rows(database: db.Database, organization_id: UUID, table: str) -> None:
    await make_rows(database, organization_id)
    for stranger in (await conftest.make_organization(database), None):
        async with database.transaction(stranger) as uow:
            assert await uow.conn.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_another_tenants_job_can_be_neither_changed_nor_deleted(database: db.Database, organization_id: UUID) -> None:
    job_id = await make_rows(database, organization_id)
    async with database.transaction(await conftest.make_organization(database)) as uow:
        assert await uow.conn.execute("UPDATE jobs SET error = 'mine' WHERE id = $1", job_id) == "UPDATE 0"
        assert await uow.conn.execute("UPDATE job_attempts SET error_text = 'mine' WHERE job_id = $1", job_id) == "UPDATE 0"
        assert await uow.conn.execute("DELETE FROM jobs WHERE id = $1", job_id) == "DELETE 0"


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO jobs (organization_id, id, name, args, occurred_at, created_at) "
        "VALUES ($1, gen_random_uuid(), 'a.b', '{}', now(), now())",
        "INSERT INTO job_attempts (organization_id, id, job_id, number, worker, started_at) "
        "VALUES ($1, gen_random_uuid(), $2, 9, 'w', now())",
        "INSERT INTO job_steps (organization_id, job_id, key, finished_at) VALUES ($1, $2, 'x', now())",
    ],
)
async def test_a_row_for_another_tenant_is_refused(database: db.Database, organization_id: UUID, sql: str) -> None:
    job_id = await make_rows(database, organization_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with database.transaction(await conftest.make_organization(database)) as uow:
            await uow.conn.execute(sql, organization_id, *([job_id] if "$2" in sql else []))


async def test_an_attempt_cannot_point_at_another_tenants_job(database: db.Database, organization_id: UUID) -> None:
    job_id = await make_rows(database, organization_id)
    other = await conftest.make_organization(database)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with database.transaction(other) as uow:
            await uow.conn.execute(
                "INSERT INTO job_attempts (organization_id, id, job_id, number, worker, started_at) VALUES ($1, $2, $3, 2, 'w', now())",
                other,
                uuid4(),
                job_id,
            )


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE jobs SET args = '{}'",
        "UPDATE jobs SET organization_id = gen_random_uuid()",
        "UPDATE job_attempts SET worker = 'other'",
        "DELETE FROM job_attempts",
        "UPDATE job_steps SET result = '1'",
        "DELETE FROM job_steps",
    ],
)
async def test_what_a_job_was_and_did_is_not_the_services_to_change(database: db.Database, organization_id: UUID, sql: str) -> None:
    await make_rows(database, organization_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        async with database.transaction(organization_id) as uow:
            await uow.conn.execute(sql)


async def test_a_finished_attempt_is_history(database: db.Database, organization_id: UUID) -> None:
    job_id = await make_rows(database, organization_id)
    async with database.transaction(organization_id) as uow:
        await uow.conn.execute("UPDATE job_attempts SET outcome = 'lost', finished_at = now() WHERE job_id = $1", job_id)
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        async with database.transaction(organization_id) as uow:
            await uow.conn.execute("UPDATE job_attempts SET outcome = 'succeeded' WHERE job_id = $1", job_id)


async def test_the_library_finds_its_schema_as_it_wants_it(worker_database: conftest.TestDatabase) -> None:
    conn = await asyncpg.connect(worker_database.owner)
    try:
        plan = await pgq.on(conn).plan_upgrade()
    finally:
        await conn.close()
    assert (plan.statements, plan.notes) == ((), ())
