"""No organization sees or moves another's receipt, and what was signed the database changes for nobody."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from carbonledger.domains.receipts.service import bundling, issuing
from carbonledger.domains.receipts.types import receipts as types
from carbonledger.domains.receipts.types.receipts import TRANSITIONS, Receipt, State
from carbonledger.infra import clock
from carbonledger.kernel import ids
from tests import conftest
from tests.integration.domains.receipts import logs, offices
from tests.integration.domains.receipts.offices import Office
from tests.unit.domains.receipts import credit_files as files

_WAITING = """
INSERT INTO receipts (organization_id, id, period_id, state, required_mg, deferred_at, created_at, updated_at)
VALUES ($1, $2, $3, 'deferred', 1, now(), now(), now())
"""


@pytest.fixture
async def office(kit: logs.Kit, tmp_path: Path) -> Office:
    return await offices.opened(kit, tmp_path)


async def issued(office: Office) -> tuple[UUID, Receipt]:
    """A customer with a receipt that is proven."""
    await office.inventory.take_in(files.block(1, 1))
    customer = await office.customer()
    await office.issue(customer, await office.closed(customer))
    (made,) = await office.prove(customer)
    return customer, made


async def run(office: Office, organization_id: UUID, query: str, *args: Any) -> str:
    async with office.database.transaction(organization_id) as uow:
        return await uow.conn.execute(query, *args)


async def test_anothers_receipt_is_not_there(office: Office) -> None:
    theirs, made = await issued(office)
    mine = await office.customer()
    for organization_id in (mine, office.kit.house_id):
        assert await office.every(organization_id) == []
        for ask in (office.find, office.supersede, office.revoke):
            with pytest.raises(types.ReceiptNotFound):
                await ask(organization_id, made.id)
        assert await run(office, organization_id, "UPDATE receipts SET updated_at = now()") == "UPDATE 0"
        assert await office.prove(organization_id) == ()
    async with office.database.transaction() as uow:
        assert await uow.conn.fetchval("SELECT count(*) FROM receipts") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):  # nor can one be put under another's name
        await run(office, mine, _WAITING, theirs, ids.new_id(clock.now()), made.period_id)
    with pytest.raises(asyncpg.ForeignKeyViolationError):  # nor one's own hang on another's period
        await run(office, mine, _WAITING, mine, ids.new_id(clock.now()), made.period_id)
    assert await office.find(theirs, made.id) == made


async def test_by_its_serial_everybody_sees_it_and_not_whose_it_is(office: Office) -> None:
    customer, made = await issued(office)
    assert made.signed is not None
    async with office.database.transaction() as uow:
        row = await uow.conn.fetchrow("SELECT * FROM receipt_by_serial($1)", made.signed.serial)
        found = await bundling.public(uow, serial=made.signed.serial.lower())
        for serial in ("CL-202610-00000", "x", "' OR 1=1 --", "CL-202611-E9PEJ"):
            with pytest.raises(types.ReceiptNotFound):
                await bundling.public(uow, serial=serial)
    assert (found.state, found.signed, found.bundle) == (State.ISSUED, made.signed, made.bundle)
    assert row is not None
    for name in (str(customer), customer.hex, str(made.id), str(made.period_id), "Acme Robotics", "Default"):
        assert name not in repr(row)


async def test_one_that_waits_has_no_serial_to_be_found_by(office: Office) -> None:
    customer = await office.customer()
    period_id = await office.closed(customer)
    await office.issue(customer, period_id)
    async with office.database.transaction() as uow:
        assert await issuing.waiting(uow) == [(customer, period_id)]
        assert await uow.conn.fetch("SELECT * FROM receipt_by_serial(NULL)") == []


async def test_a_period_has_one_receipt_that_stands(office: Office) -> None:
    customer, made = await issued(office)
    with pytest.raises(asyncpg.UniqueViolationError):
        await run(office, customer, _WAITING, customer, ids.new_id(clock.now()), made.period_id)


@pytest.mark.parametrize(
    "change",
    [
        "required_mg = required_mg + 1",
        "serial = 'CL-202610-00000'",
        "payload = '{}'",
        "digest = sha256('')",
        "signature = repeat('A', 86)",
        "kid = repeat('A', 43)",
        "log_index = log_index + 1",
        "issued_at = issued_at - interval '1 second'",
        "period_id = id",
        "id = period_id",
        "supersedes = id",
        "deferred_at = now()",
        "created_at = now()",
        "bundle = NULL, document = NULL",
        "bundle = 'x'",
        "document = 'x'",
        "state = 'deferred'",
        "state = 'superseded', superseded_by = id, ended_at = now()",  # with what proves that it stands
    ],
)
async def test_not_even_the_owner_changes_what_was_issued(office: Office, fresh_database: conftest.TestDatabase, change: str) -> None:
    customer, made = await issued(office)
    with pytest.raises(asyncpg.RestrictViolationError):
        await run(office, customer, f"UPDATE receipts SET {change}")
    conn = await asyncpg.connect(fresh_database.superuser)
    try:
        with pytest.raises(asyncpg.RestrictViolationError):
            await conn.execute(f"UPDATE receipts SET {change}")
        for statement in ("DELETE FROM receipts", "TRUNCATE receipts", "TRUNCATE receipt_counters", "DELETE FROM receipt_counters"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await conn.execute(f"{statement} CASCADE" if "TRUNCATE" in statement else statement)
    finally:
        await conn.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run(office, customer, "DELETE FROM receipts")
    assert await office.find(customer, made.id) == made


@pytest.mark.parametrize(
    "change", ["issued = issued", "issued = issued - 1", "issued = issued + 2", "seed = sha256('')", "month = month + interval '1 month'"]
)
async def test_the_counter_of_serials_only_goes_on_by_one(office: Office, fresh_database: conftest.TestDatabase, change: str) -> None:
    customer, _ = await issued(office)
    conn = await asyncpg.connect(fresh_database.superuser)
    try:
        with pytest.raises(asyncpg.RestrictViolationError):
            await conn.execute(f"UPDATE receipt_counters SET {change}")
    finally:
        await conn.close()
    with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
        await run(office, customer, f"UPDATE receipt_counters SET {change}")


_ENDS = {
    State.SUPERSEDED: "superseded_by = id, revocation = NULL, ended_at = now()",
    State.REVOKED: "superseded_by = NULL, revocation = 'requested', ended_at = now()",
    State.ISSUED: "superseded_by = NULL, revocation = NULL, ended_at = NULL",
    State.DEFERRED: "superseded_by = NULL, revocation = NULL, ended_at = NULL, deferred_at = now()",
}


@pytest.mark.parametrize("begin, to", [pair for pair in itertools.permutations(State, 2) if pair[0] is not State.DEFERRED])
async def test_the_database_has_the_same_table_of_states(office: Office, begin: State, to: State) -> None:
    """Each move that is not in the table is refused also to who writes everything else as it would have to be."""
    await office.inventory.take_in(files.block(1, 1))
    customer = await office.customer()
    made = await office.issue(customer, await office.closed(customer))
    if begin is not State.ISSUED:
        assert await run(office, customer, f"UPDATE receipts SET state = '{begin.value}', {_ENDS[begin]}") == "UPDATE 1"
    change = f"UPDATE receipts SET state = '{to.value}', {_ENDS[to]}"
    if to in TRANSITIONS[begin]:
        assert await run(office, customer, change) == "UPDATE 1"
    else:
        with pytest.raises(asyncpg.RestrictViolationError):
            await run(office, customer, change)
        assert (await office.find(customer, made.id)).state is begin


@pytest.mark.parametrize("to", [State.SUPERSEDED, State.REVOKED])
async def test_one_that_waits_does_not_end(office: Office, to: State) -> None:
    customer = await office.customer()
    await office.issue(customer, await office.closed(customer))
    with pytest.raises(asyncpg.RestrictViolationError):
        await run(office, customer, f"UPDATE receipts SET state = '{to.value}', {_ENDS[to]}")


async def test_how_a_receipt_ended_never_changes(office: Office) -> None:
    customer, made = await issued(office)
    await office.revoke(customer, made.id)
    for change in ("revocation = 'credits_invalid'", "ended_at = now()"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await run(office, customer, f"UPDATE receipts SET {change}")
