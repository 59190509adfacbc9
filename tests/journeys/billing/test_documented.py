"""What Stripe's, Lago's and Kill Bill's documentation says that a customer is billed is what ours are: plans, usage and months over HTTP.

One seller in a sandbox, a customer for each example, and a clock that is moved from New Year to the end of March. Each example names its
page; where a page gives prices and no sum, the sum is worked beside it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from tests.integration.entrypoints.rest.identity.conftest import Installation
from tests.journeys.billing.test_subscriptions import read, sent
from tests.journeys.periods.test_months import move

STRIPE_FONTS = [("5", "7"), ("10", "6.50"), (None, "6")]


@dataclass(frozen=True)
class Example:
    """A customer's plan and usage, and what is billed of usage or in arrears when January is over."""

    says: str
    charges: list[dict[str, Any]]
    used: tuple[str, ...]
    billed: dict[str, str]
    more: dict[str, Any] = field(default_factory=dict)


def usage(model: str, **members: Any) -> list[dict[str, Any]]:
    return [{"code": "use", "name": "Usage", "charge_model": model, "meter_code": "used", **members}]


def tiered(model: str, tiers: list[tuple[str | None, str]]) -> list[dict[str, Any]]:
    return usage(model, tiers=[{"up_to": up_to, "unit_price": price} for up_to, price in tiers])


EXAMPLES = {
    # docs.stripe.com/subscriptions/pricing-models/tiered-pricing: 1-5 at 7 USD, 6-10 at 6.50, from 11 at 6
    "stripe-volume-5": Example("5 x 7", tiered("volume", STRIPE_FONTS), ("5",), {"use": "35.00"}),
    "stripe-volume-6": Example("6 x 6.50", tiered("volume", STRIPE_FONTS), ("2", "4"), {"use": "39.00"}),
    "stripe-graduated-6": Example("5 x 7 + 6.50", tiered("graduated", STRIPE_FONTS), ("6",), {"use": "41.50"}),
    "stripe-graduated-25": Example("35 + 5 x 6.50 + 15 x 6", tiered("graduated", STRIPE_FONTS), ("20", "5"), {"use": "157.50"}),
    # getlago.com/docs/guide/plans/charges/charge-models/package: 5 USD for 100 units, the first 100 free: 201 units are 10 USD
    "lago-package": Example(
        "0 + 5 + 5", usage("package", package_size="100", package_price="5", free_units="100"), ("201",), {"use": "10.00"}
    ),
    # …/charge-models/graduated-percentage: 500, 550 and 4,000 USD cost 205 + 306 + 80
    "lago-graduated-percentage": Example(
        "591",
        usage(
            "graduated_percentage",
            tiers=[
                {"up_to": "1000", "rate_percent": "1", "flat_price": "200"},
                {"up_to": "10000", "rate_percent": "2", "flat_price": "300"},
                {"up_to": None, "rate_percent": "3", "flat_price": "400"},
            ],
        ),
        ("500", "550", "4000"),
        {"use": "591.00"},
    ),
    # …/charge-models/percentage: 1.2 % on transactions and 0.10 USD for each: of 100, 250 and 50 that is 4.80 + 0.30
    "lago-percentage": Example(
        "1.2 % of 400 + 3 x 0.10",
        usage("percentage", rate_percent="1.2", fixed_fee_per_event="0.10"),
        ("100", "250", "50"),
        {"use": "5.10"},
    ),
    # …/charge-models/graduated: 1 USD for the first 100 calls, 0.50 for the next 100, 0.10 for more: 250 calls are 100 + 50 + 5
    "lago-graduated": Example("155", tiered("graduated", [("100", "1"), ("200", "0.50"), (None, "0.10")]), ("250",), {"use": "155.00"}),
    # getlago.com/docs/guide/plans/commitment (minimum spending): of 100 USD a customer uses 50, and is charged the other 50
    "lago-minimum": Example(
        "50 + 50", usage("standard", unit_price="1"), ("50",), {"use": "50.00", "": "50.00"}, {"minimum_commitment": "100"}
    ),
}


@pytest.fixture
async def client(ledger: Installation) -> httpx2.AsyncClient:
    _, client = await ledger.open_organization(name="S", sandbox=True, clock_start="2026-01-01T00:00:00Z")
    await sent(client, "/v1/meters", {"code": "used", "name": "Used", "aggregation": "sum", "event": "used", "measure": "quantity"}, 201)
    return client


async def plan(client: httpx2.AsyncClient, code: str, charges: list[dict[str, Any]], **more: Any) -> str:
    made = await sent(client, "/v1/plans", {"code": code, "name": code, "currency": "USD", "charges": charges, **more}, 201)
    return str(made["id"])


async def subscribed(client: httpx2.AsyncClient, name: str, plan_id: str, **terms: Any) -> str:
    account = await sent(client, "/v1/accounts", {"external_id": name, "name": name, "currency": "USD", "time_zone": "UTC"}, 201)
    made = await sent(client, "/v1/subscriptions", {"account_id": account["id"], "plan_id": plan_id, **terms}, 201)
    return str(made["id"])


