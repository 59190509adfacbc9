"""Accounts, meters and plans on the dashboard: made, changed, refused beside the field, and priced while they are written."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.integration.entrypoints.web import usage
from tests.integration.entrypoints.web.conftest import Person

ACCOUNT: dict[str, Any] = {
    "name": "Initech",
    "external_id": "customer-1",
    "email": "a@b.example",
    "currency": "eur",
    "time_zone": "Europe/Berlin",
    "locale": "de",
    "tax_treatment": "standard",
    "payment_terms_days": "14",
    "country": "DE",
    "tax_kind": "eu_vat",
    "tax_id": "DE123456789",
}
PLAN: dict[str, Any] = {
    "name": "Team",
    "code": "team",
    "currency": "USD",
    "interval_count": "1",
    "interval_unit": "month",
    "anchor": "anniversary",
    "proration": "day",
    "trial_days": "0",
    "charges.0.name": "Seat",
    "charges.0.code": "seat",
    "charges.0.charge_model": "flat",
    "charges.0.amount": "20",
    "charges.0.timing": "advance",
}
TOKENS: dict[str, Any] = {
    "charges.1.name": "Tokens",
    "charges.1.code": "tokens",
    "charges.1.charge_model": "graduated",
    "charges.1.meter_code": "tokens",
    "charges.1.tiers.0.up_to": "100",
    "charges.1.tiers.0.unit_price": "0.10",
    "charges.1.tiers.1.unit_price": "0.08",
    "charges.1.tiers.1.flat_price": "5",
}


async def a_meter(owner: Person) -> None:
    body = {"code": "tokens", "name": "Tokens", "aggregation": "sum", "measure": "tokens"}
    assert (await owner.key.post("/v1/meters", json=body)).status_code == 201


async def test_codes_are_made_of_names_where_none_are_given(owner: Person) -> None:
    made = await owner.send("/plans", **{**PLAN, "name": "Team, 2026", "code": "", "charges.0.name": "Each seat", "charges.0.code": ""})
    plan = (await owner.key.get(f"/v1{made.headers['location'].partition('?')[0]}")).json()
    assert (plan["code"], [one["code"] for one in plan["version"]["charges"]]) == ("team-2026", ["each-seat"])
    made = await owner.send("/meters", name="Output tokens", code="", aggregation="sum", measure="output")
    assert (await owner.key.get(f"/v1{made.headers['location'].partition('?')[0]}")).json()["code"] == "output-tokens"


async def test_an_account_is_made_changed_deleted_and_erased(owner: Person) -> None:
    made = await owner.send("/accounts", **ACCOUNT)
    assert made.status_code == 303
    address = made.headers["location"].partition("?")[0]
    assert ">Initech</h1>" in await owner.read(address)
    assert 'value="DE123456789"' in await owner.read(f"{address}/edit")
    assert (await owner.send(f"{address}/edit", **{**ACCOUNT, "name": "Initech AG"})).status_code == 303
    shown = (await owner.key.get(f"/v1{address}")).json()
    assert (shown["name"], shown["currency"], shown["payment_terms_days"], shown["address"]["country"]) == ("Initech AG", "EUR", 14, "DE")
    assert "Initech AG" in await owner.read("/accounts?search=customer-1")
    assert "Initech AG" not in await owner.read("/accounts?search=nobody")
    assert (await owner.send(f"{address}/delete")).status_code == 303
    assert "Initech AG" in await owner.read("/accounts?deleted=yes")
    assert (await owner.send(f"{address}/erase")).status_code == 303
    assert "Initech" not in await owner.read(address)


async def test_what_is_wrong_with_an_account_stands_beside_its_field(owner: Person) -> None:
    answer = await owner.send("/accounts", **{**ACCOUNT, "name": "", "email": "x", "country": "Germany", "time_zone": "Mars/Base"})
    assert answer.status_code == 422
    for name in ("name", "email", "country", "time_zone"):
        assert f'id="{name}-wrong"' in answer.text
    assert 'value="DE123456789"' in answer.text
    assert (await owner.send("/accounts", **ACCOUNT)).status_code == 303
    taken = await owner.send("/accounts", **ACCOUNT)
    assert 'id="external_id-wrong"' in taken.text


async def test_a_meter_is_made_and_says_what_each_account_used(owner: Person) -> None:
    assert (await owner.send("/accounts", **ACCOUNT)).status_code == 303
    fields: dict[str, Any] = {"code": "tokens", "name": "Tokens", "aggregation": "sum", "measure": "tokens", "group_by": "model"}
    made = await owner.send("/meters", **fields)
    assert made.status_code == 303
    address = made.headers["location"].partition("?")[0]
    assert 'value="0"' in await owner.read(address)
    await usage.send(owner.key, usage.event("a", account="customer-1", model="gpt-4o"))
    text = await owner.read(address)
    assert "gpt-4o" in text
    assert re.search(r'<td class="num"><data class="exact" value="[1-9]', text)
    assert (await owner.send(address, name="All tokens")).status_code == 303
    refused = await owner.send("/meters", **{**fields, "code": "other", "measure": ""})
    assert (refused.status_code, 'id="measure-wrong"' in refused.text) == (422, True)
    assert (await owner.send(f"{address}/archive")).status_code == 303


async def test_a_plan_is_made_and_its_next_version_too(owner: Person) -> None:
    await a_meter(owner)
    made = await owner.send("/plans", **PLAN, **TOKENS)
    assert made.status_code == 303, made.text
    address = made.headers["location"].partition("?")[0]
    shown = (await owner.key.get(f"/v1{address}")).json()["version"]
    assert [charge["charge_model"] for charge in shown["charges"]] == ["flat", "graduated"]
    assert shown["charges"][1]["tiers"][1] == {"up_to": None, "unit_price": "0.08", "rate_percent": None, "flat_price": "5"}
    page = await owner.read(f"{address}/edit")
    written = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', page))
    assert (written["charges.0.amount"], written["charges.1.tiers.0.up_to"]) == ("20", "100")
    changed = await owner.send(f"{address}/edit", **{**PLAN, **TOKENS, "charges.0.amount": "25", "migration": "renewal"})
    assert changed.status_code == 303, changed.text
    after = (await owner.key.get(f"/v1{address}")).json()
    assert (after["latest_version"], after["version"]["migration"]) == (2, "renewal")
    assert "20.00 USD" in await owner.read(f"{address}?version=1")
    assert "25.00 USD" in await owner.read(address)
    assert (await owner.send(f"{address}/state", state="archived")).status_code == 303
    assert "Team" in await owner.read("/plans?archived=yes")
    assert (await owner.send(f"{address}/delete")).status_code == 303


async def test_prices_are_worked_out_by_what_bills_while_they_are_written(owner: Person) -> None:
    await a_meter(owner)
    tried: dict[str, Any] = {"charges.0.tried": "3", "charges.1.tried": "150"}
    answer = await owner.send("/plans/draft", **PLAN, **TOKENS, **tried, act="price")
    # 3 seats of 20; 100 units of 0.10, then 50 of 0.08 and 5 once: 60 + 10 + 9.
    assert answer.status_code == 200
    price = answer.text.partition('id="price"')[2]
    assert [figure for figure in ("60.00", "19.00", "79.00") if f">{figure}<" not in price] == []
    assert "charges.1.tiers.0.up_to" in answer.text
    unread = await owner.send("/plans/draft", **{**PLAN, "charges.0.amount": "many"}, act="price")
    assert "Write the number plainly" in unread.text


async def test_buttons_add_and_take_away_charges_and_tiers(owner: Person) -> None:
    def counted(text: str) -> tuple[int, int]:
        return len(re.findall(r'name="charges\.\d+\.code"', text)), len(re.findall(r'name="charges\.\d+\.tiers\.\d+\.up_to"', text))

    async def after(act: str, **fields: Any) -> tuple[int, int]:
        return counted((await owner.send("/plans/draft", **fields, act=act)).text)

    assert await after("charge", **PLAN) == (2, 0)
    assert await after("tier.1", **PLAN, **TOKENS) == (2, 3)
    assert await after("drop.0", **PLAN, **TOKENS) == (1, 2)
    volume: dict[str, Any] = {**PLAN, "charges.0.charge_model": "volume"}
    assert await after("", **volume) == (1, 2)
    assert await after("drop.99", **PLAN) == (1, 0)
    assert await after("nonsense", **PLAN) == (1, 0)


@pytest.mark.parametrize(
    "given, field",
    [
        ({"charges.1.tiers.0.up_to": "-1"}, "charges.1.tiers.0.up_to"),
        ({"charges.1.tiers.0.unit_price": "x"}, "charges.1.tiers.0.unit_price"),
        ({"charges.1.meter_code": ""}, "charges.1.meter_code"),
        ({"charges.0.amount": "0.001"}, "charges.0.amount"),
        ({"charges.0.discount_percent": "200"}, "charges.0.discount_percent"),
        ({"charges.0.code": "a b"}, "charges.0.code"),
        ({"code": "", "name": "خطة"}, "code"),  # no letter to make one of
        ({"name": ""}, "name"),
        ({"interval_count": "0"}, "interval_count"),
        ({"interval_count": "x"}, "interval_count"),
        ({"trial_days": "9999"}, "trial_days"),
        ({"setup_fee": "-1"}, "setup_fee"),
    ],
)
async def test_what_is_wrong_with_a_plan_stands_beside_its_field(owner: Person, given: dict[str, Any], field: str) -> None:
    await a_meter(owner)
    answer = await owner.send("/plans", **{**PLAN, **TOKENS, **given})
    assert answer.status_code == 422
    assert f'id="{field}-wrong"' in answer.text
    assert 'value="Team"' in answer.text or "name" in given
