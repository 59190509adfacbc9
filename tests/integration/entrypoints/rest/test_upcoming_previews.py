"""The next invoice of a subscription over HTTP: as it stands, and after a change."""

from __future__ import annotations

from typing import Any

from tests.integration.entrypoints.rest.identity.conftest import Installation, install, ledger

__all__ = ["install", "ledger"]  # fixtures


async def test_the_next_invoice_as_it_stands_and_after_a_change(ledger: Installation) -> None:
    _, key = await ledger.open_organization()

    async def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await key.post(path, json=body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    account = await post("/v1/accounts", {"name": "Acme"})
    charge = {"code": "seat", "name": "Seat", "charge_model": "flat", "amount": "20.00", "per_seat": True, "timing": "advance"}
    plan = await post("/v1/plans", {"code": "team", "name": "Team", "currency": "EUR", "charges": [charge]})
    made = await post("/v1/subscriptions", {"account_id": account["id"], "plan_id": plan["id"], "quantity": 3})
    now = await post("/v1/invoices/preview", {"subscription_id": made["id"]})
    assert (now["total"], now["lines"][0]["charge"]) == ("60.00", "seat")
    changed = await post("/v1/invoices/preview", {"subscription_id": made["id"], "change": {"quantity": 5}})
    assert changed["total"] == "100.00"
    refused = await key.post("/v1/invoices/preview", json={"subscription_id": made["id"], "currency": "EUR"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/currency")
    missing = await key.post("/v1/invoices/preview", json={})
    assert {one["pointer"] for one in missing.json()["errors"]} == {"/currency", "/lines"}
