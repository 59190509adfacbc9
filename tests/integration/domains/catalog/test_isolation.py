"""Attacks on the tables of the catalog as the running role, with raw SQL: another organization's rows, and nobody's."""

from __future__ import annotations

import dataclasses
from typing import Any

import asyncpg
import pytest

from carbonledger.domains.catalog import service, types
from carbonledger.domains.catalog.types.drafts import VersionDraft
from carbonledger.infra import db
from tests import conftest
from tests.integration.domains import isolation
from tests.integration.domains.catalog.conftest import Desk, calls

TABLES = ("plans", "plan_versions", "plan_uses", "meters", "tax_rates", "plan_version_needs")


async def populate(desk: Desk) -> tuple[types.Plan, types.Meter, types.TaxRate]:
    """Make a row in every table."""
    meter, rate = await desk.meter(), await desk.tax_rate()
    plan = await desk.plan("pro", calls(tax_rate_codes=("vat",)))
    await desk.see(service.mark_plans_used, plan_ids=[plan.id], kind="subscriptions", now=desk.now)
    return plan, meter, rate


@pytest.fixture
async def victim(desk: Desk) -> Desk:
    return dataclasses.replace(desk, organization_id=await conftest.make_organization(desk.database))


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_tenant_no_row_is_seen(desk: Desk, database: db.Database, table: str) -> None:
    await populate(desk)
    await isolation.assert_nothing_without_a_tenant(database, table)


@pytest.mark.parametrize("table", TABLES)
async def test_of_another_organization_no_row_is_seen_changed_or_deleted(
    desk: Desk, victim: Desk, worker_database: conftest.TestDatabase, table: str
) -> None:
    await populate(desk)
    await populate(victim)
    mine, theirs = desk.organization_id, victim.organization_id
    await isolation.assert_apart(desk.database, worker_database, table, mine=mine, theirs=theirs)


@pytest.mark.parametrize("table", TABLES)
async def test_no_row_is_planted_in_another_organization(desk: Desk, victim: Desk, table: str) -> None:
    await populate(desk)
    names = {"plan_uses": "'x'", "plan_version_needs": "'meter'"}
    async with desk.database.transaction(desk.organization_id) as uow:
        columns = [
            row[0] for row in await uow.conn.fetch(f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0")
        ]
    copied = ", ".join(
        {"organization_id": "$1", "id": "gen_random_uuid()", "kind": names.get(table, "kind")}.get(one, one) for one in columns
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with desk.database.transaction(desk.organization_id) as uow:
            await uow.conn.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {copied} FROM {table}", victim.organization_id)


async def test_another_organizations_catalog_is_not_there_for_any_use_case(desk: Desk, victim: Desk) -> None:
    plan, meter, rate = await populate(victim)
    attacks: list[tuple[Any, dict[str, Any]]] = [
        (service.delete_plan, {"plan_id": plan.id}),
        (service.rename_meter, {"meter_id": meter.id, "name": "x"}),
        (service.archive_meter, {"meter_id": meter.id}),
        (service.rename_tax_rate, {"tax_rate_id": rate.id, "name": "x"}),
        (service.archive_tax_rate, {"tax_rate_id": rate.id}),
    ]
    not_found = (types.PlanNotFound, types.MeterNotFound, types.TaxRateNotFound, types.PlanVersionNotFound)
    for use_case, given in attacks:
        with pytest.raises(not_found):
            await desk.do(use_case, **given)
    with pytest.raises(not_found):
        await desk.make(service.change_plan, plan_id=plan.id, values={"name": "x"}, draft=VersionDraft())
    with pytest.raises(not_found):
        await desk.see(service.find_version, plan_id=plan.id, number=1)
    with pytest.raises(not_found):
        await desk.see(service.mark_plans_used, plan_ids=[plan.id], kind="x", now=desk.now)
    assert plan.version is not None
    assert await desk.see(service.find_versions, version_ids=[plan.version.id]) == {}
    assert await desk.see(service.find_plans, plan_ids=[plan.id], now=desk.now) == {}
    with pytest.raises(types.PlanInvalid):  # their meter is none of mine
        await desk.plan("pro", calls())
