"""Invoices on screens: listed, shown with their lines, explained, and moved by whoever may."""

from __future__ import annotations

from typing import Any

from tests.integration.entrypoints.web.conftest import Person


async def written(owner: Person, *, name: str = "Acme & <i>Sons</i>") -> dict[str, Any]:
    """A draft of two lines."""
    account = await owner.key.post("/v1/accounts", json={"name": name})
    assert account.is_success, account.text
    lines = [
        {"description": "Work <b>well</b> done", "quantity": "12.5", "unit_price": "120.00"},
        {"description": "Fee", "unit_price": "1"},
    ]
    made = await owner.key.post("/v1/invoices", json={"account_id": account.json()["id"], "currency": "EUR", "lines": lines})
    assert made.is_success, made.text
    return dict(made.json())


async def test_a_draft_is_issued_paid_and_then_stays(owner: Person) -> None:
    draft = await written(owner)
    path = f"/invoices/{draft['id']}"
    page = await owner.read(path)
    assert "1,501.00 EUR" in page
    assert "&lt;b&gt;well&lt;/b&gt;" in page
    assert "<b>well" not in page
    answer = await owner.send(f"{path}/finalize")
    assert answer.headers["location"] == f"{path}?done=issued"
    assert "INV-00001" in await owner.read(path)
    refused = await owner.send(f"{path}/pay", reference="")
    assert refused.status_code == 422
    assert "Write at least one visible character" in refused.text
    assert (await owner.send(f"{path}/pay", reference="SEPA 1")).status_code == 303
    page = await owner.read(path)
    assert "SEPA 1" in page
    assert "What may be done" not in page
    again = await owner.send(f"{path}/void")
    assert again.status_code == 422
    assert "A paid invoice never changes" in again.text


async def test_the_list_shows_what_is_asked_for(owner: Person) -> None:
    draft = await written(owner)
    assert draft["id"] in await owner.read("/invoices")
    assert draft["id"] in await owner.read("/invoices?show=draft")
    assert draft["id"] not in await owner.read("/invoices?show=paid")


async def test_a_line_is_explained(owner: Person) -> None:
    draft = await written(owner)
    (line, _) = (await owner.key.get(f"/v1/invoices/{draft['id']}/lines")).json()["data"]
    page = await owner.read(f"/invoices/{draft['id']}/lines/{line['id']}")
    assert "How this line came to 1,500.00 EUR" in page
    assert line["cause"] in page


async def test_the_pdf_is_there_once_it_is_made(owner: Person) -> None:
    draft = await written(owner, name="Acme")
    await owner.send(f"/invoices/{draft['id']}/finalize")
    assert (await owner.open(f"/invoices/{draft['id']}/pdf")).status_code == 503
    await owner.ledger.run_jobs()
    answer = await owner.open(f"/invoices/{draft['id']}/pdf")
    assert answer.content.startswith(b"%PDF")
    assert answer.headers["content-disposition"] == 'attachment; filename="INV-00001.pdf"'


async def test_a_viewer_does_not_see_what_customers_owe(owner: Person, viewer: Person) -> None:
    draft = await written(owner)
    assert (await viewer.open(f"/invoices/{draft['id']}")).status_code in {403, 404}
    assert (await viewer.open("/invoices")).status_code == 403
