"""Attacks on the tables of accounts as the running role, with raw SQL: another organization's rows, and nobody's."""

from __future__ import annotations

import dataclasses

import asyncpg
import pytest

from carbonledger.domains.accounts import service, types
from carbonledger.domains.accounts.service import payment_methods
from carbonledger.domains.accounts.types.payment_methods import PaymentMethodNotFound
from carbonledger.infra import clock, db
from tests import conftest
from tests.integration.domains import isolation
from tests.integration.domains.accounts.conftest import Desk

TABLES = ("accounts", "account_uses", "payment_methods")


async def populate(desk: Desk) -> types.Account:
    """Make a row in every table, and return the account."""
    made = await desk.account(external_id="same")
    await desk.see(service.set_uses, kind="subscriptions", live={made.id: 1})
    await desk.method(made.id, reference="pm_same")
    return made


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


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO accounts (organization_id, id, name, currency, time_zone, locale, address, tax_ids, tax_treatment, payment_terms_days,"
        " metadata, created_at, updated_at)"
        " SELECT $1, gen_random_uuid(), $2::uuid::text, 'EUR', 'UTC', 'en', '{}', '[]', 'standard', 0, '{}', $3, $3",
        "INSERT INTO payment_methods (organization_id, id, account_id, processor, reference, is_default, created_at)"
        " SELECT $1, gen_random_uuid(), $2, 'stripe', 'pm_planted', false, $3",
        "INSERT INTO account_uses (organization_id, account_id, kind, live) SELECT $1, $2, 'x', 1 WHERE $3::timestamptz IS NOT NULL",
    ],
)
async def test_no_row_is_planted_in_another_organization(desk: Desk, victim: Desk, statement: str) -> None:
    account = await populate(victim)
    for organization_id in (desk.organization_id, None):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with desk.database.transaction(organization_id) as uow:
                await uow.conn.execute(statement, victim.organization_id, account.id, clock.now())


async def test_another_organizations_accounts_are_not_there_for_any_use_case(desk: Desk, victim: Desk) -> None:
    theirs = await populate(victim)
    for use_case, given in ((service.change, {"values": {"name": "x"}}), (service.delete, {}), (service.erase, {})):
        with pytest.raises(types.AccountNotFound):
            await desk.do(use_case, account_id=theirs.id, **given)
    with pytest.raises(types.AccountNotFound):
        await desk.see(service.hold, account_ids=[theirs.id])
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await desk.see(service.set_uses, kind="x", live={theirs.id: 1})
    assert await desk.see(service.find_by_external_id, external_id="same") is None
    assert await desk.see(service.find_many, account_ids=[theirs.id]) == {}


async def test_another_organizations_payment_methods_are_not_there_for_any_use_case(desk: Desk, victim: Desk) -> None:
    theirs, mine = await populate(victim), await desk.account(external_id="mine")
    (method,) = await victim.see(payment_methods.every, account_id=theirs.id)
    for use_case in (payment_methods.make_default, payment_methods.remove):
        with pytest.raises(types.AccountNotFound):
            await desk.do(use_case, account_id=theirs.id, method_id=method.id)
        with pytest.raises(PaymentMethodNotFound):
            await desk.do(use_case, account_id=mine.id, method_id=method.id)
    with pytest.raises(types.AccountNotFound):
        await desk.see(payment_methods.every, account_id=theirs.id)
    with pytest.raises(types.AccountNotFound):
        await desk.method(theirs.id, reference="pm_other")
    await desk.method(mine.id, reference="pm_same")  # what another organization has is not told by a refusal
    assert await victim.see(payment_methods.every, account_id=theirs.id) == (method,)
