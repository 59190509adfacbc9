"""Invoices on pages: the API's numbers, what may be done with each, and nothing of anybody else's."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from carbonledger.domains.catalog.types import Charge
from carbonledger.domains.catalog.types.charges import CostPlus
from carbonledger.domains.invoices.service import failing
from carbonledger.domains.invoices.types.failures import Step
from carbonledger.domains.invoices.types.invoices import Origin, TaxUnknown
from carbonledger.infra import clock
from carbonledger.kernel import currency, humane
from tests.integration.domains.telemetry import kit as ledger
from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.integration.entrypoints.web import selling, usage
from tests.integration.entrypoints.web.conftest import Person

NOBODYS = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d71"


async def invoices(owner: Person, **query: str) -> list[dict[str, Any]]:
    """What the API lists, the oldest first."""
    return list(reversed((await owner.key.get("/v1/invoices", params=query)).json()["data"]))


def said(amount: str, currency: str = "EUR") -> str:
    return f'{humane.grouped(amount)} <span class="unit">{currency}</span>'


async def test_a_document_says_the_apis_numbers_and_each_line_what_it_was_made_of(owner: Person) -> None:
    """100 x 0.10 + 300 x 0.05 = 25.00: see ``selling.Sold``."""
    await selling.sold(owner)
    first, second = await invoices(owner)
    page = await owner.read(f"/invoices/{second['id']}")
    assert second["total"] == "94.00"  # 25.00 for September, 49.00 + 2 x 10.00 for October
    assert said(second["total"]) in page
    assert second["number"] in page
    assert "Acme Robotics" in page
    lines = (await owner.key.get(f"/v1/invoices/{second['id']}/lines")).json()["data"]
    for line in lines:
        assert f'href="/invoices/{second["id"]}/lines/{line["id"]}' in page
        assert f'data-label="Amount">{line["amount"]}<' in page
    assert "1 Sep to 30 Sep 2026" in page
    assert "1 Oct to 31 Oct 2026" in page
    assert "400 of 450 after what is included" in page
    assert "up to 100" in page
    assert '<span class="mark">to come</span>' in page, "it is due later"
    [pages] = [line for line in lines if line["charge"] == "pages"]
    explained = (await owner.key.get(f"/v1/invoices/{second['id']}/lines/{pages['id']}/explain")).json()
    line = await owner.read(f"/invoices/{second['id']}/lines/{pages['id']}")
    assert pages["events_sha256"] in line
    assert explained["version"]["sha256"] in line
    assert '<span class="mark good">the same</span>' in line
    for day, quantity in (("3 Sep 2026", "200"), ("17 Sep 2026", "250")):
        assert re.search(rf'{day}</th>.*?<td class="num">{quantity}</td>', line)
    assert line.count('href="/explore/events/') == 2
    for tier in explained["tiers"]:
        assert f'<td class="num">{tier["quantity"]}</td>' in line
    assert "Production" in (await owner.read(f"/invoices/{first['id']}"))


async def test_a_line_of_providers_costs_names_the_price_book_that_they_come_from(owner: Person) -> None:
    shop = await selling.opened(owner)
    usd = currency.by_code("USD")
    charge = Charge(code="ai", name="AI", model=CostPlus(markup_percent=Decimal(20)))
    account_id = await shop.account(name="Acme Robotics", external_id="acme", currency="USD")
    await shop.subscribe(account_id, await shop.plan("ai", charge, currency=usd, now=selling.START), now=selling.START)
    call = selling.START.replace(day=3, hour=9)
    await shop.send(ledger.draft("call", at=call, counts=ledger.tokens(uncached=10**6), account="acme"), at=call)
    await shop.pass_time(selling.START.replace(month=10, hour=12))
    [invoice] = await invoices(owner)
    [billed] = (await owner.key.get(f"/v1/invoices/{invoice['id']}/lines")).json()["data"]
    explained = (await owner.key.get(f"/v1/invoices/{invoice['id']}/lines/{billed['id']}/explain")).json()["usage"]
    [event] = (await owner.key.get(f"/v1/invoices/{invoice['id']}/lines/{billed['id']}/events")).json()["data"]
    assert explained["prices"] == explained["prices_now"] == [event["price_version"]]
    line = await owner.read(f"/invoices/{invoice['id']}/lines/{billed['id']}")
    assert f"<dt>Price book</dt><dd>{event['price_version']}</dd>" in line


async def test_what_comes_later_than_its_line_is_said_there(owner: Person) -> None:
    sold = await selling.sold(owner)
    _, second = await invoices(owner)
    [pages] = [one for one in (await owner.key.get(f"/v1/invoices/{second['id']}/lines")).json()["data"] if one["charge"] == "pages"]
    await sold.shop.use("acme", "10", at=selling.START.replace(day=20))
    line = await owner.read(f"/invoices/{second['id']}/lines/{pages['id']}")
    assert "changed since" in line
    assert "It is settled as late usage" in line
    assert pages["amount"] in line, "what was billed stays"


async def test_the_list_is_narrowed_by_state_number_and_account_and_marks_what_is_overdue(owner: Person) -> None:
    sold = await selling.sold(owner)
    other = await sold.shop.account(name="Other Ltd", currency="EUR")
    draft = await sold.shop.draft(other, "1200.00")
    first, second = await invoices(owner, account_id=str(sold.account_id))
    page = await owner.read("/invoices")
    assert all(f'href="/invoices/{one}' in page for one in (first["id"], second["id"], draft.id))
    # 30 days after 1 September and 1 October; the organization's clock is far beyond.
    assert page.count('<span class="mark problem">overdue</span>') == 2
    assert said("163.00") in page, "69.00 + 94.00 are owed"
    assert ">on 2 invoices</a>" in page
    assert shown(await owner.read("/invoices?view=drafts"), first, second, draft.id) == [draft.id]
    assert shown(await owner.read("/invoices?view=overdue"), first, second, draft.id) == [first["id"], second["id"]]
    assert shown(await owner.read(f"/invoices?number={second['number'].lower()}"), first, second, draft.id) == [second["id"]]
    assert shown(await owner.read("/invoices?number=%25"), first, second, draft.id) == [], "a percent sign is no wildcard"
    assert f'href="/invoices/{second["id"]}"' in await owner.read(f"/search?q={second['number'][-2:]}")
    assert (await owner.open(f"/search?q={second['id']}")).headers["location"] == f"/invoices/{second['id']}"
    assert (await owner.open(f"/search?q={second['number']}")).headers["location"] == f"/invoices/{second['id']}"
    assert shown(await owner.read("/invoices?customer=other"), first, second, draft.id) == [draft.id]
    assert shown(await owner.read("/invoices?customer=acme"), first, second, draft.id) == [first["id"], second["id"]]
    assert shown(await owner.read(f"/invoices?account={other}"), first, second, draft.id) == [draft.id]
    assert "Which account?" in await owner.read("/invoices?customer=o"), "both have an o"
    for nobody in (f"account={NOBODYS}", "customer=zzz"):
        assert "No account is called that" in await owner.read(f"/invoices?{nobody}")


def shown(page: str, *some: Any) -> list[Any]:
    ids = [one["id"] if isinstance(one, dict) else one for one in some]
    return [one for one in ids if f'href="/invoices/{one}?' in page]


async def test_a_draft_is_a_preview_until_it_is_finalized_and_then_paid_once(owner: Person) -> None:
    shop = await selling.opened(owner)
    draft = await shop.draft(await shop.account(), "1200.00", "80.50", origin=Origin.ONE_OFF)
    page = await owner.read(f"/invoices/{draft.id}")
    assert "<strong>Preview.</strong>" in page
    assert said("1280.50") in page
    assert "Download the PDF" not in page
    assert (await owner.open(f"/invoices/{draft.id}/pdf")).status_code == 409
    answer = await owner.send(f"/invoices/{draft.id}/finalize")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/invoices/{draft.id}?done=issued")
    page = await owner.read(f"/invoices/{draft.id}")
    assert "<strong>Preview.</strong>" not in page
    assert "INV-00001" in page
    await owner.ledger.run_jobs()
    pdf = await owner.open(f"/invoices/{draft.id}/pdf")
    assert pdf.headers["content-disposition"] == 'attachment; filename="INV-00001.pdf"'
    assert pdf.content == (await owner.key.get(f"/v1/invoices/{draft.id}/pdf")).content

    wrong = await owner.send(f"/invoices/{draft.id}/pay", reference=" ")
    assert wrong.status_code == 422
    assert 'id="reference-wrong"' in wrong.text
    assert (await owner.send(f"/invoices/{draft.id}/pay", reference="SEPA 8821")).status_code == 303
    page = await owner.read(f"/invoices/{draft.id}")
    assert "SEPA 8821" in page
    assert "What you can do" not in page, "a paid invoice never changes"
    for act in ("void", "give-up", "finalize"):
        refused = await owner.send(f"/invoices/{draft.id}/{act}")
        assert refused.status_code == 409, act
        assert 'role="alert"' in refused.text
    api = (await owner.key.get(f"/v1/invoices/{draft.id}")).json()
    assert (api["state"], api["payment"], api["reference"]) == ("issued", "paid", "SEPA 8821")


async def test_an_issued_invoice_is_given_up_and_made_void(owner: Person) -> None:
    shop = await selling.opened(owner)
    (one,) = await shop.issue(await shop.draft(await shop.account(), "10.00"))
    assert (await owner.send(f"/invoices/{one.id}/give-up")).status_code == 303
    assert '<span class="mark problem">uncollectible</span>' in await owner.read(f"/invoices/{one.id}")
    assert (await owner.send(f"/invoices/{one.id}/void")).status_code == 303
    page = await owner.read(f"/invoices/{one.id}")
    assert "Void. It keeps its number" in page
    assert "What you can do" not in page


async def test_a_draft_by_hand_is_dropped_and_one_of_a_run_is_not(owner: Person) -> None:
    shop = await selling.opened(owner)
    account_id = await shop.account()
    by_hand, of_run = [await shop.draft(account_id, "5.00", origin=origin) for origin in (Origin.ONE_OFF, Origin.SUBSCRIPTION)]
    assert "Drop this draft" not in await owner.read(f"/invoices/{of_run.id}")
    assert (await owner.send(f"/invoices/{of_run.id}/drop")).status_code == 409
    assert (await owner.send(f"/invoices/{by_hand.id}/drop")).headers["location"] == "/invoices?done=dropped"
    assert (await owner.open(f"/invoices/{by_hand.id}")).status_code == 404


async def test_a_failed_step_is_in_plain_sight_and_done_again_alone(owner: Person) -> None:
    shop = await selling.opened(owner)
    account_id = await shop.account(name="Unlucky Ltd")
    draft = await shop.draft(account_id, "10.00")
    async with shop.database.transaction(shop.organization_id) as uow:
        for invoice_id, step in ((draft.id, Step.COLLECT), (None, Step.RATE)):
            await failing.write(
                uow,
                now=selling.START,
                at=clock.now(),
                organization_id=shop.organization_id,
                account_id=account_id,
                invoice_id=invoice_id,
                step=step,
                fault=TaxUnknown("There is no tax rate mwst."),
            )
    assert (await owner.read("/invoices")).count("There is no tax rate mwst.") == 2
    page = await owner.read(f"/invoices/{draft.id}")
    assert "Its usage could not be counted, so it is not issued." in page
    found = re.search(r'action="(/invoices/failures/[0-9a-f-]{36}/retry)"', page)
    assert found is not None
    answer = await owner.send(found[1])
    assert answer.headers["location"] == f"/invoices/{draft.id}?done=retried"
    assert "could not be counted" not in await owner.read(f"/invoices/{draft.id}")
    assert (await owner.send(found[1])).status_code == 404, "it is done"


async def test_the_seller_is_changed_and_wrong_fields_are_told_beside_them(owner: Person) -> None:
    fields = {"name": "Acme Cloud GmbH", "line1": "Torstr. 1", "city": "Berlin", "country": "DE", "color": "#1F7A6D", "locale": "de"}
    more = {"tax_kind_0": "eu_vat", "tax_value_0": "DE123456789", "footer": "IBAN DE89", "email": "billing@acme.example"}
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'></svg>"
    answer = await upload(owner, {**fields, **more}, svg)
    assert (answer.status_code, answer.headers["location"]) == (303, "/invoices/seller?done=saved")
    api = (await owner.key.get("/v1/seller")).json()
    assert api["name"] == "Acme Cloud GmbH"
    assert api["address"] == {"line1": "Torstr. 1", "city": "Berlin", "country": "DE"}
    assert api["tax_ids"] == [{"kind": "eu_vat", "value": "DE123456789"}]
    assert (api["color"], api["has_logo"], api["locale"]) == ("#1f7a6d", True, "de")
    wrong = await upload(owner, {**fields, "country": "XX", "color": "red", "tax_kind_1": "?", "tax_value_1": "1"}, b"nonsense")
    assert wrong.status_code == 422
    for name in ("country", "color", "tax_kind_1", "logo"):
        assert f'id="{name}-wrong"' in wrong.text, name
    assert (await owner.key.get("/v1/seller")).json() == api, "nothing of it is saved"


async def upload(owner: Person, fields: dict[str, str], logo: bytes) -> httpx2.Response:
    return await owner.client.post(
        "/invoices/seller",
        data={"csrf_token": await owner.token(), **fields},
        files={"logo": ("logo.svg", logo, "image/svg+xml")},
        follow_redirects=False,
    )


async def test_the_rules_of_the_seller_are_changed_without_touching_who_it_is(owner: Person) -> None:
    rules: dict[str, Any] = {
        "payment_terms_days": "14",
        "grace_hours": "6",
        "late_usage": "correction",
        "tax_rounding": "line",
        "series": "main",
    }
    assert (await owner.send("/invoices/seller/rules", **rules)).status_code == 303
    api = (await owner.key.get("/v1/seller")).json()
    assert (api["payment_terms_days"], api["grace_hours"], api["late_usage"], api["tax_rounding"]) == (14, 6, "correction", "line")
    for name, value in (("payment_terms_days", "366"), ("grace_hours", "9999"), ("grace_hours", "-1"), ("late_usage", "never")):
        wrong = await owner.send("/invoices/seller/rules", **{**rules, name: value})
        assert wrong.status_code == 422, (name, value)
        assert f'id="{name}-wrong"' in wrong.text, (name, value)


@pytest.mark.parametrize("path", ["/invoices/{}", "/invoices/{}/pdf", "/invoices/{}/lines/" + NOBODYS])
async def test_nobody_sees_another_organizations_invoices(owner: Person, ledger: kit.Installation, path: str) -> None:
    shop = await selling.opened(owner)
    (one,) = await shop.issue(await shop.draft(await shop.account(name="Secret Ltd"), "10.00"))
    _, client = await ledger.open_organization(name="Other")
    browser = await ledger.join(client, "other@example.com", role="owner")
    other = Person(ledger, browser.client, client)
    assert (await other.open(path.format(one.id))).status_code == 404
    for act in ("finalize", "void", "pay", "give-up", "drop"):
        assert (await other.send(f"/invoices/{one.id}/{act}", reference="x")).status_code == 404
    assert "Secret Ltd" not in await other.read(f"/invoices?account={one.account_id}")
    assert "Secret Ltd" not in await other.read("/invoices?customer=Secret")


async def test_a_viewer_has_no_invoices_and_billing_does(owner: Person, viewer: Person) -> None:
    assert (await viewer.open("/invoices")).status_code == 403
    assert (await viewer.send(f"/invoices/{NOBODYS}/void")).status_code == 403
    assert 'href="/invoices' not in await viewer.read("/")
    browser = await owner.ledger.join(owner.key, "billing@example.com", role="billing")
    billing = Person(owner.ledger, browser.client, owner.key)
    assert "Nothing has been billed yet" in await billing.read("/invoices")


@pytest.mark.parametrize("name", [usage.HOSTILE, "شركة الأفق"])
async def test_names_stay_text(owner: Person, name: str) -> None:
    sold = await selling.sold(owner, name=name)
    async with sold.shop.database.transaction(sold.shop.organization_id) as uow:
        await failing.write(
            uow,
            now=selling.START,
            at=clock.now(),
            organization_id=sold.shop.organization_id,
            account_id=sold.account_id,
            invoice_id=None,
            step=Step.RATE,
            fault=TaxUnknown(usage.HOSTILE),
        )
    [*_, last] = await invoices(owner)
    [line, *_] = (await owner.key.get(f"/v1/invoices/{last['id']}/lines")).json()["data"]
    paths = ["/invoices", f"/invoices/{last['id']}", f"/invoices/{last['id']}/lines/{line['id']}", "/invoices?number=%3Cscript%3Ealert(1)"]
    for path in [*paths, "/subscriptions", f"/subscriptions/{sold.subscription_id}", f"/subscriptions/{sold.subscription_id}/change"]:
        page = await owner.read(path)
        assert "<script>alert" not in page, path
        assert "<b>Sons" not in page


async def test_a_document_in_a_currency_without_minor_units_has_none(owner: Person) -> None:
    shop = await selling.opened(owner)
    account_id = await shop.account(currency="JPY")
    draft = await shop.draft(account_id, "1500", currency=currency.by_code("JPY"))
    assert said("1500", "JPY") in await owner.read(f"/invoices/{draft.id}")
    assert Decimal((await owner.key.get(f"/v1/invoices/{draft.id}")).json()["total"]) == 1500
