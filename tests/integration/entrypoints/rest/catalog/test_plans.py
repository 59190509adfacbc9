"""Plans, meters and tax rates over HTTP: what callers see, and all that is refused of a plan, at once and with pointers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2
import pytest

from carbonledger.domains.catalog import service
from carbonledger.infra import clock
from tests.integration.entrypoints.rest.identity.conftest import Installation, install, ledger
from tests.integration.entrypoints.rest.projects.test_projects import code_of, make

__all__ = ["install", "ledger"]  # fixtures

SEAT = {"code": "seat", "name": "Seat", "charge_model": "flat", "amount": "20.00", "timing": "advance", "per_seat": True}
TIERS = [{"up_to": "100", "unit_price": "0.1"}, {"up_to": None, "unit_price": "0.08", "flat_price": "5"}]
PRICES: list[dict[str, Any]] = [
    {"charge_model": "standard", "unit_price": "0.000000000001"},
    {"charge_model": "graduated", "tiers": TIERS, "flat_at_zero": False},
    {"charge_model": "volume", "tiers": TIERS},
    {"charge_model": "package", "package_size": "1000", "package_price": "3", "free_units": "100"},
    {"charge_model": "percentage", "rate_percent": "1.5", "fixed_fee_per_event": "0.1", "per_event_maximum": "9", "free_event_count": 2},
    {"charge_model": "graduated_percentage", "tiers": [{"up_to": "100", "rate_percent": "2"}, {"rate_percent": "1"}]},
    {"charge_model": "cost_plus", "markup_percent": "20", "by_token_kind": {"output": "35"}},
    {"charge_model": "carbon", "price_per_kg": "0.05", "bound": "low"},
]


def a_plan(*charges: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {"code": "pro", "name": "Pro", "currency": "USD", "charges": list(charges), **given}


def priced(price: dict[str, Any], code: str = "calls") -> dict[str, Any]:
    return {"code": code, "name": "Calls", "meter_code": "calls", **price}


async def metered(ledger: Installation) -> httpx2.AsyncClient:
    _, client = await ledger.open_organization()
    await make(client, "/v1/meters", code="calls", name="Calls", aggregation="count")
    return client


async def refused(client: httpx2.AsyncClient, body: dict[str, Any]) -> list[tuple[str, str]]:
    answer = await client.post("/v1/plans", json=body)
    assert answer.status_code == 422, answer.text
    return [(one["pointer"], one["code"]) for one in answer.json()["errors"]]


async def test_every_charge_model_comes_back_as_it_was_sent(ledger: Installation) -> None:
    client = await metered(ledger)
    sent = [priced(price, price["charge_model"]) for price in PRICES]
    made = await make(client, "/v1/plans", **a_plan(SEAT, *sent))
    for charge, given in zip(made["version"]["charges"][1:], sent, strict=True):
        for name, value in given.items():
            shown = charge[name]
            if name == "tiers":
                shown = [{key: tier[key] for key in told} for tier, told in zip(shown, value, strict=True)]
            assert shown == value
    back = await client.patch(f"/v1/plans/{made['id']}", json={"charges": made["version"]["charges"]})
    assert back.json() == made  # what was shown is what may be sent, and the same is no new version


async def test_the_life_of_a_plan(ledger: Installation) -> None:
    organization, client = await ledger.open_organization()
    made = await make(client, "/v1/plans", **a_plan(SEAT, trial_days=14, setup_fee="9.90"))
    path = f"/v1/plans/{made['id']}"
    assert (await client.get(path)).json() == made
    changed = (await client.patch(path, json={"charges": [{**SEAT, "amount": "25"}], "migration": "renewal", "setup_fee": None})).json()
    assert (changed["latest_version"], changed["version"]["number"], changed["version"]["migration"]) == (2, 2, "renewal")
    assert (changed["version"]["setup_fee"], changed["version"]["trial_days"]) == (None, 14)
    assert [one["number"] for one in (await client.get(f"{path}/versions")).json()["data"]] == [2, 1]
    assert (await client.get(f"{path}/versions/1")).json() == made["version"]
    assert code_of(await client.get(f"{path}/versions/3")) == (404, "plan_version_not_found")
    assert code_of(await client.post("/v1/plans", json=a_plan(SEAT))) == (409, "plan_code_taken")
    async with ledger.services.database.transaction(organization_id := _id(organization)) as uow:
        await service.mark_plans_used(uow, organization_id=organization_id, plan_ids=[_id(made)], kind="subscriptions", now=clock.now())
    answer = await client.delete(path)
    assert code_of(answer) == (409, "plan_in_use")
    assert answer.json()["uses"] == ["subscriptions"]
    archived = (await client.patch(path, json={"state": "archived"})).json()
    assert (archived["state"], archived["latest_version"]) == ("archived", 2)
    assert (await client.get("/v1/plans", params={"state": "active"})).json()["data"] == []


def _id(thing: dict[str, Any]) -> UUID:
    return UUID(thing["id"])


async def test_a_scheduled_version_waits_for_its_date(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await make(client, "/v1/plans", **a_plan(SEAT))
    changed = await client.patch(f"/v1/plans/{made['id']}", json={"trial_days": 7, "effective_at": "2099-01-01T00:00:00+01:00"})
    assert (changed.json()["version"]["number"], changed.json()["latest_version"]) == (1, 2)
    version = (await client.get(f"/v1/plans/{made['id']}/versions/2")).json()
    assert version["effective_at"] == "2098-12-31T23:00:00Z"


def tiers(*bounds: str | None) -> dict[str, Any]:
    return priced({"charge_model": "graduated", "tiers": [{"up_to": bound, "unit_price": "1"} for bound in bounds]})


# The bad input that the product names: overlapping and unsorted tiers, gaps, negative prices, too many digits, wrong currencies.
@pytest.mark.parametrize(
    "charge, found",
    [
        (tiers("100", "50", None), [("/charges/0/tiers/1/up_to", "tier_not_above")]),
        (tiers("100", "100", None), [("/charges/0/tiers/1/up_to", "tier_not_above")]),
        (tiers(None, "50", None), [("/charges/0/tiers/0/up_to", "tier_unbounded")]),
        (tiers("50"), [("/charges/0/tiers/0/up_to", "tier_bounded")]),
        (tiers(), [("/charges/0/tiers", "tiers_count")]),
        (tiers("-5", None), [("/charges/0/tiers/0/up_to", "too_small")]),
        (priced({"charge_model": "standard", "unit_price": "-0.01"}), [("/charges/0/unit_price", "too_small")]),
        (priced({"charge_model": "standard", "unit_price": "1" * 40}), [("/charges/0/unit_price", "number_unreadable")]),
        (priced({"charge_model": "standard", "unit_price": "1e3"}), [("/charges/0/unit_price", "number_unreadable")]),
        (priced({"charge_model": "standard", "unit_price": "0." + "1" * 13}), [("/charges/0/unit_price", "too_many_places")]),
        (priced({"charge_model": "standard"}), [("/charges/0/unit_price", "required")]),
        (priced({"charge_model": "standard", "unit_price": "1", "amount": "1"}), [("/charges/0/amount", "not_of_this_model")]),
        (priced({"charge_model": "package", "package_size": "0", "package_price": "1"}), [("/charges/0/package_size", "too_small")]),
        (priced({"charge_model": "cost_plus"}), [("/charges/0/markup_percent", "required")]),
        (priced({"charge_model": "cost_plus", "markup_percent": "20", "multiplier": "1.2"}), [("/charges/0/multiplier", "given_twice")]),
        (priced({"charge_model": "cost_plus", "multiplier": "-1"}), [("/charges/0/multiplier", "too_small")]),
        (
            priced({"charge_model": "graduated_percentage", "tiers": [{"unit_price": "1"}]}),
            [("/charges/0/tiers/0/unit_price", "not_of_this_model"), ("/charges/0/tiers/0/rate_percent", "required")],
        ),
        (
            priced({"charge_model": "percentage", "rate_percent": "1", "per_event_minimum": "2", "per_event_maximum": "1"}),
            [("/charges/0/per_event_minimum", "minimum_above_maximum")],
        ),
        ({**SEAT, "discount": {}}, [("/charges/0/discount", "one_of_two")]),
        ({**SEAT, "minimum": "x"}, [("/charges/0/minimum", "number_unreadable")]),
    ],
)
async def test_what_is_no_price_is_refused(ledger: Installation, charge: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert await refused(await metered(ledger), a_plan(charge)) == found


async def test_everything_that_is_wrong_is_told_at_once(ledger: Installation) -> None:
    client = await metered(ledger)
    body = a_plan(
        {**tiers("100", "50", None), "meter_code": "other", "name": "", "minimum": "x"},
        {**SEAT, "code": "bad code", "tax_rate_codes": ["none"]},
        {**SEAT, "amount": "0.001"},
        code="no/good",
        currency="EURO",
        interval={"unit": "hour", "count": 1},
        setup_fee="-1",
        trial_days=-1,
    )
    assert set(await refused(client, body)) == {
        ("/charges/0/tiers/1/up_to", "tier_not_above"),
        ("/charges/0/meter_code", "meter_unknown"),
        ("/charges/0/name", "required"),
        ("/charges/0/minimum", "number_unreadable"),
        ("/charges/1/code", "code_invalid"),
        ("/charges/1/tax_rate_codes/0", "tax_rate_unknown"),
        ("/charges/2/amount", "minor_unit_fraction"),
        ("/code", "code_invalid"),
        ("/currency", "currency_unknown"),
        ("/interval", "period_invalid"),
        ("/setup_fee", "too_small"),
        ("/trial_days", "out_of_range"),
    }


@pytest.mark.parametrize("code, amount", [("JPY", "0.5"), ("KWD", "0.0005"), ("CLF", "0.00005"), ("EUR", "0.005")])
async def test_an_amount_is_whole_in_its_currency(ledger: Installation, code: str, amount: str) -> None:
    _, client = await ledger.open_organization()
    body = a_plan({**SEAT, "amount": amount}, currency=code)
    assert await refused(client, body) == [("/charges/0/amount", "minor_unit_fraction")]


async def test_the_life_of_a_meter(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    sent = {
        "code": "tokens",
        "name": "Tokens",
        "aggregation": "sum",
        "measure": "tokens",
        "filters": [{"field": "properties.env", "values": ["test"], "excluded": True}],
        "group_by": ["model", "properties.team"],
    }
    made = await make(client, "/v1/meters", **sent)
    assert {name: made[name] for name in sent} == sent
    path = f"/v1/meters/{made['id']}"
    assert (await client.patch(path, json={"name": "All tokens"})).json()["name"] == "All tokens"
    charge = priced({"charge_model": "standard", "unit_price": "1"}) | {"meter_code": "tokens"}
    plan = await make(client, "/v1/plans", **a_plan(charge))
    answer = await client.delete(path)
    assert (code_of(answer), answer.json()["plans"]) == ((409, "meter_in_use"), ["pro"])
    assert (await client.delete(f"/v1/plans/{plan['id']}")).status_code == 204
    assert (await client.delete(path)).status_code == 204
    assert (await client.get("/v1/meters")).json()["data"] == []
    bad = await client.post("/v1/meters", json={**sent, "code": "x", "group_by": ["colour", "property"]})
    assert [(one["pointer"], one["code"]) for one in bad.json()["errors"]] == [
        ("/group_by/0", "field_unknown"),
        ("/group_by/1", "field_unknown"),
    ]


async def test_a_meter_is_read_for_an_account(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    meter = await make(
        client, "/v1/meters", code="pages", name="Pages", aggregation="sum", event="page", measure="quantity", group_by=["properties.size"]
    )
    at = clock.now().isoformat()
    events = [
        {"idempotency_key": str(n), "occurred_at": at, "event": "page", "quantity": quantity, "account": "c", "properties": {"size": size}}
        for n, (quantity, size) in enumerate((("2", "a4"), ("0.5", "a3"), ("1", "a4")))
    ]
    assert (await client.post("/v1/telemetry/events", json={"events": events})).status_code == 202
    found = (await client.get(f"/v1/meters/{meter['id']}/usage", params={"account": "c"})).json()
    assert (found["quantity"], found["events"], found["account"]) == ("3.5", 3, "c")
    assert found["groups"] == [
        {"values": {"properties.size": "a4"}, "quantity": "3", "events": 2},
        {"values": {"properties.size": "a3"}, "quantity": "0.5", "events": 1},
    ]
    assert (await client.get(f"/v1/meters/{meter['id']}/usage", params={"account": "d"})).json()["quantity"] == "0"


async def test_the_life_of_a_tax_rate(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await make(client, "/v1/tax-rates", code="vat", name="VAT", percent="19.0")
    assert (made["percent"], made["inclusive"]) == ("19", False)
    path = f"/v1/tax-rates/{made['id']}"
    plan = await make(client, "/v1/plans", **a_plan({**SEAT, "tax_rate_codes": ["vat"]}))
    assert code_of(await client.delete(path)) == (409, "tax_rate_in_use")
    assert (await client.delete(f"/v1/plans/{plan['id']}")).status_code == 204
    assert (await client.delete(path)).status_code == 204
    assert code_of(await client.post("/v1/tax-rates", json={"code": "b", "name": "B", "percent": "x"}))[0] == 422
