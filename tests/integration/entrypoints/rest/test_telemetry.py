"""Answers over HTTP: their shape, their defaults, what they refuse, and that they are of the caller's organization alone."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
import pytest

from carbonledger.domains.telemetry import types
from carbonledger.entrypoints.rest import telemetry
from carbonledger.infra import clock
from carbonledger.kernel.money import Money
from tests.integration.domains.telemetry import books, kit
from tests.integration.entrypoints.rest.identity.conftest import Installation, install, ledger

__all__ = ["install", "ledger"]  # fixtures

START = datetime(2026, 10, 22, tzinfo=UTC)
OVER = {"from": "2026-10-22T00:00:00Z", "to": "2026-10-25T00:00:00Z"}
READS = (
    "/v1/telemetry/summary",
    "/v1/telemetry/timeseries",
    "/v1/telemetry/models",
    "/v1/telemetry/breakdown",
    "/v1/telemetry/events",
    "/v1/usage/providers",
    "/v1/usage/agents",
    "/v1/exports/telemetry",
)


async def ok(client: httpx2.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def filled(ledger: Installation) -> tuple[UUID, httpx2.AsyncClient]:
    """Open an organization and give it two calls and one that is not covered."""
    made, client = await ledger.open_organization()
    organization_id = UUID(made["id"])
    await kit.accept(
        ledger.services.database,
        organization_id,
        kit.draft("one", at=START, account="acme", properties={"who": "somebody"}),
        kit.draft("two", at=START + timedelta(days=1), counts=kit.tokens(1000, 500, 0), requests=None),
        kit.draft("three", at=START + timedelta(days=1), model="dall-e-3", counts=kit.tokens(500, 0, 0)),
    )
    return organization_id, client


async def test_the_summary_has_its_shape(ledger: Installation) -> None:
    _, client = await filled(ledger)
    shown = await ok(client, "/v1/telemetry/summary", **OVER)
    assert shown["period"] == {"start": OVER["from"], "end": OVER["to"], "time_zone": "UTC", "is_default": False}
    totals = shown["totals"]
    assert (totals["events"], totals["requests"], totals["unknown"]["requests"]) == (3, 2, 1)
    assert totals["tokens"] == {
        "uncached_input": 2500,
        "cached_input": 500,
        "cache_creation_5m": 0,
        "cache_creation_1h": 0,
        "output": 500,
        "reasoning": 0,
        "total": 3500,
    }
    # 2000 x 2.50 + 500 x 1.25 + 500 x 10.00 USD a million tokens of gpt-4o; dall-e-3 has no price by token.
    assert totals["cost"] == {"amount": "0.010625", "currency": "USD"}
    # (2000 x 0.075 + 500 x 0.0075 + 500 x 0.8) Wh a thousand tokens x PUE 1.18 of factor set 1.0 (tier medium, OpenAI).
    assert totals["energy_wh"]["mid"] == "0.653425"
    assert shown["coverage"] == {"covered": "0.857142", "not_covered": "0.142858", "estimated": "0", "provisional": "0"}
    assert [(row["model"], row["tokens"]["total"]) for row in shown["by_model"]] == [("gpt-4o", 3000), ("dall-e-3", 500)]
    # 500 tokens read at 1.25 in place of 2.50 USD a million, and at 0.0075 in place of 0.075 Wh a thousand, x PUE 1.18.
    saving = shown["cache_saving"]
    assert (saving["tokens"], saving["cost"], saving["energy_wh"]["mid"]) == (500, {"amount": "0.000625", "currency": "USD"}, "0.039825")
    assert shown["by_model"][1]["cost"] is None
    assert shown["by_model"][1]["energy_wh"] is None
    assert [(row["date"], row["tokens"]["total"]) for row in shown["daily"]] == [
        ("2026-10-22", 1500),
        ("2026-10-23", 2000),
        ("2026-10-24", 0),
    ]


async def test_a_call_without_tokens_that_is_not_covered_is_counted_beside_the_shares(ledger: Installation) -> None:
    """Shares are of tokens: of 1,500 tokens all are covered, and of two calls one is not."""
    made, client = await ledger.open_organization()
    image = kit.draft("image", at=START, model="dall-e-3", counts=kit.tokens(0, 0, 0))
    await kit.accept(ledger.services.database, UUID(made["id"]), kit.draft("chat", at=START), image)
    summary = await ok(client, "/v1/telemetry/summary", **OVER)
    series = await ok(client, "/v1/telemetry/timeseries", **OVER, group_by="model")
    broken_down = await ok(client, "/v1/telemetry/breakdown", **OVER)
    providers = await ok(client, "/v1/usage/providers", **OVER)
    both = (summary, summary["totals"], summary["daily"][0], series["totals"], series["buckets"][0], broken_down["totals"])
    for shown in (*both, broken_down["groups"][0], providers["totals"], (await ok(client, "/v1/usage/agents", **OVER))["totals"]):
        for name in ("coverage", "cost_coverage"):
            assert (shown[name]["covered"], shown[name]["not_covered"]) == ("1", "0")
        assert (shown["not_covered_events"], shown["cost_not_covered_events"]) == (1, 1)
    models = (await ok(client, "/v1/telemetry/models", **OVER))["models"]
    for rows in (summary["by_model"], models, providers["models"]):
        found = {row["model"]: (row["not_covered_events"], row["cost_not_covered_events"]) for row in rows}
        assert found == {"gpt-4o": (0, 0), "dall-e-3": (1, 1)}


async def test_a_cost_and_an_estimate_are_missing_each_for_itself(ledger: Installation) -> None:
    """A model that nobody has heard of has no price, and is estimated as a medium one."""
    made, client = await ledger.open_organization()
    await kit.accept(ledger.services.database, UUID(made["id"]), kit.draft("new", at=START, model="unheard-of"))
    totals = (await ok(client, "/v1/telemetry/summary", **OVER))["totals"]
    assert (totals["events"], totals["not_covered_events"], totals["cost_not_covered_events"]) == (1, 0, 1)


async def test_the_summary_is_what_its_schema_says(ledger: Installation) -> None:
    """It is written without the model that describes it, so that model reads it and writes it again."""
    _, client = await filled(ledger)
    shown = await ok(client, "/v1/telemetry/summary", **OVER)
    assert json.loads(telemetry.SummaryOut.model_validate_json(json.dumps(shown)).model_dump_json()) == shown


async def test_without_a_period_it_is_the_last_thirty_days_of_the_organizations_clock(ledger: Installation) -> None:
    made, client = await ledger.open_organization(sandbox=True, clock_start="2026-10-23T12:00:00Z")
    await kit.accept(ledger.services.database, UUID(made["id"]), kit.draft("one", at=START), at=START + timedelta(days=1))
    shown = await ok(client, "/v1/telemetry/summary")
    assert shown["period"] == {"start": "2026-09-24T00:00:00Z", "end": "2026-10-24T00:00:00Z", "time_zone": "UTC", "is_default": True}
    assert shown["totals"]["events"] == 1
    assert len(shown["daily"]) == 30


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize(
    "query, code",
    [
        ({"from": "2026-10-25T00:00:00Z", "to": "2026-10-25T00:00:00Z"}, "period_invalid"),
        ({"from": "2000-01-01T00:00:00Z", "to": "2026-10-25T00:00:00Z"}, "period_invalid"),
        ({"from": "1999-01-01T00:00:00Z", "to": "2001-01-01T00:00:00Z"}, "period_invalid"),
        ({"from": "yesterday"}, "request_invalid"),
        ({"provider": ""}, "request_invalid"),
        ({"projekt_id": "x"}, "request_invalid"),
    ],
    ids=["empty", "too long", "too early", "no time", "empty filter", "unknown filter"],
)
async def test_what_cannot_be_answered_is_422(ledger: Installation, path: str, query: dict[str, str], code: str) -> None:
    _, client = await ledger.open_organization()
    answer = await client.get(path, params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_every_read_takes_the_same_filters(ledger: Installation) -> None:
    organization_id, client = await filled(ledger)
    await kit.accept(ledger.services.database, organization_id, kit.draft("four", at=START, service_tier="priority", region="eu"))
    taken = [path for path in READS if "/usage/" not in path]
    for path in taken:
        for query, expected in (
            ({"service_tier": "priority"}, {"four"}),
            ({"without": "service_tier"}, {"one", "two", "three"}),
            ({"without": ["region", "account"], "model": "gpt-4o"}, {"two"}),
            ({"without": ["agent", "connection"], "region": "eu"}, {"four"}),
        ):
            given = {**OVER, **query, **({"format": "json"} if "exports" in path else {})}
            answer = await client.get(path, params=given)
            assert answer.status_code == 200, answer.text
            assert found_in(path, answer.json()) in {frozenset(expected), len(expected)}, (path, query)
        for wrong in ({"without": "model"}, {"service_tier": ""}, {"service_tier": ["a", "b"]}):
            assert (await client.get(path, params={**OVER, **wrong})).status_code == 422, (path, wrong)


def found_in(path: str, shown: Any) -> frozenset[str] | int:  # noqa: ANN401 - a list or an object
    """Return the keys of the events that an answer is about, or how many they are."""
    if "exports" in path:
        return frozenset(row["idempotency_key"] for row in shown)
    if path.endswith("/events"):
        return frozenset(row["idempotency_key"] for row in shown["data"])
    if path.endswith("/models"):
        return int(sum(row["events"] for row in shown["models"]))
    return int(shown["totals"]["events"])


async def test_events_are_found_by_the_kind_of_their_tokens(ledger: Installation) -> None:
    _, client = await filled(ledger)
    for kind, expected in (("cached_input", {"two"}), ("output", {"one"}), ("cache_creation_1h", set()), ("uncached_input", None)):
        rows = (await ok(client, "/v1/telemetry/events", **OVER, tokens=kind))["data"]
        keys = {row["idempotency_key"] for row in rows}
        assert keys == ({"one", "two", "three"} if expected is None else expected), kind
    assert (await client.get("/v1/telemetry/events", params={**OVER, "tokens": "words"})).status_code == 422


async def test_no_organization_sees_anothers_usage(ledger: Installation) -> None:
    _, client = await filled(ledger)
    _, stranger = await ledger.open_organization()
    [event, *_] = (await ok(client, "/v1/telemetry/events", **OVER))["data"]
    assert (await stranger.get(f"/v1/telemetry/events/{event['id']}")).status_code == 404
    assert (await stranger.delete(f"/v1/telemetry/events/{event['id']}/properties")).status_code == 404
    for path in READS:
        shown = await stranger.get(path, params={**OVER, **({"format": "json"} if "exports" in path else {})})
        assert "gpt-4o" not in shown.text, path
    assert (await stranger.get("/v1/telemetry/events", params={**OVER, "project_id": event["project_id"]})).json()["data"] == []


async def test_events_are_listed_newest_first_and_page_by_page(ledger: Installation) -> None:
    organization_id, client = await filled(ledger)
    await books.write(ledger.services.database, organization_id, seed=5, start=START, days=3, number=30)
    whole = (await ok(client, "/v1/telemetry/events", **OVER, limit=200))["data"]
    order = [(datetime.fromisoformat(row["occurred_at"]), UUID(row["id"]).bytes) for row in whole]
    assert order == sorted(order, reverse=True)
    seen: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await ok(client, "/v1/telemetry/events", **OVER, limit=7, **({} if cursor is None else {"cursor": cursor}))
        seen += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == whole
    provisional = (await ok(client, "/v1/telemetry/events", **OVER, fact="provisional", limit=200))["data"]
    assert provisional == [row for row in whole if "provisional" in row["facts"]]


async def test_an_event_is_shown_with_its_calculation_and_its_history(ledger: Installation) -> None:
    organization_id, client = await filled(ledger)
    done = await kit.accept(ledger.services.database, organization_id, kit.draft("one", at=START, counts=kit.tokens(2000), account="acme"))
    assert kit.statuses(done) == ["revised"]
    shown = await ok(client, f"/v1/telemetry/events/{done.results[0].event_id}")
    assert (shown["revision"], shown["cost"]["amount"], shown["account"]) == (1, "0.01", "acme")
    texts = [step["text"] for step in shown["calculation"]["cost_steps"]]
    assert "2000 tokens of uncached_input at 0.0000025 USD each: 0.005 USD." in texts
    assert "In sum 0.01 USD, unrounded." in texts
    assert {step["name"] for step in shown["calculation"]["emission_steps"]} >= {"tier", "prefill_wh", "decode_wh", "energy_wh"}
    assert shown["calculation"]["tokens"] == {"prefill": 2000, "cached": 0, "decode": 500}
    assert len(shown["calculation"]["rates"]["energy_wh"]) == 9
    # IT energy 2 x 0.02 + 0.5 x 0.25 to 2 x 0.25 + 0.5 x 2.6 Wh, x 1.10 to 1.35; at 250 to 500 g/kWh, and 20 to 100 g per kWh of IT energy.
    assert shown["calculation"]["envelope"]["energy_wh"] == {"low": "0.1815", "high": "2.43"}
    assert shown["calculation"]["envelope"]["co2e_g"] == {"low": "0.048675", "high": "1.395"}
    [image] = (await ok(client, "/v1/telemetry/events", **OVER, model="dall-e-3"))["data"]
    assert (await ok(client, f"/v1/telemetry/events/{image['id']}"))["calculation"]["envelope"] is None
    [before] = shown["history"]
    assert (before["revision"], before["tokens"]["uncached_input"], before["cost"]["amount"]) == (0, 1000, "0.0075")


async def test_properties_are_erased_and_the_event_stays(ledger: Installation) -> None:
    _, client = await filled(ledger)
    [event] = (await ok(client, "/v1/telemetry/events", **OVER, account="acme"))["data"]
    assert event["properties"] == {"who": "somebody"}
    for _ in range(2):
        assert (await client.delete(f"/v1/telemetry/events/{event['id']}/properties")).status_code == 204
    again = await ok(client, f"/v1/telemetry/events/{event['id']}")
    assert {name: again[name] for name in event} == {**event, "properties": None}
    trail = (await ok(client, "/v1/events", action="telemetry.properties_erased"))["data"]
    assert [entry["target"] for entry in trail] == [{"type": "telemetry_event", "id": event["id"]}]
    assert "somebody" not in str(trail)


async def test_every_role_reads_and_only_keepers_erase(ledger: Installation) -> None:
    _, client = await filled(ledger)
    viewer = await ledger.join(client, "viewer@example.com", role="viewer")
    shown = await viewer.send("GET", "/v1/telemetry/events", params=OVER)
    assert shown.status_code == 200
    event_id = shown.json()["data"][0]["id"]
    assert (await viewer.send("DELETE", f"/v1/telemetry/events/{event_id}/properties")).status_code == 403


async def test_providers_are_compared_and_possible_duplicates_are_named(ledger: Installation) -> None:
    made, client = await ledger.open_organization()
    reported = Money(Decimal("0.01"), books.USD)
    database, organization_id = ledger.services.database, UUID(made["id"])
    await kit.accept(
        database, organization_id, kit.draft("poll", at=START, reported=reported), booking=types.Booking(source=types.Source.CONNECTION)
    )
    await kit.accept(database, organization_id, kit.draft("span", at=START), booking=types.Booking(source=types.Source.OTLP))
    await kit.accept(database, organization_id, kit.draft("other", at=START + timedelta(days=1)))
    shown = await ok(client, "/v1/usage/providers", **OVER)
    [model] = shown["models"]
    assert model["tokens_by_source"] == {"connection": 1500, "otlp": 1500, "api": 1500}
    assert (model["reported_cost"]["amount"], model["cost_difference"]["amount"]) == ("0.01", "-0.0025")
    doubled = {"provider": "openai", "model": "gpt-4o", "date": "2026-10-22", "tokens_by_source": {"connection": 1500, "otlp": 1500}}
    assert shown["possible_duplicates"] == [{**doubled, "is_marked": False}]


async def test_a_plot_by_hour_of_one_day_has_its_hours(ledger: Installation) -> None:
    _, client = await filled(ledger)
    day = {"from": "2026-10-25T00:00:00+02:00", "to": "2026-10-26T00:00:00+01:00"}
    shown = await ok(client, "/v1/telemetry/timeseries", **day, bucket="hour", time_zone="Europe/Berlin", group_by="model")
    assert len(shown["buckets"]) == 25, "clocks are set back on this day"
    answer = await client.get(
        "/v1/telemetry/timeseries", params={"bucket": "hour", "from": "2020-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "answer_too_large")


async def test_an_export_is_a_file_of_the_callers_usage(ledger: Installation) -> None:
    _, client = await filled(ledger)
    answer = await client.get("/v1/exports/telemetry", params={**OVER, "format": "csv"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="usage-20261022-20261025.csv"'
    assert answer.headers["cache-control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert next(row["idempotency_key"] for row in rows) == "one"
    assert len(rows) == 3
    assert clock.now() > START
