"""Subscriptions on screens: the list, and a life with what was decided, what was charged and what comes next."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from carbonledger.domains.invoices.service import billing
from carbonledger.infra import clock
from carbonledger.kernel import actor
from tests.integration.entrypoints.web.conftest import Person


async def subscribed(owner: Person, **terms: Any) -> dict[str, Any]:
    """A subscription of a customer with markup in its name."""
    account = (await owner.key.post("/v1/accounts", json={"name": "Acme & <i>Sons</i>"})).json()
    charge = {"code": "seat", "name": "Seat", "charge_model": "flat", "amount": "20.00", "per_seat": True, "timing": "advance"}
    plan = (await owner.key.post("/v1/plans", json={"code": "team", "name": "Team", "currency": "EUR", "charges": [charge]})).json()
    made = await owner.key.post("/v1/subscriptions", json={"account_id": account["id"], "plan_id": plan["id"], "quantity": 3, **terms})
    assert made.is_success, made.text
    return dict(made.json())


async def test_a_life_shows_what_was_charged_and_what_comes(owner: Person) -> None:
    made = await subscribed(owner)
    path = f"/subscriptions/{made['id']}"
    before = await owner.read(path)
    assert "60.00" in before, "three seats, on the next invoice"
    assert "Team, version 1" in before
    assert "<i>Sons" not in before
    organization_id = UUID((await owner.key.get("/v1/organizations/me")).json()["id"])
    now = clock.now()
    async with owner.ledger.services.database.transaction(organization_id) as uow:
        await billing.run(
            uow,
            actor=actor.system(organization_id),
            now=now,
            at=now,
            organization_id=organization_id,
            account_ids=[UUID(made["account_id"])],
        )
    after = await owner.read(path)
    assert "INV-00001: 60.00 EUR" in after
    assert "The next period begins" in after
    assert "Began" in after


async def test_the_list_names_customer_and_plan(owner: Person) -> None:
    made = await subscribed(owner)
    page = await owner.read("/subscriptions")
    assert made["id"] in page
    assert "Acme &amp; &lt;i&gt;Sons&lt;/i&gt;" in page


async def test_what_is_over_has_no_next_invoice(owner: Person) -> None:
    made = await subscribed(owner, start_at="2030-01-01T00:00:00Z")
    await owner.key.post(f"/v1/subscriptions/{made['id']}/cancel", json={})
    assert "It makes no further invoice as it stands" in await owner.read(f"/subscriptions/{made['id']}")
