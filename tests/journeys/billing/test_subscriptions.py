"""A year of a subscription on a sandbox's clock: a trial, changes of plan, a pause, a cancellation and a return, as customers live them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
import pytest

from tests.integration.entrypoints.rest.identity.conftest import Installation
from tests.journeys.periods.test_months import move

MONTHLY = {"code": "base", "name": "Base", "charge_model": "flat", "amount": "31.00", "timing": "advance"}


async def sent(client: httpx2.AsyncClient, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    """Post, and return the answer."""
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def read(client: httpx2.AsyncClient, path: str) -> dict[str, Any]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
async def sandbox(ledger: Installation) -> tuple[UUID, httpx2.AsyncClient]:
    made, client = await ledger.open_organization(name="S", sandbox=True, clock_start="2026-01-31T09:00:00Z")
    return UUID(made["id"]), client


async def plan(client: httpx2.AsyncClient, code: str, amount: str, **more: object) -> str:
    body = {"code": code, "name": code.title(), "currency": "EUR", "charges": [{**MONTHLY, "amount": amount}], **more}
    return str((await sent(client, "/v1/plans", body, 201))["id"])


async def billed(client: httpx2.AsyncClient, seen: set[str]) -> list[tuple[str, str, str]]:
    """What was billed since the last look: kind, days of the part in UTC, amount; by the begin of the part, what is given back first."""
    lines = []
    for invoice in (await read(client, "/v1/invoices?limit=200"))["data"]:
        lines += (await read(client, f"/v1/invoices/{invoice['id']}/lines?limit=200"))["data"]
    fresh = [line for line in lines if line["cause"] not in seen]
    seen.update(line["cause"] for line in fresh)
    fresh.sort(key=lambda line: (line["part_start"], Decimal(line["amount"])))
    return [(line["kind"], f"{line['part_start'][5:10]}..{line['part_end'][5:10]}", line["amount"]) for line in fresh]


async def test_a_year_of_a_customer(ledger: Installation, sandbox: tuple[UUID, httpx2.AsyncClient]) -> None:
    _, client = sandbox
    seen: set[str] = set()
    small, large = await plan(client, "small", "31.00", trial_days=28), await plan(client, "large", "62.00")
    account = await sent(client, "/v1/accounts", {"name": "Globex", "time_zone": "Europe/Berlin", "currency": "EUR"}, 201)
    # What is told beforehand: a trial to 28 February, then periods of the 28th.
    terms = {"account_id": account["id"], "plan_id": small}
    told = await sent(client, "/v1/subscriptions/preview", {**terms, "periods": 2})
    assert [cycle["first_day"] for cycle in told["periods"]] == ["2026-02-28", "2026-03-28"]
    assert [(line["numerator"], line["amount"]) for line in told["lines"]] == [(28, "31.00"), (31, "31.00")]
    made = await sent(client, "/v1/subscriptions", {**terms, "external_id": "globex-1"}, 201)
    path = f"/v1/subscriptions/{made['id']}"
    assert (made["status"], made["trial_ends_at"]) == ("trialing", "2026-02-27T23:00:00Z")

    # Charged from the trial's end; in April it goes up, at once, and the rest of the small plan is given back.
    await move(ledger, client, "2026-04-10T10:00:00Z")
    assert (await read(client, path))["status"] == "active"
    assert await billed(client, seen) == [("charge", "02-27..03-27", "31.00"), ("charge", "03-27..04-27", "31.00")]
    # The day of the change belongs to the large plan: 18 of 31 days, of 31 and of 62.
    await sent(client, f"{path}/change-plan", {"plan_id": large})
    await move(ledger, client, "2026-04-10T10:01:00Z")
    assert await billed(client, seen) == [("credit", "04-09..04-27", "-18.00"), ("charge", "04-09..04-27", "36.00")]

    # In May it is paused for two months, and the days ahead are given back; it resumes by itself.
    await move(ledger, client, "2026-05-10T10:00:00Z")
    paused = await sent(client, f"{path}/pause", {"until": "2026-07-10T10:00:00Z"})
    assert (paused["status"], paused["resumes_at"]) == ("paused", "2026-07-10T10:00:00Z")
    assert (await client.post(f"{path}/pause", json={})).json()["code"] == "subscription_paused"
    await move(ledger, client, "2026-07-10T12:00:00Z")
    assert (await read(client, path))["status"] == "active"
    # From the day after the pause on, 17 of 30 days of 62; from the day on which it resumes, 18 of 30.
    assert await billed(client, seen) == [
        ("charge", "04-27..05-27", "62.00"),
        ("credit", "05-10..05-27", "-35.13"),
        ("charge", "07-09..07-27", "37.20"),
    ]

    # Down again: it waits for the renewal, and a changed mind before then is no change.
    await move(ledger, client, "2026-08-01T10:00:00Z")
    planned = await sent(client, f"{path}/change-plan", {"plan_id": small})
    assert [fact["effective_at"] for fact in planned["planned"]] == ["2026-08-27T22:00:00Z"]
    canceled = await sent(client, f"{path}/cancel", {"when": "period_end", "reason": "too dear"})
    assert canceled["cancels_at"] == "2026-08-27T22:00:00Z"
    assert (await sent(client, f"{path}/reactivate", {}))["cancels_at"] is None
    await move(ledger, client, "2026-09-01T10:00:00Z")
    assert (await read(client, path))["plan_id"] == small

    # Canceled now, twice; then back, with a period of its own.
    await sent(client, f"{path}/cancel", {"credit": True})
    assert (await client.post(f"{path}/cancel", json={})).json()["code"] == "subscription_over"
    await move(ledger, client, "2026-09-01T10:01:00Z")
    # Its day still counts: 26 of 31 days of 31 are given back.
    assert await billed(client, seen) == [
        ("charge", "07-27..08-27", "62.00"),
        ("charge", "08-27..09-27", "31.00"),
        ("credit", "09-01..09-27", "-26.00"),
    ]
    await move(ledger, client, "2026-10-31T10:00:00Z")
    back = await sent(client, f"{path}/reactivate", {})
    assert back["current_period"]["first_day"] == "2026-10-31"
    await move(ledger, client, "2027-01-31T10:00:00Z")
    # From 31 October: 30 November, 31 December, 31 January, 28 February; midnights of Berlin, an hour before those of UTC.
    assert await billed(client, seen) == [
        ("charge", f"{start}..{end}", "31.00")
        for start, end in (("10-30", "11-29"), ("11-29", "12-30"), ("12-30", "01-30"), ("01-30", "02-27"))
    ]

    history = (await read(client, f"{path}/history?limit=100"))["data"]
    assert [fact["kind"] for fact in reversed(history)] == [
        "started", "trial_ended", "plan_changed", "paused", "resumed", "plan_changed", "canceled", "withdrawn", "canceled", "reactivated",
    ]  # fmt: skip
    trail = await read(client, f"/v1/events?target_type=subscription&target_id={made['id']}&limit=200")
    renewals = [event["occurred_at"] for event in reversed(trail["data"]) if event["action"] == "subscription.renewed"]
    assert renewals[:2] == ["2026-03-27T23:00:00Z", "2026-04-27T22:00:00Z"]
    assert len(renewals) == 7  # four of the first life, none in the pause, and three of the second


async def test_a_customer_who_never_pays(ledger: Installation, sandbox: tuple[UUID, httpx2.AsyncClient]) -> None:
    """Started on 31 January at 9: it ends a day less an hour later, and its invoice is void."""
    _, client = sandbox
    account = await sent(client, "/v1/accounts", {"name": "Globex", "currency": "EUR"}, 201)
    body = {"plan_id": await plan(client, "small", "31.00"), "account_id": account["id"], "payment_first": True}
    made = await sent(client, "/v1/subscriptions", body, 201)
    assert (made["status"], made["expires_at"]) == ("incomplete", "2026-02-01T08:00:00Z")
    await move(ledger, client, "2026-02-01T07:59:59Z")
    (invoice,) = (await read(client, "/v1/invoices"))["data"]
    assert (invoice["state"], invoice["total"]) == ("issued", "31.00")
    await move(ledger, client, "2026-02-01T08:00:00Z")
    path = f"/v1/subscriptions/{made['id']}"
    ended = await read(client, path)
    assert (ended["status"], ended["expires_at"]) == ("ended", None)
    assert (await read(client, f"/v1/invoices/{invoice['id']}"))["state"] == "void"
    await move(ledger, client, "2026-03-15T08:00:00Z")
    assert len((await read(client, "/v1/invoices"))["data"]) == 1
    assert [fact["kind"] for fact in (await read(client, f"{path}/history"))["data"]] == ["expired", "started"]


async def test_usage_that_is_expected_is_seen_before_it_is_sold(sandbox: tuple[UUID, httpx2.AsyncClient]) -> None:
    """31.00 in advance, 10.00 of providers' cost and 20 % of it; half of that for the 15 of 30 days before the plan changes."""
    _, client = sandbox
    ai = {"code": "ai", "name": "AI", "charge_model": "cost_plus", "markup_percent": "20"}
    plans = [
        (await sent(client, "/v1/plans", {"code": code, "name": code, "currency": "USD", "charges": charges}, 201))["id"]
        for code, charges in (("small", [MONTHLY, ai]), ("large", [{**MONTHLY, "amount": "62.00"}, ai]))
    ]
    body = {"plan_id": plans[0], "start_at": "2026-06-01T00:00:00Z", "time_zone": "UTC", "periods": 1}
    change = {"at": "2026-06-16T00:00:00Z", "plan_id": plans[1]}
    for usage, changes, amounts in (
        ([], [], [("base", "31.00"), ("ai", None)]),
        ([{"charge": "ai", "quantity": "10.00"}], [], [("base", "31.00"), ("ai", "12.00")]),
        (
            [{"charge": "ai", "quantity": "10.00"}],
            [change],
            [("base", "31.00"), ("base", "-15.50"), ("base", "31.00"), ("ai", "6.00"), ("ai", "6.00")],
        ),
    ):
        told = await sent(client, "/v1/subscriptions/preview", {**body, "usage": usage, "changes": changes})
        assert [(line["code"], line["amount"]) for line in told["lines"]] == amounts
    refused = await client.post("/v1/subscriptions/preview", json={**body, "usage": [{"meter": "pages", "quantity": "1"}]})
    assert refused.status_code == 422
    assert [(one["pointer"], one["code"]) for one in refused.json()["errors"]] == [("/usage/0", "not_of_the_plan")]
