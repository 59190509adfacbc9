"""A receipt is issued once, with its credits or not at all, and what proves it verifies offline; one that ends says so and frees them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.service import bundling, issuing
from carbonledger.domains.receipts.service import credits as inventory
from carbonledger.domains.receipts.store import receipts as store
from carbonledger.domains.receipts.types import credits as credit_types
from carbonledger.domains.receipts.types import receipts as types
from carbonledger.domains.receipts.types.periods import PeriodNotFound, PeriodWaits
from carbonledger.domains.receipts.types.receipts import Receipt, State
from carbonledger_proof import statement, verify
from tests import conftest
from tests.integration.domains.receipts import kit as months
from tests.integration.domains.receipts import logs, offices
from tests.integration.domains.receipts.inventories import TONNE
from tests.integration.domains.receipts.offices import Office
from tests.unit.domains.receipts import credit_files as files


@pytest.fixture
async def office(kit: logs.Kit, tmp_path: Path) -> Office:
    return await offices.opened(kit, tmp_path)


def said(receipt: Receipt) -> statement.Receipt:
    assert receipt.signed is not None
    return receipt.signed.receipt


def status(report: verify.Report) -> str:
    return next(check.text for check in report.checks if check.name == "status")


async def told(office: Office, organization_id: UUID) -> list[tuple[str, str | None, list[str] | None]]:
    async with office.database.transaction(organization_id) as uow:
        rows = await uow.conn.fetch("SELECT action, severity, audience FROM events WHERE action LIKE 'receipts.%' ORDER BY id")
    return [(row["action"], row["severity"], row["audience"]) for row in rows if not row["action"].startswith("receipts.period")]


async def test_what_is_issued_verifies_offline_with_its_page_and_its_figures(office: Office) -> None:
    await office.inventory.take_in(files.block(1, 1))
    customer = await office.customer()
    period_id = await office.closed(customer, uncached=1_000_000)
    made = await office.issue(customer, period_id)
    assert made.bundle is None  # no checkpoint covers its leaf yet
    (proven,) = await office.prove(customer)
    for content in (proven.bundle, proven.document):
        report = await office.report(content)
        assert report.ok, report
        assert report.receipt == said(made)
    receipt = said(made)
    assert (receipt.test, receipt.period.month, receipt.issuer) == (False, "2026-10", logs.ORIGIN)
    assert (receipt.tokens.covered.uncached_input, receipt.tokens.covered.output, receipt.events.count) == (1_000_000, 500, 1)
    # 1,000,000 and 500 tokens of gpt-4o at 2.50 and 10 USD a million, in 10^-12 USD.
    assert [(cost.currency, cost.amount, cost.scale) for cost in receipt.cost] == [("USD", 2_505_000_000_000, 12)]
    location = receipt.gross[0].co2e_mg
    assert location is not None
    assert 0 < location.low < location.mid < location.high
    assert made.required_mg == location.high == sum(one.to_mg - one.from_mg for one in receipt.allocations)
    assert await office.inventory.remaining() == [TONNE - location.high]
    assert proven.bundle is not None
    assert str(customer) not in proven.bundle.decode()
    assert await office.problems() == []
    assert await told(office, customer) == [("receipts.issued", "info", ["billing", "owner"])]


async def test_issued_twice_it_is_issued_once(office: Office) -> None:
    await office.inventory.take_in(files.block(1, 1))
    customer = await office.customer()
    period_id = await office.closed(customer)
    first = await office.issue(customer, period_id)
    leaves = len(await office.kit.contents())
    assert await office.issue(customer, period_id, again=True) == first
    assert await office.prove(customer) != ()
    assert await office.prove(customer) == ()
    assert len(await office.kit.contents()) == leaves
    assert len(await office.every(customer)) == 1


async def test_with_too_few_credits_it_waits_and_is_issued_when_a_lot_came(office: Office) -> None:
    customer = await office.customer()
    period_id = await office.closed(customer)
    leaves = len(await office.kit.contents())
    waits = await office.issue(customer, period_id)
    assert (waits.state, waits.signed, waits.month) == (State.DEFERRED, None, months.OCTOBER.date())
    assert waits.required_mg > 0
    assert await office.issue(customer, period_id) == waits
    assert await office.prove(customer) == ()
    assert len(await office.kit.contents()) == leaves  # not even a serial is spent
    with pytest.raises(types.ReceiptDeferred):
        bundling.document(waits)
    async with office.database.transaction() as uow:
        assert await issuing.waiting(uow) == [(customer, period_id)]
        assert await uow.conn.fetchval("SELECT count(*) FROM receipt_counters") == 0
    await office.inventory.take_in(files.block(1, 1))
    made = await office.issue(customer, period_id)
    assert (made.id, made.state, made.required_mg, made.deferred_at) == (waits.id, State.ISSUED, waits.required_mg, waits.deferred_at)
    async with office.database.transaction() as uow:
        assert await issuing.waiting(uow) == []
    assert await office.problems() == []
    assert await told(office, customer) == [
        ("receipts.deferred", "warning", ["operators"]),
        ("receipts.issued", "info", ["billing", "owner"]),
    ]


async def test_a_lot_that_comes_between_the_issue_and_its_deferral_serves_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The import's own job may have looked before there was anything that waits."""
    customer = await office.customer()
    period_id = await office.closed(customer)
    defer = issuing._defer
    imported: list[int] = []

    async def late(*args: Any, **given: Any) -> Receipt:
        if not imported:
            imported.append((await office.inventory.take_in(files.block(1, 1))).known)
        return await defer(*args, **given)

    monkeypatch.setattr(issuing, "_defer", late)
    made = await office.issue(customer, period_id)
    assert (imported, made.state) == ([0], State.ISSUED)
    assert await office.inventory.remaining() == [TONNE - made.required_mg]
    assert await told(office, customer) == [("receipts.issued", "info", ["billing", "owner"])]
    assert await office.problems() == []


