"""Closing months: what is in one, what comes late, and that period plus adjustments is what a fresh computation gives."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import hypothesis
import pytest
from hypothesis import strategies as st

from carbonledger.domains.receipts.service import closing, periods, proving, totals
from carbonledger.domains.receipts.types import periods as types
from carbonledger.domains.receipts.types.periods import Payment, State
from carbonledger.domains.telemetry.service import accepting, authority
from carbonledger.domains.telemetry.service import closing as ledger
from carbonledger.domains.telemetry.types.closing import CutBusy, Frozen
from carbonledger.infra import db, objects
from carbonledger.kernel import actor
from carbonledger_proof import canonical, event, merkle
from tests import conftest
from tests.integration.domains.receipts import kit
from tests.integration.domains.receipts.kit import CLOSES, DECEMBER, NOVEMBER, OCTOBER, SALT, accept, check, close_due, draft
from tests.integration.domains.telemetry import kit as telemetry_kit
from tests.integration.domains.telemetry.kit import metered, rows

DAY = timedelta(days=1)


@pytest.fixture
def files(tmp_path: Path, organization_id: UUID) -> objects.Objects:
    return kit.files(tmp_path, organization_id)


def covered(view: totals.Shown) -> int:
    """The uncached input of what was frozen."""
    assert view.totals is not None
    return view.totals.covered.uncached_input


async def shown(database: db.Database, organization_id: UUID, month: str, *, now: datetime) -> totals.Shown:
    found = await kit.every(database, organization_id, now=now)
    async with database.transaction(organization_id) as uow:
        return await totals.show(uow, organization_id=organization_id, period_id=found[month].id)


async def test_what_comes_after_the_close_is_booked_in_the_next_month(
    database: db.Database, organization_id: UUID, files: objects.Objects
) -> None:
    await accept(database, organization_id, draft("a", uncached=1000), draft("b", uncached=10), now=NOVEMBER)
    assert await close_due(database, organization_id, files, now=NOVEMBER + CLOSES) == ["2026-10"]
    # Late: a new event, and a revision of one that was frozen. In time: an event of November.
    late = NOVEMBER + CLOSES + DAY
    done = await accept(database, organization_id, draft("c", uncached=100), draft("b", uncached=17), now=late)
    assert done == ["accepted", "revised"]
    await accept(database, organization_id, draft("n", uncached=5, at=late), now=late)
    october = await shown(database, organization_id, "2026-10", now=late)
    assert covered(october) == 1010
    assert [(one.events, one.totals.covered.uncached_input) for one in october.moved] == [(1, 107)]  # 100 new, 7 more
    november = await shown(database, organization_id, "2026-11", now=late)
    assert [one.period_id for one in november.booked] == [october.period.id]
    assert all(not one.differences for one in await check(database, organization_id, now=late))
    assert await close_due(database, organization_id, files, now=DECEMBER + CLOSES) == ["2026-11"]
    async with database.transaction(organization_id) as uow:
        closed = await totals.closed(uow, organization_id=organization_id, period_id=november.period.id)
    assert (closed.totals.events, closed.totals.covered.uncached_input) == (2, 112)
    assert [(f"{one.month:%Y-%m}", one.events) for one in closed.adjustments] == [("2026-10", 1)]
    # One leaf of November's own event, and one of each event of October that came or changed late.
    assert closed.leaves == 3
    later = await shown(database, organization_id, "2026-10", now=DECEMBER + CLOSES)
    assert (later.period, later.totals) == (october.period, october.totals)
    assert [(one.booked_in, one.totals) for one in later.moved] == [(november.period.id, october.moved[0].totals)]


async def test_a_late_event_revised_before_the_next_close_is_booked_once_as_it_stood_then(
    database: db.Database, organization_id: UUID, files: objects.Objects
) -> None:
    await accept(database, organization_id, draft("a"), now=NOVEMBER)
    await close_due(database, organization_id, files, now=NOVEMBER + CLOSES)
    for count in (100, 200, 300):
        await accept(database, organization_id, draft("late", uncached=count), now=NOVEMBER + 5 * DAY)
    await close_due(database, organization_id, files, now=DECEMBER + CLOSES)
    await accept(database, organization_id, draft("late", uncached=250), now=DECEMBER + 5 * DAY)
    october = await shown(database, organization_id, "2026-10", now=DECEMBER + 5 * DAY)
    assert [(one.events, one.totals.covered.uncached_input) for one in october.moved] == [(1, 300), (0, -50)]
    assert all(not one.differences for one in await check(database, organization_id, now=DECEMBER + 5 * DAY))


async def test_an_event_that_becomes_a_duplicate_after_the_close_leaves_by_an_adjustment(
    database: db.Database, organization_id: UUID, files: objects.Objects
) -> None:
    await accept(database, organization_id, draft("a", uncached=1000), now=NOVEMBER)
    await close_due(database, organization_id, files, now=NOVEMBER + CLOSES)
    async with database.transaction(organization_id) as uow:
        await authority.mark_past(
            uow, organization_id=organization_id, provider="openai", since=OCTOBER, after=(OCTOBER, UUID(int=0)), at_most=10
        )
    october = await shown(database, organization_id, "2026-10", now=NOVEMBER + 5 * DAY)
    assert covered(october) == 1000
    (moved,) = october.moved
    assert (moved.events, moved.totals.duplicates, moved.totals.covered.uncached_input) == (-1, 1, -1000)
    assert all(not one.differences for one in await check(database, organization_id, now=NOVEMBER + 5 * DAY))


async def test_properties_that_are_erased_change_no_period(database: db.Database, organization_id: UUID, files: objects.Objects) -> None:
    await accept(database, organization_id, draft("a", properties={"customer": "x"}), now=NOVEMBER)
    await close_due(database, organization_id, files, now=NOVEMBER + CLOSES)
    async with database.transaction(organization_id) as uow:
        await uow.conn.execute("UPDATE telemetry_events SET properties = NULL WHERE organization_id = $1", organization_id)
    assert await rows(database, organization_id, "SELECT * FROM telemetry_late_changes WHERE organization_id = $1") == []


async def test_usage_of_a_month_before_the_first_is_an_adjustment_of_a_month_that_was_closed_as_nothing(
    database: db.Database, organization_id: UUID, files: objects.Objects
) -> None:
    await accept(database, organization_id, draft("a"), now=NOVEMBER)
    await close_due(database, organization_id, files, now=NOVEMBER + CLOSES)
    await accept(database, organization_id, draft("old", at=OCTOBER - 40 * DAY, uncached=7), now=NOVEMBER + 5 * DAY)
    found = await kit.every(database, organization_id, now=NOVEMBER + 5 * DAY)
    assert [(month, one.state.value) for month, one in found.items()] == [
        ("2026-08", "closed"),
        ("2026-09", "closed"),
        ("2026-10", "closed"),
        ("2026-11", "open"),
    ]
    assert await close_due(database, organization_id, files, now=DECEMBER + CLOSES) == ["2026-11"]
    august = await shown(database, organization_id, "2026-08", now=DECEMBER + CLOSES)
    assert (covered(august), august.moved[0].totals.covered.uncached_input) == (0, 7)
    assert all(not one.differences for one in await check(database, organization_id, now=DECEMBER + CLOSES))


async def test_an_unpaid_month_is_cut_with_the_next_and_closed_as_it_stood_then(
    database: db.Database, organization_id: UUID, files: objects.Objects
) -> None:
    async with database.transaction(organization_id) as uow:
        await uow.conn.execute("UPDATE organizations SET tier = 'growth' WHERE id = $1", organization_id)
    await accept(database, organization_id, draft("a", uncached=1000), draft("n", at=NOVEMBER + DAY, uncached=1), now=NOVEMBER + DAY)
    assert await close_due(database, organization_id, files, now=DECEMBER + CLOSES) == []

    async def pay(month: datetime, outcome: periods.Outcome, *, now: datetime) -> types.Period:
        async with database.transaction(organization_id) as uow:
            return await periods.record_payment(
                uow, actor=actor.system(organization_id), now=now, organization_id=organization_id, month=month.date(), outcome=outcome
            )

    assert (await pay(OCTOBER, periods.Outcome.FAILED, now=DECEMBER + CLOSES)).state is State.FAILED
    await pay(NOVEMBER, periods.Outcome.PAID, now=DECEMBER + CLOSES)
    assert await close_due(database, organization_id, files, now=DECEMBER + CLOSES) == ["2026-11"]
    await accept(database, organization_id, draft("a", uncached=1500), now=DECEMBER + 3 * DAY)
    paid = await pay(OCTOBER, periods.Outcome.PAID, now=DECEMBER + 4 * DAY)
    assert (paid.state, paid.payment) == (State.CLOSING, Payment.PAID)
    assert await close_due(database, organization_id, files, now=DECEMBER + 4 * DAY) == ["2026-10"]
    october = await shown(database, organization_id, "2026-10", now=DECEMBER + 4 * DAY)
    assert (covered(october), october.moved[0].totals.covered.uncached_input) == (1000, 500)
    assert all(not one.differences for one in await check(database, organization_id, now=DECEMBER + 4 * DAY))


async def test_leaves_are_what_the_proof_package_writes_byte_for_byte(
    database: db.Database, organization_id: UUID, files: objects.Objects
) -> None:
    await accept(
        database,
        organization_id,
        draft('quo"te\\ \u00e9 \U0001f600'),
        draft("long", at=OCTOBER + timedelta(microseconds=7), duration_s=3600, provider="acme", model='m "x" \\ 100% \u00e9\U0001f600'),
        draft("batch", batch=True),
        metered("pages", "12.500", at=OCTOBER + DAY),
        metered("none", "0", at=OCTOBER + DAY),
        now=NOVEMBER,
    )
    await accept(database, organization_id, draft("batch", uncached=77, batch=True), now=NOVEMBER)
    await close_due(database, organization_id, files, now=NOVEMBER + CLOSES)
    period = (await kit.every(database, organization_id, now=NOVEMBER + CLOSES))["2026-10"]
    found = await rows(database, organization_id, "SELECT * FROM telemetry_events WHERE organization_id = $1 ORDER BY id")
    assert period.leaves == len(found) == 5
    hashes = []
    for row in found:
        content = await _content(database, organization_id, row)
        hashes.append(merkle.leaf_hash(content))
        async with database.transaction(organization_id) as uow:
            told = await proving.leaf(uow, organization_id=organization_id, period_id=period.id, event_id=row["id"], salting=SALT)
            path = await proving.event_path(uow, organization_id=organization_id, period_id=period.id, event_id=row["id"], files=files)
        assert told == content
        assert period.root is not None
        merkle.verify_inclusion(merkle.leaf_hash(content), index=path.index, size=path.size, proof=path.path, root=period.root)
    assert period.root == merkle.tree_root(hashes)


async def _content(database: db.Database, organization_id: UUID, row: dict[str, Any]) -> bytes:
    """The leaf that the published format asks for, from the event's row."""
    (series,) = await rows(
        database, organization_id, "SELECT * FROM telemetry_series WHERE organization_id = $1 AND id = $2", row["series_id"]
    )
    (names,) = await rows(
        database,
        organization_id,
        """
        SELECT (SELECT version FROM price_books WHERE id = $2) AS book,
            (SELECT encode(digest, 'hex') FROM emission_rates WHERE id = $3) AS rate
        FROM organizations WHERE id = $1
        """,
        row["price_book_id"],
        row["emission_rate_id"],
    )
    cost, quantity = row["cost_amount"], row["quantity"]
    one = event.Event(
        id=UUID(bytes=row["id"].bytes),
        revision=row["revision"],
        occurred_at=row["occurred_at"],
        duration_s=row["duration_s"],
        series=event.Series(
            project=series["project_id"],
            provider=series["provider"],
            model=series["model"],
            event=series["event"],
            cost_currency="USD",
            cost_scale=12,
            price_book=names["book"],
            emission_rate=names["rate"],
            standing=event.Standing.DUPLICATE if row["facts"] & 1024 else event.Standing.COUNTED,
        ),
        requests=row["requests"],
        tokens=tuple(row[name] for name in event.BUCKETS),
        quantity=None if quantity is None else format(quantity.normalize(), "f"),
        cost_amount=None if cost is None else int(cost.scaleb(12)),
    )
    content = one.content(event.salt_of(SALT.secret, one.id.bytes, one.revision))
    assert canonical.write(canonical.read(content)) == content
    return content


