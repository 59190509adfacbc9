"""prices diff: what another book says differently, for a person and for a script, with no installation at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import installation

# LiteLLM's form. gpt-4o lists 2.5 / 1.25 / 10: the output here is another; the second agrees; the third is in no book of ours.
BOOK: dict[str, Any] = {
    "sample_spec": {"litellm_provider": "one of many", "input_cost_per_token": 0},
    "gpt-4o": {
        "litellm_provider": "openai",
        "input_cost_per_token": 2.5e-06,
        "cache_read_input_token_cost": 1.25e-06,
        "output_cost_per_token": 1.1e-05,
    },
    "deepseek/deepseek-chat": {
        "litellm_provider": "deepseek",
        "input_cost_per_token": 2.8e-07,
        "cache_read_input_token_cost": 2.8e-08,
        "output_cost_per_token": 4.2e-07,
    },
    "no-such-model": {"litellm_provider": "openai", "input_cost_per_token": 1e-06},
}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.json"
    path.write_text(json.dumps(BOOK))
    return path


def test_differences_are_a_result_and_no_failure(tmp_path: Path, book: Path) -> None:
    done = installation.run(tmp_path, "prices", "diff", str(book), "--json", "--at", "2026-11-25T00:00:00Z")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (row,) = found["differences"]
    assert (row["provider"], row["model"], row["service"], row["kind"]) == ("openai", "gpt-4o", "standard", "output")
    assert (row["ours_per_million_tokens"], row["theirs_per_million_tokens"], row["key"]) == ("10", "11", "gpt-4o")
    assert (found["agreed"], found["only_theirs"], found["at"]) == (5, ["no-such-model"], "2026-11-25T00:00:00Z")


def test_prices_of_another_day_are_compared(tmp_path: Path, book: Path) -> None:
    done = installation.run(tmp_path, "prices", "diff", str(book), "--json", "--at", "2025-09-20T00:00:00Z")
    ours = {row["kind"]: row["ours_per_million_tokens"] for row in json.loads(done.stdout)["differences"] if row["provider"] == "deepseek"}
    assert ours == {"uncached_input": "0.56", "cached_input": "0.07", "output": "1.68"}


def test_a_person_reads_a_table_and_a_sum(tmp_path: Path, book: Path) -> None:
    done = installation.run(tmp_path, "prices", "diff", str(book))
    assert done.returncode == 0, done.stderr
    head, row, total = (line.split() for line in done.stdout.splitlines())
    assert head[:3] == ["provider", "model", "service"]
    assert row[:6] == ["openai", "gpt-4o", "standard", "output", "10", "11"]
    assert " ".join(total).startswith("Different prices: 1; equal: 5; models that are not in ours: 1.")


@pytest.mark.parametrize("content, code", [(b"<html>", 3), (b"[1]", 3), (b"\xff", 3), (None, 4)])
def test_what_is_no_book_is_said_in_one_sentence(tmp_path: Path, content: bytes | None, code: int) -> None:
    path = tmp_path / "book.json"
    if content is not None:
        path.write_bytes(content)
    done = installation.run(tmp_path, "prices", "diff", str(path))
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("error: ")


def test_a_time_that_is_none_is_refused(tmp_path: Path, book: Path) -> None:
    done = installation.run(tmp_path, "prices", "diff", str(book), "--at", "yesterday")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
