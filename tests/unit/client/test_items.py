"""Items: the rules that can be checked without the server, each with its code."""

from __future__ import annotations

from typing import Any

import pytest

from carbonledger_client import items, rows

GOOD: dict[str, Any] = {
    "idempotency_key": "k",
    "occurred_at": "2026-01-01T00:00:00Z",
    "provider": "openai",
    "model": "gpt-4o",
    "tokens": {"uncached_input": 10, "cached_input": 4, "output": 5},
}
METERED = {"idempotency_key": "k", "occurred_at": "2026-01-01T00:00:00Z", "event": "page_rendered", "quantity": "1.5"}
BROKEN = [
    ({"provider": None}, "provider_missing"),
    ({"provider": "Open AI"}, "provider_invalid"),
    ({"provider": ["openai"]}, "provider_invalid"),
    ({"model": ""}, "model_missing"),
    ({"model": "gpt\x00"}, "model_invalid"),
    ({"model": "gpt\udcff"}, "model_invalid"),  # a byte that was no UTF-8
    ({"model": "x" * 257}, "model_invalid"),
    ({"model": 4}, "model_invalid"),
    ({"tokens": {}}, "tokens_missing"),
    ({"tokens": {"cached_input": 5}}, "tokens_missing"),
    ({"tokens": None}, "tokens_missing"),
    ({"tokens": None, "usage": {}}, "usage_invalid"),
    ({"tokens": None, "usage": {"x": "y" * 20_000}}, "usage_invalid"),
    ({"usage": {"input_tokens": 1}}, "usage_ambiguous"),
    ({"tokens": {"output": 5, "reasoning": 6}}, "parts_exceed_whole"),
    ({"tokens": {"uncached_input": 5, "output": 5, "audio_input": 3, "image_input": 3}}, "parts_exceed_whole"),
    ({"tokens": {"uncached_input": 5, "cached_input": None, "output": 5, "cached_audio_input": 1}}, "parts_exceed_whole"),
    ({"idempotency_key": "x" * 201}, "idempotency_key_invalid"),
    ({"idempotency_key": " k"}, "idempotency_key_invalid"),
    ({"project_id": "main"}, "id_invalid"),
    ({"batch": "yes"}, "truth_invalid"),
    ({"account": "x" * 201}, "label_invalid"),
    ({"region": 5}, "label_invalid"),
    ({"properties": {"note": "x" * 5000}}, "properties_invalid"),
    ({"properties": {"note": "\udcff"}}, "properties_invalid"),
    ({"properties": []}, "properties_invalid"),
    ({"duration_s": -1}, "duration_invalid"),
    ({"duration_s": 400 * 86_400}, "duration_invalid"),
    ({"quality": "good"}, "quality_invalid"),
    ({"reported_cost": "1.5"}, "reported_cost_invalid"),
    ({"reported_cost": {"amount": "-1", "currency": "USD"}}, "reported_cost_invalid"),
    ({"reported_cost": {"amount": "1", "currency": "usd"}}, "reported_cost_invalid"),
    ({"reported_cost": {"amount": 1, "currency": "USD"}}, "reported_cost_invalid"),
]


@pytest.mark.parametrize("change, code", BROKEN)
def test_a_broken_rule_has_its_code(change: dict[str, Any], code: str) -> None:
    with pytest.raises(rows.Rejected) as refused:
        items.checked({**GOOD, **change})
    assert refused.value.code == code


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"tokens": {"output": 5}},  # the input is unknown
        {"tokens": {"uncached_input": 5}},
        {"tokens": {"uncached_input": 5, "output": 9, "reasoning": 9, "audio_output": 9}},
        {"tokens": None, "usage": {"prompt_tokens": 5}},
        {"batch": True, "region": "eu", "project_id": "0197F000-0000-7000-8000-000000000000", "properties": {"team": "search"}},
        {"requests": None},
        {"duration_s": 3600, "quality": "estimated", "reported_cost": {"amount": "0.000001", "currency": "USD"}},
    ],
)
def test_a_good_item_passes(change: dict[str, Any]) -> None:
    item = {name: value for name, value in {**GOOD, **change}.items() if value is not None or name == "requests"}
    assert items.checked(item)


@pytest.mark.parametrize(
    "change, code",
    [
        ({"event": ""}, "event_invalid"),
        ({"quantity": 1.5}, "quantity_invalid"),
        ({"quantity": "1e5"}, "quantity_invalid"),
        ({"model": "x"}, "member_unknown"),
    ],
)
def test_a_metered_event_is_a_name_and_a_decimal(change: dict[str, Any], code: str) -> None:
    assert items.checked(dict(METERED))
    with pytest.raises(rows.Rejected) as refused:
        items.checked({**METERED, **change})
    assert refused.value.code == code