async def test_an_event_of_another_month_is_not_in_this_one(database: db.Database, organization_id: UUID, files: objects.Objects) -> None:
    await accept(database, organization_id, draft("a"), draft("n", at=NOVEMBER), now=NOVEMBER)
    await close_due(database, organization_id, files, now=NOVEMBER + CLOSES)
    period = (await kit.every(database, organization_id, now=NOVEMBER + CLOSES))["2026-10"]
    (other,) = await rows(database, organization_id, "SELECT id FROM telemetry_events WHERE organization_id = $1 AND idempotency_key = 'n'")
    with pytest.raises(types.EventNotInPeriod):
        async with database.transaction(organization_id) as uow:
            await proving.event_path(uow, organization_id=organization_id, period_id=period.id, event_id=other["id"], files=files)


async def test_the_cut_waits_for_whoever_writes_and_holds_back_nobody_for_long(
    database: db.Database, organization_id: UUID, files: objects.Objects
) -> None:
    await accept(database, organization_id, draft("a"), now=NOVEMBER)
    (period,) = await kit.advance(database, organization_id, now=NOVEMBER + CLOSES)
    async with database.transaction(organization_id) as uow:
        await closing.reconciled(uow, now=NOVEMBER + CLOSES, organization_id=organization_id, period_id=period.id)

    async def freeze() -> None:
        async with database.transaction(organization_id) as uow:
            await closing.freeze(uow, now=NOVEMBER + CLOSES, at=NOVEMBER + CLOSES, organization_id=organization_id, period_id=period.id)

    async with database.transaction(organization_id) as uow:
        await accepting.accept(
            uow,
            actor=actor.system(organization_id),
            now=NOVEMBER,
            at=NOVEMBER,
            organization_id=organization_id,
            booking=telemetry_kit.API,
            items=[draft("b")],
        )
        with pytest.raises(CutBusy):
            await freeze()  # it gives up in half a second; nothing was written
        waiting = asyncio.create_task(kit.patiently(freeze))
        await asyncio.sleep(0)
    await waiting
    await accept(database, organization_id, draft("c"), now=NOVEMBER + CLOSES)
    late = await rows(database, organization_id, "SELECT * FROM telemetry_late_changes WHERE organization_id = $1")
    assert [(row["cut"], row["revision"]) for row in late] == [(1, None)]
    await kit.close(database, organization_id, period.id, files, now=NOVEMBER + CLOSES)
    assert (await kit.every(database, organization_id, now=NOVEMBER + CLOSES))["2026-10"].events == 2


