"""Subscriptions on pages: their story, usage and next invoice; a change is shown before it is made, and is what was shown."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from carbonledger.domains.catalog.types import Charge
from carbonledger.domains.catalog.types.charges import Flat, Timing
from carbonledger.infra import clock
from carbonledger.kernel import humane
from tests.integration.domains.invoices.shops import PLATFORM, SEATS
from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.integration.entrypoints.web import selling
from tests.integration.entrypoints.web.conftest import Person

NOBODYS = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d71"


async def read(owner: Person, sold: selling.Sold) -> dict[str, Any]:
    """What the API says of it."""
    return dict((await owner.key.get(f"/v1/subscriptions/{sold.subscription_id}")).json())


def total(page: str, heading: str) -> str:
    """The amount that stands in a heading."""
    found = re.search(rf"{heading}: ([0-9.,-]+) EUR", page)
    assert found is not None, page
    return found[1]


async def running(owner: Person) -> selling.Sold:
    """A subscription whose periods are all billed up to now."""
    return await selling.sold(owner, until=clock.now())


async def test_the_page_says_how_it_stands_what_was_and_what_is_to_come(owner: Person) -> None:
    sold = await running(owner)
    api = await read(owner, sold)
    page = await owner.read(f"/subscriptions/{sold.subscription_id}")
    assert '<span class="mark good">active</span>' in page
    assert "Started on Pro, version 1 with 2 seats" in page
    assert page.count("Renews for ") == 3
    assert api["status"] == "active"
    assert "Production" in await owner.read("/subscriptions")
    assert (await owner.open(f"/search?q={sold.subscription_id}")).headers["location"] == f"/subscriptions/{sold.subscription_id}"
    assert page.count('href="/invoices/') >= min(5, len((await owner.key.get("/v1/invoices")).json()["data"])), "the last five at least"


async def test_the_next_invoice_is_the_apis(owner: Person) -> None:
    sold = await running(owner)
    api = (await owner.key.post("/v1/invoices/preview", json={"subscription_id": str(sold.subscription_id)})).json()
    page = await owner.read(f"/subscriptions/{sold.subscription_id}")
    assert total(page, "Next invoice") == humane.grouped(api["total"])


async def test_usage_stands_beside_its_allowance(owner: Person) -> None:
    """80 pages, of which 50 are included: 30 x 0.10 = 3.00."""
    sold = await running(owner)
    await sold.shop.use("acme", "80", at=clock.now())
    page = await owner.read(f"/subscriptions/{sold.subscription_id}")
    row = re.search(r'<th scope="row"><span dir="auto">Pages</span>.*?</tr>', page, re.DOTALL)
    assert row is not None
    for label, value in (("Used", "80"), ("Included", "50"), ("Above it", "30"), ("Comes to", "3.00 EUR")):
        assert re.search(rf'data-label="{label}">.*?>?{re.escape(value)}<', row[0]), label
    assert 'width="100%"' in row[0], "all of the allowance is used"


async def test_a_change_is_shown_before_it_is_made_and_is_what_was_shown(owner: Person) -> None:
    sold = await running(owner)
    large = Charge(code="platform", name="Platform fee", timing=Timing.ADVANCE, model=Flat(Decimal("149.00")))
    plan_id = await sold.shop.plan("large", large, SEATS, now=selling.START)
    path = f"/subscriptions/{sold.subscription_id}/change"
    before = await read(owner, sold)
    invoices = len((await owner.key.get("/v1/invoices")).json()["data"])
    shown = await owner.read(f"{path}?plan={plan_id}&quantity=3&when=now")
    amount = total(shown, "Billed at once")
    assert "credit" in shown, "what was charged ahead is given back"
    assert await read(owner, sold) == before, "nothing is changed by looking"
    answer = await owner.send(path, plan=str(plan_id), quantity="3", when="now")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/subscriptions/{sold.subscription_id}?done=changed")
    after = await read(owner, sold)
    assert (after["plan_id"], after["quantity"]) == (str(plan_id), 3)
    await sold.shop.bill(clock.now())
    listed = (await owner.key.get("/v1/invoices")).json()["data"]
    assert len(listed) == invoices + 1
    # Usage in arrears is cut at the instant of the change; none was used, so that the preview is the invoice to the cent.
    assert humane.grouped(listed[0]["total"]) == amount
    assert "Plan changed from Pro, version 1 to Large, version 1, 3 seats" in await owner.read(f"/subscriptions/{sold.subscription_id}")


async def test_a_change_at_renewal_is_planned_and_stands_on_the_timeline(owner: Person) -> None:
    sold = await running(owner)
    path = f"/subscriptions/{sold.subscription_id}/change"
    answer = await owner.send(path, quantity="7", when="renewal")
    assert answer.headers["location"].endswith("?done=planned")
    page = await owner.read(f"/subscriptions/{sold.subscription_id}")
    assert "7 seats in place of 2" in page
    assert page.count('class="coming"') == 4, "the change and three renewals"
    assert (await owner.send(path, quantity="9", when="renewal")).status_code == 303
    assert "The change of seats was taken back before it came" in await owner.read(f"/subscriptions/{sold.subscription_id}")


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"quantity": "2"}, "plan"),  # what it has
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "many"}, "quantity"),
        ({"quantity": "1000000001"}, "quantity"),
        ({"quantity": "9" * 40}, "quantity"),
    ],
)
async def test_what_is_wrong_with_a_change_stands_beside_its_field(owner: Person, fields: dict[str, Any], field: str) -> None:
    sold = await running(owner)
    path = f"/subscriptions/{sold.subscription_id}/change"
    for answer in (await owner.open(path, params=fields), await owner.send(path, **fields)):
        assert answer.status_code == 422
        assert f'id="{field}-wrong"' in answer.text


async def test_it_is_paused_resumed_canceled_and_reactivated(owner: Person) -> None:
    sold = await running(owner)
    path = f"/subscriptions/{sold.subscription_id}"
    wrong = await owner.send(f"{path}/pause", when="now", until="2020-01-01")
    assert wrong.status_code == 422
    assert 'id="until-wrong"' in wrong.text
    assert (await owner.send(f"{path}/pause", when="now", pause_reason="<b>Holidays</b>")).headers["location"] == f"{path}?done=paused"
    page = await owner.read(path)
    assert '<span class="mark notice">paused</span>' in page
    assert "&lt;b&gt;Holidays" in page
    assert (await owner.send(f"{path}/pause", when="now")).status_code == 409
    assert (await owner.send(f"{path}/resume")).status_code == 303
    assert (await owner.send(f"{path}/resume")).status_code == 409
    assert (await owner.send(f"{path}/cancel", when="renewal", cancel_reason="Too dear")).headers["location"].endswith("?done=planned")
    assert "It is canceled as of" in await owner.read(path)
    assert (await owner.send(f"{path}/reactivate")).status_code == 303
    assert (await read(owner, sold))["cancels_at"] is None
    assert (await owner.send(f"{path}/cancel", when="now", credit="yes")).headers["location"].endswith("?done=canceled")
    page = await owner.read(path)
    assert "It is over since" in page
    assert "Change plan or seats</a>" not in page
    assert (await owner.send(f"{path}/cancel", when="now")).status_code == 409
    assert (await read(owner, sold))["status"] == "canceled"


async def test_one_is_begun(owner: Person) -> None:
    assert "There is no plan to take" in await owner.read("/subscriptions/new")
    shop = await selling.opened(owner)
    plan_id = await shop.plan("pro", PLATFORM, now=selling.START)
    account_id = await shop.account(name="Acme Robotics", external_id="acme", currency="EUR")
    fields: dict[str, Any] = {"account": "acme", "plan": str(plan_id), "quantity": "3", "start": "", "name": "Production"}
    for name, value in (("account", "nobody"), ("plan", ""), ("quantity", "x"), ("start", "soon")):
        wrong = await owner.send("/subscriptions", **{**fields, name: value})
        assert wrong.status_code == 422, name
        assert f'id="{name}-wrong"' in wrong.text, name
    answer = await owner.send("/subscriptions", **fields)
    assert answer.status_code == 303
    [made] = (await owner.key.get("/v1/subscriptions")).json()["data"]
    assert answer.headers["location"] == f"/subscriptions/{made['id']}?done=begun"
    assert (made["account_id"], made["quantity"], made["name"]) == (str(account_id), 3, "Production")
    page = await owner.read(f"/subscriptions/{made['id']}")
    assert total(page, "Next invoice") == "49.00"


async def test_the_list_is_narrowed(owner: Person) -> None:
    sold = await running(owner)
    href = f'href="/subscriptions/{sold.subscription_id}?'
    for query in ("", "?status=active", "?customer=acme", f"?account={sold.account_id}", f"?plan={sold.plan_id}"):
        assert href in await owner.read(f"/subscriptions{query}"), query
    for query in ("?status=paused", "?customer=zzz", f"?account={NOBODYS}", f"?plan={NOBODYS}"):
        assert href not in await owner.read(f"/subscriptions{query}"), query


async def test_nobody_sees_or_changes_anothers(owner: Person, ledger: kit.Installation) -> None:
    sold = await running(owner)
    before = await read(owner, sold)
    _, client = await ledger.open_organization(name="Other")
    browser = await ledger.join(client, "other@example.com", role="owner")
    other = Person(ledger, browser.client, client)
    path = f"/subscriptions/{sold.subscription_id}"
    assert (await other.open(path)).status_code == 404
    assert (await other.open(f"{path}/change")).status_code == 404
    for act in ("change", "pause", "resume", "cancel", "reactivate"):
        assert (await other.send(f"{path}/{act}", quantity="9", when="now")).status_code == 404, act
    assert await read(owner, sold) == before
    assert "Production" not in await other.read("/subscriptions")
