"""Mappings: what the user states is what an item gets, and what does not fit is said at once, all of it."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from carbonledger_client import errors, rows
from carbonledger_client.formats import mapped

SETS = ("provider=openai", "model=gpt-4o", "occurred_at=2026-01-01")


def of_cells(cells: dict[str, str], maps: tuple[str, ...], sets: tuple[str, ...] = SETS) -> rows.Item:
    wanted = mapped.stated(maps, sets)
    return mapped.reader(wanted, mapped.columns_of(list(cells), wanted), UTC)(list(cells.values()))


def of_object(fields: dict[str, Any], maps: tuple[str, ...], sets: tuple[str, ...] = SETS) -> rows.Item:
    wanted = mapped.stated(maps, sets)
    return mapped.reader(wanted, mapped.paths_of(wanted), UTC)(fields)


@pytest.mark.parametrize(
    "cells, maps, tokens",
    [
        ({"a": "5"}, ("output=a",), {"output": 5}),
        ({"a": "5", "b": "6"}, ("uncached_input=a", "output=b"), {"uncached_input": 5, "output": 6}),
        ({"a": "10", "b": "4"}, ("input=a", "cached_input=b"), {"uncached_input": 6, "cached_input": 4}),
        ({"a": "10", "b": ""}, ("input=a", "cached_input=b"), {"uncached_input": 10, "cached_input": None}),  # the split is unknown
        (
            {"a": "10", "b": "4", "c": "3", "d": "3"},
            ("input=a", "cached_input=b", "cache_creation_5m=c", "cache_creation_1h=d"),
            {"uncached_input": 0, "cached_input": 4, "cache_creation_5m": 3, "cache_creation_1h": 3},
        ),
        ({"a": "", "b": "5"}, ("input=a", "output=b"), {"uncached_input": None, "output": 5}),
        ({"a": "5", "b": "9"}, ("output=a", "reasoning=a"), {"output": 5, "reasoning": 5}),  # one column may be two members
    ],
)
def test_tokens_are_what_the_columns_tell(cells: dict[str, str], maps: tuple[str, ...], tokens: dict[str, int | None]) -> None:
    assert of_cells(cells, maps)["tokens"] == tokens


def test_a_blank_key_is_refused_rather_than_replaced() -> None:
    with pytest.raises(rows.Rejected) as refused:
        of_cells({"a": "3", "k": " "}, ("output=a", "idempotency_key=k"))
    assert refused.value.code == "idempotency_key_missing"


def test_cached_above_an_inclusive_input_is_refused() -> None:
    with pytest.raises(rows.Rejected) as refused:
        of_cells({"a": "3", "b": "4"}, ("input=a", "cached_input=b"))
    assert refused.value.code == "cached_above_input"


def test_the_other_members_are_read_by_their_kind() -> None:
    cells = {"p": " OpenAI ", "r": "", "b": "TRUE", "k": "call-1", "t": "search", "o": "5", "a": ""}
    maps = ("provider=p", "requests=r", "batch=b", "idempotency_key=k", "properties.team=t", "output=o", "account=a")

    item = of_cells(cells, maps, ("model=gpt-4o", "occurred_at=2026-01-01", "properties.source=export"))

    assert item == {
        "provider": "openai",  # providers are written small
        "model": "gpt-4o",
        "occurred_at": "2026-01-01T00:00:00Z",
        "requests": None,  # mapped and blank: unknown, not the API's default of one
        "batch": True,
        "idempotency_key": "call-1",
        "properties": {"source": "export", "team": "search"},
        "tokens": {"output": 5},
    }


def test_a_bucket_and_what_the_provider_charged_for_it_can_be_mapped() -> None:
    maps = ("output=o", "duration_s=d", "reported_cost.amount=c")
    sets = (*SETS, "reported_cost.currency=EUR", "quality=estimated")

    item = of_cells({"o": "5", "d": "3600", "c": "0.25"}, maps, sets)

    assert (item["duration_s"], item["quality"]) == (3600, "estimated")
    assert item["reported_cost"] == {"amount": "0.25", "currency": "EUR"}
    with pytest.raises(rows.Rejected, match="plain digits"):
        of_cells({"o": "5", "d": "3600", "c": "0,25"}, maps, sets)


def test_properties_of_one_row_do_not_reach_the_next() -> None:
    wanted = mapped.stated(("output=o", "properties.team=t"), (*SETS, "properties.source=export"))
    read = mapped.reader(wanted, mapped.columns_of(["o", "t"], wanted), UTC)

    assert read(["1", "search"])["properties"] == {"source": "export", "team": "search"}
    assert read(["1", ""])["properties"] == {"source": "export"}


@pytest.mark.parametrize(
    "path, value",
    [("usage.output", 5), ("a.b", 6), ("choices.1.n", 7), ("choices.9.n", None), ("usage.output.deeper", None), ("absent", None)],
)
def test_a_dotted_path_steps_into_objects_and_lists(path: str, value: int | None) -> None:
    fields = {"usage": {"output": 5}, "a.b": 6, "choices": [{"n": 1}, {"n": 7}]}
    assert of_object(fields, (f"output={path}",))["tokens"] == {"output": value}


def test_a_providers_own_usage_object_goes_as_it_is() -> None:
    usage = {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 2}}
    item = of_object({"response": {"usage": usage}}, ("usage=response.usage",))
    assert item["usage"] == usage
    assert "tokens" not in item
    assert of_cells({"u": '{"prompt_tokens": 5}'}, ("usage=u",))["usage"] == {"prompt_tokens": 5}


@pytest.mark.parametrize(
    "maps, sets, said",
    [
        (("outputs=a",), (), "did you mean output"),
        (("output",), (), "write --map member="),
        (("output=",), (), "write --map member="),
        (("output=a",), ("output=5",), "output is given twice"),
        (("input=a", "uncached_input=b"), (), "not both"),
        (("usage=a", "output=b"), (), "not both"),
        ((), ("idempotency_key=x",), "can't be the same in all rows"),
        (("properties.=a",), (), "there is no member"),
        (("nonsense=a", "rubbish=b"), (), "no member nonsense.*no member rubbish"),  # all at once
    ],
)
def test_a_mapping_that_can_not_be_meant_is_refused(maps: tuple[str, ...], sets: tuple[str, ...], said: str) -> None:
    with pytest.raises(errors.Misused, match=said):
        mapped.stated(maps, sets)


@pytest.mark.parametrize(
    "names, said",
    [(("output=a",), "what is occurred_at, provider, model"), (("occurred_at=a", "provider=b", "model=c"), "where the tokens are")],
)
def test_a_mapping_that_makes_no_whole_item_is_refused(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(errors.Misused, match=said):
        mapped.require_whole(mapped.stated(names, ()))


def test_two_columns_of_one_name_can_not_be_mapped() -> None:
    wanted = mapped.stated(("output=a",), SETS)
    with pytest.raises(errors.Misused, match="more than one column"):
        mapped.columns_of(["a", "b", "a"], wanted)


def test_a_known_format_takes_members_beside_its_own_and_no_others() -> None:
    wanted = mapped.stated(("account=end_user",), ("properties.source=proxy",))
    item: rows.Item = {"model": "gpt-4o", "properties": {"team": "a"}}

    mapped.overlay(wanted, mapped.paths_of(wanted))(item, {"end_user": "customer-7"})

    assert item == {"model": "gpt-4o", "account": "customer-7", "properties": {"team": "a", "source": "proxy"}}
    for name in ("occurred_at", "idempotency_key", "output", "requests", "usage"):
        with pytest.raises(errors.Misused, match="what the file itself tells"):
            mapped.overlay(mapped.stated((f"{name}=x",), ()), mapped.paths_of(wanted))
