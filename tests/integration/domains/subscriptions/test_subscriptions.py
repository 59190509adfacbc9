"""Subscriptions as use cases: begun, changed, found; what is told of them, and what nobody can change."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import asyncpg
import pytest

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.accounts import types as account_types
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog import types as catalog_types
from carbonledger.domains.catalog.types import Charge
from carbonledger.domains.catalog.types.charges import Standard
from carbonledger.domains.catalog.types.drafts import VersionDraft
from carbonledger.domains.subscriptions import service, types
from carbonledger.domains.subscriptions.service import previewing
from carbonledger.domains.subscriptions.types import FactKind, Status, When
from carbonledger.infra import clock
from carbonledger.kernel import currency, errors
from carbonledger.kernel import page as pages
from tests.integration.domains.subscriptions.conftest import Desk, at, flat


async def test_a_subscription_is_what_its_facts_say(desk: Desk) -> None:
    made = await desk.begin(quantity=3, external_id="contract-1", name="Production", metadata={"a": "b"}, anchor=date(2026, 6, 15))
    found = await desk.see(service.find, now=desk.now, subscription_id=made.subscription.id)
    assert found == made
    assert (found.standing.status, found.standing.quantity, found.version.number) == (Status.ACTIVE, 3, 1)
    assert found.period is not None
    assert found.period.part.end == at("2026-06-15")
    assert found.subscription.metadata == {"a": "b"}


async def test_changes_are_facts_and_told(desk: Desk) -> None:
    made = await desk.begin()
    subscription_id = made.subscription.id
    bigger = await desk.plan("bigger", flat("60"))
    desk.now = at("2026-06-10")
    view = await desk.do(service.change_plan, subscription_id=subscription_id, plan_id=bigger.id)
    assert view.version.plan_id == bigger.id
    await desk.do(service.change_quantity, subscription_id=subscription_id, quantity=4, when=When.RENEWAL)
    await desk.do(service.cancel, subscription_id=subscription_id, when=When.RENEWAL, reason="too dear for Mr Smith")
    view = await desk.do(service.reactivate, subscription_id=subscription_id)
    facts = (await desk.see(service.history, subscription_id=subscription_id, page=pages.PageRequest(limit=4))).data
    assert [fact.kind for fact in facts] == [FactKind.WITHDRAWN, FactKind.CANCELED, FactKind.QUANTITY_CHANGED, FactKind.PLAN_CHANGED]
    assert [fact.kind for fact in view.standing.pending] == [FactKind.QUANTITY_CHANGED]
    told = await desk.actions(subscription_id)
    assert [action for action, _ in told] == ["created", "plan_changed", "planned", "planned", "withdrawn"]
    async with desk.database.transaction(desk.organization_id) as uow:
        assert not await uow.conn.fetchval("SELECT count(*) FROM events WHERE after::text LIKE '%Smith%'")  # reasons stay with the facts


async def test_history_goes_page_by_page(desk: Desk) -> None:
    made = await desk.begin()
    for seats in range(2, 7):
        await desk.do(service.change_quantity, subscription_id=made.subscription.id, quantity=seats)
    numbers: list[int] = []
    cursor: str | None = None
    for _ in range(3):
        after = None if cursor is None else pages.decode_cursor(cursor, parts=1)
        page = await desk.see(service.history, subscription_id=made.subscription.id, page=pages.PageRequest(limit=2, after=after))
        numbers += [fact.number for fact in page.data]
        cursor = page.next_cursor
    assert (numbers, cursor) == ([6, 5, 4, 3, 2, 1], None)


async def test_all_problems_are_told_at_once(desk: Desk) -> None:
    with pytest.raises(errors.Invalid) as caught:
        await desk.begin(
            quantity=-1,
            name=" ",
            external_id="x" * 201,
            start_at=at("2016-01-01"),
            trial_days=-1,
            ends_at=at("2015-01-01"),
            metadata={"": ""},
        )
    pointers = [problem.pointer for problem in caught.value.problems]
    assert set(pointers) == {"/quantity", "/name", "/external_id", "/start_at", "/trial_days", "/ends_at", "/metadata"}


async def test_what_it_names_must_be_there_and_open(desk: Desk) -> None:
    made = await desk.begin(external_id="one")
    with pytest.raises(types.SubscriptionExternalIdTaken):
        await desk.begin(external_id="one")
    with pytest.raises(account_types.AccountNotFound):
        await desk.begin(account_id=made.subscription.id)
    euros = await desk.plan("euros", currency=currency.by_code("EUR"))
    with pytest.raises(types.PlanCurrencyDiffers):
        await desk.do(service.change_plan, subscription_id=made.subscription.id, plan_id=euros.id)
    values = {"state": catalog_types.PlanState.ARCHIVED}
    await desk.do(catalog.change_plan, at=clock.now(), plan_id=desk.plans["basic"].id, values=values, draft=VersionDraft())
    with pytest.raises(catalog_types.PlanArchived):
        await desk.begin()
    with pytest.raises(types.SubscriptionNotFound):
        await desk.do(service.pause, subscription_id=euros.id)


async def test_what_is_in_use_is_not_deleted(desk: Desk) -> None:
    made = await desk.begin()
    with pytest.raises(catalog_types.PlanInUse):
        await desk.do(catalog.delete_plan, plan_id=desk.plans["basic"].id)
    with pytest.raises(account_types.AccountInUse):
        await desk.do(accounts.delete, account_id=desk.account_id)
    await desk.do(service.cancel, subscription_id=made.subscription.id)
    await desk.do(accounts.delete, account_id=desk.account_id)
    with pytest.raises(account_types.AccountDeleted):
        await desk.do(service.reactivate, subscription_id=made.subscription.id)


async def test_subscriptions_are_found_by_what_they_are(desk: Desk) -> None:
    first = await desk.begin(external_id="first")
    other = await desk.begin("other", account_id=await desk.account("Globex"))
    await desk.do(service.cancel, subscription_id=first.subscription.id)
    for given, expected in (
        ({}, [other, first]),
        ({"account_id": desk.account_id}, [first]),
        ({"plan_id": desk.plans["other"].id}, [other]),
        ({"status": Status.CANCELED}, [first]),
        ({"external_id": "first"}, [first]),
    ):
        page = await desk.see(service.some, now=desk.now, page=pages.PageRequest(), **given)
        assert [view.subscription.id for view in page.data] == [view.subscription.id for view in expected]


async def test_a_new_version_takes_along_whom_it_says(desk: Desk) -> None:
    now, later = await desk.begin("now"), await desk.begin("later")
    stay, own = await desk.begin("stay"), await desk.begin("now", overrides=VersionDraft(charges=(flat("5"),)))
    leaving = await desk.begin("now")
    desk.now = at("2026-06-10")
    await desk.do(service.change_plan, subscription_id=leaving.subscription.id, plan_id=desk.plans["stay"].id, when=When.RENEWAL)
    for code, migration in (("now", "now"), ("later", "renewal"), ("stay", "stay")):
        draft = VersionDraft(values={"migration": catalog_types.Migration(migration)}, charges=(flat("90"),))
        plan = await desk.do(catalog.change_plan, at=clock.now(), plan_id=desk.plans[code].id, values={}, draft=draft)
        for _ in range(2):  # done again, it does nothing
            assert await desk.do(service.migrate, plan_id=plan.id, number=2) is None
    versions = {}
    for name, view in (("now", now), ("later", later), ("stay", stay), ("own", own), ("leaving", leaving)):
        found = await desk.see(service.find, now=desk.now, subscription_id=view.subscription.id)
        renewed = await desk.see(service.find, now=at("2026-07-01"), subscription_id=view.subscription.id)
        versions[name] = (found.version.number, renewed.version.number, len(found.subscription.facts))
    assert versions == {"now": (2, 2, 2), "later": (1, 2, 2), "stay": (1, 1, 1), "own": (2, 2, 2), "leaving": (1, 1, 2)}
    kept = await desk.see(service.find, now=desk.now, subscription_id=own.subscription.id)
    assert kept.version.charges == (flat("5"),)  # a customer's own price stays


async def test_subscriptions_follow_their_account_to_another_zone(desk: Desk) -> None:
    made = await desk.begin()
    desk.now = at("2026-06-10")
    await desk.do(accounts.change, account_id=desk.account_id, values={"time_zone": "America/New_York"})
    assert await desk.do(service.move_zone, account_id=desk.account_id) == 1
    assert await desk.do(service.move_zone, account_id=desk.account_id) == 0
    found = await desk.see(service.find, now=at("2026-07-05"), subscription_id=made.subscription.id)
    assert found.period is not None
    assert (found.period.service.start, found.period.service.end) == (at("2026-07-01"), at("2026-08-01T04:00:00Z"))


async def test_a_customers_own_charges_are_charged_in_the_plans_place(desk: Desk) -> None:
    made = await desk.begin(overrides=VersionDraft(charges=(flat("5"),)))
    assert made.version.charges == (flat("5"),)
    assert [due.charge for due in await desk.bill()] == [flat("5")]
    again = await desk.do(service.change_plan, subscription_id=made.subscription.id, plan_id=desk.plans["basic"].id, when=When.NOW)
    assert again.version.charges == (flat("30"),)


async def test_what_is_wrong_with_own_charges_is_told_with_the_rest(desk: Desk) -> None:
    stray = Charge(code="calls", name="Calls", model=Standard(Decimal(1)), meter_code="calls", tax_rate_codes=("vat",))
    with pytest.raises(errors.Invalid) as caught:
        await desk.begin(quantity=-1, overrides=VersionDraft(charges=(flat("0.001"), stray)))
    pointers = {problem.pointer for problem in caught.value.problems}
    assert pointers == {
        "/quantity",
        "/charges/0/amount",
        "/charges/1/meter_code",
        "/charges/1/tax_rate_codes",
        "/charges/1/tax_rate_codes/0",
    }


async def test_nobody_changes_a_fact(desk: Desk) -> None:
    await desk.begin()
    for statement in ("UPDATE subscription_facts SET quantity = 2", "DELETE FROM subscription_facts"):
        with pytest.raises(asyncpg.PostgresError):
            async with desk.database.transaction(desk.organization_id) as uow:
                await uow.conn.execute(statement)


async def test_a_preview_is_what_then_happens_and_writes_nothing(desk: Desk) -> None:
    bigger = await desk.plan("bigger", flat("60"))
    await desk.plan("basic", flat("30"), trial_days=7)
    change = previewing.Change(at=at("2026-06-20"), plan_id=bigger.id)
    draft = service.Draft(plan_id=desk.plans["basic"].id, zone="Europe/Berlin", start_at=at("2026-06-01T08:00:00Z"))
    seen = await desk.do(service.preview, draft=draft, changes=(change,), periods=3)
    account_id = await desk.account("Berliner", time_zone="Europe/Berlin")
    async with desk.database.transaction(desk.organization_id) as uow:
        assert not await uow.conn.fetchval("SELECT count(*) FROM subscriptions")
    made = await desk.begin(account_id=account_id, start_at=at("2026-06-01T08:00:00Z"))
    desk.now = at("2026-06-20")
    await desk.do(service.change_plan, subscription_id=made.subscription.id, plan_id=bigger.id)
    desk.now = at("2026-08-20")
    happened = await desk.bill()
    bare = [(due.kind, due.service, due.part, due.numerator, due.denominator, due.billable_at) for due in happened]
    assert bare == [(due.kind, due.service, due.part, due.numerator, due.denominator, due.billable_at) for due in seen.charges]
    assert seen.trial_ends_at == at("2026-06-07T22:00:00Z")


async def test_a_preview_of_one_that_was_never_billed_has_all_that_is_open(desk: Desk) -> None:
    made = await desk.begin()
    desk.now = at("2026-08-15")  # June, July and August are open
    change = previewing.Change(at=desk.now, quantity=2, when=When.NOW)
    seen = await desk.do(previewing.preview_change, subscription_id=made.subscription.id, change=change, periods=1)
    assert [f"{due.billable_at:%m-%d}" for due in seen.charges] == ["06-01", "07-01", "08-01"]
    assert [cycle.first for cycle in seen.periods] == [date(2026, 8, 1)]


async def test_a_change_is_previewed_against_what_was_billed(desk: Desk) -> None:
    made = await desk.begin()
    await desk.bill()
    bigger = await desk.plan("bigger", flat("60"))
    desk.now = at("2026-06-16")
    change = previewing.Change(at=desk.now, plan_id=bigger.id, when=When.NOW)
    seen = await desk.do(previewing.preview_change, subscription_id=made.subscription.id, change=change, periods=1)
    await desk.do(service.change_plan, subscription_id=made.subscription.id, plan_id=bigger.id, when=When.NOW)
    assert tuple(await desk.bill()) == seen.charges
    assert [(due.kind.value, due.numerator) for due in seen.charges] == [("credit", 15), ("charge", 15)]