async def test_a_cut_among_many_writers_loses_and_doubles_nothing(
    database: db.Database, organization_id: UUID, files: objects.Objects
) -> None:
    await accept(database, organization_id, draft("first"), now=NOVEMBER)
    (period,) = await kit.advance(database, organization_id, now=NOVEMBER + CLOSES)

    async def write(name: str) -> None:
        for number in range(12):
            await accept(database, organization_id, *(draft(f"{name}-{number}-{one}") for one in range(3)), now=NOVEMBER + CLOSES)
            await accept(database, organization_id, draft(f"{name}-{number}-0", uncached=number), now=NOVEMBER + CLOSES)

    async def close() -> None:
        await kit.close(database, organization_id, period.id, files, now=NOVEMBER + CLOSES)

    await asyncio.gather(*(write(name) for name in "abc"), close())
    checked = await check(database, organization_id, now=NOVEMBER + CLOSES)
    assert [one.differences for one in checked] == [()]
    assert sum(line.sums.events for line in checked[0].fresh) == 1 + 3 * 12 * 3


async def test_two_closers_at_once_close_once(database: db.Database, organization_id: UUID, files: objects.Objects) -> None:
    await accept(database, organization_id, draft("a"), draft("b"), now=NOVEMBER)
    (period,) = await kit.advance(database, organization_id, now=NOVEMBER + CLOSES)
    await asyncio.gather(*(kit.close(database, organization_id, period.id, files, now=NOVEMBER + CLOSES) for _ in range(4)))
    (row,) = await rows(database, organization_id, "SELECT cuts FROM telemetry_closings WHERE organization_id = $1")
    assert row["cuts"] == 1
    told = await rows(database, organization_id, "SELECT * FROM events WHERE organization_id = $1 AND action = $2", closing.CLOSED)
    assert len(told) == 1
    (lines,) = await rows(database, organization_id, "SELECT sum(events) AS events FROM period_lines WHERE organization_id = $1")
    assert lines["events"] == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE periods SET events = 5 WHERE state = 'closed'",
        "UPDATE periods SET state = 'open', step = 'none', closed_at = NULL WHERE state = 'closed'",
        "UPDATE periods SET ends_at = ends_at + interval '1 day' WHERE state = 'open'",
        "UPDATE telemetry_closings SET closed_through = closed_through - interval '1 day', cuts = cuts + 1",
        "UPDATE telemetry_closings SET closed_through = closed_through + interval '1 day'",
    ],
)
async def test_the_database_refuses_to_change_what_is_closed(
    database: db.Database, organization_id: UUID, files: objects.Objects, statement: str
) -> None:
    await accept(database, organization_id, draft("a"), now=NOVEMBER)
    await close_due(database, organization_id, files, now=NOVEMBER + CLOSES)
    with pytest.raises(asyncpg.RestrictViolationError):
        async with database.transaction(organization_id) as uow:
            await uow.conn.execute(statement)


