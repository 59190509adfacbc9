"""The pages beside invoices: late usage, tax rates, series of numbers, payment methods, and the list by days and as a table."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from carbonledger.domains.invoices.types.sellers import LateUsage
from tests.integration.entrypoints.web import selling, usage
from tests.integration.entrypoints.web.conftest import Person

METHOD: dict[str, Any] = {"processor": "stripe", "reference": "pm_1", "brand": "visa", "last4": "4242", "label": "Office"}
CARD = "4242 4242 4242 4242"


async def late(owner: Person, decision: LateUsage) -> selling.Sold:
    """Sell, and have 10 pages of September come on 3 October: 460 in all, the last 10 of them at 0.05, so 0.50 EUR more."""
    sold = await selling.sold(owner)
    await sold.shop.settings(late_usage=decision)
    await sold.shop.use("acme", "10", at=datetime(2026, 9, 20, tzinfo=UTC))
    await sold.shop.settle_late(datetime(2026, 10, 3, tzinfo=UTC))
    return sold


async def test_usage_that_came_late_is_listed_with_what_became_of_it(owner: Person) -> None:
    assert "Nothing has come late" in await owner.read("/invoices/late")
    sold = await late(owner, LateUsage.IGNORE_AND_REPORT)
    [report] = (await owner.key.get("/v1/late-usage")).json()["data"]
    assert (report["amount"], report["quantity_after"], report["billing"]) == ("0.50", "460", None)
    page = await owner.read("/invoices/late")
    for part in ("+10", '0.50 <span class="unit code">EUR</span>', "reported only", "Acme Robotics", "Production", "<code>pages</code>"):
        assert part in page
    line = f"/invoices/{report['invoice_id']}/lines/{report['line_id']}"
    assert f'href="{line}?' in page
    assert "changed since" in await owner.read(line), "the ledger has more than was billed"
    assert "reported only" in await owner.read(f"/invoices/late?account={sold.account_id}")
    other = (await owner.key.post("/v1/accounts", json={"name": "Other", "external_id": "other"})).json()["id"]
    assert "Nothing of this account came late" in await owner.read(f"/invoices/late?account={other}")
    assert "No account is called that" in await owner.read("/invoices/late?customer=nobody")


async def test_late_usage_leads_to_where_it_is_billed(owner: Person) -> None:
    sold = await late(owner, LateUsage.NEXT_INVOICE)
    [report] = (await owner.key.get("/v1/late-usage", params={"account_id": str(sold.account_id)})).json()["data"]
    page = await owner.read("/invoices/late")
    assert "to be billed" in page
    assert f'href="/invoices/{report["billing"]["invoice_id"]}?' in page
    assert "Pages" in await owner.read(f"/invoices/{report['billing']['invoice_id']}/lines/{report['billing']['line_id']}")
    await sold.shop.pass_time(datetime(2026, 11, 1, 12, tzinfo=UTC))
    page = await owner.read("/invoices/late")
    assert '<span class="mark good">billed</span>' in page
    assert "the next invoice, INV-" in page


async def test_a_tax_rate_is_made_and_deleted_while_nothing_names_it(owner: Person) -> None:
    assert "No tax rate yet" in await owner.read("/invoices/tax-rates")
    made = await owner.send("/invoices/tax-rates", name="MwSt.", code="vat", percent="19.5", inclusive="yes")
    assert made.status_code == 303
    [rate] = (await owner.key.get("/v1/tax-rates")).json()["data"]
    assert (rate["code"], rate["percent"], rate["inclusive"]) == ("vat", "19.5", True)
    page = await owner.read("/invoices/tax-rates")
    assert "19.5 %" in page
    assert "inside prices" in page
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"name": "Again", "code": "vat", "percent": "1"}, "code"),
        ({"name": "", "code": "b", "percent": "1"}, "name"),
        ({"name": "B", "code": "b", "percent": "101"}, "percent"),
        ({"name": "B", "code": "b", "percent": "a fifth"}, "percent"),
    ]
    for fields, field in wrong:
        refused = await owner.send("/invoices/tax-rates", **fields)
        assert refused.status_code in (409, 422)
        assert f'id="{field}-wrong"' in refused.text
    assert (await owner.key.patch("/v1/seller", json={"tax_rate_codes": ["vat"]})).status_code == 200
    kept = await owner.send(f"/invoices/tax-rates/{rate['id']}/delete")
    assert kept.status_code == 409
    assert "settings name this tax rate" in kept.text
    assert (await owner.key.delete(f"/v1/tax-rates/{rate['id']}")).json()["code"] == "tax_rate_of_seller"
    assert (await owner.key.patch("/v1/seller", json={"tax_rate_codes": []})).status_code == 200
    assert (await owner.send(f"/invoices/tax-rates/{rate['id']}/delete")).status_code == 303
    assert "MwSt." in await owner.read("/invoices/tax-rates?deleted=yes")


async def test_a_tax_rate_is_renamed_and_keeps_its_code(owner: Person) -> None:
    assert (await owner.send("/invoices/tax-rates", name="VAT", code="vat", percent="19")).status_code == 303
    [rate] = (await owner.key.get("/v1/tax-rates")).json()["data"]
    assert f"rename={rate['id']}" in await owner.read("/invoices/tax-rates")
    form = await owner.read(f"/invoices/tax-rates?rename={rate['id']}")
    assert f'action="/invoices/tax-rates/{rate["id"]}/name"' in form
    assert 'value="VAT"' in form
    refused = await owner.send(f"/invoices/tax-rates/{rate['id']}/name", name=" ")
    assert refused.status_code == 422
    assert 'id="name-wrong"' in refused.text
    done = await owner.send(f"/invoices/tax-rates/{rate['id']}/name", name="MwSt. 19 %")
    assert done.headers["location"] == "/invoices/tax-rates?done=renamed"
    assert "keep the name they were issued with" in await owner.read(done.headers["location"])
    [renamed] = (await owner.key.get("/v1/tax-rates")).json()["data"]
    assert (renamed["code"], renamed["name"]) == ("vat", "MwSt. 19 %")


async def test_only_a_tax_rate_that_is_there_is_renamed(owner: Person) -> None:
    for address in ("rename=none", f"rename={UUID(int=1)}"):
        assert (await owner.open(f"/invoices/tax-rates?{address}")).status_code == 404
    assert (await owner.send(f"/invoices/tax-rates/{UUID(int=1)}/name", name="VAT")).status_code == 404


async def test_settings_name_no_tax_rate_that_is_not_there(owner: Person) -> None:
    refused = await owner.key.patch("/v1/seller", json={"tax_rate_codes": ["vat"]})
    assert refused.status_code == 422
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/tax_rate_codes/0"]


async def test_a_series_is_begun_chosen_and_says_its_next_number(owner: Person) -> None:
    assert "INV-00001" in await owner.read("/invoices/numbers")
    assert (await owner.send("/invoices/numbers", code="y2027", prefix="2027-", padding="4")).status_code == 303
    assert "2027-0001" in await owner.read("/invoices/numbers")
    assert (await owner.send("/invoices/numbers/choose", series="y2027")).status_code == 303
    assert (await owner.key.get("/v1/seller")).json()["series"] == "y2027"
    [first, second] = (await owner.key.get("/v1/invoice-series")).json()["data"]
    assert (first["next_number"], second["next_number"]) == ("INV-00001", "2027-0001")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"code": "y2027", "prefix": "X-", "padding": "4"}, "code"),
        ({"code": "b", "prefix": "lower", "padding": "4"}, "prefix"),
        ({"code": "b", "prefix": "B-", "padding": "many"}, "padding"),
        ({"code": "b", "prefix": "B-", "padding": "13"}, "padding"),
    ]
    for fields, field in wrong:
        refused = await owner.send("/invoices/numbers", **fields)
        assert refused.status_code in (409, 422)
        assert f'id="{field}-wrong"' in refused.text
    assert (await owner.send("/invoices/numbers/choose", series="nothing")).status_code == 404


async def test_payment_methods_are_added_chosen_and_removed_on_the_accounts_page(owner: Person) -> None:
    body = {"name": "Initech", "external_id": "customer-1"}
    account = f"/accounts/{(await owner.key.post('/v1/accounts', json=body)).json()['id']}"
    assert (await owner.send(f"{account}/payment-methods", **METHOD)).status_code == 303
    assert (await owner.send(f"{account}/payment-methods", **{**METHOD, "reference": "pm_2", "label": usage.HOSTILE})).status_code == 303
    methods = (await owner.key.get(f"/v1{account}/payment-methods")).json()["data"]
    assert [(one["reference"], one["is_default"]) for one in methods] == [("pm_1", True), ("pm_2", False)]
    page = await owner.read(account)
    assert "visa ending in 4242" in page
    assert "<script>alert" not in page
    assert (await owner.send(f"{account}/payment-methods/{methods[1]['id']}/default")).status_code == 303
    assert (await owner.send(f"{account}/payment-methods/{methods[1]['id']}/remove")).status_code == 303
    assert "None of them is the default" in await owner.read(account)
    taken = await owner.send(f"{account}/payment-methods", **METHOD)
    assert taken.status_code == 409
    assert 'id="reference-wrong"' in taken.text


async def test_a_number_of_a_card_is_refused_and_never_written_back(owner: Person) -> None:
    account = f"/accounts/{(await owner.key.post('/v1/accounts', json={'name': 'Initech'})).json()['id']}"
    for field in ("reference", "label", "brand", "last4", "processor"):
        refused = await owner.send(f"{account}/payment-methods", **{**METHOD, field: CARD})
        assert refused.status_code == 422
        assert f'id="{field}-wrong"' in refused.text
        assert CARD not in refused.text
        answer = await owner.key.post(f"/v1{account}/payment-methods", json={**METHOD, field: CARD})
        assert (answer.status_code, CARD in answer.text) == (422, False)
    assert (await owner.key.get(f"/v1{account}/payment-methods")).json()["data"] == []


async def test_an_accounts_page_leads_to_what_it_takes_and_is_billed(owner: Person) -> None:
    sold = await selling.sold(owner)
    page = await owner.read(f"/accounts/{sold.account_id}")
    assert f'href="/subscriptions/{sold.subscription_id}?' in page
    for one in (await owner.key.get("/v1/invoices")).json()["data"]:
        assert f'href="/invoices/{one["id"]}?' in page
    assert 'href="/subscriptions/new?account=acme"' in page


async def rows(owner: Person, query: str) -> list[dict[str, Any]]:
    answer = await owner.open(f"/invoices/table.csv?{query}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(answer.text.splitlines()))


async def test_the_list_is_narrowed_by_days_of_issue_and_given_as_a_table(owner: Person) -> None:
    """49.00 + 2 x 10.00 on 1 September; 25.00 of pages and 69.00 on 1 October: see ``selling.Sold``."""
    await selling.sold(owner, name="=1+1")
    assert [(one["total"], one["issued_on"], one["account"]) for one in await rows(owner, "")] == [
        ("94.00", "2026-10-01", "'=1+1"),
        ("69.00", "2026-09-01", "'=1+1"),
    ]
    september = "issued_from=2026-09-01&issued_to=2026-09-30"
    assert [one["total"] for one in await rows(owner, september)] == ["69.00"]
    assert await rows(owner, "issued_from=2026-09-02&issued_to=2026-09-30") == []
    assert [one["number"] for one in await rows(owner, "issued_to=2026-09-01&number=0001")] == ["INV-00001"]
    page = await owner.read(f"/invoices?{september}")
    assert "INV-00001" in page
    assert "INV-00002" not in page
    assert f'href="/invoices/table.csv?{september.replace("&", "&amp;")}"' in page
    assert (await owner.open("/invoices?issued_from=yesterday")).status_code == 422
    api = await owner.key.get("/v1/invoices", params={"issued_from": "2026-09-01T00:00:00Z", "issued_before": "2026-10-01T00:00:00Z"})
    assert [one["number"] for one in api.json()["data"]] == ["INV-00001"]
    assert [one["number"] for one in (await owner.key.get("/v1/invoices", params={"number": "0002"})).json()["data"]] == ["INV-00002"]
