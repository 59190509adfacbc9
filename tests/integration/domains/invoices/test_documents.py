"""Invoices as documents: numbers without gaps, and what the database refuses to everybody once they are issued."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from carbonledger.domains.invoices.service import checking, sellers, standing
from carbonledger.domains.invoices.store import numbers, writing
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types import sellers as seller_types
from carbonledger.domains.invoices.types.invoices import TRANSITIONS, Move, Payment, State
from carbonledger.infra import db
from tests import conftest
from tests.integration.domains.invoices import offices
from tests.integration.domains.invoices.offices import NOW, Office
from tests.unit.domains.invoices import invoice_kit as kit


@pytest.fixture
async def office(database: db.Database) -> Office:
    return await offices.opened(database)


async def test_issuing_fixes_number_parties_and_due_date(office: Office) -> None:
    account_id = await office.account(name="Acme", external_id="acme-1", time_zone="Pacific/Auckland", payment_terms_days=14)
    draft = await office.draft(account_id, "12.34", "0.66", zone="Pacific/Auckland", terms_days=14)
    (made,) = await office.issue(draft)
    issued = made.issued
    assert issued is not None
    assert (made.state, made.payment, made.totals.total) == (State.ISSUED, Payment.UNPAID, Decimal("13.00"))
    assert (issued.number, issued.seller.name, issued.buyer.reference) == ("INV-00001", "Seller", "acme-1")
    # Midnight UTC of 1 March is 13:00 of 1 March in Auckland; and 14 days.
    assert issued.due_on == date(2026, 3, 15)
    assert await office.find(made) == made
    assert [one.amount for one in await office.lines(made)] == [Decimal("12.34"), Decimal("0.66")]


async def test_numbers_follow_each_other_in_a_batch_and_a_rolled_back_one_is_given_again(office: Office) -> None:
    account_id = await office.account()
    drafts = [await office.draft(account_id, "1.00") for _ in range(3)]
    await office.issue(*drafts[:2])

    class Halt(Exception):
        pass

    with pytest.raises(Halt):
        async with office.database.transaction(office.organization_id) as uow:
            assert await numbers.take(uow, organization_id=office.organization_id, code="main", count=7) is not None
            raise Halt
    (third,) = await office.issue(drafts[2])
    assert third.issued is not None
    assert third.issued.sequence == 3
    async with office.database.transaction(office.organization_id) as uow:
        assert await numbers.broken(uow, organization_id=office.organization_id) == []
        assert not (await checking.check(uow, organization_id=office.organization_id)).is_wrong


@pytest.mark.parametrize("at_a_time", [1, 2, 5, 100])
async def test_the_nightly_check_finds_every_invoice_that_is_not_its_lines_however_few_it_looks_at_in_one_go(
    office: Office, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr(checking, "BATCH", at_a_time)
    account_id = await office.account()
    drafts = [await office.draft(account_id, "1.00", "2.00") for _ in range(5)]
    broken = sorted(draft.id for draft in (drafts[0], drafts[2], drafts[4]))
    async with office.database.transaction(office.organization_id) as uow:
        await writing.drop_lines(uow, organization_id=office.organization_id, invoice_ids=broken)
        found = await checking.check(uow, organization_id=office.organization_id)
    assert found == checking.Found(tuple(broken), ())


async def test_many_at_once_leave_no_gap_and_no_double(office: Office) -> None:
    account_id = await office.account()
    drafts = [await office.draft(account_id, "1.00") for _ in range(40)]
    await asyncio.gather(*(office.issue(drafts[at], drafts[at + 1]) for at in range(0, 40, 2)))
    rows = await office.fetch("SELECT sequence, number FROM invoices WHERE organization_id = $1", office.organization_id)
    assert sorted(row["sequence"] for row in rows) == list(range(1, 41))
    assert sorted(row["number"] for row in rows) == [f"INV-{sequence:05d}" for sequence in range(1, 41)]


async def test_a_seller_may_go_on_in_another_series(office: Office) -> None:
    series = seller_types.NumberSeries(code="y2027", prefix="2027-", padding=3, issued=0)
    async with office.database.transaction(office.organization_id) as uow:
        names: dict[str, Any] = {"actor": office.actor, "now": NOW, "organization_id": office.organization_id}
        await sellers.add_series(uow, series=series, **names)
        with pytest.raises(seller_types.SeriesTaken):
            await sellers.add_series(uow, series=series, **names)
        await sellers.change(uow, values={"series": "y2027"}, **names)
    made = await office.issued("1.00")
    assert made.issued is not None
    assert made.issued.number == "2027-001"


async def test_nothing_to_pay_is_paid_and_less_than_nothing_is_credit(office: Office) -> None:
    assert (await office.issued("5.00", "-5.00")).payment is Payment.PAID
    assert (await office.issued("5.00", "-7.50")).payment is Payment.CREDIT


async def test_a_cause_has_one_line_for_ever(office: Office) -> None:
    first = await office.draft(await office.account(), "1.00")
    (known,) = await office.lines(first)
    second = await office.draft(await office.account())
    again = offices.line("1.00", cause=known.cause)
    with pytest.raises(types.CauseBilled):
        async with office.database.transaction(office.organization_id) as uow:
            await writing.add_lines(uow, organization_id=office.organization_id, lines=[(second.id, again)])


async def test_what_the_lines_do_not_add_up_to_is_not_issued(office: Office) -> None:
    draft = await office.draft(await office.account(), "1.00", "2.00", lines=3)
    with pytest.raises(asyncpg.RestrictViolationError, match="add up"):
        await office.issue(draft)


_FIXED = [
    "number = 'INV-99999'",
    "sequence = sequence + 1",
    "series = 'other'",
    "issued_at = issued_at + interval '1 second'",
    "due_on = due_on + 1",
    "seller = '{}'",
    "buyer = '{}'",
    "subtotal = subtotal + 1, total = total + 1",
    "tax = tax + 1, total = total + 1",
    "discount = discount + 1, total = total - 1",
    "currency = 'USD'",
    "account_id = id",
    "lines = lines + 1",
    "taxes = '[1]'",
    "tax_treatment = 'exempt'",
    "locale = 'de'",
    "zone = 'UTC'",
    "terms_days = 1",
    "billed_at = billed_at + interval '1 second'",
    "memo = 'x'",
    "origin = 'one_off'",
    "created_at = created_at + interval '1 second'",
    "state = 'draft'",
    "payment = 'credit'",
    "ended_at = now()",
]


@pytest.mark.parametrize("change", _FIXED)
async def test_an_issued_invoice_never_changes(office: Office, change: str) -> None:
    made = await office.issued("12.34")
    with pytest.raises((asyncpg.RestrictViolationError, asyncpg.CheckViolationError)):
        await office.run(f"UPDATE invoices SET {change} WHERE organization_id = $1 AND id = $2", office.organization_id, made.id)
    assert await office.find(made) == made


@pytest.mark.parametrize(
    "change", [*_FIXED, "state = 'void', ended_at = now()", "payment = 'unpaid', paid_at = NULL", "reference = 'x'", "updated_at = now()"]
)
async def test_a_paid_invoice_never_changes_at_all(office: Office, change: str) -> None:
    made = await office.pay(await office.issued("12.34"))
    with pytest.raises((asyncpg.RestrictViolationError, asyncpg.CheckViolationError)):
        await office.run(f"UPDATE invoices SET {change} WHERE organization_id = $1 AND id = $2", office.organization_id, made.id)
    assert await office.find(made) == made


@pytest.mark.parametrize(
    "change",
    [
        "amount = amount + 1",
        "description = 'x'",
        "cause = 'x'",
        "quantity = 2",
        "rated = '{\"a\": 1}'",
        "digest = repeat('a', 64)",
        "id = invoice_id",
    ],
)
async def test_lines_of_an_issued_invoice_never_change(office: Office, change: str) -> None:
    made = await office.issued("12.34")
    with pytest.raises(asyncpg.RestrictViolationError):
        await office.run(f"UPDATE invoice_lines SET {change} WHERE organization_id = $1", office.organization_id)
    with pytest.raises(asyncpg.RestrictViolationError):
        await office.run("DELETE FROM invoice_lines WHERE organization_id = $1", office.organization_id)
    for destination in (made, await office.pay(made)):
        with pytest.raises(asyncpg.RestrictViolationError):
            async with office.database.transaction(office.organization_id) as uow:
                await writing.add_lines(
                    uow, organization_id=office.organization_id, lines=[(destination.id, offices.line("1.00", position=2))]
                )


async def test_a_line_does_not_move_to_an_issued_invoice(office: Office) -> None:
    made = await office.issued("12.34")
    other = await office.draft(made.account_id, "1.00")
    with pytest.raises(asyncpg.RestrictViolationError):
        await office.run(
            "UPDATE invoice_lines SET invoice_id = $2, position = 9 WHERE organization_id = $1 AND invoice_id = $3",
            office.organization_id,
            made.id,
            other.id,
        )


async def test_nobody_deletes_what_was_issued_not_even_the_owner(
    office: Office, database: db.Database, worker_database: conftest.TestDatabase
) -> None:
    made = await office.issued("12.34")
    with pytest.raises(asyncpg.RestrictViolationError):
        await office.run("DELETE FROM invoices WHERE organization_id = $1", office.organization_id)
    conn = await asyncpg.connect(worker_database.superuser)
    try:
        for statement in (
            "DELETE FROM invoices",
            "TRUNCATE invoices CASCADE",
            "TRUNCATE invoice_lines CASCADE",
            "TRUNCATE invoice_series CASCADE",
            "UPDATE invoices SET number = 'INV-X' WHERE state = 'issued'",  # a draft of another test has no number, which a check says
            "DELETE FROM invoice_series",
            "UPDATE invoice_series SET issued = 0",
            "UPDATE invoice_series SET prefix = 'X' || prefix",
        ):
            transaction = conn.transaction()
            await transaction.start()
            with pytest.raises(asyncpg.RestrictViolationError):
                await conn.execute(statement)
            await transaction.rollback()
    finally:
        await conn.close()
    assert await office.find(made) == made


async def test_an_invoice_begins_as_a_draft(office: Office) -> None:
    account_id = await office.account()
    with pytest.raises(asyncpg.RestrictViolationError):
        await office.draft(account_id, state=State.UNCOLLECTIBLE, ended_at=NOW, issued=kit.issued(7))


async def test_a_line_that_is_being_added_is_on_the_invoice_when_it_is_issued_or_not_at_all(office: Office) -> None:
    draft = await office.draft(await office.account(), "1.00")
    async with office.database.transaction(office.organization_id) as adding:
        await writing.add_lines(adding, organization_id=office.organization_id, lines=[(draft.id, offices.line("1.00", position=2))])
        issuing = asyncio.create_task(office.issue(draft))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE invoices%'"
        for _ in range(10_000):  # each asks the database anew, so it has its turn
            if (await office.fetch(waiting))[0][0]:
                break
    with pytest.raises(asyncpg.RestrictViolationError, match="add up"):
        await issuing
    assert (await office.find(draft)).state is State.DRAFT


_BEGIN = {
    State.ISSUED: (),
    State.VOID: ("state = 'void', ended_at = now()",),
    State.UNCOLLECTIBLE: ("state = 'uncollectible', ended_at = now()",),
}
_WRITES = {
    Move.VOID: "state = 'void', ended_at = now()",
    Move.GIVE_UP: "state = 'uncollectible', ended_at = now()",
    Move.PAY: "payment = 'paid', paid_at = now()",
    Move.FAIL: "payment = 'failed'",
}


@pytest.mark.parametrize("state", _BEGIN)
@pytest.mark.parametrize("payment", [Payment.UNPAID, Payment.FAILED, Payment.PAID, Payment.CREDIT])
@pytest.mark.parametrize("move", _WRITES)
async def test_the_database_has_the_same_table_of_states(office: Office, state: State, payment: Payment, move: Move) -> None:
    """Each move that the table refuses is refused also to who writes everything else as it would have to be."""
    if payment is Payment.CREDIT and state is State.UNCOLLECTIBLE:
        return  # not to be reached
    made = await office.issued({Payment.CREDIT: "-1.00"}.get(payment, "1.00"))
    begin = {Payment.FAILED: [_WRITES[Move.FAIL]], Payment.PAID: [_WRITES[Move.PAY]]}.get(payment, [])
    steps = [*_BEGIN[state], *begin] if payment is Payment.PAID else [*begin, *_BEGIN[state]]
    if payment is Payment.PAID and state is State.VOID:
        return  # not to be reached either
    query = "UPDATE invoices SET {} WHERE organization_id = $1 AND id = $2"
    for step in steps:
        assert await office.run(query.format(step), office.organization_id, made.id) == "UPDATE 1"
    found = await office.find(made)
    rule = TRANSITIONS[move]
    is_allowed = found.state in rule.states and found.payment in rule.payments
    try:
        await office.run(query.format(_WRITES[move]), office.organization_id, made.id)
    except (asyncpg.RestrictViolationError, asyncpg.CheckViolationError):
        assert not is_allowed
    else:
        is_same = (rule.state in (None, found.state)) and (rule.payment in (None, found.payment))
        assert is_allowed or is_same, (found.state, found.payment, move)


async def test_marks_are_made_once_and_told(office: Office) -> None:
    made = await office.issued("12.34")
    names: dict[str, Any] = {"actor": office.actor, "organization_id": office.organization_id, "invoice_id": made.id}
    paid = await office.pay(made, reference=" SEPA 7 ")
    assert (paid.payment, paid.reference, paid.paid_at) == (Payment.PAID, "SEPA 7", NOW)
    assert await office.pay(made, reference="SEPA 7", now=NOW + timedelta(days=1)) == paid
    with pytest.raises(types.AlreadyPaid):
        await office.pay(made, reference="SEPA 8")
    async with office.database.transaction(office.organization_id) as uow:
        for act in (standing.void, standing.give_up):
            with pytest.raises(types.AlreadyPaid):
                await act(uow, now=NOW, **names)
    actions = [
        row["action"]
        for row in await office.fetch("SELECT action FROM events WHERE organization_id = $1 ORDER BY id", office.organization_id)
    ]
    assert [action for action in actions if action.startswith("invoices.")] == ["invoices.issued", "invoices.paid"]


async def test_what_was_given_up_may_be_paid_after_all(office: Office) -> None:
    made = await office.issued("12.34")
    async with office.database.transaction(office.organization_id) as uow:
        names: dict[str, Any] = {"actor": office.actor, "now": NOW, "organization_id": office.organization_id, "invoice_id": made.id}
        assert (await standing.give_up(uow, **names)).state is State.UNCOLLECTIBLE
        assert (await standing.give_up(uow, **names)).state is State.UNCOLLECTIBLE
    paid = await office.pay(made)
    assert (paid.state, paid.payment) == (State.UNCOLLECTIBLE, Payment.PAID)


async def test_anothers_invoice_is_not_there(office: Office, database: db.Database) -> None:
    made = await office.issued("12.34")
    other = await offices.opened(database)
    with pytest.raises(types.InvoiceNotFound):
        await other.find(made)
    assert await other.run("UPDATE invoices SET updated_at = now()") == "UPDATE 0"
    assert await other.run("DELETE FROM invoice_lines") == "DELETE 0"
    for table in ("invoices", "invoice_lines", "invoice_series", "seller_settings", "invoice_documents", "late_usage", "billing_failures"):
        assert await other.fetch(f"SELECT * FROM {table}") == []
        async with database.transaction() as uow:
            assert await uow.conn.fetch(f"SELECT * FROM {table}") == []
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await other.draft(made.account_id, "1.00")
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with database.transaction(other.organization_id) as uow:
            await writing.add_lines(uow, organization_id=other.organization_id, lines=[(made.id, offices.line("1.00"))])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await other.run(
            "INSERT INTO invoice_series VALUES ($1, 'x', 'x', 1, 0, now())",
            office.organization_id,
        )


async def test_a_pdf_is_kept_once(office: Office) -> None:
    made = await office.issued("12.34")
    add = "INSERT INTO invoice_documents VALUES ($1, $2, 'x', sha256('x'), now())"
    await office.run(add, office.organization_id, made.id)
    for statement in ("UPDATE invoice_documents SET content = 'y', sha256 = sha256('y')", "DELETE FROM invoice_documents"):
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
            await office.run(statement)
