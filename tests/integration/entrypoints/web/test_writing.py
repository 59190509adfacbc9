"""Writing an invoice by hand on pages: previewed by what writes it, kept as a draft, changed, issued; refused beside its fields."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from tests.integration.entrypoints.web import usage
from tests.integration.entrypoints.web.conftest import Person

LINES: dict[str, Any] = {
    "lines.0.description": "Integration work",
    "lines.0.quantity": "12.5",
    "lines.0.unit_price": "120.00",
    "lines.0.tax": "vat",
    "lines.1.description": "Travel",
    "lines.1.quantity": "1",
    "lines.1.unit_price": "99.99",
    "lines.1.tax": "-",
    "lines.2.description": "",
    "lines.2.quantity": "1",
    "lines.2.unit_price": "",
    "lines.2.tax": "",
}
# 12.5 x 120.00 = 1,500.00 and 99.99; 19 % of 1,500.00 are 285.00: 1,884.99 in all.
TOTAL = '1,884.99 <span class="unit">EUR</span>'


async def a_customer(owner: Person, **fields: Any) -> str:
    body = {"name": "Initech", "external_id": "customer-1", "currency": "EUR", "payment_terms_days": 14, **fields}
    return str((await owner.key.post("/v1/accounts", json=body)).json()["id"])


async def a_rate(owner: Person) -> str:
    body = {"code": "vat", "name": "MwSt.", "percent": "19"}
    return str((await owner.key.post("/v1/tax-rates", json=body)).json()["id"])


async def listed(owner: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await owner.key.get("/v1/invoices")).json()["data"]
    return found


async def redrawn(owner: Person, account_id: str, act: str, **fields: Any) -> httpx2.Response:
    return await owner.send("/invoices/draft", account=account_id, act=act, **fields)


async def test_an_invoice_is_previewed_by_what_writes_it_saved_changed_and_issued(owner: Person) -> None:
    account_id = await a_customer(owner)
    await a_rate(owner)
    assert "Initech" in await owner.read(f"/invoices/new?account={account_id}")
    seen = await redrawn(owner, account_id, "price", **LINES)
    assert TOTAL in seen.text
    assert await listed(owner) == [], "a preview keeps nothing"
    made = await owner.send("/invoices", account=account_id, memo="Order 4711", terms_days="7", currency="EUR", **LINES)
    address = made.headers["location"].partition("?")[0]
    [draft] = await listed(owner)
    assert (draft["total"], draft["state"], draft["payment"]) == ("1884.99", "draft", "unpaid")
    page = await owner.read(address)
    assert TOTAL in page
    assert "Order 4711" in page
    form = await owner.read(f"/invoices/new?replaces={draft['id']}")
    for value in ("Integration work", "12.5", "120", "99.99", "Order 4711"):
        assert f'value="{value}"' in form
    assert '<option value="vat" selected>' in form
    changed = {**LINES, "lines.1.unit_price": "100.00"}
    again = await owner.send("/invoices", account=account_id, replaces=draft["id"], currency="EUR", **changed)
    [after] = await listed(owner)
    assert (after["total"], after["id"] == draft["id"]) == ("1885.00", False)
    address = again.headers["location"].partition("?")[0]
    assert (await owner.send(f"{address}/finalize")).status_code == 303
    [issued] = await listed(owner)
    assert (issued["state"], issued["number"]) == ("issued", "INV-00001")
    refused = await owner.send("/invoices", account=account_id, replaces=issued["id"], currency="EUR", **changed)
    assert refused.status_code == 409, "what is issued is not written anew"
    assert [one["state"] for one in await listed(owner)] == ["issued"]
    assert (await owner.open(f"/invoices/new?replaces={issued['id']}")).status_code == 409
    assert "/invoices/new?replaces=" not in await owner.read(address)


async def test_lines_are_added_and_taken_away_without_a_script(owner: Person) -> None:
    account_id = await a_customer(owner)
    more = await redrawn(owner, account_id, "line", **LINES)
    assert re.findall(r'name="lines\.(\d)\.description"', more.text) == ["0", "1", "2", "3"]
    fewer = await redrawn(owner, account_id, "drop.0", **LINES)
    assert re.findall(r'name="lines\.(\d)\.description" value="([^"]*)"', fewer.text) == [("0", "Travel"), ("1", "")]
    last = await redrawn(owner, account_id, "drop.0", **{"lines.0.description": "Alone"})
    assert re.findall(r'name="lines\.(\d)\.description" value="([^"]*)"', last.text) == [("0", "")]


@pytest.mark.parametrize(
    "changed, field",
    [
        ({"lines.0.quantity": "many"}, "lines.0.quantity"),
        ({"lines.0.quantity": "-1"}, "lines.0.quantity"),
        ({"lines.0.unit_price": ""}, "lines.0.unit_price"),
        ({"lines.0.description": ""}, "lines.0.description"),
        ({"lines.0.description": "", "lines.0.unit_price": "", "lines.1.unit_price": "x"}, "lines.1.unit_price"),
        ({"lines.0.tax": "nothing"}, "lines.0.tax"),
        ({"terms_days": "soon"}, "terms_days"),
        ({"terms_days": "366"}, "terms_days"),
        ({"memo": "a\nb"}, "memo"),
        ({"lines.0.description": "x" * 501}, "lines.0.description"),
        (dict.fromkeys(LINES, ""), "lines.0.description"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field_and_nothing_is_kept(owner: Person, changed: dict[str, Any], field: str) -> None:
    account_id = await a_customer(owner)
    await a_rate(owner)
    answer = await owner.send("/invoices", account=account_id, currency="EUR", **{**LINES, **changed})
    assert answer.status_code == 422
    assert f'id="{field}-wrong"' in answer.text
    assert await listed(owner) == []


async def test_whom_it_bills_is_asked_first(owner: Person) -> None:
    assert 'href="/accounts/new"' in await owner.read("/invoices/new")
    account_id = await a_customer(owner)
    await a_customer(owner, name="Initech Berlin", external_id="customer-2")
    page = await owner.read("/invoices/new?customer=initech")
    assert f'href="/invoices/new?account={account_id}"' in page
    assert "No account is called that" in await owner.read("/invoices/new?customer=nobody")
    assert 'name="lines.0.description"' in await owner.read("/invoices/new?customer=customer-2")
    assert (await owner.send("/invoices", **LINES)).status_code == 400


async def test_what_is_written_stays_text(owner: Person) -> None:
    account_id = await a_customer(owner, name=usage.HOSTILE)
    lines: dict[str, Any] = {"lines.0.description": usage.HOSTILE, "lines.0.quantity": "1", "lines.0.unit_price": "1"}
    seen = await redrawn(owner, account_id, "price", memo=usage.HOSTILE, **lines)
    made = await owner.send("/invoices", account=account_id, memo=usage.HOSTILE, currency="EUR", **lines)
    for text in (seen.text, await owner.read(made.headers["location"])):
        assert "<script>alert" not in text


async def test_a_viewer_writes_nothing(owner: Person, viewer: Person) -> None:
    account_id = await a_customer(owner)
    for path in ("/invoices/new", f"/invoices/new?account={account_id}"):
        assert (await viewer.open(path)).status_code == 403
    for path in ("/invoices", "/invoices/draft", "/invoices/numbers", "/invoices/tax-rates", f"/accounts/{account_id}/payment-methods"):
        assert (await viewer.send(path, account=account_id, **LINES)).status_code == 403
