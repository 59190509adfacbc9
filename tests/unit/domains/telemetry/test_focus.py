"""FOCUS rows, worked by hand: what is consumed, when it is charged, and what stays empty because it is unknown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.pricing.types import CostPart, PriceKind
from carbonledger.domains.telemetry.core import focus
from carbonledger.kernel.usage import BUCKETS

ORGANIZATION, PROJECT, EVENT = (UUID(int=number) for number in (1, 2, 3))
NOTHING: dict[str, int | None] = dict.fromkeys(BUCKETS, 0)
UNKNOWN: dict[str, int | None] = dict.fromkeys(BUCKETS)
COSTS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")
CHAT = focus.Charge(
    organization_id=ORGANIZATION,
    organization_name="Example Ltd",
    event_id=EVENT,
    occurred_at=datetime(2026, 11, 25, 12, 0, 0, 250_000, tzinfo=UTC),
    duration_s=0,
    project_id=PROJECT,
    project_name="Search",
    provider="openai",
    model="gpt-4o",
    operation="chat",
    region="eu",
    service_tier="priority",
    is_batch=False,
    tags={"account": "acme"},
    counts={**NOTHING, "uncached_input": 1000, "output": 500},
    requests=1,
    # 1,000 x 2.50 and 500 x 10.00 USD a million.
    cost_amount=Decimal("0.0075"),
    parts=(
        CostPart(PriceKind.UNCACHED_INPUT, 1000, Decimal("0.0000025"), Decimal("0.0025")),
        CostPart(PriceKind.OUTPUT, 500, Decimal("0.00001"), Decimal("0.005")),
    ),
    price_version="2026-11-21-35dc9ae5b5ea",
    reported_usd=Decimal("0.008"),
    # Wh and g a token: prefill, cached, decode for low, then mid, then high.
    energy_wh=[Decimal(rate) for rate in ("0.00002", "0", "0.0002", "0.0001", "0", "0.001", "0.0003", "0", "0.002")],
    co2e_g=[Decimal(rate) for rate in ("0.00001", "0", "0.0001", "0.00005", "0", "0.0005", "0.0001", "0", "0.001")],
    factor_version="1.0",
    facts="",
)
IMAGE = replace(
    CHAT,
    model="dall-e-3",
    operation="image",
    counts=NOTHING,
    requests=3,
    cost_amount=None,
    parts=None,
    reported_usd=None,
    energy_wh=None,
    co2e_g=None,
    factor_version=None,
    facts="cost_not_covered emissions_not_covered",
)


def rows(charge: focus.Charge) -> list[dict[str, Any]]:
    return [dict(zip((column.name for column in focus.COLUMNS), row, strict=True)) for row in focus.rows(charge)]


def consumed(charge: focus.Charge) -> list[tuple[Any, ...]]:
    found = [(row["SkuMeter"], row["ConsumedQuantity"], row["ConsumedUnit"]) for row in rows(charge)]
    assert found == [(row["SkuMeter"], row["PricingQuantity"], row["PricingUnit"]) for row in rows(charge)]
    return found


def test_a_call_has_a_row_for_each_kind_of_token() -> None:
    prefill, decode = rows(CHAT)
    assert prefill == {
        **dict.fromkeys(COSTS, "0.0025"),
        "BillingAccountId": str(ORGANIZATION),
        "BillingAccountName": "Example Ltd",
        "BillingCurrency": "USD",
        "BillingPeriodStart": datetime(2026, 11, 1, tzinfo=UTC),
        "BillingPeriodEnd": datetime(2026, 12, 1, tzinfo=UTC),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": "Estimate by price book 2026-11-21-35dc9ae5b5ea, openai/gpt-4o: 1000 uncached_input tokens",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": datetime(2026, 11, 25, 12, tzinfo=UTC),
        "ChargePeriodEnd": datetime(2026, 11, 25, 12, 0, 1, tzinfo=UTC),
        "ConsumedQuantity": 1000,
        "ConsumedUnit": "Tokens",
        "InvoiceIssuerName": "openai",
        "ListUnitPrice": "0.0000025",
        "PricingCategory": "Standard",
        "PricingQuantity": 1000,
        "PricingUnit": "Tokens",
        "ProviderName": "openai",
        "PublisherName": "openai",
        "RegionId": "eu",
        "RegionName": "eu",
        "ResourceId": "openai/gpt-4o",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "openai API",
        "ServiceSubcategory": "Generative AI",
        "SkuId": "openai/gpt-4o/uncached_input",
        "SkuMeter": "uncached_input",
        "SkuPriceDetails": None,  # null where SkuPriceId is, and there is none
        "SubAccountId": str(PROJECT),
        "SubAccountName": "Search",
        "Tags": '{"account": "acme"}',
        "x_EnergyKwh": "0.0001",  # 1,000 x 0.0001 Wh
        "x_Co2eLowG": "0.01",
        "x_Co2eMidG": "0.05",
        "x_Co2eHighG": "0.1",
        "x_GridBasis": "location",
        "x_FactorVersion": "1.0",
        "x_PriceVersion": "2026-11-21-35dc9ae5b5ea",
        "x_ReportedCost": "0.008",
        "x_Facts": "",
        "x_EventId": str(EVENT),
        "x_SkuDetails": '{"Model": "gpt-4o", "ServiceTier": "priority", "Batch": false}',
        "x_ProjectName": "Search",
    }
    changed = {name: value for name, value in decode.items() if value != prefill[name]}
    assert changed == {
        **dict.fromkeys(COSTS, "0.005"),
        "ChargeDescription": "Estimate by price book 2026-11-21-35dc9ae5b5ea, openai/gpt-4o: 500 output tokens",
        "ConsumedQuantity": 500,
        "ListUnitPrice": "0.00001",
        "PricingQuantity": 500,
        "SkuId": "openai/gpt-4o/output",
        "SkuMeter": "output",
        "x_EnergyKwh": "0.0005",
        "x_Co2eLowG": "0.05",
        "x_Co2eMidG": "0.25",
        "x_Co2eHighG": "0.5",
        "x_ReportedCost": None,  # on the first row alone, so that it adds up
    }


def test_an_image_has_its_requests_and_no_cost() -> None:
    [row] = rows(IMAGE)
    assert row["ChargeDescription"] == "Not covered by the price book, openai/dall-e-3: 3 requests"
    assert (row["SkuMeter"], row["SkuId"]) == ("request", "openai/dall-e-3/request")
    assert (row["ConsumedQuantity"], row["ConsumedUnit"], row["PricingQuantity"], row["PricingUnit"]) == (3, "Requests", 3, "Requests")
    assert [row[name] for name in (*COSTS, "ListUnitPrice")] == [None] * 5, "not covered is not zero"
    assert [row[name] for name in ("x_EnergyKwh", "x_Co2eLowG", "x_Co2eMidG", "x_Co2eHighG", "x_GridBasis")] == [None] * 5


@pytest.mark.parametrize(
    "counts, requests, expected",
    [
        (NOTHING, 3, ("request", 3, "Requests")),
        (UNKNOWN, 3, ("request", 3, "Requests")),
        (UNKNOWN, 0, ("request", 0, "Requests")),  # known to be none
        (NOTHING, 0, ("tokens", 0, "Tokens")),
        (NOTHING, None, ("tokens", 0, "Tokens")),
        (UNKNOWN, None, ("tokens", None, None)),  # unknown is not zero
        ({**UNKNOWN, "output": 7}, 3, ("output", 7, "Tokens")),  # tokens that are known are what was consumed
    ],
)
def test_without_tokens_requests_are_what_was_consumed(
    counts: dict[str, int | None], requests: int | None, expected: tuple[str, int | None, str | None]
) -> None:
    assert consumed(replace(IMAGE, counts=counts, requests=requests)) == [expected]


def test_what_is_unknown_is_said_to_be() -> None:
    [row] = rows(replace(IMAGE, counts=UNKNOWN, requests=None))
    assert row["ChargeDescription"] == "Not covered by the price book, openai/dall-e-3: how much is unknown"


def test_a_fee_per_request_stays_beside_the_tokens() -> None:
    fee = CostPart(PriceKind.REQUEST, 2, Decimal("0.005"), Decimal("0.01"))
    free = replace(CHAT, requests=2, counts={**NOTHING, "output": 500}, parts=(fee,), cost_amount=Decimal("0.01"))
    assert consumed(free) == [("request", 2, "Requests"), ("output", 500, "Tokens")]
    assert [row["ListCost"] for row in rows(free)] == ["0.01", "0"]
    assert consumed(replace(free, counts=NOTHING)) == [("request", 2, "Requests")]


def test_a_cost_that_no_longer_can_be_told_apart_stays_whole() -> None:
    whole = replace(CHAT, parts=None)
    assert consumed(whole) == [("tokens", 1500, "Tokens")]
    [row] = rows(whole)
    assert row["ListCost"] == "0.0075"
    assert row["ChargeDescription"].endswith("openai/gpt-4o: 1500 tokens")


@pytest.mark.parametrize(
    "at, duration_s, start, end",
    [
        # the last half second of November: it ends with the month
        (
            datetime(2026, 11, 30, 23, 59, 59, 500_000, tzinfo=UTC),
            0,
            datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC),
            datetime(2026, 12, 1, tzinfo=UTC),
        ),
        (datetime(2026, 12, 1, tzinfo=UTC), 0, datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 1, 0, 0, 1, tzinfo=UTC)),
        (datetime(2026, 11, 30, tzinfo=UTC), 86_400, datetime(2026, 11, 30, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        # a bucket that leads into the next month is charged where it begins
        (datetime(2026, 11, 30, 23, 30, tzinfo=UTC), 3600, datetime(2026, 11, 30, 23, 30, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_a_charge_period_is_whole_seconds_within_its_billing_period(at: datetime, duration_s: int, start: datetime, end: datetime) -> None:
    for row in rows(replace(CHAT, occurred_at=at, duration_s=duration_s)):
        assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (start, end)
        assert row["BillingPeriodStart"] <= start < end <= row["BillingPeriodEnd"]
