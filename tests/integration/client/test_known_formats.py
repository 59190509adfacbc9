"""Whole exports of the known sources, imported twice, and again after they grew: each token is in the ledger once."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import until
from tests.integration.client import peer as peers
from tests.integration.client.conftest import Ledger

ANTHROPIC = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
    "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,web_search_count,inference_geo,speed\n"
)
BUCKET = {"object": "bucket", "start_time": 1_767_225_600, "end_time": 1_767_229_200}
RESULT = {
    "object": "organization.usage.completions.result",
    "input_tokens": 100,
    "input_cached_tokens": 40,
    "output_tokens": 10,
    "num_model_requests": 2,
}
CALL: dict[str, Any] = {
    "request_id": "a",
    "call_type": "completion",
    "spend": 0.1,
    "prompt_tokens": 100,
    "completion_tokens": 10,
    "startTime": "2026-01-01T00:00:00Z",
    "model": "gpt-4o",
    "custom_llm_provider": "openai",
    "cache_hit": "False",
    "metadata": {"usage_object": {"cache_read_input_tokens": 40}},
}


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "export"
    file.write_text(text)
    return file


def page(*results: dict[str, Any], has_more: bool = False) -> dict[str, Any]:
    return {"object": "page", "data": [{**BUCKET, "results": list(results)}], "has_more": has_more}


def test_a_table_that_names_keys_by_their_labels_keeps_rows_that_look_alike_apart(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    row = "2026-01-01,claude-opus-4-6,bot,Default,standard,≤ 200k,{},0,0,5,7,0,not_available,\n"
    file = written(tmp_path, ANTHROPIC + row.format(10) + row.format(20) + row.format(0).replace(",5,7,", ",0,0,"))

    first = ledger("import", "anthropic", file, "--json")
    again = ledger("import", "anthropic", file, "--json")

    assert (first.json["accepted"], first.json["skipped_by_reason"]) == (2, {"empty bucket": 1})
    assert again.json["duplicate"] == 2
    assert (peer.total("uncached_input"), peer.total("cached_input"), peer.total("output")) == (30, 10, 14)


def test_an_export_that_grew_revises_its_last_bucket_and_adds_the_new_ones(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    ledger("import", "openai", written(tmp_path, json.dumps(page({**RESULT, "model": "gpt-4o"}), indent=2)))
    grown = [page({**RESULT, "model": "gpt-4o", "input_tokens": 150}), page({**RESULT, "model": "gpt-5"}, has_more=True)]

    ended = ledger("import", "openai", written(tmp_path, "\n".join(map(json.dumps, grown))), "--json")

    assert (ended.json["revised"], ended.json["accepted"]) == (1, 1)
    assert "more pages follow" in ended.json["notes"][0]
    assert peer.total("uncached_input") + peer.total("cached_input") == 150 + 100


def test_half_a_page_says_where_it_stops(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    whole = json.dumps([page({**RESULT, "model": "gpt-4o"}), page({**RESULT, "model": "gpt-5"})], indent=1)

    ended = ledger("import", "openai", written(tmp_path, whole[: len(whole) * 3 // 4]), "--json")

    assert ended.code == 1
    assert (ended.json["accepted"], ended.json["rejected_by_code"]) == (1, {"json_broken": 1})
    assert len(peer.events) == 1


@pytest.mark.parametrize("layout", ["lines", "array", "table"])
def test_spend_logs_come_in_three_layouts_and_mean_the_same(ledger: Ledger, peer: peers.Peer, tmp_path: Path, layout: str) -> None:
    calls = [CALL, {**CALL, "request_id": "b", "custom_llm_provider": ""}, {**CALL, "request_id": "c", "cache_hit": "True"}]
    text = {
        "lines": "\n".join(map(json.dumps, calls)),
        "array": json.dumps(calls, indent=2),
        "table": "\n".join([",".join(CALL), *(",".join(_cell(value) for value in call.values()) for call in calls)]),
    }[layout]

    bare = ledger("import", "litellm", written(tmp_path, text), "--json")
    told = ledger("import", "litellm", written(tmp_path, text), "--json", "--set", "provider=openai", "--map", "properties.kind=call_type")

    assert bare.code == 1
    assert bare.json["rejections"][0]["row"] == 2
    assert "--set provider=" in bare.json["rejections"][0]["detail"]
    assert (told.json["accepted"], told.json["revised"], told.json["skipped"]) == (1, 1, 1)
    assert (peer.total("uncached_input"), peer.total("cached_input"), peer.total("output")) == (120, 80, 20)
    assert peer.events["litellm:a"]["properties"]["kind"] == "completion"


def _cell(value: object) -> str:
    text = json.dumps(value) if isinstance(value, dict) else str(value)
    return '"' + text.replace('"', '""') + '"'


def test_generations_of_openrouter_are_known_by_their_id(ledger: Ledger, peer: peers.Peer, tmp_path: Path) -> None:
    head = (
        "generation_id,created_at,model_permaslug,provider_name,tokens_prompt,tokens_completion,tokens_reasoning,tokens_cached,cost_total\n"
    )
    file = written(tmp_path, head + "gen-a,2026-04-13T10:00:00Z,openai/gpt-4o-mini,OpenAI,10,20,3,1,0.12\n")

    ended = ledger("import", "openrouter", file, "--json")

    assert ended.json["by_model"] == [
        {
            "provider": "openrouter",
            "model": "openai/gpt-4o-mini",
            "rows": 1,
            "uncached_input": 9,
            "cached_input": 1,
            "output": 20,
            "reasoning": 3,
        }
    ]
    assert list(peer.events) == ["openrouter:gen-a"]


@pytest.mark.parametrize("kind", ["litellm", "openai", "anthropic", "openrouter"])
def test_a_table_of_something_else_is_refused_with_the_columns_it_should_have(
    ledger: Ledger, peer: peers.Peer, tmp_path: Path, kind: str
) -> None:
    ended = ledger("import", kind, written(tmp_path, "date,cost\n2026-01-01,5\n"))

    assert ended.code == 2
    assert f"no {kind} export that is known" in ended.err
    assert "date, cost" in ended.err
    assert not peer.headers


@pytest.mark.parametrize("kind", ["litellm", "openai", "anthropic", "openrouter"])
def test_an_error_saved_in_place_of_usage_is_a_rejected_row_and_no_success(ledger: Ledger, tmp_path: Path, kind: str) -> None:
    body = {"error": {"message": "Incorrect API key provided", "type": "invalid_request_error"}}

    ended = ledger("import", kind, written(tmp_path, json.dumps(body)), "--dry-run")

    assert ended.code == 1
    assert "1 rows: 0 would be sent, 1 rejected, 0 skipped." in ended.out
    assert "row 1: error_answer: It is an error" in ended.out
    assert "'Incorrect API key provided'" in ended.out


HALF_A_PAIR, PAST_64_BITS, TOO_LONG = '"\\ud800"', "9" * 25, "9" * 5000


@pytest.mark.parametrize("layout", ["array", "pretty"])
@pytest.mark.parametrize(
    "member, written_as, code",
    [
        ("model", HALF_A_PAIR, "model_invalid"),
        ("prompt_tokens", PAST_64_BITS, "count_invalid"),
        ("prompt_tokens", TOO_LONG, "count_invalid"),
    ],
    ids=["half a pair", "past 64 bits", "too long"],
)
def test_a_row_that_a_strict_encoder_refuses_is_rejected_and_can_be_imported_once_mended(
    ledger: Ledger, peer: peers.Peer, tmp_path: Path, layout: str, member: str, written_as: str, code: str
) -> None:
    calls = [CALL, {**CALL, "request_id": "b", member: "HERE"}, {**CALL, "request_id": "c"}]
    text = json.dumps(calls, indent=2 if layout == "pretty" else None).replace('"HERE"', written_as)
    rejects = tmp_path / "rejects.csv"

    ended = ledger("import", "litellm", written(tmp_path, text), "--json", "--rejects", rejects)

    assert (ended.code, ended.json["accepted"], ended.json["rejected_by_code"]) == (1, 2, {code: 1})
    assert list(peer.events) == ["litellm:a", "litellm:c"]
    with rejects.open(newline="", encoding="utf-8") as handle:
        [row] = csv.DictReader(handle)
    mended = {**json.loads(row["content"]), member: CALL[member]}
    assert (row["rejected_row"], mended) == ("2", {**CALL, "request_id": "b"})
    assert ledger("import", "litellm", written(tmp_path, json.dumps(mended))).code == 0
    assert len(peer.events) == 3


@pytest.mark.parametrize(
    "written_as, code, kept_as",
    [
        (HALF_A_PAIR, "json_broken", HALF_A_PAIR),
        (PAST_64_BITS, "count_invalid", "1e+25"),  # a line's reader takes it for a floating-point number
        (TOO_LONG, "json_broken", TOO_LONG),
    ],
    ids=["half a pair", "past 64 bits", "too long"],
)
def test_of_lines_such_a_row_is_in_the_rejects_too(ledger: Ledger, tmp_path: Path, written_as: str, code: str, kept_as: str) -> None:
    bad = json.dumps({**CALL, "request_id": "b", "prompt_tokens": "HERE"}).replace('"HERE"', written_as)
    rejects = tmp_path / "rejects.csv"
    file = written(tmp_path, "\n".join([json.dumps(CALL), bad, json.dumps({**CALL, "request_id": "c"})]))

    ended = ledger("import", "litellm", file, "--json", "--rejects", rejects)

    assert (ended.code, ended.json["accepted"], ended.json["rejected_by_code"]) == (1, 2, {code: 1})
    with rejects.open(newline="", encoding="utf-8") as handle:
        [row] = csv.DictReader(handle)
    assert row["content"] == bad.replace(written_as, kept_as)


@pytest.mark.parametrize(
    "cells, code",
    [(b"m\xed\xa0\x80,1", "model_invalid"), (b"m," + b"9" * 25, "count_invalid"), (b"m," + b"9" * 5000, "count_invalid")],
    ids=["half a pair", "past 64 bits", "too long"],
)
def test_of_a_table_such_a_row_keeps_its_bytes(ledger: Ledger, peer: peers.Peer, tmp_path: Path, cells: bytes, code: str) -> None:
    file, rejects = tmp_path / "usage.csv", tmp_path / "rejects.csv"
    file.write_bytes(b"when,model,in\n2026-01-01,m,1\n2026-01-01," + cells + b"\n2026-01-01,m,2\n")
    mapping = ("--map", "occurred_at=when", "--map", "model=model", "--map", "input=in", "--set", "provider=openai")

    ended = ledger("import", "csv", file, *mapping, "--json", "--rejects", rejects)

    assert (ended.code, ended.json["accepted"], ended.json["rejected_by_code"]) == (1, 2, {code: 1})
    assert peer.total("uncached_input") == 3
    assert rejects.read_bytes().endswith(b",2026-01-01," + cells + b"\r\n")


def test_what_a_known_format_tells_itself_can_not_be_mapped_over(ledger: Ledger, tmp_path: Path) -> None:
    file = written(tmp_path, json.dumps(CALL))
    assert "what the file itself tells" in ledger("import", "litellm", file, "--map", "output=total_tokens").err
    assert "times of litellm exports are in UTC" in ledger("import", "litellm", file, "--time-zone", "Europe/Berlin").err


def test_the_commands_are_part_of_carbonledger() -> None:
    main = [sys.executable, "-P", "-m", "carbonledger.entrypoints.cli.main"]
    for name, words in (("import", "Send usage from a file"), ("summary", "Show tokens, cost, energy")):
        child = subprocess.run([*main, name, "--help"], capture_output=True, text=True, check=True, timeout=until.DEADLINE_S)
        assert words in child.stdout


def test_help_imports_neither_the_network_nor_the_formats() -> None:
    code = (
        "import sys; from carbonledger_client import cli; import typer; app = typer.Typer(); app.command()(cli.import_file);"
        "app(['--help'], standalone_mode=False);"
        "print(sorted({'httpx2', 'orjson', 'msgspec', 'zoneinfo', 'carbonledger', 'carbonledger_client.client'} & set(sys.modules)))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=until.DEADLINE_S)
    assert child.stdout.splitlines()[-1] == "[]"
