"""Real traces through the real command into a real service: every token arrives, and a second time nothing does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import installation
from tests.journeys import mooncake

KEY = "cl_live_" + "k" * 40
ROOT = installation.ROOT
AZURE = ROOT / "tests/fixtures/traces/azure_llm_2023_conv.csv.gz"
MOONCAKE = ROOT / "src/carbonledger_sandbox/data/mooncake_conversation_first30min.jsonl.xz"
BUCKETS = ("uncached_input", "cached_input", "output")


@pytest.fixture
def running() -> Iterator[installation.Installation]:
    with installation.new_home() as home, installation.up(home, CARBONLEDGER_BOOTSTRAP_API_KEY=KEY) as service:
        yield service


def imported(service: installation.Installation, *arguments: str) -> dict[str, Any]:
    """What the command says of an import."""
    done = installation.run(service.home, "import", *arguments, "--json", CARBONLEDGER_URL=service.address, CARBONLEDGER_API_KEY=KEY)
    assert done.returncode == 0, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def tokens(service: installation.Installation, period: str) -> tuple[int | None, ...]:
    """The ledger's own totals of a period."""
    status, body = service.request("GET", f"/v1/telemetry/summary?{period}", headers={"Authorization": f"Bearer {KEY}"})
    assert status == 200, body
    totals = body["totals"]
    return (totals["requests"], *(totals["tokens"][name] for name in BUCKETS))


def test_the_azure_trace_arrives_with_the_totals_of_its_readme(running: installation.Installation) -> None:
    mapping = ("--map", "occurred_at=TIMESTAMP", "--map", "uncached_input=ContextTokens", "--map", "output=GeneratedTokens")
    arguments = ("csv", str(AZURE), *mapping, "--set", "provider=openai", "--set", "model=gpt-4o")
    first = imported(running, *arguments)
    assert (first["rows"], first["accepted"], first["duplicate"], first["rejected"]) == (19_366, 19_366, 0, 0)
    period = "from=2023-11-16T00:00:00Z&to=2023-11-17T00:00:00Z"
    assert tokens(running, period) == (19_366, 22_361_870, None, 4_088_665), "the trace does not tell cached tokens apart"
    again = imported(running, *arguments)
    assert (again["accepted"], again["duplicate"], again["rejected"]) == (0, 19_366, 0)
    assert tokens(running, period) == (19_366, 22_361_870, None, 4_088_665)


def test_the_mooncake_trace_arrives_with_its_cached_tokens(running: installation.Installation, tmp_path: Path) -> None:
    file = tmp_path / "mooncake.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(event) + "\n" for event in mooncake.events(mooncake.rows(MOONCAKE)))
    for accepted, duplicate in ((5_719, 0), (0, 5_719)):
        said = imported(running, "jsonl", str(file))
        assert (said["accepted"], said["duplicate"], said["rejected"]) == (accepted, duplicate, 0)
        period = "from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00Z"
        assert tokens(running, period) == (5_719, 73_604_194 - 25_555_226, 25_555_226, 1_977_204)