async def billed(client: httpx2.AsyncClient) -> dict[str, list[tuple[str, str, str, str]]]:
    """Return the lines of each customer, the earliest first: day, kind, charge, amount."""
    names = {one["id"]: one["external_id"] for one in (await read(client, "/v1/accounts?limit=200"))["data"]}
    found: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
    for invoice in reversed((await read(client, "/v1/invoices?limit=200"))["data"]):
        lines = (await read(client, f"/v1/invoices/{invoice['id']}/lines"))["data"]
        assert Decimal(invoice["total"]) == sum(Decimal(line["amount"]) for line in lines)
        found[names[invoice["account_id"]]] += [
            (invoice["billed_at"][5:10], line["kind"], line["charge"] or "", line["amount"]) for line in lines
        ]
    return found


def flat(amount: str, timing: str = "advance") -> list[dict[str, Any]]:
    return [{"code": "base", "name": "Base", "charge_model": "flat", "amount": amount, "timing": timing}]


async def test_usage_is_billed_as_their_pages_say(ledger: Installation, client: httpx2.AsyncClient) -> None:
    events = []
    for name, example in EXAMPLES.items():
        await subscribed(client, name, await plan(client, name, example.charges, **example.more))
        for number, quantity in enumerate(example.used):
            event = {"event": "used", "quantity": quantity, "account": name, "occurred_at": f"2026-01-10T10:00:0{number}Z"}
            events.append({"idempotency_key": f"{name} {number}", **event})
    await move(ledger, client, "2026-01-20T00:00:00Z")
    answer = await sent(client, "/v1/telemetry/events", {"events": events}, 202)
    assert answer["accepted"] == len(events)
    await move(ledger, client, "2026-02-01T00:00:00Z")
    found = await billed(client)
    told = {name: {charge: amount for _, _, charge, amount in lines} for name, lines in found.items()}
    assert told == {name: example.billed for name, example in EXAMPLES.items()}


async def test_parts_of_months_are_billed_as_their_pages_say(ledger: Installation, client: httpx2.AsyncClient) -> None:
    # docs.stripe.com/billing/subscriptions/prorations: from 10 to 20 USD halfway through the month: -5 and +10. February has 28 days.
    ten, twenty = await plan(client, "ten", flat("10")), await plan(client, "twenty", flat("20"))
    upgraded = await subscribed(client, "stripe-upgrade", ten, start_at="2026-02-01T00:00:00Z")
    # docs.stripe.com/billing/subscriptions/billing-cycle: begun on 31 January, billed on the last day of a shorter month
    await subscribed(client, "stripe-31st", ten, start_at="2026-01-31T00:00:00Z")
    # getlago.com/docs/guide/subscriptions/upgrades-downgrades: 100 USD a month in arrears by the calendar, to 200 on 15 January:
    # 14 / 31 of 100 and 17 / 31 of 200
    old = await plan(client, "old", flat("100", "arrears"), anchor="calendar")
    new = await plan(client, "new", flat("200", "arrears"), anchor="calendar")
    lago = await subscribed(client, "lago-upgrade", old)
    # docs.killbill.io, billing cycle day 15, bought on 1 January: 14 days first, then whole months from the 15th
    await subscribed(client, "kill-bill-cycle-day", await plan(client, "thirty-one", flat("31")), anchor="2026-01-15")
    await move(ledger, client, "2026-01-15T09:00:00Z")
    await sent(client, f"/v1/subscriptions/{lago}/change-plan", {"plan_id": new, "when": "now"})
    await move(ledger, client, "2026-02-15T00:00:00Z")
    asked = {"subscription_id": upgraded, "change": {"plan_id": twenty, "when": "now"}}
    preview = await sent(client, "/v1/invoices/preview", asked)
    await sent(client, f"/v1/subscriptions/{upgraded}/change-plan", {"plan_id": twenty, "when": "now"})
    await move(ledger, client, "2026-03-31T00:00:00Z")
    found = await billed(client)
    assert found["stripe-upgrade"][:3] == [
        ("02-01", "charge", "base", "10.00"),
        ("02-15", "charge", "base", "10.00"),
        ("02-15", "credit", "base", "-5.00"),
    ]
    # What was shown before is what was charged then.
    assert sorted(line["amount"] for line in preview["lines"]) == ["-5.00", "10.00"]
    assert preview["total"] == "5.00"
    assert [day for day, *_ in found["stripe-31st"]] == ["01-31", "02-28", "03-31"]
    assert found["lago-upgrade"][:2] == [("02-01", "charge", "base", "45.16"), ("02-01", "charge", "base", "109.68")]
    assert found["kill-bill-cycle-day"] == [
        ("01-01", "charge", "base", "14.00"),
        ("01-15", "charge", "base", "31.00"),
        ("02-15", "charge", "base", "31.00"),
        ("03-15", "charge", "base", "31.00"),
    ]
