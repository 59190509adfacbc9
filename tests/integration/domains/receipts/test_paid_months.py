"""Months that were paid ahead: each closes when it is over, without another payment, and no month more."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from carbonledger.domains.receipts.service import periods
from carbonledger.domains.receipts.types.periods import Payment, State
from carbonledger.infra import db
from carbonledger.kernel import actor, ids
from tests import conftest
from tests.integration.domains import isolation
from tests.integration.domains.receipts import kit
from tests.integration.domains.receipts.kit import CLOSES, NOVEMBER, OCTOBER, accept, close_due, draft

DAY = timedelta(days=1)
YEAR = tuple(date(2026 + (month - 1) // 12, (month - 1) % 12 + 1, 1) for month in range(10, 22))  # October 2026 to September 2027


def begins(month: date) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)


async def paying(database: db.Database, organization_id: UUID, **more: object) -> None:
    async with database.transaction(organization_id) as uow:
        await uow.conn.execute("UPDATE organizations SET tier = 'growth' WHERE id = $1", organization_id)
        for name, value in more.items():
            await uow.conn.execute(f"UPDATE organizations SET {name} = $1", value)


async def pay(database: db.Database, organization_id: UUID, *months: date, now: datetime) -> tuple[date, ...]:
    async with database.transaction(organization_id) as uow:
        return await periods.pay_months(
            uow,
            actor=actor.system(organization_id),
            now=now,
            organization_id=organization_id,
            months=months,
            invoice_id=ids.new_id(now),
        )


async def told(database: db.Database, organization_id: UUID, action: str) -> int:
    async with database.transaction(organization_id) as uow:
        found: int = await uow.conn.fetchval("SELECT count(*) FROM events WHERE action = $1", action)
    return found


async def test_a_year_that_was_paid_at_once_closes_month_by_month(database: db.Database, organization_id: UUID, tmp_path: Path) -> None:
    files = kit.files(tmp_path, organization_id)
    await paying(database, organization_id)
    await accept(database, organization_id, draft("a"), now=OCTOBER + 5 * DAY)
    assert await pay(database, organization_id, *YEAR, now=OCTOBER + 6 * DAY) == YEAR
    assert await pay(database, organization_id, *YEAR, now=OCTOBER + 7 * DAY) == (), "the same again is nothing"
    first = await kit.every(database, organization_id, now=OCTOBER + 7 * DAY)
    assert [(month, one.state, one.payment) for month, one in first.items()] == [("2026-10", State.OPEN, Payment.PAID)]
    for month, following in zip(YEAR, (*YEAR[1:], date(2027, 10, 1)), strict=True):
        await kit.advance(database, organization_id, now=begins(following))
        known = await kit.every(database, organization_id, now=begins(following))
        assert known[f"{month:%Y-%m}"].state is State.CLOSING
        assert known[f"{month:%Y-%m}"].closes_at == begins(following) + CLOSES
        assert await close_due(database, organization_id, files, now=begins(following) + CLOSES) == [f"{month:%Y-%m}"]
    # The thirteenth waits for a payment of its own.
    end = begins(date(2027, 11, 1)) + CLOSES
    assert await close_due(database, organization_id, files, now=end) == []
    thirteenth = (await kit.every(database, organization_id, now=end))["2027-10"]
    assert (thirteenth.state, thirteenth.payment) == (State.OPEN, Payment.AWAITED)
    assert await told(database, organization_id, periods.MONTHS_PAID) == 1
    assert await told(database, organization_id, periods.PAYMENT) == 12


async def test_months_that_were_not_looked_at_for_long_are_all_paid(database: db.Database, organization_id: UUID, tmp_path: Path) -> None:
    files = kit.files(tmp_path, organization_id)
    await paying(database, organization_id)
    await accept(database, organization_id, draft("a"), now=OCTOBER + 5 * DAY)
    await pay(database, organization_id, *YEAR[:3], now=OCTOBER + 6 * DAY)
    late = begins(date(2027, 2, 1)) + CLOSES
    assert sorted(await close_due(database, organization_id, files, now=late)) == ["2026-10", "2026-11", "2026-12"]
    january = (await kit.every(database, organization_id, now=late))["2027-01"]
    assert (january.state, january.payment) == (State.OPEN, Payment.AWAITED)


async def test_a_month_is_the_one_of_its_name_in_the_customers_own_calendar(database: db.Database, organization_id: UUID) -> None:
    """Auckland is UTC+13 in October and November, so its November begins on 31 October at 11:00 UTC."""
    await paying(database, organization_id, time_zone="Pacific/Auckland")
    await accept(database, organization_id, draft("a"), now=OCTOBER + 5 * DAY)
    await pay(database, organization_id, *YEAR[:2], now=OCTOBER + 6 * DAY)
    begin = datetime(2026, 10, 31, 11, tzinfo=UTC)
    await kit.advance(database, organization_id, now=begin - timedelta(microseconds=1))
    assert set(await kit.every(database, organization_id, now=begin - timedelta(microseconds=1))) == {"2026-10"}
    await kit.advance(database, organization_id, now=begin)
    known = await kit.every(database, organization_id, now=begin)
    assert [(month, one.state, one.payment) for month, one in known.items()] == [
        ("2026-10", State.CLOSING, Payment.PAID),
        ("2026-11", State.OPEN, Payment.PAID),
    ]


async def test_what_is_paid_before_anything_came_is_kept(database: db.Database, organization_id: UUID) -> None:
    await paying(database, organization_id)
    await pay(database, organization_id, *YEAR[2:4], now=OCTOBER + 6 * DAY)
    assert await kit.every(database, organization_id, now=OCTOBER + 6 * DAY) == {}, "no month of it has begun"
    december = begins(YEAR[2])
    await accept(database, organization_id, draft("a", at=december), draft("b", at=NOVEMBER), now=december + DAY)
    await kit.advance(database, organization_id, now=december + DAY)
    known = await kit.every(database, organization_id, now=december + DAY)
    assert {month: one.payment for month, one in known.items()} == {"2026-11": Payment.AWAITED, "2026-12": Payment.PAID}


async def test_usage_of_a_month_before_the_first_finds_it_paid(database: db.Database, organization_id: UUID) -> None:
    await paying(database, organization_id)
    await accept(database, organization_id, draft("n", at=NOVEMBER), now=NOVEMBER + DAY)
    await pay(database, organization_id, *YEAR, now=NOVEMBER + DAY)
    await accept(database, organization_id, draft("o"), now=NOVEMBER + 2 * DAY)
    await kit.advance(database, organization_id, now=NOVEMBER + 2 * DAY)
    october = (await kit.every(database, organization_id, now=NOVEMBER + 2 * DAY))["2026-10"]
    assert (october.state, october.payment) == (State.CLOSING, Payment.PAID)


async def test_a_payment_that_fails_takes_nothing_of_what_was_paid(database: db.Database, organization_id: UUID) -> None:
    await paying(database, organization_id)
    await accept(database, organization_id, draft("a"), now=OCTOBER + 5 * DAY)
    await pay(database, organization_id, YEAR[0], YEAR[1], now=OCTOBER + 6 * DAY)
    # November's period is made by what fails, before anything has looked at what was paid of it.
    async with database.transaction(organization_id) as uow:
        await periods.record_payment(
            uow,
            actor=actor.system(organization_id),
            now=NOVEMBER + DAY,
            organization_id=organization_id,
            month=YEAR[1],
            outcome=periods.Outcome.FAILED,
        )
    await kit.advance(database, organization_id, now=NOVEMBER + DAY)
    assert (await kit.every(database, organization_id, now=NOVEMBER + DAY))["2026-11"].payment is Payment.PAID


async def test_no_organization_sees_or_changes_what_another_has_paid(
    database: db.Database, organization_id: UUID, worker_database: conftest.TestDatabase
) -> None:
    theirs = await conftest.make_organization(database)
    for one in (organization_id, theirs):
        await pay(database, one, *YEAR[:2], now=OCTOBER)
    await isolation.assert_nothing_without_a_tenant(database, "paid_months")
    await isolation.assert_apart(database, worker_database, "paid_months", mine=organization_id, theirs=theirs)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.transaction(organization_id) as uow:
            await uow.conn.execute("INSERT INTO paid_months VALUES ($1, '2027-09-01', $1, now())", theirs)
    for statement in ("UPDATE paid_months SET month = '2030-01-01'", "DELETE FROM paid_months"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):  # not even its own
            async with database.transaction(organization_id) as uow:
                await uow.conn.execute(statement)
