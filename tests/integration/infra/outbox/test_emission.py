"""An event and its jobs exist exactly when the fact does; nobody changes it; only its organization, or those it is for, see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from carbonledger.infra import clock, db, outbox, queue
from carbonledger.infra.queue import registry
from carbonledger.kernel import actor as actors
from carbonledger.kernel import page
from tests import conftest

EVERY, FEW, ALERTS = "tests.every_event", "tests.few_events", "tests.alerts"
ALL = page.PageRequest(limit=200)


async def _nothing(uow: db.UnitOfWork, job: object) -> None:
    """Do nothing: these tests look at the jobs, not at what they do."""


@pytest.fixture(autouse=True)
def subscribers(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = {
        name: registry.Handler(name, _nothing, in_transaction=True, timeout_s=1, attempts_max=None) for name in (EVERY, FEW, ALERTS)
    }
    monkeypatch.setattr(registry.declared, "handlers", {**registry.declared.handlers, **handlers})
    monkeypatch.setattr(
        registry.declared,
        "subscribers",
        [
            registry.Subscriber(EVERY, ("*",), alerts_only=False),
            registry.Subscriber(FEW, ("lamp.*",), alerts_only=False),
            registry.Subscriber(ALERTS, ("*",), alerts_only=True),
        ],
    )


async def emit(
    uow: db.UnitOfWork,
    action: str = "lamp.lit",
    *,
    audience: tuple[actors.Role | str, ...] | None = None,
    now: datetime | None = None,
    target: str = "1",
    deliver: bool = True,
) -> UUID:
    return await outbox.emit(
        uow,
        actor=actors.Actor(kind=actors.ActorKind.MEMBER, id=uuid4(), organization_id=uow.organization_id, request_id="req-1"),
        now=now or clock.now(),
        action=action,
        target_type="lamp",
        target_id=target,
        before={"on": False},
        after={"on": True},
        severity="warning" if audience else None,
        audience=audience,
        deliver=deliver,
    )


async def jobs_of(database: db.Database, organization_id: UUID) -> list[tuple[str, dict[str, str]]]:
    async with database.transaction(organization_id) as uow:
        return [(row["name"], row["args"]) for row in await uow.conn.fetch("SELECT name, args FROM jobs ORDER BY id")]


async def test_an_event_is_written_with_one_job_for_each_subscriber_that_wants_it(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as uow:
        event_id = await emit(uow)
        event = await outbox.event(uow, event_id=event_id)
    assert (event.action, event.actor_kind, event.target_type, event.target_id) == ("lamp.lit", "member", "lamp", "1")
    assert (event.before, event.after, event.request_id, event.severity) == ({"on": False}, {"on": True}, "req-1", None)
    assert await jobs_of(database, organization_id) == [(EVERY, {"event_id": str(event_id)}), (FEW, {"event_id": str(event_id)})]


async def test_only_an_alert_reaches_those_who_want_alerts(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as uow:
        await emit(uow, "door.open")
        await emit(uow, "door.forced", audience=(actors.Role.OWNER,))
    assert [name for name, _ in await jobs_of(database, organization_id)] == [EVERY, EVERY, ALERTS]


async def test_an_event_can_be_recorded_without_deliveries(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as uow:
        await emit(uow, deliver=False)
    assert await jobs_of(database, organization_id) == []


async def test_a_rolled_back_fact_leaves_neither_event_nor_job(database: db.Database, organization_id: UUID) -> None:
    with pytest.raises(RuntimeError, match="undo"):
        async with database.transaction(organization_id) as uow:
            await emit(uow)
            raise RuntimeError("undo")
    async with database.transaction(organization_id) as uow:
        assert (await outbox.events(uow, filters=outbox.Filters(), request=ALL)).data == ()
    assert await jobs_of(database, organization_id) == []


async def test_nothing_is_written_before_the_subscribers_are_known(
    database: db.Database, organization_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.declared, "loaded", False)
    async with database.transaction(organization_id) as uow:
        with pytest.raises(queue.NotLoaded):
            await emit(uow)


# --- append-only, and apart


@pytest.mark.parametrize("role", ["app", "owner", "superuser"])
@pytest.mark.parametrize("sql", ["UPDATE events SET action = 'x.y'", "DELETE FROM events", "TRUNCATE events"])
async def test_nobody_changes_the_trail(
    worker_database: conftest.TestDatabase, database: db.Database, organization_id: UUID, role: str, sql: str
) -> None:
    async with database.transaction(organization_id) as uow:
        await emit(uow)
    conn = await asyncpg.connect(getattr(worker_database, role))
    refusals = (asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)
    try:
        await conn.execute(f"SET carbonledger.organization_id = '{organization_id}'")
        if role == "owner":  # sees no row, so it is let in as maintenance
            await conn.execute("GRANT ALL ON events TO carbonledger_owner; SET ROLE carbonledger_maintenance")
        with pytest.raises(refusals):
            await conn.execute(sql)
    finally:
        await conn.close()


async def test_another_tenant_and_no_tenant_see_no_events(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as uow:
        event_id = await emit(uow, audience=(actors.Role.OWNER, outbox.OPERATORS))
    for stranger in (await conftest.make_organization(database), None):
        async with database.transaction(stranger) as uow:
            assert await uow.conn.fetchval("SELECT count(*) FROM events") == 0
            assert await uow.conn.fetch("SELECT * FROM operator_alerts(NULL, 10)") == []
            with pytest.raises(outbox.EventMissing):
                await outbox.event(uow, event_id=event_id)


async def test_an_event_for_another_tenant_is_refused(database: db.Database, organization_id: UUID) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with database.transaction(await conftest.make_organization(database)) as uow:
            await uow.conn.execute(
                "INSERT INTO events (organization_id, id, action, actor_kind, target_type, target_id, occurred_at, recorded_at) "
                "VALUES ($1, gen_random_uuid(), 'a.b', 'system', 't', '1', now(), now())",
                organization_id,
            )


# --- reading


async def test_events_come_newest_first_page_by_page(database: db.Database, organization_id: UUID) -> None:
    first = datetime(2026, 3, 1, tzinfo=UTC)
    async with database.transaction(organization_id) as uow:
        # Two share an instant: the id decides, and no page may lose or repeat one of them.
        made = [await emit(uow, now=first + timedelta(hours=hour)) for hour in (0, 1, 1, 2, 3)]
    seen: list[UUID] = []
    after: tuple[str, ...] | None = None
    for _ in range(3):
        async with database.transaction(organization_id) as uow:
            found = await outbox.events(uow, filters=outbox.Filters(), request=page.PageRequest(limit=2, after=after))
        seen += [event.id for event in found.data]
        after = page.decode_cursor(found.next_cursor, parts=2) if found.next_cursor else None
    assert seen == list(reversed(made))
    assert after is None


async def test_events_are_filtered(database: db.Database, organization_id: UUID) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    async with database.transaction(organization_id) as uow:
        lit = await emit(uow, "lamp.lit", now=start, target="1")
        out = await emit(uow, "lamp.out", now=start + timedelta(days=1), target="2")
        forced = await emit(uow, "door.forced", now=start + timedelta(days=2), target="2", audience=(actors.Role.OWNER,))
        cases = {
            outbox.Filters(action="lamp.lit"): [lit],
            outbox.Filters(action="lamp.*"): [out, lit],
            outbox.Filters(action="l%.*"): [],  # a pattern is a prefix, not SQL's
            outbox.Filters(target_type="lamp", target_id="2"): [forced, out],
            outbox.Filters(severity="warning"): [forced],
            outbox.Filters(actor_id=uuid4()): [],
            outbox.Filters(since=start + timedelta(days=1)): [forced, out],  # from is in
            outbox.Filters(until=start + timedelta(days=1)): [lit],  # until is out
        }
        for filters, expected in cases.items():
            found = await outbox.events(uow, filters=filters, request=ALL)
            assert [event.id for event in found.data] == expected, filters


async def test_a_notification_is_for_the_roles_it_names(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as uow:
        await emit(uow)
        owners = await emit(uow, audience=(actors.Role.OWNER,))
        billing = await emit(uow, audience=(actors.Role.OWNER, actors.Role.BILLING))
        await emit(uow, audience=(outbox.OPERATORS,))

        async def seen(role: actors.Role | None) -> list[UUID]:
            return [alert.id for alert in (await outbox.notifications(uow, role=role, is_house=False, request=ALL)).data]

        assert await seen(actors.Role.OWNER) == [billing, owners]
        assert await seen(actors.Role.BILLING) == [billing]
        assert await seen(actors.Role.VIEWER) == []
        assert await seen(None) == [billing, owners]  # a key sees what any role sees, but is no operator of the installation


async def test_operators_see_what_any_organization_tells_them(fresh_database: conftest.TestDatabase) -> None:
    opened = await db.connect(fresh_database.app, size=2, application="test")
    try:
        house, customer = await conftest.make_organization(opened), await conftest.make_organization(opened)
        async with opened.transaction(house) as uow:
            await uow.conn.execute("UPDATE organizations SET is_house = true")
        async with opened.transaction(customer) as uow:
            told = await emit(uow, audience=(actors.Role.OWNER, outbox.OPERATORS))
            await emit(uow, audience=(actors.Role.OWNER,))
        async with opened.transaction(house) as uow:
            own = await emit(uow, audience=(actors.Role.ADMIN, outbox.OPERATORS))
            for role, expected in ((actors.Role.ADMIN, [own, told]), (actors.Role.VIEWER, []), (None, [own, told])):
                found = await outbox.notifications(uow, role=role, is_house=True, request=ALL)
                assert [alert.id for alert in found.data] == expected, role
            first = await outbox.notifications(uow, role=actors.Role.ADMIN, is_house=True, request=page.PageRequest(limit=1))
            assert first.next_cursor is not None
            after = page.decode_cursor(first.next_cursor, parts=1)
            rest = await outbox.notifications(uow, role=actors.Role.ADMIN, is_house=True, request=page.PageRequest(limit=1, after=after))
            assert [alert.id for alert in (*first.data, *rest.data)] == [own, told]
            assert rest.next_cursor is None
    finally:
        await opened.close()
