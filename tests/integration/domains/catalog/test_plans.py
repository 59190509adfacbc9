"""Plans in the database: versions one after the other, in force from their dates, never changed, kept while they are used."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import asyncpg
import pytest

from carbonledger.domains.catalog import service, types
from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types.plans import Migration, PlanState
from carbonledger.kernel import currency, page
from carbonledger.kernel.period import CalendarUnit, Interval
from tests import until
from tests.integration.domains.catalog.conftest import Desk, calls, seat

DAY = timedelta(days=1)


async def test_a_plan_is_made_with_its_first_version_in_force(desk: Desk) -> None:
    await desk.meter()
    made = await desk.plan("pro", seat(), calls(), trial_days=14, interval=Interval(CalendarUnit.YEAR), setup_fee=Decimal("9.90"))
    assert made.version is not None
    assert (made.version.number, made.version.effective_at, made.latest_number) == (1, desk.now, 1)
    assert made.version.charges == (seat(), calls())
    assert (made.version.trial_days, made.version.interval.unit, made.version.setup_fee) == (14, CalendarUnit.YEAR, Decimal("9.9"))
    assert await desk.see(service.find_plan, plan_id=made.id, now=desk.now) == made
    assert await desk.see(service.find_plan_by_code, code="pro", now=desk.now) == made
    assert (await desk.see(service.find_plans, plan_ids=[made.id, uuid4()], now=desk.now)) == {made.id: made}


async def test_editing_a_plan_makes_a_version_and_leaves_the_one_before(desk: Desk) -> None:
    plan = await desk.plan()
    later = desk.now + DAY
    changed = await desk.change(plan, seat("25"), now=later, migration=Migration.RENEWAL)
    assert changed.version is not None
    assert (changed.latest_number, changed.version.number, changed.version.migration) == (2, 2, Migration.RENEWAL)
    [second, first] = (await desk.see(service.list_versions, plan_id=plan.id, page=page.PageRequest())).data
    assert (first.number, first.charges, second.charges) == (1, (seat(),), (seat("25"),))
    assert await desk.see(service.find_version, plan_id=plan.id, number=1) == first
    assert await desk.see(service.find_versions, version_ids=[first.id, second.id]) == {first.id: first, second.id: second}
    assert await desk.see(service.versions_of_plans, plan_ids=[plan.id]) == {plan.id: (first, second)}


async def test_a_version_is_in_force_from_its_date_on(desk: Desk) -> None:
    plan = await desk.plan(effective_at=desk.now - 30 * DAY)
    await desk.change(plan, seat("25"), effective_at=desk.now + 10 * DAY)
    numbers = []
    for days in (-30, 9, 10, 365):
        version = await desk.see(service.version_in_force, plan_id=plan.id, at=desk.now + days * DAY)
        numbers.append(version.number)
    assert numbers == [1, 1, 2, 2]
    with pytest.raises(types.PlanNotEffective):
        await desk.see(service.version_in_force, plan_id=plan.id, at=desk.now - 31 * DAY)
    shown = await desk.see(service.find_plan, plan_id=plan.id, now=desk.now)
    assert shown.version is not None
    assert (shown.version.number, shown.latest_number) == (1, 2)


async def test_of_two_versions_of_one_instant_the_later_holds(desk: Desk) -> None:
    plan = await desk.plan()  # a sandbox's clock stands still between two edits
    await desk.change(plan, seat("25"))
    await desk.change(plan, seat("30"))
    assert (await desk.see(service.version_in_force, plan_id=plan.id, at=desk.now)).number == 3


async def test_what_is_the_same_makes_no_version(desk: Desk) -> None:
    plan = await desk.plan()
    same = await desk.change(plan, seat("20.00"), trial_days=0)
    assert same.latest_number == 1
    assert [action for action, _, _ in await desk.trail(plan.id)] == ["plan.created"]


async def test_a_name_is_changed_without_a_version(desk: Desk) -> None:
    plan = await desk.plan()
    changed = await desk.change(plan, named={"name": " Professional ", "description": "For teams"})
    assert (changed.name, changed.description, changed.latest_number) == ("Professional", "For teams", 1)
    archived = await desk.change(plan, named={"state": PlanState.ARCHIVED})
    assert (archived.state, archived.archived_at) == (PlanState.ARCHIVED, desk.now)
    assert (await desk.see(service.list_plans, page=page.PageRequest(), now=desk.now)).data == ()
    assert (await desk.see(service.list_plans, page=page.PageRequest(), now=desk.now, state=PlanState.ARCHIVED)).data == (archived,)
    again = await desk.change(plan, named={"state": PlanState.ACTIVE})
    assert (again.state, again.archived_at) == (PlanState.ACTIVE, None)


@pytest.mark.parametrize(
    "days, code",
    [(-1, "in_the_past"), (4, "before_the_last")],
)
async def test_a_version_neither_changes_the_past_nor_comes_before_the_last(desk: Desk, days: int, code: str) -> None:
    plan = await desk.plan()
    await desk.change(plan, seat("25"), effective_at=desk.now + 5 * DAY)
    with pytest.raises(types.PlanInvalid) as caught:
        await desk.change(plan, seat("30"), effective_at=desk.now + days * DAY)
    assert code in [problem.code for problem in caught.value.problems]


async def test_a_plan_keeps_its_currency(desk: Desk) -> None:
    plan = await desk.plan()
    with pytest.raises(types.PlanInvalid) as caught:
        await desk.change(plan, currency=currency.by_code("USD"))
    assert [(problem.pointer, problem.code) for problem in caught.value.problems] == [("/currency", "currency_fixed")]


async def test_a_plan_that_was_never_used_is_deleted_and_its_code_free(desk: Desk) -> None:
    plan = await desk.plan()
    await desk.do(service.delete_plan, plan_id=plan.id)
    with pytest.raises(types.PlanNotFound):
        await desk.see(service.find_plan, plan_id=plan.id, now=desk.now)
    with pytest.raises(types.PlanNotFound):
        await desk.see(service.mark_plans_used, plan_ids=[plan.id], kind="subscriptions", now=desk.now)
    await desk.plan()


async def test_a_plan_that_is_used_stays(desk: Desk) -> None:
    plan = await desk.plan()
    await desk.see(service.mark_plans_used, plan_ids=[plan.id, plan.id], kind="subscriptions", now=desk.now)
    await desk.see(service.mark_plans_used, plan_ids=[plan.id], kind="subscriptions", now=desk.now)
    with pytest.raises(types.PlanInUse, match="subscriptions") as caught:
        await desk.do(service.delete_plan, plan_id=plan.id)
    assert caught.value.extra == {"uses": ["subscriptions"]}


async def test_who_begins_to_use_a_plan_while_it_is_deleted_waits_or_makes_it_stay(desk: Desk) -> None:
    plan = await desk.plan()
    async with desk.database.transaction(desk.organization_id) as uow:
        await service.mark_plans_used(uow, organization_id=desk.organization_id, plan_ids=[plan.id], kind="subscriptions", now=desk.now)
        deleting = asyncio.create_task(desk.do(service.delete_plan, plan_id=plan.id))
        await asyncio.wait([deleting], timeout=0.2)
        assert not deleting.done()
    with pytest.raises(types.PlanInUse):
        await deleting


async def test_two_who_use_a_plan_do_not_wait_for_each_other(desk: Desk) -> None:
    plan = await desk.plan()
    await desk.see(service.mark_plans_used, plan_ids=[plan.id], kind="subscriptions", now=desk.now)
    async with desk.database.transaction(desk.organization_id) as uow:
        given = {"plan_ids": [plan.id], "kind": "subscriptions", "now": desk.now}
        await service.mark_plans_used(uow, organization_id=desk.organization_id, **given)  # type: ignore[arg-type]  # as in the call below
        second = asyncio.create_task(desk.see(service.mark_plans_used, **given))
        await asyncio.wait([second], timeout=until.DEADLINE_S)
        assert second.done()


async def test_a_code_is_one_plans(desk: Desk) -> None:
    await desk.plan()
    with pytest.raises(types.PlanCodeTaken):
        await desk.plan()


async def test_edits_at_once_follow_one_another(desk: Desk) -> None:
    plan = await desk.plan()
    await asyncio.gather(*(desk.change(plan, seat(str(price))) for price in range(30, 36)))
    found = (await desk.see(service.list_versions, plan_id=plan.id, page=page.PageRequest())).data
    assert [version.number for version in found] == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "statement", ["UPDATE plan_versions SET number = 9", "DELETE FROM plan_versions", "TRUNCATE plan_versions CASCADE"]
)
async def test_nobody_changes_a_version_not_even_the_owner(desk: Desk, statement: str, worker_database: object) -> None:
    await desk.plan()
    conn = await asyncpg.connect(worker_database.superuser)  # type: ignore[attr-defined]  # the fixture's own type
    try:
        with pytest.raises(asyncpg.RestrictViolationError):
            await conn.execute(statement)
    finally:
        await conn.close()


@pytest.mark.parametrize("statement", ["UPDATE meters SET counts = '{}'", "UPDATE tax_rates SET percent = 7", "DELETE FROM meters"])
async def test_nobody_changes_what_a_meter_counts_or_what_a_tax_is(desk: Desk, statement: str, worker_database: object) -> None:
    await desk.meter()
    await desk.tax_rate()
    conn = await asyncpg.connect(worker_database.superuser)  # type: ignore[attr-defined]  # the fixture's own type
    try:
        with pytest.raises(asyncpg.RestrictViolationError):
            await conn.execute(statement)
    finally:
        await conn.close()


async def test_a_meter_or_tax_that_any_version_names_stays(desk: Desk) -> None:
    meter, rate = await desk.meter(), await desk.tax_rate()
    plan = await desk.plan("pro", calls(tax_rate_codes=("vat",)))
    await desk.change(plan, seat())  # version 2 names neither, but somebody may be on version 1
    with pytest.raises(types.MeterInUse, match="pro"):
        await desk.do(service.archive_meter, meter_id=meter.id)
    with pytest.raises(types.TaxRateInUse, match="pro"):
        await desk.do(service.archive_tax_rate, tax_rate_id=rate.id)
    await desk.do(service.delete_plan, plan_id=plan.id)
    await desk.do(service.archive_meter, meter_id=meter.id)
    await desk.do(service.archive_tax_rate, tax_rate_id=rate.id)
    with pytest.raises(types.PlanInvalid) as caught:
        await desk.plan("pro", calls(tax_rate_codes=("vat",)))
    assert [problem.code for problem in caught.value.problems] == ["meter_unknown", "tax_rate_unknown"]


async def test_meters_of_charges_are_found_at_once(desk: Desk) -> None:
    meter = await desk.meter()
    cost = types.Charge(code="ai", name="AI", model=models.CostPlus(Decimal(20)))
    found = await desk.see(service.charge_meters, charges=[calls(), cost, seat()])
    assert found["calls"] == meter
    assert found[None].event is None
    assert await desk.see(service.charge_meters, charges=[seat()]) == {}
