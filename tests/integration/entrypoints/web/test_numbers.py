"""The numbers of the pages of billing and of closed months are the API's, to the last digit."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from carbonledger.infra import clock
from carbonledger.kernel import humane
from tests.integration.entrypoints.web import months, selling, usage
from tests.integration.entrypoints.web.conftest import Person


def figures(totals: dict[str, Any]) -> list[str]:
    """Return what figures hold of sums of the API, cost, energy and CO2e."""
    spread = totals["co2e_g"]
    return [
        f"{humane.grouped(totals['cost']['amount'])} USD",
        f"{humane.grouped(totals['energy_wh']['mid'])} Wh",
        "low {low}, mid {mid}, high {high} g CO2e".format(**{name: humane.grouped(spread[name]) for name in ("low", "mid", "high")}),
    ]


def unsaid(page: str, said: list[str]) -> list[str]:
    """Return what a page does not hold exactly."""
    return [one for one in said if f'value="{one}"' not in page]


async def test_a_meter_and_an_account_say_what_was_used(owner: Person) -> None:
    """Two events of 120,000, 40,000 and 9,000 tokens."""
    made = await owner.key.post("/v1/accounts", json={"name": "Initech", "external_id": "customer-1", "currency": "USD"})
    body = {"code": "tokens", "name": "Tokens", "aggregation": "sum", "measure": "tokens"}
    meter = (await owner.key.post("/v1/meters", json=body)).json()["id"]
    await usage.send(owner.key, *(usage.event(key, account="customer-1") for key in "ab"), usage.event("c", account="another"))
    said = (await owner.key.get(f"/v1/meters/{meter}/usage", params={"account": "customer-1"})).json()
    assert (said["quantity"], said["events"]) == ("338000", 2)
    page = await owner.read(f"/meters/{meter}")
    assert unsaid(page, ["338000"]) == []
    assert ">Quantity, tokens<" in page
    totals = (await owner.key.get("/v1/telemetry/summary", params={"account": "customer-1"})).json()["totals"]
    assert totals["events"] == 2
    assert unsaid(await owner.read(f"/accounts/{made.json()['id']}"), figures(totals)) == []


async def test_a_subscription_says_what_was_used_in_its_period(owner: Person) -> None:
    sold = await selling.sold(owner, until=clock.now())
    await sold.shop.use("acme", "1234.5", at=clock.now() - timedelta(minutes=1))
    api = (await owner.key.get(f"/v1/subscriptions/{sold.subscription_id}/usage")).json()
    page = await owner.read(f"/subscriptions/{sold.subscription_id}")
    used = [one for one in api["charges"] if one["quantity"] is not None]
    assert [one["name"] for one in used] == ["Pages"]
    for one in used:
        row = re.search(rf'<th scope="row"><span dir="auto">{one["name"]}</span>.*?</tr>', page, re.DOTALL)
        assert row is not None
        assert f'value="{humane.grouped(one["quantity"])}"' in row[0]


async def test_the_lists_say_every_invoice_and_what_is_owed(owner: Person) -> None:
    await selling.sold(owner, until=clock.now())
    api = (await owner.key.get("/v1/invoices?limit=100")).json()["data"]
    page = await owner.read("/invoices")
    assert len(api) > 2
    for one in api:
        row = re.search(rf'<tr><th scope="row" class="nowrap"><a href="/invoices/{one["id"]}.*?</tr>', page, re.DOTALL)
        assert row is not None
        assert f'data-label="Total">{humane.grouped(one["total"])} <span class="unit code">{one["currency"]}</span>' in row[0]
        assert one["number"] is None or f">{one['number']}<" in row[0]


async def test_a_closed_month_says_what_it_came_to_and_what_came_late(owner: Person) -> None:
    one = await months.issued(owner)
    await months.used(owner, "late", tokens={"uncached_input": 1_000, "output": 7})
    api = (await owner.key.get(f"/v1/periods/{one.period_id}")).json()
    page = await owner.read(f"/receipts/periods/{one.period_id}")
    assert unsaid(page, figures(api["totals"])) == []
    assert api["root"] in page
    [late] = api["adjusted"]
    assert unsaid(page, figures(late["totals"])[0:1]) == []