async def test_no_organization_reads_anothers_periods(database: db.Database, organization_id: UUID, files: objects.Objects) -> None:
    await accept(database, organization_id, draft("a"), now=NOVEMBER)
    await close_due(database, organization_id, files, now=NOVEMBER + CLOSES)
    await accept(database, organization_id, draft("late"), now=NOVEMBER + CLOSES)
    period = (await kit.every(database, organization_id, now=NOVEMBER + CLOSES))["2026-10"]
    other = await conftest.make_organization(database)
    async with database.transaction(other) as uow:
        for table in ("periods", "period_lines", "period_adjustments", "telemetry_closings", "telemetry_late_changes", "receipt_salts"):
            assert await uow.conn.fetchval(f"SELECT count(*) FROM {table}") == 0, table
        for owner in (organization_id, other):
            with pytest.raises(types.PeriodNotFound):
                await periods.find(uow, organization_id=owner, period_id=period.id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await uow.conn.execute("INSERT INTO telemetry_closings VALUES ($1, $2, 1, $2)", organization_id, NOVEMBER)


# --- invariant 4, in any order

_ACTIONS = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 7), st.integers(0, 3), st.integers(0, 500)),
    st.tuples(st.just("duplicate"), st.integers(0, 7)),
    st.tuples(st.just("close")),
)


