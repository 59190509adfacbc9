"""Three customers' AI usage, from the real traces to paid invoices, with real processes and over HTTP alone.

Each is billed what its provider charged plus a margin, its carbon, and a flat fee, by the months of its own zone. The expected numbers come
from ``trace_bills.py``, which reads the raw traces, the providers' published prices and the ledger's own export, and knows nothing of ours.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import httpx2
import pytest

from tests import installation, until
from tests.journeys.billing import trace_bills

KEY = "cl_live_" + "b" * 40
FEE, PER_KG = Decimal("49.00"), Decimal("0.25")
MARGIN = Decimal("1.20")
MARGINS = {"output": Decimal("1.35")}  # initech's: another one on what models write
PLAN: dict[str, Any] = {
    "currency": "USD",
    "interval": {"unit": "month"},
    "anchor": "calendar",
    "charges": [
        {"code": "fee", "name": "Platform", "charge_model": "flat", "amount": str(FEE), "timing": "advance"},
        {"code": "ai", "name": "AI usage", "charge_model": "cost_plus", "markup_percent": "20"},
        {"code": "carbon", "name": "Carbon", "charge_model": "carbon", "price_per_kg": str(PER_KG), "bound": "high"},
    ],
}
NEW_YEAR = {"acme": "2025-12-31T23:00:00Z", "globex": "2025-12-31T13:00:00Z", "initech": "2026-01-01T03:00:00Z"}  # in their zones
PAGE = 200


class Seller:
    """A client of the sandbox organization that sells."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client

    def send(self, method: str, path: str, body: object = None, *, expect: int = 200) -> Any:  # noqa: ANN401 - JSON
        answer = self.client.request(method, path, json=body)
        assert answer.status_code == expect, (method, path, answer.text)
        return answer.json() if answer.content else None

    def every(self, path: str) -> list[dict[str, Any]]:
        """Return all rows of a list."""
        page = self.send("GET", f"{path}{'&' if '?' in path else '?'}limit={PAGE}")
        assert page["next_cursor"] is None
        rows: list[dict[str, Any]] = page["data"]
        return rows

    def move(self, to: datetime) -> None:
        """Move the clock, and wait until everything due has happened."""
        moved = self.send("POST", "/v1/test-clock/advance", {"to": to.isoformat()}, expect=202)
        job: dict[str, Any] = {}

        def is_done() -> bool:
            job.update(self.send("GET", moved["status_url"]))
            return job["state"] not in {"queued", "running"}

        until.holds_now(is_done)
        assert job["state"] == "succeeded", job

    def ingest(self, events: list[dict[str, Any]]) -> dict[str, int]:
        """Send events, and return what became of them."""
        found = dict.fromkeys(("accepted", "duplicate", "revised", "rejected"), 0)
        for some in _batched(events, 5000):
            answer = self.send("POST", "/v1/telemetry/events", {"events": list(some)}, expect=202)
            found = {name: count + answer[name] for name, count in found.items()}
        return found

    def is_there(self, path: str) -> bool:
        return self.client.get(path).status_code == 200

    def invoices(self, account_id: str) -> list[dict[str, Any]]:
        """Return an account's invoices, the oldest first."""
        return list(reversed(self.every(f"/v1/invoices?account_id={account_id}")))

    def lines(self, invoice: dict[str, Any]) -> list[dict[str, Any]]:
        return self.every(f"/v1/invoices/{invoice['id']}/lines")

    def export(self) -> list[str]:
        """Return the ledger's own export, a line for each event."""
        answer = self.client.get(
            "/v1/exports/telemetry", params={"format": "jsonl", "from": "2025-12-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
        )
        assert answer.status_code == 200, answer.text
        return answer.text.splitlines()

    def everything(self) -> dict[str, Any]:
        """Return all that billing made, to see whether anything of it changed."""
        invoices = self.every("/v1/invoices")
        return {
            "invoices": [self.send("GET", f"/v1/invoices/{one['id']}") for one in invoices],
            "lines": [self.lines(one) for one in invoices],
            "series": self.send("GET", "/v1/invoice-series"),
            "late": self.every("/v1/late-usage"),
        }


def _batched(events: list[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(events), size):
        yield events[start : start + size]


@pytest.fixture
def seller() -> Iterator[Seller]:
    """A sandbox organization of an installation whose processes are real."""
    with installation.new_home() as home, installation.up(home, CARBONLEDGER_BOOTSTRAP_API_KEY=KEY) as running:
        asked = {"name": "Agents Inc.", "sandbox": True, "clock_start": "2025-12-31T12:00:00Z", "first_key": {"scopes": ["*"]}}
        status, made = running.request("POST", "/v1/organizations", body=asked, headers={"Authorization": f"Bearer {KEY}"})
        assert status == 201, made
        headers = {"authorization": f"Bearer {made['first_key']['secret']}"}
        with httpx2.Client(base_url=running.address, headers=headers, timeout=120) as client:
            yield Seller(client)


def event(number: int, customer: str, at: datetime, tokens: dict[str, int]) -> dict[str, Any]:
    provider, model = trace_bills.MODELS[customer]
    return {
        "idempotency_key": f"trace-{number}",
        "occurred_at": at.isoformat(),
        "provider": provider,
        "model": model,
        "tokens": tokens,
        "account": customer,
    }


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def billed(customer: str, costs: dict[str, Decimal]) -> Decimal:
    """What the provider's cost comes to with its margins, by hand."""
    margins = MARGINS if customer == "initech" else {}
    return sum((cost * margins.get(kind, MARGIN) for kind, cost in costs.items()), Decimal(0))


def customers(seller: Seller) -> dict[str, str]:
    """Make the three, each with a subscription from New Year of its zone on."""
    plain = seller.send("POST", "/v1/plans", {"code": "agents", "name": "Agents", **PLAN}, expect=201)
    own = [dict(one) for one in PLAN["charges"]]
    own[1]["by_token_kind"] = {"output": "35"}
    writers = seller.send("POST", "/v1/plans", {"code": "writers", "name": "Writers", **PLAN, "charges": own}, expect=201)
    made = {}
    for customer, zone in trace_bills.ZONES.items():
        account = seller.send(
            "POST", "/v1/accounts", {"external_id": customer, "name": customer.title(), "currency": "USD", "time_zone": zone}, expect=201
        )
        plan = writers if customer == "initech" else plain
        terms = {"account_id": account["id"], "plan_id": plan["id"], "start_at": NEW_YEAR[customer]}
        seller.send("POST", "/v1/subscriptions", terms, expect=201)
        made[customer] = account["id"]
    return made


def checked(seller: Seller, customer: str, invoice: dict[str, Any], month: str, late: Decimal = Decimal(0)) -> None:
    """Compare an invoice with the two other opinions on its month. ``late``: what must be on it of an earlier one."""
    lines = {line["charge"] if line["kind"] == "charge" else line["kind"]: line for line in seller.lines(invoice)}
    costs = trace_bills.charged(trace_bills.calls())[customer, month]
    told = trace_bills.exported(seller.export())[customer, month]
    ai, carbon = lines["ai"], lines["carbon"]
    # The provider's cost: by its published prices, by the ledger's own export, on the invoice.
    assert (Decimal(ai["quantity"]), ai["events"]) == (sum(costs.values()), told["events"])
    assert Decimal(ai["quantity"]) == told["cost"]
    assert Decimal(ai["amount_unrounded"]) == billed(customer, costs)
    assert Decimal(ai["amount"]) == cents(billed(customer, costs))
    # The kilograms: the ledger's grams, with the 12 places of a quantity.
    kilograms = told["co2e_g"] / 1000
    assert abs(Decimal(carbon["quantity"]) - kilograms) <= Decimal("1e-12")
    assert kilograms > 0
    assert Decimal(carbon["amount"]) == cents(kilograms * PER_KG)
    assert Decimal(lines["fee"]["amount"]) == FEE
    assert Decimal(lines["late"]["amount"] if "late" in lines else 0) == late
    amounts = [Decimal(line["amount"]) for line in lines.values()]
    assert Decimal(invoice["total"]) == sum(amounts) == FEE + Decimal(ai["amount"]) + Decimal(carbon["amount"]) + late
    seen = seller.send("GET", f"/v1/invoices/{invoice['id']}/lines/{ai['id']}/explain")
    assert seen["usage"]["is_unchanged"] is True
    assert seen["usage"]["prices"] == seen["usage"]["prices_now"]
    assert len(seen["usage"]["prices"]) == 1
    assert sum(Decimal(day["quantity"]) for day in seen["usage"]["days"]) == Decimal(ai["quantity"])
    assert sum(day["events"] for day in seen["usage"]["days"]) == ai["events"]
    assert {day["date"][:7] for day in seen["usage"]["days"]} == {month}


def test_three_customers_usage_becomes_invoices_that_say_what_the_ledger_says(seller: Seller) -> None:
    calls = [event(number, *call) for number, call in enumerate(trace_bills.calls())]

    def between(start: datetime, end: datetime) -> list[dict[str, Any]]:
        return [one for one in calls if start.isoformat() <= one["occurred_at"] < end.isoformat()]

    seller.send("PATCH", "/v1/seller", {"name": "Agents Inc.", "grace_hours": 24, "late_usage": "next_invoice"})
    accounts = customers(seller)
    january, february = datetime(2026, 2, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC)
    first = datetime(2026, 1, 1, tzinfo=UTC)

    # January passes; its bills wait a day for what is late, and here it comes.
    seller.move(january)
    sent = between(first, january)
    assert seller.ingest(sent) == {"accepted": len(sent), "duplicate": 0, "revised": 0, "rejected": 0}
    states = {customer: [one["state"] for one in seller.invoices(account_id)] for customer, account_id in accounts.items()}
    assert states == {customer: ["issued", "draft"] for customer in accounts}
    seller.move(january + timedelta(days=2))
    for customer, account_id in accounts.items():
        opening, invoice = seller.invoices(account_id)
        assert (opening["total"], invoice["state"], invoice["payment"]) == (str(FEE), "issued", "unpaid")
        checked(seller, customer, invoice, "2026-01")

    # After that it is late: a million tokens of 31 January, whose 2.50 USD go with their margin on the next invoice.
    after_hours = event(10**6, "acme", datetime(2026, 1, 31, 22, 59, 59, tzinfo=UTC), {"uncached_input": 10**6, "output": 0})
    assert seller.ingest([after_hours])["accepted"] == 1
    settled = seller.everything()
    sent = between(january, february)
    seller.move(february)
    assert seller.ingest(sent)["accepted"] == len(sent)
    seller.move(february + timedelta(days=2))
    for customer, account_id in accounts.items():
        *_, invoice = seller.invoices(account_id)
        late = [line for line in seller.lines(invoice) if line["kind"] == "late"]
        if customer != "acme":
            assert late == []
            checked(seller, customer, invoice, "2026-02")
            continue
        by_charge = {line["charge"]: line for line in late}
        assert by_charge.keys() == {"ai", "carbon"}
        assert (Decimal(by_charge["ai"]["quantity"]), Decimal(by_charge["ai"]["amount"])) == (Decimal("2.50"), Decimal("3.00"))
        reported = {one["decision"] for one in seller.every("/v1/late-usage")}
        assert reported == {"next_invoice"}
    # What was issued before has not changed by it.
    now = seller.everything()
    issued = [one for one in settled["invoices"] if one["state"] == "issued"]
    assert [one for one in now["invoices"] if one["id"] in {each["id"] for each in issued}] == issued

    _is_whole(seller, now, count=9)
    _is_paid(seller, accounts["acme"])
    _changes_nothing(seller, calls, february + timedelta(days=2))


def _is_whole(seller: Seller, made: dict[str, Any], *, count: int) -> None:
    """Numbers have no gap, and each invoice has its PDF."""
    numbers = sorted(one["number"] for one in made["invoices"])
    assert numbers == [f"INV-{number:05}" for number in range(1, count + 1)]
    for invoice in made["invoices"]:
        path = f"/v1/invoices/{invoice['id']}/pdf"
        until.holds_now(functools.partial(seller.is_there, path))
        printed = seller.client.get(path)
        assert printed.headers["content-type"] == "application/pdf"
        assert printed.content.startswith(b"%PDF-")


def _is_paid(seller: Seller, account_id: str) -> None:
    """A transfer is recorded, once; afterwards nothing of the invoice can change."""
    _, invoice, _ = seller.invoices(account_id)
    paying = {"mode": "record", "reference": "SEPA 2026-02-14/17"}
    paid = seller.send("POST", f"/v1/invoices/{invoice['id']}/pay", paying)
    assert (paid["payment"], paid["reference"], paid["total"]) == ("paid", "SEPA 2026-02-14/17", invoice["total"])
    assert seller.send("POST", f"/v1/invoices/{invoice['id']}/pay", paying) == paid
    for path, body in (("pay", {"mode": "record", "reference": "another"}), ("void", None), ("mark-uncollectible", None)):
        refused = seller.client.post(f"/v1/invoices/{invoice['id']}/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "invoice_already_paid"), refused.text


def _changes_nothing(seller: Seller, calls: list[dict[str, Any]], now: datetime) -> None:
    """Everything once more: the same calls, and time in which nothing is due."""
    before = seller.everything()
    again = [one for one in calls if datetime.fromisoformat(one["occurred_at"]) < now]
    assert seller.ingest(again) == {"accepted": 0, "duplicate": len(again), "revised": 0, "rejected": 0}
    seller.move(now + timedelta(days=7))
    assert seller.everything() == before
    back = seller.client.post("/v1/test-clock/advance", json={"to": now.isoformat()})
    assert (back.status_code, back.json()["code"]) == (409, "clock_backwards")