async def test_no_lot_comes_between_the_deferral_and_its_commit(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = await office.customer()
    period_id = await office.closed(customer)
    add = store.add

    async def written(*args: Any, **given: Any) -> None:
        await add(*args, **given)
        async with office.database.transaction(office.kit.house_id) as another:
            with pytest.raises(asyncpg.LockNotAvailableError):
                await another.conn.execute("SELECT FROM log_head FOR UPDATE NOWAIT")

    monkeypatch.setattr(store, "add", written)
    assert (await office.issue(customer, period_id)).state is State.DEFERRED


async def test_credits_that_come_and_go_at_every_look_are_told_of(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = await office.customer()
    period_id = await office.closed(customer)

    async def suffices(*args: Any, **given: Any) -> bool:
        return True

    monkeypatch.setattr(inventory, "suffices", suffices)
    with pytest.raises(credit_types.InventoryShort):
        await office.issue(customer, period_id)
    assert await office.every(customer) == []


async def test_one_that_is_superseded_names_its_successor_and_frees_its_credits_for_it(office: Office) -> None:
    await office.inventory.take_in(files.block(1, 1))
    customer = await office.customer()
    period_id = await office.closed(customer)
    old = await office.issue(customer, period_id)
    await office.prove(customer)
    left = await office.inventory.remaining()
    new = await office.supersede(customer, old.id)
    assert said(new).supersedes == said(old).serial != said(new).serial
    assert said(new).allocations == said(old).allocations  # the same milligrams, given again
    assert await office.inventory.remaining() == left
    ended = await office.find(customer, old.id)
    assert (ended.state, ended.superseded_by, ended.signed) == (State.SUPERSEDED, new.id, old.signed)
    await office.prove(customer)
    report = await office.report((await office.find(customer, old.id)).document)
    assert not report.ok
    assert said(new).serial in status(report)
    assert (await office.report((await office.find(customer, new.id)).document)).ok
    with pytest.raises(types.ReceiptEnded):
        await office.supersede(customer, old.id)
    with pytest.raises(types.ReceiptEnded):
        await office.revoke(customer, old.id)
    assert await office.issue(customer, period_id) == await office.find(customer, new.id)
    async with office.database.transaction() as uow:
        public = await bundling.public(uow, serial=said(old).serial)
    assert (public.state, public.superseded_by) == (State.SUPERSEDED, said(new).serial)
    assert await office.problems() == []


async def test_superseding_needs_credits_or_nothing_happens(office: Office, fresh_database: conftest.TestDatabase) -> None:
    await office.inventory.take_in(files.block(1, 1))
    customer = await office.customer()
    old = await office.issue(customer, await office.closed(customer))
    async with office.database.transaction(customer) as uow:  # as if it had been given to others meanwhile
        await uow.conn.execute("DELETE FROM credit_remainders")
    before = await office.kit.contents()
    conn = await asyncpg.connect(fresh_database.superuser)
    try:  # and as if the old one had been given less than is needed today
        await conn.execute("SET session_replication_role = replica")
        await conn.execute("UPDATE credit_allocations SET to_mg = from_mg + 1")
    finally:
        await conn.close()
    with pytest.raises(credit_types.InventoryShort):
        await office.supersede(customer, old.id)
    assert await office.find(customer, old.id) == old
    assert await office.kit.contents() == before


async def test_one_that_is_revoked_stays_frees_its_credits_and_is_followed_only_if_asked_for(office: Office) -> None:
    await office.inventory.take_in(files.block(1, 1))
    customer = await office.customer()
    period_id = await office.closed(customer)
    old = await office.issue(customer, period_id)
    await office.revoke(customer, old.id)
    assert await office.inventory.remaining() == [TONNE]
    await office.prove(customer)
    ended = await office.find(customer, old.id)
    report = await office.report(ended.bundle)
    assert not report.ok
    assert "revoked" in status(report)
    assert await office.issue(customer, period_id) == ended  # a job that runs again issues nothing
    new = await office.issue(customer, period_id, again=True)
    assert (new.state, said(new).supersedes) == (State.ISSUED, None)
    assert said(new).serial != said(old).serial
    assert await office.problems() == []
    with pytest.raises(types.ReceiptEnded):
        await office.revoke(customer, old.id)


async def test_one_that_waits_for_credits_can_neither_be_superseded_nor_revoked(office: Office) -> None:
    customer = await office.customer()
    waits = await office.issue(customer, await office.closed(customer))
    for end in (office.supersede, office.revoke):
        with pytest.raises(types.ReceiptEnded):
            await end(customer, waits.id)
    assert await office.find(customer, waits.id) == waits


async def test_a_plan_without_receipts_has_none(office: Office) -> None:
    await office.inventory.take_in(files.block(1, 1))
    customer = await office.customer(plan=False)
    period_id = await office.closed(customer)
    async with office.database.transaction(customer) as uow:
        assert await issuing.issue(uow, turn=office.turn(customer), period_id=period_id) is None
    assert await office.every(customer) == []
    assert await office.inventory.remaining() == [TONNE]


@pytest.mark.parametrize("tier, has_receipts", [("free", False), ("starter", True), ("enterprise", True)])
async def test_until_a_plan_says_otherwise_whoever_pays_has_receipts(office: Office, tier: str, has_receipts: bool) -> None:
    customer = await conftest.make_organization(office.database)
    async with office.database.transaction(customer) as uow:
        await uow.conn.execute("UPDATE organizations SET tier = $1", tier)
        assert await entitlements.has(uow, organization_id=customer, key=types.RECEIPTS) is has_receipts
    await office.plan(customer, has_receipts=not has_receipts)
    async with office.database.transaction(customer) as uow:
        assert await entitlements.has(uow, organization_id=customer, key=types.RECEIPTS) is not has_receipts


async def test_a_receipt_is_of_a_closed_period(office: Office) -> None:
    customer = await office.customer()
    await months.accept(office.database, customer, months.draft("a"), now=months.NOVEMBER)
    period_id = (await months.every(office.database, customer, now=months.NOVEMBER))["2026-10"].id
    with pytest.raises(PeriodWaits):
        await office.issue(customer, period_id)
    with pytest.raises(PeriodNotFound):
        await office.issue(customer, UUID(int=1))


async def test_a_sandbox_gets_a_test_receipt_of_made_up_credits_before_its_month_is_over(office: Office) -> None:
    await office.inventory.take_in(files.block(1, 1), files.block(1, 1, registry="sandbox"))
    customer = await office.customer(sandbox=True)
    ahead = months.OCTOBER.replace(year=2031)
    await months.accept(office.database, customer, months.draft("a", at=ahead, uncached=1_000_000), now=ahead)
    now = ahead.replace(month=11) + months.CLOSES
    await months.close_due(office.database, customer, months.files(office.folder, customer), now=now)
    period_id = (await months.every(office.database, customer, now=now))["2031-10"].id
    made = await office.issue(customer, period_id)
    receipt = said(made)
    assert (receipt.test, receipt.period.month, receipt.serial[:9]) == (True, "2031-10", "CL-203110")
    assert receipt.issued_at < receipt.period.start
    assert {one.registry for one in receipt.allocations} == {"sandbox"}
    await office.prove(customer)
    report = await office.report((await office.find(customer, made.id)).document)
    assert report.ok, report
    assert report.trust[0] == verify.TEST
    assert await office.problems() == []


async def test_a_real_organization_is_given_no_made_up_credits(office: Office) -> None:
    await office.inventory.take_in(files.block(1, 1, registry="sandbox"))
    customer = await office.customer()
    assert (await office.issue(customer, await office.closed(customer))).state is State.DEFERRED


async def test_a_month_with_nothing_known_compensates_nothing(office: Office) -> None:
    customer = await office.customer()
    await months.accept(office.database, customer, months.draft("a", uncached=None), now=months.NOVEMBER)
    period_id = await _closed(office, customer)
    made = await office.issue(customer, period_id)
    receipt = said(made)
    assert (receipt.compensation, receipt.allocations, receipt.energy_uwh) == (None, (), None)
    assert [entry.co2e_mg for entry in receipt.gross] == [None, None]
    assert (receipt.tokens.not_covered.uncached_input, receipt.tokens.not_covered.output) == (None, 500)
    await office.prove(customer)
    assert (await office.report((await office.find(customer, made.id)).document)).ok


async def _closed(office: Office, customer: UUID) -> UUID:
    now = months.NOVEMBER + months.CLOSES
    await months.close_due(office.database, customer, months.files(office.folder, customer), now=now)
    return (await months.every(office.database, customer, now=now))["2026-10"].id


async def test_the_1048577th_of_a_month_is_refused_and_takes_nothing(office: Office, fresh_database: conftest.TestDatabase) -> None:
    await office.inventory.take_in(files.block(1, 1))
    customers = [await office.customer() for _ in range(2)]
    periods = [await office.closed(customer) for customer in customers]
    conn = await asyncpg.connect(fresh_database.superuser)
    try:
        seed = random.Random(1).randbytes(32)
        await conn.execute("INSERT INTO receipt_counters (month, seed, issued) VALUES ('2026-10-01', $1, 1048575)", seed)
    finally:
        await conn.close()
    last = await office.issue(customers[0], periods[0])
    assert last.state is State.ISSUED  # the 1,048,576th
    left = await office.inventory.remaining()
    with pytest.raises(types.SerialsExhausted, match="1,048,576"):
        await office.issue(customers[1], periods[1])
    assert await office.every(customers[1]) == []
    assert await office.inventory.remaining() == left


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_of_what_can_happen_keeps_the_table_of_states(office: Office, seed: int) -> None:
    """Random histories against a model of the states; whoever audits the log and whoever adds credits up finds nothing at any time."""
    rng = random.Random(seed)
    customer = await office.customer()
    period_id = await office.closed(customer)
    model: dict[UUID, State] = {}
    blocks = 0
    for _ in range(14):
        action = rng.choice(("issue", "issue", "again", "import", "supersede", "revoke", "prove"))
        standing = next((one for one, state in model.items() if state in {State.DEFERRED, State.ISSUED}), None)
        target = standing if standing is not None and rng.random() < 0.8 else next(iter(model), None)
        if action == "import" and blocks < 2:
            blocks += 1
            await office.inventory.take_in(files.block(blocks, blocks))
        elif action in {"issue", "again"}:
            made = await office.issue(customer, period_id, again=action == "again")
            if standing is not None:
                assert made.id == standing
            elif model and action == "issue":
                assert model[made.id] is State.REVOKED
            model[made.id] = made.state
            if made.state is not State.REVOKED:
                assert made.state is (State.ISSUED if blocks else State.DEFERRED)
        elif action in {"supersede", "revoke"} and target is not None:
            await _end(office, customer, target, action, model)
        elif action == "prove":
            await office.prove(customer)
        assert {one.id: one.state for one in await office.every(customer)} == model
        assert sum(state in {State.DEFERRED, State.ISSUED} for state in model.values()) <= 1
        await office.inventory.remaining()  # and it all adds up
    assert await office.problems() == []


async def _end(office: Office, customer: UUID, target: UUID, action: str, model: dict[UUID, State]) -> None:
    end: Any = office.supersede if action == "supersede" else office.revoke
    if model[target] is not State.ISSUED:
        with pytest.raises(types.ReceiptEnded):
            await end(customer, target)
        return
    made = await end(customer, target)
    model[target] = State.SUPERSEDED if action == "supersede" else State.REVOKED
    model[made.id] = made.state