@hypothesis.settings(max_examples=25, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(actions=st.lists(_ACTIONS, min_size=4, max_size=24))
async def test_any_order_of_late_events_revisions_and_closes_keeps_period_plus_adjustments_fresh(
    database: db.Database, tmp_path: Path, actions: list[tuple[Any, ...]]
) -> None:
    organization_id = await conftest.make_organization(database)
    folder = kit.files(tmp_path, organization_id)
    now, month, frozen = OCTOBER + 20 * DAY, 10, dict[UUID, Any]()
    sent: dict[str, tuple[datetime, int]] = {}
    for action in actions:
        if action[0] == "send":
            _, key, back, count = action
            at = sent.get(f"k{key}", (max(now - back * 25 * DAY, OCTOBER - 60 * DAY), 0))[0]
            sent[f"k{key}"] = (at, count)
            await accept(database, organization_id, draft(f"k{key}", at=at, uncached=count), now=now)
        elif action[0] == "duplicate":
            async with database.transaction(organization_id) as uow:
                await authority.mark_past(
                    uow,
                    organization_id=organization_id,
                    provider="openai",
                    since=OCTOBER - 90 * DAY,
                    after=(OCTOBER - 90 * DAY, UUID(int=0)),
                    at_most=action[1] + 1,
                )
        else:
            month += 1
            now = datetime(2026 + (month - 1) // 12, (month - 1) % 12 + 1, 4, tzinfo=OCTOBER.tzinfo)
            await close_due(database, organization_id, folder, now=now)
        for one in await check(database, organization_id, now=now):
            assert one.differences == (), one
            known = frozen.setdefault(one.period.id, one.frozen)
            assert one.frozen == known  # whatever happens, it never changes
            # The ledger's own events of the month, added up by hand.
            expected = sum(count for at, count in sent.values() if one.period.starts_at <= at < one.period.ends_at)
            assert sum(line.sums.uncached_input for line in one.fresh) == expected


async def test_leaves_are_the_same_however_often_and_whenever_they_are_made(
    database: db.Database, organization_id: UUID, files: objects.Objects
) -> None:
    await accept(database, organization_id, *(draft(f"k{number}", uncached=number) for number in range(40)), now=NOVEMBER)
    await close_due(database, organization_id, files, now=NOVEMBER + CLOSES)
    period = (await kit.every(database, organization_id, now=NOVEMBER + CLOSES))["2026-10"]
    for number in range(0, 40, 3):
        await accept(database, organization_id, draft(f"k{number}", uncached=number + 1), now=NOVEMBER + CLOSES)
    await accept(database, organization_id, draft("new"), now=NOVEMBER + CLOSES)
    pieces: list[bytes] = []

    async def take(piece: bytes) -> None:
        pieces.append(piece)

    assert period.cut is not None
    frozen = Frozen(starts_at=period.starts_at, ends_at=period.ends_at, cut=period.cut)
    async with database.transaction(organization_id) as uow:
        await ledger.leaf_hashes(uow, organization_id=organization_id, frozen=frozen, salting=SALT, take=take)
    body = b"".join(pieces)[ledger.HEADER_BYTES : -2]
    hashes = [body[at + 26 : at + ledger.ROW_BYTES] for at in range(0, len(body), ledger.ROW_BYTES)]
    assert (len(hashes), merkle.tree_root(hashes)) == (40, period.root)
