"""Attacks on the tables of subscriptions as the running role, with raw SQL: another organization's rows, and nobody's."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from carbonledger.domains.subscriptions import service, types
from carbonledger.domains.subscriptions.service import billing, previewing
from carbonledger.infra import clock, db
from carbonledger.kernel import page
from tests import conftest
from tests.integration.domains import isolation
from tests.integration.domains.subscriptions.conftest import Desk, flat

TABLES = ("subscriptions", "subscription_facts")
FACT = (
    "INSERT INTO subscription_facts (organization_id, subscription_id, number, kind, effective_at, recorded_at, planned, actor_kind,"
    " trialing, payment_first) VALUES ($1, $2, 2, 'paused', $3, $3, false, 'system', false, false)"
)


@pytest.fixture
async def victim(desk: Desk) -> Desk:
    return Desk(desk.database, await conftest.make_organization(desk.database))


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_tenant_no_row_is_seen(desk: Desk, database: db.Database, table: str) -> None:
    await desk.begin()
    await isolation.assert_nothing_without_a_tenant(database, table)


@pytest.mark.parametrize("table", TABLES)
async def test_of_another_organization_no_row_is_seen_changed_or_deleted(
    desk: Desk, victim: Desk, worker_database: conftest.TestDatabase, table: str
) -> None:
    await desk.begin()
    await victim.begin()
    mine, theirs = desk.organization_id, victim.organization_id
    await isolation.assert_apart(desk.database, worker_database, table, mine=mine, theirs=theirs)


async def test_no_fact_is_planted_on_another_organizations_subscription(desk: Desk, victim: Desk) -> None:
    theirs = (await victim.begin()).subscription.id
    for organization_id in (desk.organization_id, None):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with desk.database.transaction(organization_id) as uow:
                await uow.conn.execute(FACT, victim.organization_id, theirs, clock.now())
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with desk.database.transaction(desk.organization_id) as uow:
            await uow.conn.execute(FACT, desk.organization_id, theirs, clock.now())


async def test_another_organizations_rows_are_not_there_for_any_use_case(desk: Desk, victim: Desk) -> None:
    theirs = (await victim.begin()).subscription.id
    mine = await desk.plan("mine", flat("1"))
    change = previewing.Change(at=desk.now, plan_id=mine.id)
    attacks: list[tuple[Any, dict[str, Any]]] = [
        (service.change_plan, {"plan_id": mine.id}),
        (service.change_quantity, {"quantity": 2}),
        (service.pause, {}),
        (service.resume, {}),
        (service.cancel, {}),
        (service.reactivate, {}),
        (service.record_payment, {"failed": True}),
        (service.end, {}),
        (previewing.preview_change, {"change": change}),
    ]
    for use_case, given in attacks:
        with pytest.raises(types.SubscriptionNotFound):
            await desk.do(use_case, subscription_id=theirs, **given)
    with pytest.raises(types.SubscriptionNotFound):
        await desk.see(service.find, now=desk.now, subscription_id=theirs)
    with pytest.raises(types.SubscriptionNotFound):
        await desk.see(service.history, subscription_id=theirs, page=page.PageRequest())
    assert await desk.see(billing.due, account_ids=[victim.account_id], until=desk.now) == {}
    assert len(await victim.bill()) == 1
