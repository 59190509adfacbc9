"""Accounts in the database: what is kept, what is unique, what the trail says, what an erasure leaves."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from carbonledger.domains.accounts import service, types
from carbonledger.domains.accounts.types import Address, Locale, TaxId, TaxTreatment
from carbonledger.kernel import errors, page
from tests.integration.domains.accounts.conftest import Desk

WHOLE = {
    "external_id": "c-1",
    "email": "ann@example.com",
    "currency": "EUR",
    "time_zone": "Europe/Berlin",
    "locale": Locale.DE,
    "address": Address(line1="Hauptstraße 1", city="Berlin", postal_code="10115", country="DE"),
    "tax_ids": (TaxId("eu_vat", "DE123456789"),),
    "tax_treatment": TaxTreatment.REVERSE_CHARGE,
    "payment_terms_days": 14,
    "metadata": {"segment": "enterprise"},
}


async def test_an_account_comes_back_as_it_was_made(desk: Desk) -> None:
    made = await desk.account(name=" Ann Lee ", **WHOLE)
    assert made.name == "Ann Lee"
    assert await desk.see(service.find, account_id=made.id) == made
    assert await desk.see(service.find_many, account_ids=[made.id, made.id, uuid4()]) == {made.id: made}


async def test_currency_and_time_zone_are_the_organizations_unless_told(desk: Desk) -> None:
    made = await desk.account()
    assert (made.currency, made.time_zone) == ("USD", "UTC")


async def test_an_external_id_is_one_accounts_until_it_is_deleted(desk: Desk) -> None:
    first = await desk.account(external_id="c-1")
    with pytest.raises(types.AccountExternalIdTaken):
        await desk.account(external_id="c-1")
    second = await desk.account(external_id="c-2")
    with pytest.raises(types.AccountExternalIdTaken):
        await desk.do(service.change, account_id=second.id, values={"external_id": "c-1"})
    await desk.do(service.delete, account_id=first.id)
    third = await desk.account(external_id="c-1")
    assert await desk.see(service.find_by_external_id, external_id="c-1") == third
    assert (await desk.see(service.find, account_id=first.id)).external_id == "c-1"


async def test_of_many_who_take_an_external_id_at_once_one_gets_it(desk: Desk) -> None:
    outcomes = await asyncio.gather(*(desk.account(external_id="same") for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(one, types.Account) for one in outcomes) == 1
    assert sum(isinstance(one, types.AccountExternalIdTaken) for one in outcomes) == 5


async def test_a_change_is_told_without_what_is_personal(desk: Desk) -> None:
    made = await desk.account(name="Ann Lee", **WHOLE)
    await desk.do(service.change, account_id=made.id, values={"name": "Ben", "currency": "USD"})
    await desk.do(service.change, account_id=made.id, values={"name": "Ben"})  # no change: nothing to tell
    await desk.do(service.delete, account_id=made.id)
    await desk.do(service.erase, account_id=made.id)
    await desk.do(service.erase, account_id=made.id)
    trail = await desk.trail(made.id)
    assert [action for action, _, _ in trail] == ["account.created", "account.changed", "account.deleted", "account.erased"]
    assert trail[1][1:] == ({"personal": ["name"], "currency": "EUR"}, {"personal": ["name"], "currency": "USD"})
    assert not [word for word in ("Ann", "Ben", "ann@example.com", "Hauptstra", "DE123", "enterprise") if word in repr(trail)]


async def test_after_an_erasure_nothing_personal_is_in_the_row(desk: Desk) -> None:
    made = await desk.account(name="Ann Lee", **WHOLE)
    await desk.do(service.delete, account_id=made.id)
    await desk.do(service.erase, account_id=made.id)
    async with desk.database.transaction(desk.organization_id) as uow:
        row = await uow.conn.fetchval("SELECT a::text FROM accounts a WHERE id = $1", made.id)
    assert not [word for word in ("Ann", "ann@example.com", "Hauptstra", "10115", "DE123", "enterprise") if word in row]
    assert "c-1" in row


async def test_a_deleted_account_is_listed_apart_and_changes_no_more(desk: Desk) -> None:
    kept, gone = await desk.account(name="Kept"), await desk.account(name="Gone")
    await desk.do(service.delete, account_id=gone.id)
    await desk.do(service.delete, account_id=gone.id)
    names = [one.name for one in (await desk.see(service.some, page=page.PageRequest())).data]
    former = [one.name for one in (await desk.see(service.some, page=page.PageRequest(), deleted=True)).data]
    assert (names, former) == (["Kept"], ["Gone"])
    with pytest.raises(types.AccountDeleted):
        await desk.do(service.change, account_id=gone.id, values={"name": "Back"})
    with pytest.raises(types.AccountDeleted):
        await desk.see(service.hold, account_ids=[kept.id, gone.id])
    with pytest.raises(types.AccountNotFound):
        await desk.see(service.hold, account_ids=[uuid4()])


async def test_accounts_are_found_by_a_part_of_name_email_or_external_id(desk: Desk) -> None:
    for name, email, external_id in (("Initech", "a@b.example", "x-1"), ("Acme", "initial@acme.example", "x-2"), ("100%", None, "in_3")):
        await desk.account(name=name, email=email, external_id=external_id)

    async def names(search: str) -> list[str]:
        return sorted(one.name for one in (await desk.see(service.some, page=page.PageRequest(), search=search)).data)

    assert await names("INIT") == ["Acme", "Initech"]
    assert await names("x-") == ["Acme", "Initech"]
    assert await names("%") == ["100%"]  # a sign like any other
    assert await names("n_3") == ["100%"]
    assert await names("nobody") == []


async def test_pages_neither_repeat_nor_miss_an_account(desk: Desk) -> None:
    made = [(await desk.account(name=f"n{number}")).id for number in range(5)]
    first = await desk.see(service.some, page=page.PageRequest(limit=3))
    assert first.next_cursor is not None
    request = page.PageRequest(limit=3, after=page.decode_cursor(first.next_cursor, parts=1))
    rest = await desk.see(service.some, page=request)
    assert [one.id for one in (*first.data, *rest.data)] == made[::-1]
    assert rest.next_cursor is None


async def test_an_account_is_not_deleted_while_something_is_live_for_it(desk: Desk) -> None:
    made = await desk.account()
    await desk.see(service.set_uses, kind="subscriptions", live={made.id: 2})
    with pytest.raises(types.AccountInUse, match="2 subscriptions"):
        await desk.do(service.delete, account_id=made.id)
    await desk.see(service.set_uses, kind="subscriptions", live={made.id: 0})
    await desk.do(service.delete, account_id=made.id)


async def test_an_external_id_stays_while_usage_is_billed_by_it(desk: Desk) -> None:
    made = await desk.account(external_id="acme")
    await desk.see(service.set_uses, kind="subscriptions", live={made.id: 1})
    for other in ("globex", None):
        with pytest.raises(types.AccountInUse, match="usage"):
            await desk.do(service.change, account_id=made.id, values={"external_id": other})
    await desk.do(service.change, account_id=made.id, values={"external_id": "acme", "name": "Acme Inc."})
    await desk.see(service.set_uses, kind="subscriptions", live={made.id: 0})
    await desk.do(service.change, account_id=made.id, values={"external_id": "globex"})
    # One that has none yet may get one at any time.
    nameless = await desk.account(external_id=None)
    await desk.see(service.set_uses, kind="subscriptions", live={nameless.id: 1})
    await desk.do(service.change, account_id=nameless.id, values={"external_id": "initech"})


async def test_what_is_begun_while_an_account_is_being_deleted_waits_and_is_refused(desk: Desk) -> None:
    made = await desk.account()
    async with desk.database.transaction(desk.organization_id) as uow:
        await service.hold(uow, organization_id=desk.organization_id, account_ids=[made.id])
        deleting = asyncio.create_task(desk.do(service.delete, account_id=made.id))
        await asyncio.wait([deleting], timeout=0.2)
        assert not deleting.done()
        await service.set_uses(uow, organization_id=desk.organization_id, kind="subscriptions", live={made.id: 1})
    with pytest.raises(types.AccountInUse):
        await deleting


async def test_a_bad_change_tells_everything_and_changes_nothing(desk: Desk) -> None:
    made = await desk.account()
    with pytest.raises(errors.Invalid) as caught:
        await desk.do(service.change, account_id=made.id, values={"name": "", "currency": "X"})
    assert [problem.pointer for problem in caught.value.problems] == ["/name", "/currency"]
    assert await desk.see(service.find, account_id=made.id) == made
