"""Estimates over HTTP: numbers worked by hand, what is unknown, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx2
import pytest

from carbonledger.entrypoints.rest import estimates
from tests.integration.entrypoints.rest.identity.conftest import Installation, install, ledger

__all__ = ["install", "ledger"]  # fixtures

GPT_4O = {"provider": "openai", "model": "gpt-4o", "tokens": {"uncached_input": 1000, "cached_input": 0, "output": 500}}
NO_CREATION = {"cache_creation_5m": 0, "cache_creation_1h": 0}


@pytest.fixture
async def client(ledger: Installation) -> httpx2.AsyncClient:
    _, client = await ledger.open_organization()
    return client


async def estimated(client: httpx2.AsyncClient, **changed: Any) -> dict[str, Any]:
    answer = await client.post("/v1/estimates", json={**GPT_4O, **changed})
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def tokens(**counts: int | None) -> dict[str, int | None]:
    return {"cached_input": 0, **NO_CREATION, **counts}


async def test_the_documented_example_is_what_is_answered(client: httpx2.AsyncClient) -> None:
    shown = await estimated(client, **estimates._REQUEST)
    expected = dict(estimates._RESPONSE)
    assert [step["name"] for step in shown["steps"]["emissions"]][:2] == ["tier", "place"]
    del shown["steps"], expected["steps"]
    assert shown == expected


async def test_numbers_are_those_worked_by_hand(client: httpx2.AsyncClient) -> None:
    """1,000 in and 500 out: 0.0025 + 0.005 USD; (0.075 + 0.4) Wh x 1.18; 0.5605 / 1000 x 384.4 + 0.475 / 1000 x 45 g."""
    shown = await estimated(client, tokens=tokens(uncached_input=1000, output=500))
    assert shown["cost"]["amount"] == "0.0075"
    assert shown["cost"]["currency"] == "USD"
    assert shown["energy_wh"]["mid"] == "0.5605"
    assert Decimal(shown["co2e_g"]["mid"]) == Decimal("0.2154562") + Decimal("0.021375")
    assert Decimal(shown["water_ml"]["mid"]) == Decimal("0.475") * (Decimal("0.3") + Decimal("1.18") * Decimal("3.132"))
    assert (shown["tier"], shown["covered"], shown["flags"], shown["co2e_market_g"]) == ("medium", True, [], None)
    assert "In sum 0.0075 USD, unrounded." in [step["text"] for step in shown["steps"]["cost"]]


async def test_the_envelope_is_all_lows_and_all_highs(client: httpx2.AsyncClient) -> None:
    """1,000 in and 500 out, IT energy 0.02 + 0.125 to 0.25 + 1.3 Wh: 0.145 Wh x 1.10 to 1.55 Wh x 1.35; at 250 to 500 g/kWh, and 20 to
    100 g per kWh of IT energy; water 0.145 x (0.15 + 1.10 x 3.132) to 1.55 x (0.57 + 1.35 x 3.132) ml.
    """
    shown = await estimated(client, tokens=tokens(uncached_input=1000, output=500))
    assert shown["envelope"] == {
        "energy_wh": {"low": "0.1595", "high": "2.0925"},
        "co2e_g": {"low": "0.042775", "high": "1.20125"},
        "co2e_market_g": None,
        "water_ml": {"low": "0.521304", "high": "7.43721"},
    }
    for name in ("energy_wh", "co2e_g", "water_ml"):
        assert Decimal(shown["envelope"][name]["low"]) < Decimal(shown[name]["low"])
        assert Decimal(shown["envelope"][name]["high"]) > Decimal(shown[name]["high"])
    # Google, large tier: 0.5 x 0.6 to 0.5 x 5.5 Wh of output, x 1.06 to 1.15, at 80 to 120 g/kWh by contract; 20 to 100 g/kWh of IT.
    by_contract = await estimated(client, provider="google", model="gemini-2.5-pro", tokens=tokens(uncached_input=0, output=500))
    assert by_contract["envelope"]["co2e_market_g"] == {"low": "0.03144", "high": "0.6545"}


async def test_cached_tokens_cost_and_take_less_and_the_step_is_marked_as_assumption(client: httpx2.AsyncClient) -> None:
    """1,000 cached: 0.00125 USD; a tenth of prefill: 0.0075 Wh."""
    shown = await estimated(client, tokens=tokens(uncached_input=0, cached_input=1000, output=0))
    assert shown["cost"]["amount"] == "0.00125"
    assert shown["breakdown"]["cached_wh"] == {"low": "0.001", "mid": "0.0075", "high": "0.0625"}
    (step,) = (step for step in shown["steps"]["emissions"] if step["name"] == "cached_wh")
    (row,) = (given for given in step["inputs"] if given["name"] == "wh_per_1k")
    assert (row["is_assumption"], row["sources"]) == (True, ["assumption"])
    assert row["pointer"] == "/tiers/medium/wh_per_1k_tokens/cached_input"


async def test_a_batch_costs_half_and_takes_as_much_energy(client: httpx2.AsyncClient) -> None:
    one, batch = [await estimated(client, tokens=tokens(uncached_input=1000, output=500), batch=is_batch) for is_batch in (False, True)]
    assert batch["cost"]["amount"] == "0.00375"
    assert batch["energy_wh"] == one["energy_wh"]


async def test_a_region_moves_the_emissions_and_not_the_energy(client: httpx2.AsyncClient) -> None:
    """Azure: 0.475 Wh x 1.16. Sweden: 35.3 g/kWh."""
    shown = await estimated(client, provider="azure", region="swedencentral", tokens=tokens(uncached_input=1000, output=500))
    assert shown["energy_wh"]["mid"] == "0.551"
    assert shown["breakdown"]["grid_g_per_kwh"]["mid"] == "35.3"
    assert Decimal(shown["co2e_g"]["mid"]) == Decimal("0.551") * Decimal("0.0353") + Decimal("0.021375")


async def test_the_market_basis_stands_beside_the_location_where_it_is_published(client: httpx2.AsyncClient) -> None:
    """Google, large tier: 1.8 x 0.5 Wh of output x 1.09, at 95.8 g/kWh by contract; and 45 g per kWh of IT energy."""
    shown = await estimated(client, provider="google", model="gemini-2.5-pro", tokens=tokens(uncached_input=0, output=500))
    assert Decimal(shown["co2e_market_g"]["mid"]) == Decimal("0.981") * Decimal("0.0958") + Decimal("0.9") * Decimal("0.045")
    assert shown["co2e_market_g"] != shown["co2e_g"]


async def test_the_price_is_that_of_the_time(client: httpx2.AsyncClient) -> None:
    given = {"provider": "deepseek", "model": "deepseek-chat", "tokens": tokens(uncached_input=1_000_000, output=0)}
    then = await estimated(client, **given, at="2025-09-20T00:00:00Z")
    now = await estimated(client, **given, at="2026-11-25T00:00:00+01:00")
    assert (then["cost"]["amount"], now["cost"]["amount"]) == ("0.56", "0.28")
    assert "disputed" in now["cost_flags"]


async def test_a_media_model_is_answered_and_not_covered(client: httpx2.AsyncClient) -> None:
    shown = await estimated(client, model="dall-e-3")
    assert (shown["tier"], shown["covered"]) == ("media", False)
    assert [shown[name] for name in ("energy_wh", "co2e_g", "co2e_market_g", "water_ml", "breakdown", "cost", "envelope")] == [None] * 7
    assert shown["emission_flags"] == ["not_modelled"]
    assert shown["cost_flags"] == ["model_unknown"]


async def test_an_unknown_model_has_no_cost_and_wider_bounds(client: httpx2.AsyncClient) -> None:
    known, unknown = await estimated(client), await estimated(client, model="nobody-knows-it")
    assert unknown["cost"] is None
    assert "model_unknown" in unknown["flags"]
    assert unknown["energy_wh"]["mid"] == known["energy_wh"]["mid"]
    assert Decimal(unknown["energy_wh"]["low"]) < Decimal(known["energy_wh"]["low"])
    assert Decimal(unknown["energy_wh"]["high"]) > Decimal(known["energy_wh"]["high"])


async def test_what_is_not_counted_is_unknown_and_never_zero(client: httpx2.AsyncClient) -> None:
    without_output = await estimated(client, tokens=tokens(uncached_input=1000))
    assert (without_output["cost"], without_output["energy_wh"], without_output["covered"]) == (None, None, False)
    assert without_output["flags"] == ["tokens_unknown"]
    split = await estimated(client, tokens={"uncached_input": 1000, "output": 500})
    assert split["cost"]["amount"] == "0.0075"
    assert "cache_split_unknown" in split["emission_flags"]
    assert "cache_split_unknown" in split["cost_flags"]


async def test_an_unknown_number_of_requests_widens_only_upwards(client: httpx2.AsyncClient) -> None:
    told = await estimated(client, tokens=tokens(uncached_input=40_000, output=500), requests=40)
    untold = await estimated(client, tokens=tokens(uncached_input=40_000, output=500), requests=None)
    assert untold["emission_flags"] == ["requests_unknown"]
    assert (untold["energy_wh"]["low"], untold["energy_wh"]["mid"]) == (told["energy_wh"]["low"], told["energy_wh"]["mid"])
    assert Decimal(untold["energy_wh"]["high"]) > Decimal(told["energy_wh"]["high"])


async def test_the_largest_counts_are_computed_exactly(client: httpx2.AsyncClient) -> None:
    most = 2**53 - 1
    shown = await estimated(client, model="o3-pro", tokens=dict.fromkeys(("uncached_input", "cached_input", "output", *NO_CREATION), most))
    assert Decimal(shown["breakdown"]["decode_wh"]["mid"]) == Decimal(most) * Decimal("0.015") * Decimal("1.6")  # of long context


@pytest.mark.parametrize(
    "changed, pointers",
    [
        (
            {"tokens": {"uncached_input": -1, "output": 1.5, "cached_input": 2**53}},
            {f"/tokens/{name}" for name in ("uncached_input", "output", "cached_input")},
        ),
        ({"tokens": {"uncached_input": "1", "output": True}}, {"/tokens/uncached_input", "/tokens/output"}),
        ({"tokens": {"input": 1}}, {"/tokens/input"}),
        ({"tokens": {"uncached_input": 1, "output": 1, "reasoning": 2}}, {"/tokens/output"}),  # a part is larger than its whole
        ({"tokens": {"uncached_input": 1, "reasoning": 2}}, {"/tokens/reasoning"}),  # a part of what is unknown
        ({"tokens": None}, {"/tokens"}),
        ({"provider": "Open AI"}, {"/provider"}),
        ({"model": ""}, {"/model"}),
        ({"model": " gpt-4o"}, {"/model"}),
        ({"model": None}, {"/model"}),
        ({"requests": -1}, {"/requests"}),
        ({"at": "1970-01-01T00:00:00Z"}, {"/at"}),
        ({"at": "2100-01-01T00:00:00Z"}, {"/at"}),
        ({"at": "2026-11-25T00:00:00"}, {"/at"}),  # no offset
        ({"region": "x" * 65, "service_tier": ""}, {"/region", "/service_tier"}),
    ],
    ids=lambda told: "-".join(sorted(told)) if isinstance(told, set) else str(told),
)
async def test_what_is_wrong_is_named_with_its_place(client: httpx2.AsyncClient, changed: dict[str, Any], pointers: set[str]) -> None:
    answer = await client.post("/v1/estimates", json={**GPT_4O, **changed})
    assert answer.status_code == 422, answer.text
    assert {problem["pointer"] for problem in answer.json()["errors"]} == pointers


@pytest.mark.parametrize("body", [b"NaN", b'{"provider": NaN}', b"[]", b"<html>"])
async def test_what_is_no_document_is_refused(client: httpx2.AsyncClient, body: bytes) -> None:
    answer = await client.post("/v1/estimates", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
